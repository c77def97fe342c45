// What softmax and the losses share: reductions along one row, and sums over rows in their order.
#pragma once

#include "kernels/elementwise/map.h"
#include "simd/math.h"
#include "simd/reduce.h"

namespace lstm::LSTM_ISA {

LSTM_INLINE float row_max(const float* x, int64_t n) {
  return reduce<LaneMax>(static_cast<size_t>(n), [x](size_t i, size_t count) { return load_first(x + i, count); });
}

// y = e^(x - max) / Σ e^(x - max) over a row; y may be x.
LSTM_INLINE void softmax_row(const float* x, float* y, int64_t n) {
  const Vector max = broadcast(row_max(x, n));
  map_range(
      {0, n}, y, [=](Vector v) { return exp(subtract(v, max)); }, x);
  const Vector sum = broadcast(
      reduce<LaneSum>(static_cast<size_t>(n), [y](size_t i, size_t count) { return load_first(y + i, count); }));
  map_range(
      {0, n}, y, [=](Vector v) { return divide(v, sum); }, y);
}

// dx = y * (dy - Σ y * dy) over a row; dx may be y or dy.
LSTM_INLINE void softmax_row_backward(const float* y, const float* dy, float* dx, int64_t n) {
  const Vector dot = broadcast(reduce<LaneSum>(static_cast<size_t>(n), [=](size_t i, size_t count) {
    return multiply(load_first(y + i, count), load_first(dy + i, count));
  }));
  map_range(
      {0, n}, dx, [=](Vector v, Vector dv) { return multiply(v, subtract(dv, dot)); }, y, dy);
}

LSTM_INLINE float log_of(float x) {
  float lanes[kLanes];
  store(lanes, log(broadcast(x)));
  return lanes[0];
}

// ln Σ e^(x - max). The term of the maximum is 1, and ln(1 + r), r being the sum of the others in float64, is
// r ln(u) / (u - 1) with u = 1 + r rounded, which keeps its digits where r is small.
LSTM_INLINE double row_log_sum(const float* x, int64_t n, float max) {
  const Vector shift = broadcast(max), one = broadcast(1.0f);
  const auto sum = [=](auto term) {
    return reduce<DoubleLaneSum>(static_cast<size_t>(n), [=](size_t i, size_t count) {
      const Vector below = subtract(load_first(x + i, count), shift);
      return term(below, equal(below, zero()));
    });
  };
  const double largest = sum([=](Vector, Mask is_max) { return select(is_max, one, zero()); });
  const double others = sum([](Vector below, Mask is_max) { return select(is_max, zero(), exp(below)); });
  const double rest = largest - 1 + others;
  const float u = static_cast<float>(1 + rest);
  return u == 1.0f ? rest : log_of(u) * (rest / (double{u} - 1));
}

// The weight of a row that counts, given the optional weights.
LSTM_INLINE double row_weight(const float* weights, int64_t row) { return weights == nullptr ? 1.0 : weights[row]; }

// a / b, and 0 when nothing counts.
LSTM_INLINE float weighted_mean(double sum, double total_weight) {
  return total_weight == 0 ? 0.0f : static_cast<float>(sum / total_weight);
}

}  // namespace lstm::LSTM_ISA
