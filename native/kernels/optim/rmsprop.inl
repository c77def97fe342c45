// RMSprop.
#pragma once

#include "kernels/optim/parameters.h"

namespace lstm::LSTM_ISA {

// rmsprop
// Computes  g' = fma(weight_decay, p, clip(scale * g))
//           v  = fma(alpha, v, ((1 - alpha) * g') * g')                           not centred
//           v  = alpha * fma((1 - alpha) * (g' - a), g' - a, v),
//           a  = fma(alpha, a, (1 - alpha) * g')                                  centred: variance and mean
//           u  = g' / (sqrt(v) + eps);  with momentum m = fma(momentum, m, u), u = m
//           p  = fma(-learning_rate, u, p)
// Shapes    parameters, gradients, variances, gradient_averages, momenta: lists of equal shapes (the last two empty when
//           not centred, without momentum); learning_rate, weight_decay float64 [G]; scale, clip_value float64 []
// Layout    dense; parameters and states in place
// Aliasing  outputs are their operands
// Accuracy  float32 in the order written; scalars rounded to float32; v is never negative
// Source    Hinton 2012, lecture 6; Graves 2013, equations 38 to 45
void rmsprop(const Call& call, Team& team) noexcept {
  const double alpha_number = call.number(kOwnAttributes), momentum = call.number(kOwnAttributes + 2);
  const bool centered = call.flag(kOwnAttributes + 3);
  const Vector alpha = broadcast_rounded(alpha_number), rest = broadcast_rounded(1 - alpha_number);
  const Vector eps = broadcast_rounded(call.number(kOwnAttributes + 1));
  const Vector momentum_factor = broadcast_rounded(momentum);
  for_each_part(call, team, [&](const Part& part) {
    const Vector rate = broadcast_rounded(part.rate), decay = broadcast_rounded(part.decay);
    float* variances = call.output(1, part.index).f32();
    float* averages = centered ? call.output(2, part.index).f32() : nullptr;
    float* momenta = momentum != 0 ? call.output(3, part.index).f32() : nullptr;
    for_each_vector(part.range, [=](int64_t i, size_t n) {
      const Vector p = part.p(i, n);
      const Vector g = fma(decay, p, part.g(i, n));
      const Vector past = load_first(variances + i, n);
      Vector v;
      if (averages) {
        const Vector a = load_first(averages + i, n), deviation = subtract(g, a);
        v = multiply(alpha, fma(multiply(rest, deviation), deviation, past));
        store_first(averages + i, fma(alpha, a, multiply(rest, g)), n);
      } else {
        v = fma(alpha, past, multiply(multiply(rest, g), g));
      }
      store_first(variances + i, v, n);
      Vector u = divide(g, add(sqrt(v), eps));
      if (momenta) {
        u = fma(momentum_factor, load_first(momenta + i, n), u);
        store_first(momenta + i, u, n);
      }
      store_first(part.parameter + i, negative_fma(rate, u, p), n);
    });
  });
}

}  // namespace lstm::LSTM_ISA
