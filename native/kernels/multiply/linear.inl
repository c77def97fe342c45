// A linear layer and its three gradients. With lengths, x is [T,B,I], and of its rows those past their length are
// neither read nor counted; the outputs over time are 0 there.
#pragma once

#include "kernels/multiply/product.h"

namespace lstm::LSTM_ISA {

// linear
// Computes  y = x · weightᵀ + bias
// Shapes    x [..., I], weight [O, I], bias? [O], lengths? int32 [B] -> y [..., O]
// Layout    weight packed as columns
// Aliasing  y overlaps no operand
// Accuracy  one FMA chain from the bias over I
// Source    linear map
size_t linear_workspace(const Call& call, int) noexcept { return row_list_bytes(call.operand(0), call.has(3)); }

void linear(const Call& call, Team& team) noexcept {
  const Tensor &x = call.operand(0), &y = call.output(0);
  with_active_rows(x, call.operand_i32(3), call.workspace, team, [&](auto rows) {
    multiply_packed(x.f32(), call.packs[0], x.dim(-1), call.operand_f32(2), y.f32(), rows, y.dim(-1), team);
  });
  clear_inactive_rows(y, call.operand_i32(3), team);
}

// linear_backward_input
// Computes  dx = dy · weight
// Shapes    dy [..., O], weight [O, I], lengths? int32 [B] -> dx [..., I]
// Layout    weight packed as rows
// Aliasing  dx overlaps no operand
// Accuracy  one FMA chain over O
// Source    transpose of linear
size_t linear_backward_input_workspace(const Call& call, int) noexcept {
  return row_list_bytes(call.operand(0), call.has(2));
}

void linear_backward_input(const Call& call, Team& team) noexcept {
  const Tensor &dy = call.operand(0), &dx = call.output(0);
  with_active_rows(dy, call.operand_i32(2), call.workspace, team, [&](auto rows) {
    multiply_packed(dy.f32(), call.packs[0], dy.dim(-1), nullptr, dx.f32(), rows, dx.dim(-1), team);
  });
  clear_inactive_rows(dx, call.operand_i32(2), team);
}

// linear_backward_weight
// Computes  dweight = Σ over rows of dyᵀ · x
// Shapes    dy [..., O], x [..., I], lengths? int32 [B] -> dweight [O, I]
// Layout    dense; both operands are packed block by block in the workspace
// Aliasing  dweight overlaps no operand
// Accuracy  one FMA chain over the rows in increasing order
// Source    gradient of linear
size_t linear_backward_weight_workspace(const Call& call, int team_size) noexcept {
  return outer_products_bytes(call.operand(0), call.has(2), team_size);
}

void linear_backward_weight(const Call& call, Team& team) noexcept {
  const Tensor &dy = call.operand(0), &x = call.operand(1), &dweight = call.output(0);
  with_outer_products(dy, call.operand_i32(2), call.workspace, team, [&](auto rows, void* scratch) {
    sum_outer_products({dy.f32(), dy.dim(-1)}, rows, DenseRows{x.f32(), x.dim(-1)}, dweight.f32(), dweight.dim(0),
                       dweight.dim(1), scratch, team);
  });
}

// sums[n] += the rows of sources, in order, for the given columns.
template <int kRows>
LSTM_INLINE void add_rows(const float* const* sources, Range columns, float* sums) noexcept {
  for (int64_t n = columns.begin; n < columns.end; n += kLanes) {
    const int64_t count = columns.end - n;
    Vector sum = load_first(sums + n, count);
    LSTM_UNROLL
    for (int r = 0; r < kRows; ++r) sum = add(sum, load_first(sources[r] + n, count));
    store_first(sums + n, sum, count);
  }
}

// sums[n] = Σ over rows of matrix[row][n], for the given columns. Four rows at a time: one took 1.4 times as long at H 256 and
// 1.6 times at H 512, and as long at H 128.
template <class Rows>
inline void sum_rows(const float* matrix, int64_t stride, Rows rows, Range columns, float* sums) noexcept {
  if (columns.size() <= 0) return;
  memset(sums + columns.begin, 0, sizeof(float) * static_cast<size_t>(columns.size()));
  constexpr int kRows = 4;
  const auto row = [&](int64_t i) { return matrix + rows[i] * stride; };
  int64_t i = 0;
  for (; i + kRows <= rows.count; i += kRows) {
    const float* sources[kRows];
    for (int r = 0; r < kRows; ++r) sources[r] = row(i + r);
    add_rows<kRows>(sources, columns, sums);
  }
  for (; i < rows.count; ++i) {
    const float* source = row(i);
    add_rows<1>(&source, columns, sums);
  }
}

// linear_backward_bias
// Computes  dbias = Σ over rows of dy
// Shapes    dy [..., O], lengths? int32 [B] -> dbias [O]
// Layout    dense
// Aliasing  dbias does not overlap dy
// Accuracy  one chain of additions over the rows in increasing order
// Source    gradient of linear
size_t linear_backward_bias_workspace(const Call& call, int) noexcept {
  return row_list_bytes(call.operand(0), call.has(1));
}

void linear_backward_bias(const Call& call, Team& team) noexcept {
  const Tensor &dy = call.operand(0), &dbias = call.output(0);
  const Range columns = team.split(dy.dim(-1), kTileColumns);
  with_active_rows(dy, call.operand_i32(1), call.workspace, team,
                   [&](auto rows) { sum_rows(dy.f32(), dy.dim(-1), rows, columns, dbias.f32()); });
}

}  // namespace lstm::LSTM_ISA
