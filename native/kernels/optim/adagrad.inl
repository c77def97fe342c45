// Adagrad.
#pragma once

#include "kernels/optim/parameters.h"

namespace lstm::LSTM_ISA {

// adagrad
// Computes  g' = fma(weight_decay, p, clip(scale * g))
//           s  = fma(g', g', s)
//           p  = fma(-learning_rate / (1 + steps * lr_decay), g' / (sqrt(s) + eps), p),  steps = steps + 1
// Shapes    parameters, gradients, sums: lists of equal shapes; learning_rate, weight_decay float64 [G];
//           scale, clip_value, steps float64 []
// Layout    dense; parameters, sums and steps in place
// Aliasing  outputs are their operands
// Accuracy  float32 in the order written; scalars computed in float64, then rounded
// Source    Duchi et al. 2011; PyTorch, torch.optim.Adagrad
void adagrad(const Call& call, Team& team) noexcept {
  const double steps = *call.operand(kOwnOperands + 1).f64();
  const double slowing = 1 + steps * call.number(kOwnAttributes);
  const Vector eps = broadcast_rounded(call.number(kOwnAttributes + 1));
  for_each_part(call, team, [&](const Part& part) {
    const Vector rate = broadcast_rounded(part.rate / slowing), decay = broadcast_rounded(part.decay);
    float* sums = call.output(1, part.index).f32();
    for_each_vector(part.range, [=](int64_t i, size_t n) {
      const Vector p = part.p(i, n);
      const Vector g = fma(decay, p, part.g(i, n));
      const Vector s = fma(g, g, load_first(sums + i, n));
      store_first(sums + i, s, n);
      store_first(part.parameter + i, negative_fma(rate, divide(g, add(sqrt(s), eps)), p), n);
    });
  });
  team.barrier();  // every thread has read the old count
  if (team.rank() == 0) *call.output(2).f64() = steps + 1;
}

}  // namespace lstm::LSTM_ISA
