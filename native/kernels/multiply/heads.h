// Block-diagonal weights: units in heads of equal size, where the gates of a unit see the hidden units of its head alone.
#pragma once

#include "kernels/multiply/tile.h"

namespace lstm::LSTM_ISA {

// Panels of `width` units each. The heads of a panel's units are neighbours, so what the panel multiplies is one range of
// hidden units: within a head where head_size is a multiple of width, and wider by parts of heads otherwise, for which a
// pack holds zeros. Adding them changes no bit of a finite sum.
struct HeadPanels {
  int64_t units, head_size, width;

  int64_t count() const { return (units + width - 1) / width; }

  // The hidden units that a panel's units see.
  Range seen(int64_t panel) const {
    const int64_t first = panel * width, end = first + width < units ? first + width : units;
    return {first / head_size * head_size, (end + head_size - 1) / head_size * head_size};
  }

  // The most that a panel sees; panels of a pack are this deep.
  int64_t depth() const {
    const int64_t widest = head_size % width == 0   ? head_size
                           : width % head_size == 0 ? width
                                                    : (width + 2 * head_size - 2) / head_size * head_size;
    return widest < units ? widest : units;
  }
};

// The panels of a weight [4H, H / heads].
constexpr int kHeadGates = 4;
inline HeadPanels head_panels(int64_t rows, int64_t head_size, int64_t width) {
  return {rows / kHeadGates, head_size, width};
}

}  // namespace lstm::LSTM_ISA
