// Stochastic gradient descent.
#pragma once

#include "kernels/optim/parameters.h"

namespace lstm::LSTM_ISA {

// sgd
// Computes  g' = fma(weight_decay, p, clip(scale * g))
//           m  = fma(momentum, m, (1 - dampening) * g')          with momentum; the factor is 1 while begun is 0
//           u  = nesterov ? fma(momentum, m, g') : m;  u = g'      without momentum
//           p  = fma(-learning_rate, u, p),  begun = 1
// Shapes    parameters, gradients, momenta: lists of equal shapes (momenta empty without momentum);
//           learning_rate, weight_decay float64 [G]; scale, clip_value float64 []; begun: a list of one float64 [] or none
// Layout    dense; parameters, momenta and begun in place
// Aliasing  outputs are their operands
// Accuracy  float32 in the order written; scalars rounded to float32
// Source    Sutskever et al. 2013; PyTorch, torch.optim.SGD
void sgd(const Call& call, Team& team) noexcept {
  constexpr int kBegun = kOwnOperands + 1;
  const double momentum = call.number(kOwnAttributes), dampening = call.number(kOwnAttributes + 1);
  const bool nesterov = call.flag(kOwnAttributes + 2);
  const bool is_first = call.has(kBegun) && *call.operand(kBegun).f64() == 0;
  const Vector momentum_factor = broadcast_rounded(momentum);
  const Vector gradient_factor = broadcast_rounded(is_first ? 1 : 1 - dampening);
  for_each_part(call, team, [&](const Part& part) {
    const Vector rate = broadcast_rounded(part.rate), decay = broadcast_rounded(part.decay);
    if (momentum == 0) {
      for_each_vector(part.range, [=](int64_t i, size_t n) {
        const Vector p = part.p(i, n);
        store_first(part.parameter + i, negative_fma(rate, fma(decay, p, part.g(i, n)), p), n);
      });
      return;
    }
    float* buffer = call.output(1, part.index).f32();
    for_each_vector(part.range, [=](int64_t i, size_t n) {
      const Vector p = part.p(i, n);
      const Vector g = fma(decay, p, part.g(i, n));
      const Vector m = fma(momentum_factor, load_first(buffer + i, n), multiply(gradient_factor, g));
      store_first(buffer + i, m, n);
      store_first(part.parameter + i, negative_fma(rate, nesterov ? fma(momentum_factor, m, g) : m, p), n);
    });
  });
  if (!call.has(kBegun)) return;
  team.barrier();  // every thread has read it
  if (team.rank() == 0) *call.output(2).f64() = 1;
}

}  // namespace lstm::LSTM_ISA
