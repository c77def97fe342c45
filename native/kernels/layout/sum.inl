// Sums over axes, and the gradient of the mean.
#pragma once

#include "kernels/elementwise/map.h"
#include "kernels/layout/view.h"
#include "simd/reduce.h"

namespace lstm::LSTM_ISA {

// Columns added at once: their float64 sums (1 KB) stay in L1 beside the rows that stream past.
constexpr int64_t kSumColumns = 128;

// x seen as the axes that stay and the axes that are summed.
struct Reduction {
  View kept, summed;

  Reduction(const Tensor& x, const Attribute& axes) {
    const Strides strides(x);
    bool is_summed[kMaxRank] = {};
    for (int k = 0; k < axes.count; ++k) is_summed[static_cast<int>(axes.values[k])] = true;
    for (int axis = 0; axis < x.rank; ++axis) {
      (is_summed[axis] ? summed : kept).append(x.dims[axis], strides.values[axis]);
    }
  }
};

// One sum over the rows of x's last axis: within a row by virtual lanes, the rows in order.
inline double sum_rows(const float* x, const View& summed) {
  const int last = summed.rank - 1;
  const int64_t length = last < 0 ? 1 : summed.dims[last];
  const int64_t rows = length == 0 ? 0 : summed.size() / length;
  Walk walk(summed, last, 0);
  double total = 0;
  for (int64_t row = 0; row < rows; ++row, walk.next()) {
    const float* values = x + walk.offset();
    total += reduce<DoubleLaneSum>(static_cast<size_t>(length),
                                   [values](size_t i, size_t n) { return load_first(values + i, n); });
  }
  return total;
}

// `count` neighbouring sums at once, each in order of its elements.
inline void sum_columns(const float* x, const View& summed, double* totals, int64_t count) {
  for (int64_t column = 0; column < count; ++column) totals[column] = 0;
  Walk walk(summed, summed.rank, 0);
  for (int64_t left = summed.size(); left > 0; --left, walk.next()) {
    const float* values = x + walk.offset();
    for (int64_t column = 0; column < count; ++column) totals[column] += values[column];
  }
}

inline void sum_axes(const Call& call, const Team& team, double divisor) {
  const float* x = call.operand(0).f32();
  const Tensor& y = call.output(0);
  const Reduction reduction(call.operand(0), call.attributes[0]);
  const View& kept = reduction.kept;
  const int last = kept.rank - 1;
  const bool by_columns = last >= 0 && kept.strides[last] == 1;
  const int64_t length = by_columns ? kept.dims[last] : 1;
  const Range range = team.split(y.size(), kGrain);
  if (range.size() == 0) return;
  Walk walk(kept, by_columns ? last : kept.rank, range.begin / length);
  int64_t column = range.begin % length;
  for (int64_t i = range.begin; i < range.end;) {
    double totals[kSumColumns];
    int64_t count = length - column;
    if (count > range.end - i) count = range.end - i;
    if (count > kSumColumns) count = kSumColumns;
    if (by_columns) {
      sum_columns(x + walk.offset() + column, reduction.summed, totals, count);
    } else {
      totals[0] = sum_rows(x + walk.offset(), reduction.summed);
    }
    for (int64_t k = 0; k < count; ++k) y.f32()[i + k] = static_cast<float>(totals[k] / divisor);
    i += count;
    column += count;
    if (column == length) {
      column = 0;
      walk.next();
    }
  }
}

inline double summed_count(const Tensor& x, const Attribute& axes) {
  double count = 1;
  for (int k = 0; k < axes.count; ++k) count *= static_cast<double>(x.dims[static_cast<int>(axes.values[k])]);
  return count;
}

// sum
// Computes  y = Σ x over `axes`, in float64
// Shapes    x [...], y x without the axes, or with size 1 there (keep_dims)
// Layout    dense
// Aliasing  none
// Accuracy  float64 sum rounded once: 0.5 ULP unless the terms cancel
// Source    none
void sum(const Call& call, Team& team) noexcept { sum_axes(call, team, 1); }

// mean, mean_backward
// Computes  y = Σ x / count over `axes`;  dx = dy / count, repeated along the axes
// Shapes    x, dx [...], y x without the axes, or with size 1 there; dy with size 1 there
// Layout    dense
// Aliasing  none
// Accuracy  float64 sum and quotient rounded once: 0.5 ULP unless the terms cancel
// Source    none
void mean(const Call& call, Team& team) noexcept {
  sum_axes(call, team, summed_count(call.operand(0), call.attributes[0]));
}

void mean_backward(const Call& call, Team& team) noexcept {
  const Tensor& dy = call.operand(0);
  const Tensor& dx = call.output(0);
  const double count = summed_count(dx, call.attributes[0]);
  const Strides strides(dy);
  View view;
  for (int axis = 0; axis < dx.rank; ++axis) view.append(dx.dims[axis], dy.dims[axis] == 1 ? 0 : strides.values[axis]);
  const Range range = team.split(dx.size(), kGrain);
  if (range.size() == 0) return;
  const int last = view.rank - 1;
  const int64_t length = last < 0 ? 1 : view.dims[last];
  const int64_t stride = last < 0 ? 0 : view.strides[last];
  Walk walk(view, last, range.begin / length);
  int64_t column = range.begin % length;
  for (int64_t i = range.begin; i < range.end; walk.next(), column = 0) {
    const float* row = dy.f32() + walk.offset();
    for (; column < length && i < range.end; ++column, ++i) {
      dx.f32()[i] = static_cast<float>(row[column * stride] / count);
    }
  }
}

}  // namespace lstm::LSTM_ISA
