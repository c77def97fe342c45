// Stochastic gradient descent.
#pragma once

#include "kernels/optim/parameters.h"

namespace lstm::LSTM_ISA {

// sgd
// Computes  g' = fma(weight_decay, p, scale * g)
//           m  = fma(momentum, m, (1 - dampening) * g')          with momentum
//           u  = nesterov ? fma(momentum, m, g') : m;  u = g'      without momentum
//           p  = fma(-learning_rate, u, p)
// Shapes    parameters, gradients, momenta: lists of equal shapes (momenta empty without momentum);
//           learning_rate, weight_decay float64 [G]; scale float64 []
// Layout    dense; parameters and momenta in place
// Aliasing  outputs are their operands
// Accuracy  float32 in the order written; scalars rounded to float32
// Source    PyTorch, torch.optim.SGD, momenta starting from 0
void sgd(const Call& call, Team& team) noexcept {
  const double momentum = call.number(0);
  const bool nesterov = call.flag(2);
  const Vector scale = broadcast_rounded(optional_scale(call, 5));
  const Vector momentum_factor = broadcast_rounded(momentum);
  const Vector gradient_factor = broadcast_rounded(1 - call.number(1));
  for_each_part(call.operands[0], team, [&](int k, Range range) {
    const int64_t group = group_of(call.attributes[3], k);
    const Vector rate = broadcast_rounded(call.operand(3).f64()[group]);
    const Vector decay = broadcast_rounded(call.operand(4).f64()[group]);
    const float* gradient = call.operand(1, k).f32();
    float* parameter = call.output(0, k).f32();
    if (momentum == 0) {
      map_range(
          range, parameter,
          [=](Vector p, Vector g) { return negative_fma(rate, fma(decay, p, multiply(scale, g)), p); },
          call.operand(0, k).f32(), gradient);
      return;
    }
    const float* old_buffer = call.operand(2, k).f32();
    float* buffer = call.output(1, k).f32();
    const float* old_parameter = call.operand(0, k).f32();
    for_each_vector(range, [=](int64_t i, size_t n) {
      const Vector p = load_first(old_parameter + i, n);
      const Vector g = fma(decay, p, multiply(scale, load_first(gradient + i, n)));
      const Vector m = fma(momentum_factor, load_first(old_buffer + i, n), multiply(gradient_factor, g));
      store_first(buffer + i, m, n);
      store_first(parameter + i, negative_fma(rate, nesterov ? fma(momentum_factor, m, g) : m, p), n);
    });
  });
}

}  // namespace lstm::LSTM_ISA
