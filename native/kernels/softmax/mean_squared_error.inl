// Mean squared error.
#pragma once

#include "kernels/softmax/rows.h"

namespace lstm::LSTM_ISA {

// Σ w over the rows, in their order.
LSTM_INLINE double total_row_weight(const float* weights, int64_t rows) {
  double total = 0;
  for (int64_t row = 0; row < rows; ++row) total += row_weight(weights, row);
  return total;
}

size_t mean_squared_error_workspace(const Call& call, int) noexcept {
  return static_cast<size_t>(call.operand(0).rows()) * sizeof(double);
}

// mean_squared_error, mean_squared_error_backward
// Computes  loss = Σ_r w_r Σ_f (p - t)² / (F · Σ w);  total_weight = Σ w;  dp = dloss · 2 w_r / (F · Σ w) · (p - t)
// Shapes    prediction p, target t, dprediction [...,F], weights [...] or none; loss, total_weight []
// Layout    dense
// Aliasing  dprediction may be prediction or target
// Accuracy  forward: differences in float32, squares exact, sums in float64; backward: 2 ULP; Σ w = 0 gives 0
// Source    PyTorch, mse_loss with reduction 'mean'
void mean_squared_error(const Call& call, Team& team) noexcept {
  const Tensor& prediction = call.operand(0);
  const float* weights = call.operand_f32(2);
  const int64_t features = prediction.rank == 0 ? 1 : prediction.dim(-1);
  double* errors = static_cast<double*>(call.workspace);
  const Range rows = team.split(prediction.rows(), kGrain);
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    const float* p = prediction.f32() + row * features;
    const float* t = call.operand(1).f32() + row * features;
    errors[row] = reduce<SquareLaneSum>(static_cast<size_t>(features), [=](size_t i, size_t n) {
      return subtract(load_first(p + i, n), load_first(t + i, n));
    });
  }
  team.barrier();
  if (team.rank() != 0) return;
  const double total_weight = total_row_weight(weights, prediction.rows());
  double sum = 0;
  for (int64_t row = 0; row < prediction.rows(); ++row) sum += row_weight(weights, row) * errors[row];
  *call.output(0).f32() = weighted_mean(sum, total_weight * static_cast<double>(features));
  *call.output(1).f32() = static_cast<float>(total_weight);
}

void mean_squared_error_backward(const Call& call, Team& team) noexcept {
  const double dloss = *call.operand(0).f32();
  const float* prediction = call.operand(1).f32();
  const float* target = call.operand(2).f32();
  const float* weights = call.operand_f32(3);
  const double total_weight = *call.operand(4).f32();
  const Tensor& dprediction = call.output(0);
  const int64_t features = dprediction.rank == 0 ? 1 : dprediction.dim(-1);
  const double unit = total_weight == 0 ? 0 : 2 * dloss / (static_cast<double>(features) * total_weight);
  const Range range = team.split(dprediction.size(), kGrain);
  for (int64_t i = range.begin; i < range.end;) {
    const int64_t row = i / features;
    const int64_t end = (row + 1) * features < range.end ? (row + 1) * features : range.end;
    const Vector scale = broadcast(static_cast<float>(unit * row_weight(weights, row)));
    map_range(
        {i, end}, dprediction.f32(), [=](Vector p, Vector t) { return multiply(scale, subtract(p, t)); }, prediction,
        target);
    i = end;
  }
}

}  // namespace lstm::LSTM_ISA
