// Adam, AdamW and AMSGrad.
#pragma once

#include "kernels/optim/parameters.h"

namespace lstm::LSTM_ISA {

// What is the same for every element of one parameter.
struct AdamRule {
  Vector beta1, rest1, beta2, rest2, eps;
  Vector decay;        // added to the gradient (coupled)
  Vector shrink;       // multiplies the parameter (decoupled)
  Vector step;         // learning_rate / (1 - β1^t)
  Vector root_factor;  // 1 / sqrt(1 - β2^t)
};

// `largest` is null without amsgrad.
LSTM_INLINE void adam_part(const AdamRule& rule, const Part& part, float* first, float* second, float* largest) {
  for_each_vector(part.range, [=](int64_t i, size_t n) {
    const Vector p = part.p(i, n);
    const Vector g = fma(rule.decay, p, part.g(i, n));
    const Vector m = fma(rule.beta1, load_first(first + i, n), multiply(rule.rest1, g));
    const Vector v = fma(rule.beta2, load_first(second + i, n), multiply(multiply(rule.rest2, g), g));
    store_first(first + i, m, n);
    store_first(second + i, v, n);
    Vector w = v;
    if (largest) {
      w = max(load_first(largest + i, n), v);
      store_first(largest + i, w, n);
    }
    const Vector quotient = divide(m, fma(sqrt(w), rule.root_factor, rule.eps));
    store_first(part.parameter + i, negative_fma(rule.step, quotient, multiply(rule.shrink, p)), n);
  });
}

// adam
// Computes  powers = powers * (β1, β2), which makes them β1^t, β2^t
//           g' = fma(weight_decay, p, clip(scale * g))       decoupled: g' = clip(scale * g), p = (1 - lr * weight_decay) * p
//           m  = fma(β1, m, (1 - β1) * g'),  v = fma(β2, v, ((1 - β2) * g') * g'),  w = amsgrad ? max(w, v) : v
//           p  = fma(-lr / (1 - β1^t), m / fma(sqrt(w), 1 / sqrt(1 - β2^t), eps), p)
// Shapes    parameters, gradients, first_moments, second_moments, max_second_moments: lists of equal shapes (the last
//           empty without amsgrad); powers float64 [2]; learning_rate, weight_decay float64 [G]; scale, clip_value float64 []
// Layout    dense; parameters, moments and powers in place
// Aliasing  outputs are their operands
// Accuracy  float32 in the order written; scalars computed in float64, then rounded
// Source    Kingma & Ba 2015, algorithm 1; Loshchilov & Hutter 2019, algorithm 2 (decoupled); Reddi et al. 2018 (amsgrad)
void adam(const Call& call, Team& team) noexcept {
  const double beta1 = call.number(kOwnAttributes), beta2 = call.number(kOwnAttributes + 1);
  const bool decoupled = call.flag(kOwnAttributes + 3), amsgrad = call.flag(kOwnAttributes + 4);
  const double* old_powers = call.operand(kOwnOperands + 3).f64();
  const double power1 = old_powers[0] * beta1, power2 = old_powers[1] * beta2;
  AdamRule rule;
  rule.beta1 = broadcast_rounded(beta1);
  rule.rest1 = broadcast_rounded(1 - beta1);
  rule.beta2 = broadcast_rounded(beta2);
  rule.rest2 = broadcast_rounded(1 - beta2);
  rule.eps = broadcast_rounded(call.number(kOwnAttributes + 2));
  rule.root_factor = broadcast_rounded(1 / ::sqrt(1 - power2));
  for_each_part(call, team, [&](const Part& part) {
    rule.decay = broadcast_rounded(decoupled ? 0 : part.decay);
    rule.shrink = broadcast_rounded(decoupled ? 1 - part.rate * part.decay : 1);
    rule.step = broadcast_rounded(part.rate / (1 - power1));
    adam_part(rule, part, call.output(1, part.index).f32(), call.output(2, part.index).f32(),
              amsgrad ? call.output(3, part.index).f32() : nullptr);
  });
  team.barrier();  // every thread has read the old powers
  if (team.rank() == 0) {
    call.output(4).f64()[0] = power1;
    call.output(4).f64()[1] = power2;
  }
}

}  // namespace lstm::LSTM_ISA
