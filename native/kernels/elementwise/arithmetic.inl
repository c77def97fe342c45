// Arithmetic of equal shapes.
#pragma once

#include "kernels/elementwise/map.h"

namespace lstm::LSTM_ISA {

// add, subtract, multiply, divide
// Computes  y = a + b, a - b, a * b, a / b
// Shapes    a, b, y [...]
// Layout    dense
// Aliasing  y may be a or b
// Accuracy  correctly rounded (0.5 ULP)
// Source    IEEE 754
void add(const Call& call, Team& team) noexcept {
  map_binary(call, team, [](Vector a, Vector b) { return add(a, b); });
}

void subtract(const Call& call, Team& team) noexcept {
  map_binary(call, team, [](Vector a, Vector b) { return subtract(a, b); });
}

void multiply(const Call& call, Team& team) noexcept {
  map_binary(call, team, [](Vector a, Vector b) { return multiply(a, b); });
}

void divide(const Call& call, Team& team) noexcept {
  map_binary(call, team, [](Vector a, Vector b) { return divide(a, b); });
}

// fill
// Computes  y = value (an attribute)
// Shapes    y [...]
// Layout    dense
// Aliasing  no operand
// Accuracy  value rounded to float32
// Source    none
void fill(const Call& call, Team& team) noexcept {
  const Vector value = broadcast(static_cast<float>(call.number(0)));
  const Tensor& y = call.output(0);
  map_range(team.split(y.size(), kGrain), y.f32(), [value] { return value; });
}

}  // namespace lstm::LSTM_ISA
