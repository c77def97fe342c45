// The mean of what a loss gives for each element, rows weighted.
#pragma once

#include "kernels/softmax/rows.h"

namespace lstm::LSTM_ISA {

// The number of rows: the first `axes` axes of x.
LSTM_INLINE int64_t leading_rows(const Tensor& x, int64_t axes) {
  int64_t rows = 1;
  for (int64_t axis = 0; axis < axes; ++axis) rows *= x.dims[axis];
  return rows;
}

size_t weighted_mean_workspace(const Call& call, int) noexcept {
  return static_cast<size_t>(leading_rows(call.operand(0), call.integer(0))) * sizeof(double);
}

// weighted_mean, weighted_mean_backward
// Computes  mean = Σ_r w_r Σ_f x / (F · Σ w);  total_weight = Σ w, the number of rows without weights;
//           dx = dmean · w_r / (F · Σ w)
// Shapes    x, dx [rows...,F...], weights [rows...] or none; mean, total_weight []
// Layout    dense
// Aliasing  none
// Accuracy  sums in float64, rounded once; backward 1 ULP; Σ w = 0 gives 0; a row of weight 0 may hold anything
// Source    PyTorch, reduction 'mean'
void weighted_mean(const Call& call, Team& team) noexcept {
  const Tensor& x = call.operand(0);
  const float* weights = call.operand_f32(1);
  const int64_t rows = leading_rows(x, call.integer(0));
  const int64_t features = rows == 0 ? 0 : x.size() / rows;
  double* sums = static_cast<double*>(call.workspace);
  const Range range = team.split(rows, kGrain);
  for (int64_t row = range.begin; row < range.end; ++row) {
    const float* values = x.f32() + row * features;
    sums[row] = reduce<DoubleLaneSum>(static_cast<size_t>(features),
                                      [=](size_t i, size_t n) { return load_first(values + i, n); });
  }
  team.barrier();
  if (team.rank() != 0) return;
  double sum = 0, total_weight = 0;
  for (int64_t row = 0; row < rows; ++row) {
    const double weight = row_weight(weights, row);
    total_weight += weight;
    if (weight != 0) sum += weight * sums[row];
  }
  *call.output(0).f32() = weighted_mean(sum, total_weight * static_cast<double>(features));
  *call.output(1).f32() = static_cast<float>(total_weight);
}

void weighted_mean_backward(const Call& call, Team& team) noexcept {
  const Tensor& dx = call.output(0);
  const double dmean = *call.operand(0).f32(), total_weight = *call.operand(2).f32();
  const float* weights = call.operand_f32(1);
  const double rows = weights != nullptr ? static_cast<double>(call.operand(1).size()) : total_weight;
  const int64_t features = rows == 0 ? 1 : dx.size() / static_cast<int64_t>(rows);
  const double unit = total_weight == 0 ? 0 : dmean / (static_cast<double>(features) * total_weight);
  const Range range = team.split(dx.size(), kGrain);
  if (weights == nullptr) {
    const Vector value = broadcast(static_cast<float>(unit));
    return map_range(range, dx.f32(), [=] { return value; });
  }
  for (int64_t i = range.begin; i < range.end;) {
    const int64_t row = i / features;
    const int64_t end = (row + 1) * features < range.end ? (row + 1) * features : range.end;
    const Vector value = broadcast(static_cast<float>(unit * weights[row]));
    map_range({i, end}, dx.f32(), [=] { return value; });
    i = end;
  }
}

}  // namespace lstm::LSTM_ISA
