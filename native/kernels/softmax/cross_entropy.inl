// Softmax cross-entropy and accuracy of classes.
#pragma once

#include "kernels/softmax/rows.h"

namespace lstm::LSTM_ISA {

// The logits, targets and weights of one call, by row.
struct ClassRows {
  const float* logits;
  const int32_t* targets;
  const float* weights;  // null: all 1
  int64_t rows, classes;
  int64_t ignore_index;

  ClassRows(const Call& call, int first_slot)
      : logits(call.operand(first_slot).f32()),
        targets(call.operand(first_slot + 1).i32()),
        weights(call.operand_f32(first_slot + 2)),
        rows(call.operand(first_slot + 1).size()),
        classes(call.operand(first_slot).dim(-1)),
        ignore_index(call.integer(0)) {}

  bool counts(int64_t row) const { return targets[row] != ignore_index; }
  // A target that is no class never reaches a kernel by way of the library; here it makes NaN, not a wild read.
  bool valid(int64_t row) const { return targets[row] >= 0 && targets[row] < classes; }
  double weight(int64_t row) const { return counts(row) ? row_weight(weights, row) : 0; }

  // Σ weight * values[row] and Σ weight, in order of the rows.
  double weighted_sum(const double* values, double* total_weight) const {
    double sum = 0, total = 0;
    for (int64_t row = 0; row < rows; ++row) {
      if (!counts(row)) continue;
      const double w = row_weight(weights, row);
      sum += w * values[row];
      total += w;
    }
    *total_weight = total;
    return sum;
  }
};

size_t cross_entropy_workspace(const Call& call, int) noexcept {
  return static_cast<size_t>(call.operand(1).size()) * sizeof(double);
}

// cross_entropy, cross_entropy_backward
// Computes  lse = max x + ln Σ e^(x - max x);  loss = Σ w·(lse - x[target]) / Σ w;  total_weight = Σ w
//           dx = dloss·w / Σ w · (e^(x - lse) - onehot(target)); sums over the rows with target != ignore_index
// Shapes    logits [...,V], targets int32 [...], weights [...] or none, log_sum_exp [...]; loss, total_weight []
// Layout    dense
// Aliasing  dlogits may be logits
// Accuracy  a row 3 ULP of lse; rows added in float64 in their order; Σ w = 0 gives loss 0 and gradient 0
// Source    PyTorch, cross_entropy with reduction 'mean'
void cross_entropy(const Call& call, Team& team) noexcept {
  const ClassRows all(call, 0);
  float* log_sum_exp = call.output(2).f32();
  double* losses = static_cast<double*>(call.workspace);
  const Range rows = team.split(all.rows, kGrain);
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    losses[row] = 0;
    if (!all.counts(row) && log_sum_exp == nullptr) continue;
    const float* x = all.logits + row * all.classes;
    const float max = row_max(x, all.classes);
    const float log_sum = log_of(row_exponential_sum(x, all.classes, max));
    if (log_sum_exp != nullptr) log_sum_exp[row] = max + log_sum;
    // max - x[target] is taken in float64: for large logits it would lose what log_sum adds.
    if (all.counts(row)) losses[row] = all.valid(row) ? (double{max} - x[all.targets[row]]) + log_sum : NAN;
  }
  team.barrier();
  if (team.rank() != 0) return;
  double total_weight;
  const double sum = all.weighted_sum(losses, &total_weight);
  *call.output(0).f32() = weighted_mean(sum, total_weight);
  *call.output(1).f32() = static_cast<float>(total_weight);
}

void cross_entropy_backward(const Call& call, Team& team) noexcept {
  const ClassRows all(call, 1);
  const double dloss = *call.operand(0).f32();
  const float* log_sum_exp = call.operand(4).f32();
  const double total_weight = *call.operand(5).f32();
  float* dlogits = call.output(0).f32();
  const Range rows = team.split(all.rows);
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    const float* x = all.logits + row * all.classes;
    float* dx = dlogits + row * all.classes;
    const double weight = all.weight(row);
    if (!all.counts(row) || total_weight == 0) {
      map_range({0, all.classes}, dx, [] { return zero(); });
      continue;
    }
    const float factor = static_cast<float>(dloss * weight / total_weight);
    const Vector scale = broadcast(all.valid(row) ? factor : NAN);
    const Vector shift = broadcast(log_sum_exp[row]);
    const float target = all.valid(row) ? x[all.targets[row]] : 0;
    map_range(
        {0, all.classes}, dx, [=](Vector v) { return multiply(scale, exp(subtract(v, shift))); }, x);
    if (!all.valid(row)) continue;
    float probability[kLanes];
    store(probability, exp(subtract(broadcast(target), shift)));
    dx[all.targets[row]] = factor * (probability[0] - 1.0f);
  }
}

size_t accuracy_workspace(const Call& call, int) noexcept { return cross_entropy_workspace(call, 1); }

// accuracy
// Computes  Σ w·[argmax x = target] / Σ w over the rows with target != ignore_index; of equal maxima the first counts
// Shapes    logits [...,V], targets int32 [...], weights [...] or none, accuracy []
// Layout    dense
// Aliasing  none
// Accuracy  float64 sums rounded once; Σ w = 0 gives 0
// Source    none
void accuracy(const Call& call, Team& team) noexcept {
  const ClassRows all(call, 0);
  double* hits = static_cast<double*>(call.workspace);
  const Range rows = team.split(all.rows, kGrain);
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    hits[row] = 0;
    if (!all.counts(row) || !all.valid(row)) continue;
    const float* x = all.logits + row * all.classes;
    const float max = row_max(x, all.classes);
    int64_t first = 0;
    while (first < all.targets[row] && x[first] != max) ++first;
    hits[row] = first == all.targets[row] && x[first] == max;
  }
  team.barrier();
  if (team.rank() != 0) return;
  double total_weight;
  const double sum = all.weighted_sum(hits, &total_weight);
  *call.output(0).f32() = weighted_mean(sum, total_weight);
}

}  // namespace lstm::LSTM_ISA
