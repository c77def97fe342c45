// Softmax over the steps of each sequence: the weights of attention pooling.
#pragma once

#include "kernels/steps.h"
#include "simd/math.h"

namespace lstm::LSTM_ISA {

// body(b, n, within) for vectors of n neighbouring sequences, this thread's part; within(t) tells which have a step t.
template <class Body>
inline void for_each_sequence(const Sequences& all, const Team& team, Body body) {
  for_each_vector(team.split(all.batch, kGrain), [&](int64_t b, size_t n) {
    const IntVector lengths =
        all.lengths ? load_first(all.lengths + b, n) : broadcast_int(static_cast<int32_t>(all.steps));
    body(b, n, [=](int64_t t) { return less(broadcast_int(static_cast<int32_t>(t)), lengths); });
  });
}

// masked_softmax, masked_softmax_backward
// Computes  y = e^(x - max x) / Σ e^(x - max x) over t < length;  dx = y·(dy - Σ y·dy); 0 past a length
// Shapes    x, y, dy, dx [T,B], lengths? [B]
// Layout    dense
// Aliasing  none
// Accuracy  sums are one chain over t in increasing order; -infinity gives 0; a sequence without a finite maximum is NaN
// Source    Bridle 1990
void masked_softmax(const Call& call, Team& team) noexcept {
  const float* x = call.operand(0).f32();
  float* y = call.output(0).f32();
  const Sequences all(call.operand(0), call.operand_i32(1));
  for_each_sequence(all, team, [&](int64_t b, size_t n, auto within) {
    Vector largest = broadcast(-INFINITY), sum = zero();
    for (int64_t t = 0; t < all.steps; ++t) {
      const Vector value = select(within(t), load_first(x + t * all.batch + b, n), broadcast(-INFINITY));
      largest = max(value, largest);
    }
    for (int64_t t = 0; t < all.steps; ++t) {
      const Vector power = exp(subtract(load_first(x + t * all.batch + b, n), largest));
      const Vector part = select(within(t), power, zero());
      sum = add(sum, part);
      store_first(y + t * all.batch + b, part, n);
    }
    for (int64_t t = 0; t < all.steps; ++t) {
      float* at = y + t * all.batch + b;
      store_first(at, select(within(t), divide(load_first(at, n), sum), zero()), n);
    }
  });
}

void masked_softmax_backward(const Call& call, Team& team) noexcept {
  const float *y = call.operand(0).f32(), *dy = call.operand(1).f32();
  float* dx = call.output(0).f32();
  const Sequences all(call.operand(0), call.operand_i32(2));
  for_each_sequence(all, team, [&](int64_t b, size_t n, auto within) {
    Vector projection = zero();
    for (int64_t t = 0; t < all.steps; ++t) {
      const int64_t at = t * all.batch + b;
      projection = select(within(t), fma(load_first(y + at, n), load_first(dy + at, n), projection), projection);
    }
    for (int64_t t = 0; t < all.steps; ++t) {
      const int64_t at = t * all.batch + b;
      const Vector difference = subtract(load_first(dy + at, n), projection);
      store_first(dx + at, select(within(t), multiply(load_first(y + at, n), difference), zero()), n);
    }
  });
}

}  // namespace lstm::LSTM_ISA
