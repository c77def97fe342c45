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
    softmax_row(call.operand(0).f32() + row * size, y.f32() + row * size, size);
  }
}

void softmax_backward(const Call& call, Team& team) noexcept {
  const Tensor& dx = call.output(0);
  const int64_t size = dx.rank == 0 ? 1 : dx.dim(-1);
  const Range rows = team.split(dx.rows());
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    softmax_row_backward(call.operand(0).f32() + row * size, call.operand(1).f32() + row * size, dx.f32() + row * size,
                         size);
  }
}

}  // namespace lstm::LSTM_ISA
