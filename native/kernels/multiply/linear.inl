// A linear layer and its three gradients.
#pragma once

#include "kernels/multiply/product.h"

namespace lstm::LSTM_ISA {

// linear
// Computes  y = x · weightᵀ + bias
// Shapes    x [..., I], weight [O, I], bias? [O] -> y [..., O]
// Layout    weight packed as columns
// Aliasing  y overlaps no operand
// Accuracy  one FMA chain from the bias over I
// Source    linear map
void linear(const Call& call, Team& team) noexcept {
  const Tensor &x = call.operand(0), &y = call.output(0);
  multiply_packed(x.f32(), call.packs[0], x.dim(-1), call.operand_f32(2), y.f32(), y.rows(), y.dim(-1), team);
}

// linear_backward_input
// Computes  dx = dy · weight
// Shapes    dy [..., O], weight [O, I] -> dx [..., I]
// Layout    weight packed as rows
// Aliasing  dx overlaps no operand
// Accuracy  one FMA chain over O
// Source    transpose of linear
void linear_backward_input(const Call& call, Team& team) noexcept {
  const Tensor &dy = call.operand(0), &dx = call.output(0);
  multiply_packed(dy.f32(), call.packs[0], dy.dim(-1), nullptr, dx.f32(), dx.rows(), dx.dim(-1), team);
}

// linear_backward_weight
// Computes  dweight = Σ over rows of dyᵀ · x
// Shapes    dy [..., O], x [..., I] -> dweight [O, I]
// Layout    dense; both operands are packed block by block in the workspace
// Aliasing  dweight overlaps no operand
// Accuracy  one FMA chain over the rows in increasing order
// Source    gradient of linear
size_t linear_backward_weight_workspace(const Call&, int team_size) noexcept {
  return sizeof(float) * static_cast<size_t>(team_size * kTransposedScratch);
}

void linear_backward_weight(const Call& call, Team& team) noexcept {
  const Tensor &dy = call.operand(0), &x = call.operand(1), &dweight = call.output(0);
  sum_outer_products({dy.f32(), dy.dim(-1)}, dy.rows(), DenseRows{x.f32(), x.dim(-1)}, dweight.f32(), dweight.dim(0),
                     dweight.dim(1), call.workspace, team);
}

// linear_backward_bias
// Computes  dbias = Σ over rows of dy
// Shapes    dy [..., O] -> dbias [O]
// Layout    dense
// Aliasing  dbias does not overlap dy
// Accuracy  one chain of additions over the rows in increasing order
// Source    gradient of linear
void linear_backward_bias(const Call& call, Team& team) noexcept {
  const Tensor &dy = call.operand(0), &dbias = call.output(0);
  const int64_t rows = dy.rows(), outputs = dy.dim(-1);
  const Range columns = team.split(outputs, kTileColumns);
  for (int64_t first = columns.begin; first < columns.end; first += kTileColumns) {
    const int64_t width = columns.end - first < kTileColumns ? columns.end - first : kTileColumns;
    Vector sums[kTileVectors];
    for (int v = 0; v < kTileVectors; ++v) sums[v] = zero();
    for (int64_t row = 0; row < rows; ++row) {
      const float* source = dy.f32() + row * outputs + first;
      LSTM_UNROLL
      for (int v = 0; v < kTileVectors; ++v) {
        sums[v] = add(sums[v], load_first(source + v * kLanes, width - v * kLanes));
      }
    }
    for (int v = 0; v < kTileVectors; ++v) store_first(dbias.f32() + first + v * kLanes, sums[v], width - v * kLanes);
  }
}

}  // namespace lstm::LSTM_ISA
