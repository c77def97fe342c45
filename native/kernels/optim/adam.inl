// Adam and AdamW.
#pragma once

#include "kernels/optim/parameters.h"

namespace lstm::LSTM_ISA {

// What is the same for every element of one parameter.
struct AdamRule {
  Vector scale, beta1, rest1, beta2, rest2, eps;
  Vector decay;        // added to the gradient (coupled)
  Vector shrink;       // multiplies the parameter (decoupled)
  Vector step;         // learning_rate / (1 - β1^t)
  Vector root_factor;  // 1 / sqrt(1 - β2^t)
};

LSTM_INLINE void adam_part(const AdamRule& rule, Range range, const float* gradient, float* parameter, float* first,
                           float* second) {
  for_each_vector(range, [=](int64_t i, size_t n) {
    const Vector p = load_first(parameter + i, n);
    const Vector g = fma(rule.decay, p, multiply(rule.scale, load_first(gradient + i, n)));
    const Vector m = fma(rule.beta1, load_first(first + i, n), multiply(rule.rest1, g));
    const Vector v = fma(rule.beta2, load_first(second + i, n), multiply(multiply(rule.rest2, g), g));
    const Vector quotient = divide(m, fma(sqrt(v), rule.root_factor, rule.eps));
    store_first(first + i, m, n);
    store_first(second + i, v, n);
    store_first(parameter + i, negative_fma(rule.step, quotient, multiply(rule.shrink, p)), n);
  });
}

// adam
// Computes  powers = powers * (β1, β2), which makes them β1^t, β2^t
//           g' = fma(weight_decay, p, scale * g)             decoupled: g' = scale * g and p = (1 - lr * weight_decay) * p
//           m  = fma(β1, m, (1 - β1) * g'),  v = fma(β2, v, ((1 - β2) * g') * g')
//           p  = fma(-lr / (1 - β1^t), m / fma(sqrt(v), 1 / sqrt(1 - β2^t), eps), p)
// Shapes    parameters, gradients, first_moments, second_moments: lists of equal shapes; powers float64 [2];
//           learning_rate, weight_decay float64 [G]; scale float64 []
// Layout    dense; parameters, moments and powers in place
// Aliasing  outputs are their operands
// Accuracy  float32 in the order written; scalars computed in float64, then rounded
// Source    Kingma & Ba 2015, algorithm 1; Loshchilov & Hutter 2019, algorithm 2 (decoupled)
void adam(const Call& call, Team& team) noexcept {
  const double beta1 = call.number(0), beta2 = call.number(1);
  const bool decoupled = call.flag(3);
  const double* old_powers = call.operand(4).f64();
  const double power1 = old_powers[0] * beta1, power2 = old_powers[1] * beta2;
  AdamRule rule;
  rule.scale = broadcast_rounded(optional_scale(call, 7));
  rule.beta1 = broadcast_rounded(beta1);
  rule.rest1 = broadcast_rounded(1 - beta1);
  rule.beta2 = broadcast_rounded(beta2);
  rule.rest2 = broadcast_rounded(1 - beta2);
  rule.eps = broadcast_rounded(call.number(2));
  rule.root_factor = broadcast_rounded(1 / ::sqrt(1 - power2));
  for_each_part(call.operands[0], team, [&](int k, Range range) {
    const int64_t group = group_of(call.attributes[4], k);
    const double rate = call.operand(5).f64()[group], decay = call.operand(6).f64()[group];
    rule.decay = broadcast_rounded(decoupled ? 0 : decay);
    rule.shrink = broadcast_rounded(decoupled ? 1 - rate * decay : 1);
    rule.step = broadcast_rounded(rate / (1 - power1));
    adam_part(rule, range, call.operand(1, k).f32(), call.output(0, k).f32(), call.output(1, k).f32(),
              call.output(2, k).f32());
  });
  team.barrier();  // every thread has read the old powers
  if (team.rank() == 0) {
    call.output(3).f64()[0] = power1;
    call.output(3).f64()[1] = power2;
  }
}

}  // namespace lstm::LSTM_ISA
