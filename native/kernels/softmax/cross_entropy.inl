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

  // The label of largest logit, the first of equals.
  int64_t best(int64_t row) const {
    const float* x = logits + row * classes;
    const float max = row_max(x, classes);
    int64_t first = 0;
    while (first + 1 < classes && x[first] != max) ++first;
    return first;
  }
  bool counts(int64_t row) const { return targets[row] != ignore_index; }
  // A target that is no class never reaches a kernel by way of the library; here it makes NaN, not a wild read.
  bool valid(int64_t row) const { return targets[row] >= 0 && targets[row] < classes; }
  double weight(int64_t row) const { return counts(row) ? row_weight(weights, row) : 0; }

  // Σ weight * values[row], and Σ weight * scale(row), in order of the rows.
  template <class Scale>
  double weighted_sum(const double* values, double* total_weight, Scale scale) const {
    double sum = 0, total = 0;
    for (int64_t row = 0; row < rows; ++row) {
      if (!counts(row)) continue;
      const double w = row_weight(weights, row);
      sum += w * values[row];
      total += w * scale(row);
    }
    *total_weight = total;
    return sum;
  }
};

// What the classes weigh, c, all 1 without weights, and the smoothing ε of the labels.
struct Labels {
  const ClassRows& rows;
  const float* class_weights;
  double smoothing;
  double sum = 0;  // Σ c, where it is asked for

  Labels(const ClassRows& all, const float* weights, double label_smoothing)
      : rows(all), class_weights(weights), smoothing(label_smoothing) {
    if (smoothing == 0) return;
    for (int64_t k = 0; k < rows.classes; ++k) sum += row_weight(class_weights, k);
  }
  bool plain() const { return class_weights == nullptr && smoothing == 0; }
  double of_target(int64_t row) const {
    return class_weights != nullptr && rows.valid(row) ? class_weights[rows.targets[row]] : 1.0;
  }
  Vector weights_at(size_t k, size_t n) const {
    return class_weights == nullptr ? broadcast(1.0f) : load_first(class_weights + k, n);
  }
  // The part of a label that every class shares: ε/V.
  double share() const { return smoothing / static_cast<double>(rows.classes); }
  // Σ c_k (lse - x_k), lse = max + log_sum.
  double spread(const float* x, float max, double log_sum) const {
    const Vector highest = broadcast(max);
    const double below = reduce<DoubleLaneSum>(static_cast<size_t>(rows.classes), [=, this](size_t k, size_t n) {
      return multiply(weights_at(k, n), subtract(highest, load_first(x + k, n)));
    });
    return below + sum * log_sum;
  }
};

size_t cross_entropy_workspace(const Call& call, int) noexcept {
  return static_cast<size_t>(call.operand(1).size()) * sizeof(double);
}

// cross_entropy, cross_entropy_backward
// Computes  lse = max x + ln Σ e^(x - max x);  nll_k = lse - x_k;  total_weight = Σ_r w c[target];
//           loss = Σ_r w·((1 - ε) c[target] nll[target] + ε/V Σ_k c_k nll_k) / total_weight
//           dx_k = dloss·w / total_weight · (a e^(x_k - lse) - (1 - ε) c[target] onehot_k - ε/V c_k),
//           a = (1 - ε) c[target] + ε/V Σ c, dx_target being less the sum of the others; sums over the rows with target !=
//           ignore_index; c is 1 without class weights
// Shapes    logits [...,V], targets int32 [...], weights [...] or none, class_weights c [V] or none, log_sum_exp [...];
//           loss, total_weight []
// Layout    dense
// Aliasing  dlogits may be logits
// Accuracy  a row 3 ULP of lse; a small loss is as exact as e^(x - max), whose argument is rounded: 27 ULP at 40 below the
//           maximum; rows added in float64 in their order; total_weight 0 gives loss 0 and gradient 0
// Source    PyTorch, cross_entropy with reduction 'mean'; Szegedy et al. 2016 for the smoothing
void cross_entropy(const Call& call, Team& team) noexcept {
  const ClassRows all(call, 0);
  const Labels labels(all, call.operand_f32(3), call.number(1));
  float* log_sum_exp = call.output(2).f32();
  double* losses = static_cast<double*>(call.workspace);
  const Range rows = team.split(all.rows, kGrain);
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    losses[row] = 0;
    if (!all.counts(row) && log_sum_exp == nullptr) continue;
    const float* x = all.logits + row * all.classes;
    const float max = row_max(x, all.classes);
    const double log_sum = row_log_sum(x, all.classes, max);
    if (log_sum_exp != nullptr) log_sum_exp[row] = static_cast<float>(max + log_sum);
    if (!all.counts(row)) continue;
    // max - x[target] is taken in float64: for large logits it would lose what log_sum adds.
    losses[row] = all.valid(row) ? (double{max} - x[all.targets[row]]) + log_sum : NAN;
    if (labels.plain()) continue;
    losses[row] *= (1 - labels.smoothing) * labels.of_target(row);
    if (labels.smoothing != 0) losses[row] += labels.share() * labels.spread(x, max, log_sum);
  }
  team.barrier();
  if (team.rank() != 0) return;
  double total_weight;
  const double sum = all.weighted_sum(losses, &total_weight, [&](int64_t row) { return labels.of_target(row); });
  *call.output(0).f32() = weighted_mean(sum, total_weight);
  *call.output(1).f32() = static_cast<float>(total_weight);
}

void cross_entropy_backward(const Call& call, Team& team) noexcept {
  const ClassRows all(call, 1);
  const Labels labels(all, call.operand_f32(4), call.number(1));
  const double dloss = *call.operand(0).f32();
  const float* log_sum_exp = call.operand(5).f32();
  const double total_weight = *call.operand(6).f32();
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
    const double unit = dloss * weight / total_weight, own = (1 - labels.smoothing) * labels.of_target(row);
    const double shared = unit * labels.share();
    const Vector scale = broadcast(all.valid(row) ? static_cast<float>(unit * own + shared * labels.sum) : NAN);
    const Vector shift = broadcast(log_sum_exp[row]), part = broadcast(static_cast<float>(shared));
    if (labels.smoothing == 0) {
      map_range(
          {0, all.classes}, dx, [=](Vector v) { return multiply(scale, exp(subtract(v, shift))); }, x);
    } else {
      for_each_vector({0, all.classes}, [=](int64_t k, size_t n) {
        const Vector expected = multiply(scale, exp(subtract(load_first(x + k, n), shift)));
        store_first(dx + k, negative_fma(part, labels.weights_at(static_cast<size_t>(k), n), expected), n);
      });
    }
    if (!all.valid(row)) continue;
    // The gradients of a row add up to 0, and e^(x - lse) - 1 would lose the digits of a target that is all but certain.
    float* const target = dx + all.targets[row];
    *target = 0;
    *target = static_cast<float>(0 - reduce<DoubleLaneSum>(static_cast<size_t>(all.classes),
                                                           [dx](size_t k, size_t n) { return load_first(dx + k, n); }));
  }
}

size_t accuracy_workspace(const Call& call, int) noexcept { return cross_entropy_workspace(call, 1); }

// accuracy
// Computes  Σ w·[argmax x = target] / Σ w over the rows with target != ignore_index; of equal maxima the first counts
// Shapes    logits [...,V], targets int32 [...], weights [...] or none, accuracy, total_weight! = Σ w []
// Layout    dense
// Aliasing  none
// Accuracy  float64 sums rounded once; Σ w = 0 gives 0
// Source    none
void accuracy(const Call& call, Team& team) noexcept {
  const ClassRows all(call, 0);
  double* hits = static_cast<double*>(call.workspace);
  const Range rows = team.split(all.rows, kGrain);
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    hits[row] = all.counts(row) && all.valid(row) && all.best(row) == all.targets[row];
  }
  team.barrier();
  if (team.rank() != 0) return;
  double total_weight;
  const double sum = all.weighted_sum(hits, &total_weight, [](int64_t) { return 1.0; });
  *call.output(0).f32() = weighted_mean(sum, total_weight);
  float* total = call.output(1).f32();
  if (total != nullptr) *total = static_cast<float>(total_weight);
}

size_t class_counts_workspace(const Call& call, int) noexcept {
  const size_t rows = static_cast<size_t>(call.operand(1).size());
  return rows * sizeof(int64_t) + 3 * static_cast<size_t>(call.operand(0).dim(-1)) * sizeof(double);
}

// class_counts
// Computes  met_k = Σ w [argmax x = target = k], predicted_k = Σ w [argmax x = k], actual_k = Σ w [target = k] over the
//           rows with target != ignore_index; of equal maxima the first counts
// Shapes    logits [...,V], targets int32 [...], weights [...] or none; met, predicted, actual [V]
// Layout    dense
// Aliasing  none
// Accuracy  float64 sums in order of the rows, rounded once
// Source    none
void class_counts(const Call& call, Team& team) noexcept {
  const ClassRows all(call, 0);
  int64_t* best = static_cast<int64_t*>(call.workspace);
  const Range rows = team.split(all.rows, kGrain);
  for (int64_t row = rows.begin; row < rows.end; ++row) best[row] = all.best(row);
  team.barrier();
  if (team.rank() != 0) return;
  double* sums = reinterpret_cast<double*>(best + all.rows);
  for (int64_t k = 0; k < 3 * all.classes; ++k) sums[k] = 0;
  for (int64_t row = 0; row < all.rows; ++row) {
    if (!all.counts(row) || !all.valid(row)) continue;
    const double weight = row_weight(all.weights, row);
    const int64_t target = all.targets[row];
    if (best[row] == target) sums[target] += weight;
    sums[all.classes + best[row]] += weight;
    sums[2 * all.classes + target] += weight;
  }
  for (int slot = 0; slot < 3; ++slot)
    for (int64_t k = 0; k < all.classes; ++k)
      call.output(slot).f32()[k] = static_cast<float>(sums[slot * all.classes + k]);
}

}  // namespace lstm::LSTM_ISA
