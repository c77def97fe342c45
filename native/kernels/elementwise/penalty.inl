// What losses are made of, element by element, each followed by its backward, which reads the operand.
#pragma once

#include "kernels/elementwise/map.h"
#include "simd/math.h"

namespace lstm::LSTM_ISA {

// softplus, softplus_backward
// Computes  y = ln(1 + e^x);  dx = dy * 1 / (1 + e^-x)
// Shapes    x, y, dy, dx [...]
// Layout    dense
// Aliasing  the output may be any operand
// Accuracy  forward 1.88 ULP, that of log_sigmoid(-x) in simd/math.h, in [0, infinity]; backward 3 ULP
// Source    Dugas et al. 2001
void softplus(const Call& call, Team& team) noexcept {
  map_unary(call, team, [](Vector x) { return subtract(zero(), log_sigmoid(subtract(zero(), x))); });
}

void softplus_backward(const Call& call, Team& team) noexcept {
  map_binary(call, team, [](Vector x, Vector dy) { return multiply(dy, sigmoid(x)); });
}

// abs, abs_backward
// Computes  y = |x|;  dx = dy where x > 0, -dy where x < 0, 0 at 0
// Shapes    x, y, dy, dx [...]
// Layout    dense
// Aliasing  the output may be any operand
// Accuracy  exact
// Source    PyTorch, abs
void abs(const Call& call, Team& team) noexcept {
  map_unary(call, team, [](Vector x) { return abs(x); });
}

void abs_backward(const Call& call, Team& team) noexcept {
  map_binary(call, team, [](Vector x, Vector dy) {
    const Vector negative = select(less(x, zero()), subtract(zero(), dy), multiply(x, dy));  // 0 at 0, NaN for NaN
    return select(greater(x, zero()), dy, negative);
  });
}

// huber, huber_backward
// Computes  y = |x| <= delta ? x*x/2 : delta * (|x| - delta/2);  dx = dy * min(max(x, -delta), delta)
// Shapes    x, y, dy, dx [...]
// Layout    dense
// Aliasing  the output may be any operand
// Accuracy  forward 1.5 ULP, 2.5 beyond delta; backward 0.5 ULP beyond the rounding of delta to float32
// Source    Huber 1964; PyTorch nn.HuberLoss
void huber(const Call& call, Team& team) noexcept {
  const Vector delta = broadcast(static_cast<float>(call.number(0)));
  const Vector half = broadcast(0.5f);
  map_unary(call, team, [=](Vector x) {
    const Vector size = abs(x);
    const Vector beyond = multiply(delta, negative_fma(half, delta, size));
    return select(greater(size, delta), beyond, multiply(half, multiply(x, x)));
  });
}

void huber_backward(const Call& call, Team& team) noexcept {
  const Vector delta = broadcast(static_cast<float>(call.number(0)));
  const Vector negative = subtract(zero(), delta);
  // The bounds stand first: min and max then keep a NaN in x.
  map_binary(call, team, [=](Vector x, Vector dy) { return multiply(dy, min(delta, max(negative, x))); });
}

// pinball, pinball_backward
// Computes  y = e < 0 ? (q - 1) * e : q * e;  de = dy * (q - (e < 0 ? 1 : e > 0 ? 0 : 1/2))
// Shapes    error e, level q, y, dy, derror [...]
// Layout    dense
// Aliasing  the output may be any operand
// Accuracy  1 ULP beyond the rounding of q and of q - 1
// Source    Koenker & Bassett 1978
void pinball(const Call& call, Team& team) noexcept {
  map_binary(call, team,
             [](Vector e, Vector q) { return multiply(select(less(e, zero()), subtract(q, broadcast(1.0f)), q), e); });
}

void pinball_backward(const Call& call, Team& team) noexcept {
  const Tensor& derror = call.output(0);
  map_range(
      team.split(derror.size(), kGrain), derror.f32(),
      [](Vector e, Vector q, Vector dy) {
        const Vector at_most = select(less(e, zero()), broadcast(1.0f), broadcast(0.5f));
        return multiply(dy, subtract(q, select(greater(e, zero()), zero(), at_most)));
      },
      call.operand(0).f32(), call.operand(1).f32(), call.operand(2).f32());
}

// constant
// Computes  y[i] = values[i] (an attribute)
// Shapes    y [...], as many values
// Layout    dense
// Aliasing  no operand
// Accuracy  values rounded to float32
// Source    none
void constant(const Call& call, Team& team) noexcept {
  const Tensor& y = call.output(0);
  const Range range = team.split(y.size(), kGrain);
  for (int64_t i = range.begin; i < range.end; ++i) y.f32()[i] = static_cast<float>(call.attributes[0].values[i]);
}

}  // namespace lstm::LSTM_ISA
