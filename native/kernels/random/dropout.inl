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

// One row of the last axis, from unit `begin` (a multiple of kDrawnUnits) to `end`: y[i] = kept(i, n), or dropped(i, n) where
// the word is below the threshold.
template <class Kept, class Dropped>
inline void draw_row(const DropoutRule& rule, int64_t b, int64_t t, Range units, Kept kept, Dropped dropped, float* y) {
  for (int64_t unit = units.begin; unit < units.end; unit += kDrawnUnits) {
    int32_t drawn[kDrawnUnits];
    draw_units(rule, unit / 4, b, t, drawn);
    const int64_t end = units.end - unit < kDrawnUnits ? units.end : unit + kDrawnUnits;
    for_each_vector({unit, end}, [=, &rule, &drawn](int64_t i, size_t n) {
      const Mask below = less(load(drawn + (i - unit)), rule.threshold);
      store_first(y + i, select(below, dropped(i, n), kept(i, n)), n);
    });
  }
}

// Every row of y, for this thread's part; row(r, b, t, begin, end) draws units of row r.
template <class Row>
inline void draw_rows(const Tensor& y, const Team& team, Row row) {
  const int64_t units = y.rank == 0 ? 1 : y.dim(-1), batch = y.rank < 2 ? 1 : y.dim(-2);
  const int64_t pieces = (units + kDropoutPiece - 1) / kDropoutPiece;
  const Range range = team.split(y.rows() * pieces);
  for (int64_t i = range.begin; i < range.end; ++i) {
    const int64_t r = i / pieces, begin = i % pieces * kDropoutPiece;
    const int64_t end = units - begin < kDropoutPiece ? units : begin + kDropoutPiece;
    row(r, r % batch, r / batch, Range{begin, end});
  }
}

inline DropoutRule dropout_rule(const int32_t* key, double p, int64_t stream) {
  DropoutRule rule;
  rule.key = {static_cast<uint32_t>(key[0]), static_cast<uint32_t>(key[1])};
  rule.stream = static_cast<int32_t>(static_cast<uint32_t>(stream));
  rule.threshold = ordered(broadcast_int(static_cast<int32_t>(static_cast<uint32_t>(p * 4294967296.0))));
  rule.scale = broadcast(static_cast<float>(1.0 / (1.0 - p)));
  return rule;
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
  const Tensor& y = call.output(0);
  const float* x = call.operand(0).f32();
  const DropoutRule rule = dropout_rule(call.operand(1).i32(), call.number(0), call.integer(1));
  const int64_t units = y.rank == 0 ? 1 : y.dim(-1);
  draw_rows(y, team, [&](int64_t row, int64_t b, int64_t t, Range range) {
    const float* source = x + row * units;
    const auto kept = [&](int64_t i, size_t n) { return multiply(load_first(source + i, n), rule.scale); };
    draw_row(
        rule, b, t, range, kept, [](int64_t, size_t) { return zero(); }, y.f32() + row * units);
  });
}

// bernoulli
// Computes  y = 1 where dropout of the same p, key and stream drops, else 0
// Shapes    key [2] -> y [..., unit]
// Layout    dense
// Aliasing  y overlaps no operand
// Accuracy  exact
// Source    as dropout
void bernoulli(const Call& call, Team& team) noexcept {
  const Tensor& y = call.output(0);
  const DropoutRule rule = dropout_rule(call.operand(0).i32(), call.number(0), call.integer(1));
  const int64_t units = y.rank == 0 ? 1 : y.dim(-1);
  const auto constant = [](float value) { return [value](int64_t, size_t) { return broadcast(value); }; };
  draw_rows(y, team, [&](int64_t row, int64_t b, int64_t t, Range range) {
    draw_row(rule, b, t, range, constant(0), constant(1), y.f32() + row * units);
  });
}

}  // namespace lstm::LSTM_ISA
