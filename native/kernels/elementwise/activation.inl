// Activations, each followed by its backward. The backward reads the output, which training keeps anyway.
#pragma once

#include "kernels/elementwise/map.h"
#include "simd/math.h"

namespace lstm::LSTM_ISA {

// sigmoid, sigmoid_backward
// Computes  y = 1 / (1 + e^-x);  dx = dy * (y * (1 - y))
// Shapes    x, y, dy, dx [...]
// Layout    dense
// Aliasing  the output may be any operand
// Accuracy  forward: simd/math.h; backward: 1.5 ULP beyond the rounding of y
// Source    logistic function
void sigmoid(const Call& call, Team& team) noexcept {
  map_unary(call, team, [](Vector x) { return sigmoid(x); });
}

void sigmoid_backward(const Call& call, Team& team) noexcept {
  map_binary(call, team, [](Vector y, Vector dy) { return multiply(dy, multiply(y, subtract(broadcast(1.0f), y))); });
}

// tanh, tanh_backward
// Computes  y = tanh(x);  dx = dy * (1 - y*y), the parenthesis by one FMA
// Shapes    x, y, dy, dx [...]
// Layout    dense
// Aliasing  the output may be any operand
// Accuracy  forward: simd/math.h; backward: 1 ULP beyond the rounding of y
// Source    hyperbolic tangent
void tanh(const Call& call, Team& team) noexcept {
  map_unary(call, team, [](Vector x) { return tanh(x); });
}

void tanh_backward(const Call& call, Team& team) noexcept {
  map_binary(call, team, [](Vector y, Vector dy) { return multiply(dy, negative_fma(y, y, broadcast(1.0f))); });
}

// relu, relu_backward
// Computes  y = x < 0 ? 0 : x (NaN stays NaN);  dx = y > 0 ? dy : 0
// Shapes    x, y, dy, dx [...]
// Layout    dense
// Aliasing  the output may be any operand
// Accuracy  exact
// Source    rectifier; its derivative at 0 is taken as 0
void relu(const Call& call, Team& team) noexcept {
  map_unary(call, team, [](Vector x) { return select(less(x, zero()), zero(), x); });
}

void relu_backward(const Call& call, Team& team) noexcept {
  map_binary(call, team, [](Vector y, Vector dy) { return select(greater(y, zero()), dy, zero()); });
}

// exp, log
// Computes  y = e^x; y = ln x. Their gradients are multiply(dy, y) and divide(dy, x)
// Shapes    x, y [...]
// Layout    dense
// Aliasing  y may be x
// Accuracy  simd/math.h
// Source    exponential and natural logarithm
void exp(const Call& call, Team& team) noexcept {
  map_unary(call, team, [](Vector x) { return exp(x); });
}

void log(const Call& call, Team& team) noexcept {
  map_unary(call, team, [](Vector x) { return log(x); });
}

}  // namespace lstm::LSTM_ISA
