// Gradients of several batches become that of one larger batch.
#pragma once

#include "kernels/optim/parameters.h"

namespace lstm::LSTM_ISA {

// gradient_sum
// Computes  sums = fma(weight, gradients, sums), total_weight = total_weight + weight; where keep is 0, sums and
//           total_weight begin at 0, whatever they hold. A missing weight is 1
// Shapes    gradients, sums: lists of equal shapes; weight float32 []; total_weight, keep float64 []
// Layout    dense; sums and total_weight in place
// Aliasing  outputs are their operands
// Accuracy  float32, rounded once for each batch
// Source    the gradient of a weighted mean
void gradient_sum(const Call& call, Team& team) noexcept {
  const double weight_number = call.has(2) ? static_cast<double>(*call.operand(2).f32()) : 1.0;
  const double total = *call.operand(3).f64();
  const bool keep = *call.operand(4).f64() != 0;
  const Vector weight = broadcast_rounded(weight_number);
  for_each_range(call.operands[0], team, [&](int k, Range range) {
    float* sums = call.output(0, k).f32();
    const float* gradients = call.operand(0, k).f32();
    for_each_vector(range, [=](int64_t i, size_t n) {
      const Vector before = keep ? load_first(sums + i, n) : zero();
      store_first(sums + i, fma(weight, load_first(gradients + i, n), before), n);
    });
  });
  team.barrier();  // every thread has read the flag and the old total
  if (team.rank() == 0) *call.output(1).f64() = (keep ? total : 0) + weight_number;
}

// gradient_mean
// Computes  gradients = sums / total_weight; 0 where total_weight is 0
// Shapes    sums, gradients: lists of equal shapes; total_weight float64 []
// Layout    dense
// Aliasing  none
// Accuracy  float32: the factor is rounded, and so is the product
// Source    the gradient of a weighted mean
void gradient_mean(const Call& call, Team& team) noexcept {
  const double total = *call.operand(1).f64();
  const Vector factor = broadcast_rounded(total == 0 ? 0 : 1 / total);
  for_each_range(call.operands[0], team, [&](int k, Range range) {
    map_range(
        range, call.output(0, k).f32(), [=](Vector sum) { return multiply(factor, sum); }, call.operand(0, k).f32());
  });
}

}  // namespace lstm::LSTM_ISA
