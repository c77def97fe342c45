// The machine's own limit, to measure the multiplies against.
#pragma once

#include "kernels/multiply/tile.h"

namespace lstm::LSTM_ISA {

// Runs `rounds` FMAs on each accumulator of a full tile, touching no memory, and returns how many floating-point
// operations that was. The result goes to `sink`, so that none can be left out.
static int64_t peak(int64_t rounds, float* sink) noexcept {
  Vector sums[kTileRows][kTileVectors];
  LSTM_UNROLL
  for (int r = 0; r < kTileRows; ++r) {
    LSTM_UNROLL
    for (int v = 0; v < kTileVectors; ++v) sums[r][v] = broadcast(static_cast<float>(r * kTileVectors + v));
  }
  const Vector factor = broadcast(0.5f), term = broadcast(*sink);
  for (int64_t round = 0; round < rounds; ++round) {
    LSTM_UNROLL
    for (int r = 0; r < kTileRows; ++r) {
      LSTM_UNROLL
      for (int v = 0; v < kTileVectors; ++v) sums[r][v] = fma(sums[r][v], factor, term);
    }
  }
  Vector total = zero();
  LSTM_UNROLL
  for (int r = 0; r < kTileRows; ++r) {
    LSTM_UNROLL
    for (int v = 0; v < kTileVectors; ++v) total = add(total, sums[r][v]);
  }
  store_partial(sink, total, 1);
  return rounds * kTileRows * kTileColumns * 2;
}

}  // namespace lstm::LSTM_ISA
