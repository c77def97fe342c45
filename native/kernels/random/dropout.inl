// Dropout with masks that are functions of position, never stored: backward draws the same ones again.
#pragma once

#include "kernels/elementwise/map.h"
#include "kernels/random/philox.h"

namespace lstm::LSTM_ISA {

// Units whose words are drawn at once: four words from each lane's counter.
constexpr int64_t kDrawnUnits = 4 * kLanes;

// Longer rows are shared by threads in pieces of this size, a multiple of kDrawnUnits on every ISA.
constexpr int64_t kDropoutPiece = 1024;

// What is the same for all elements of one dropout.
struct DropoutRule {
  PhiloxKey key;
  int32_t stream;
  IntVector threshold;  // words below it drop
  Vector scale;
};

// Unsigned numbers in an order that signed comparison knows.
LSTM_INLINE IntVector ordered(IntVector v) { return xor_(v, broadcast_int(INT32_MIN)); }

// drawn[4 * lane + k] = word k of the lane's counter (first_quad + lane, b, t, stream), ordered.
LSTM_INLINE void draw_units(const DropoutRule& rule, int64_t first_quad, int64_t b, int64_t t, int32_t* drawn) {
  const IntVector quads = add(broadcast_int(static_cast<int32_t>(first_quad)), lane_indices());
  const PhiloxWords counter = {{quads, broadcast_int(static_cast<int32_t>(b)), broadcast_int(static_cast<int32_t>(t)),
                                broadcast_int(rule.stream)}};
  const PhiloxWords result = philox(rule.key, counter);
  int32_t words[4][kLanes];
  for (int k = 0; k < 4; ++k) store(words[k], ordered(result.words[k]));
  for (int lane = 0; lane < kLanes; ++lane) {
    drawn[4 * lane] = words[0][lane];
    drawn[4 * lane + 1] = words[1][lane];
    drawn[4 * lane + 2] = words[2][lane];
    drawn[4 * lane + 3] = words[3][lane];
  }
}

// One row of the last axis, from unit `begin` (a multiple of kDrawnUnits) to `end`.
inline void dropout_row(const DropoutRule& rule, int64_t b, int64_t t, Range units, const float* x, float* y) {
  for (int64_t unit = units.begin; unit < units.end; unit += kDrawnUnits) {
    int32_t drawn[kDrawnUnits];
    draw_units(rule, unit / 4, b, t, drawn);
    const int64_t end = units.end - unit < kDrawnUnits ? units.end : unit + kDrawnUnits;
    for_each_vector({unit, end}, [=, &rule, &drawn](int64_t i, size_t n) {
      const Mask dropped = less(load(drawn + (i - unit)), rule.threshold);
      store_first(y + i, select(dropped, zero(), multiply(load_first(x + i, n), rule.scale)), n);
    });
  }
}

// dropout
// Computes  y = x / (1 - p) where the element's word >= p * 2^32, else 0. The word is lane (unit & 3) of
//           Philox4x32-10 with key (key[0], key[1]) and counter (unit >> 2, b, t, stream); p = 0 copies
// Shapes    x, y [..., unit]; b is the axis before, t all axes before that, as one; key [2]
// Layout    dense
// Aliasing  y may be x
// Accuracy  mask exact; kept values 1 ULP
// Source    Srivastava et al. 2014; Salmon et al. 2011
void dropout(const Call& call, Team& team) noexcept {
  const Tensor& x = call.operand(0);
  const int32_t* key = call.operand(1).i32();
  float* y = call.output(0).f32();
  const double p = call.number(0);
  DropoutRule rule;
  rule.key = {static_cast<uint32_t>(key[0]), static_cast<uint32_t>(key[1])};
  rule.stream = static_cast<int32_t>(static_cast<uint32_t>(call.integer(1)));
  rule.threshold = ordered(broadcast_int(static_cast<int32_t>(static_cast<uint32_t>(p * 4294967296.0))));
  rule.scale = broadcast(static_cast<float>(1.0 / (1.0 - p)));
  const int64_t units = x.rank == 0 ? 1 : x.dim(-1);
  const int64_t batch = x.rank < 2 ? 1 : x.dim(-2);
  const int64_t pieces = (units + kDropoutPiece - 1) / kDropoutPiece;
  const Range range = team.split(x.rows() * pieces);
  for (int64_t i = range.begin; i < range.end; ++i) {
    const int64_t row = i / pieces;
    const int64_t begin = i % pieces * kDropoutPiece;
    const int64_t end = units - begin < kDropoutPiece ? units : begin + kDropoutPiece;
    dropout_row(rule, row % batch, row / batch, {begin, end}, x.f32() + row * units, y + row * units);
  }
}

}  // namespace lstm::LSTM_ISA
