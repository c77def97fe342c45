// Softmax over the last axis.
#pragma once

#include "kernels/softmax/rows.h"

namespace lstm::LSTM_ISA {

// softmax, softmax_backward
// Computes  y = e^(x - max x) / Σ e^(x - max x);  dx = y * (dy - Σ y * dy)
// Shapes    x, y, dy, dx [...,V], sums along V
// Layout    dense
// Aliasing  y may be x; dx may be y or dy
// Accuracy  sums in 16 virtual lanes: (V/16 + 8) ULP at most; -infinity gives 0; a row without a finite maximum is NaN
// Source    Bridle 1990
void softmax(const Call& call, Team& team) noexcept {
  const Tensor& y = call.output(0);
  const int64_t size = y.rank == 0 ? 1 : y.dim(-1);
  const Range rows = team.split(y.rows());
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    const float* x = call.operand(0).f32() + row * size;
    float* out = y.f32() + row * size;
    const Vector max = broadcast(row_max(x, size));
    map_range(
        {0, size}, out, [=](Vector v) { return exp(subtract(v, max)); }, x);
    const Vector sum = broadcast(
        reduce<LaneSum>(static_cast<size_t>(size), [out](size_t i, size_t n) { return load_first(out + i, n); }));
    map_range(
        {0, size}, out, [=](Vector v) { return divide(v, sum); }, out);
  }
}

void softmax_backward(const Call& call, Team& team) noexcept {
  const Tensor& dx = call.output(0);
  const int64_t size = dx.rank == 0 ? 1 : dx.dim(-1);
  const Range rows = team.split(dx.rows());
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    const float* y = call.operand(0).f32() + row * size;
    const float* dy = call.operand(1).f32() + row * size;
    const Vector dot = broadcast(reduce<LaneSum>(static_cast<size_t>(size), [=](size_t i, size_t n) {
      return multiply(load_first(y + i, n), load_first(dy + i, n));
    }));
    map_range(
        {0, size}, dx.f32() + row * size, [=](Vector v, Vector dv) { return multiply(v, subtract(dv, dot)); }, y, dy);
  }
}

}  // namespace lstm::LSTM_ISA
