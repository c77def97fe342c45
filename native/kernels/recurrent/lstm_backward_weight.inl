// The gradients of what an LSTM multiplies its own states with: the recurrent weight, the peepholes and the gains of layer
// normalization.
#pragma once

#include "kernels/multiply/product.h"
#include "kernels/recurrent/lstm_gates.h"
#include "kernels/recurrent/sequence.h"

namespace lstm::LSTM_ISA {

// lstm_backward_weight
// Computes  dweight_hh = Σ over t and b of dgates_tᵀ · h_{t-1}, h_{t-1} being h0 (or 0) at the first step of a row
// Shapes    dgates [T,B,4H], y [T,B,P], h0? [B,P], lengths? int32 [B] -> dweight_hh [4H,P]
// Layout    dense; both operands are packed block by block in the workspace
// Aliasing  dweight_hh overlaps no operand
// Accuracy  one FMA chain over the rows of [T,B] in increasing order
// Source    as lstm_backward
size_t lstm_backward_weight_workspace(const Call& call, int team_size) noexcept {
  return linear_backward_weight_workspace(call, team_size);
}

void lstm_backward_weight(const Call& call, Team& team) noexcept {
  const Tensor &dgates = call.operand(0), &dweight = call.output(0);
  const SequenceWalk walk = {dgates.dim(0), dgates.dim(1), call.operand_i32(3), call.flag(0)};
  const StartStates starts = {walk, call.operand(1).f32(), call.operand_f32(2), dweight.dim(1)};
  sum_outer_products({dgates.f32(), dgates.dim(2)}, dgates.rows(), starts, dweight.f32(), dweight.dim(0),
                     dweight.dim(1), call.workspace, team);
}

// lstm_backward_peephole
// Computes  dweight_peephole = Σ over t and b of dgates_t * c_{t-1} for the input and forget gate, dgates_t * c_t for the
//           output gate; c_{t-1} being c0 (or 0) at the first step of a row
// Shapes    dgates [T,B,4H], cells [T,B,H], c0? [B,H], lengths? int32 [B] -> dweight_peephole [3H]
// Layout    dense
// Aliasing  dweight_peephole overlaps no operand
// Accuracy  one FMA chain over the rows of [T,B] in increasing order
// Source    Gers & Schmidhuber 2000
void lstm_backward_peephole(const Call& call, Team& team) noexcept {
  const Tensor &dgates = call.operand(0), &cells = call.operand(1);
  const float* c0 = call.operand_f32(2);
  float* dweight = call.output(0).f32();
  const int64_t H = cells.dim(2), rows = cells.rows();
  const SequenceWalk walk = {cells.dim(0), cells.dim(1), call.operand_i32(3), call.flag(0)};
  const Range units = team.split(H, kLanes);
  for (int64_t unit = units.begin; unit < units.end; unit += kLanes) {
    const int64_t count = units.end - unit;
    Vector input = zero(), forget = zero(), output = zero();
    for (int64_t position = 0; position < rows; ++position) {
      const int64_t time = position / walk.batch, row = position % walk.batch;
      if (time >= walk.length(row)) continue;
      const int64_t step = walk.step(row, time);
      const float* before = step > 0 ? cells.f32() + walk.position(row, step - 1) * H : row_or(c0, row, H, nullptr);
      const float* gates = dgates.f32() + position * kLstmGates * H + unit;
      if (before) {
        const Vector c = load_first(before + unit, count);
        input = fma(load_first(gates + kInputGate * H, count), c, input);
        forget = fma(load_first(gates + kForgetGate * H, count), c, forget);
      }
      output =
          fma(load_first(gates + kOutputGate * H, count), load_first(cells.f32() + position * H + unit, count), output);
    }
    store_first(dweight + unit, input, count);
    store_first(dweight + H + unit, forget, count);
    store_first(dweight + 2 * H + unit, output, count);
  }
}

// sum += gradient * factor over the rows, for some columns; factor 1 where it is null. Row by row, so that memory is one stream.
inline void sum_column_products(DenseRows gradient, const float* factor, int64_t rows, Range columns,
                                float* sum) noexcept {
  if (!sum || columns.size() <= 0) return;
  clear(sum + columns.begin, columns.size());
  for (int64_t row = 0; row < rows; ++row) {
    const float* factors = factor ? factor + row * gradient.stride : nullptr;
    for (int64_t at = columns.begin; at < columns.end; at += kLanes) {
      const int64_t count = columns.end - at;
      const Vector d = load_first(gradient(row) + at, count), before = load_first(sum + at, count);
      store_first(sum + at, factors ? fma(d, load_first(factors + at, count), before) : add(before, d), count);
    }
  }
}

// lstm_backward_norm
// Computes  dweight_ln_ih = Σ over t and b of dgates * normalized_ih, dweight_ln_hh likewise, dweight_ln_c = Σ of dvisible *
//           normalized_c, dbias_ln_c = Σ of dvisible
// Shapes    dgates [T,B,4H], dvisible [T,B,H], normalized_ih, normalized_hh [T,B,4H], normalized_c [T,B,H]
//           -> dweight_ln_ih, dweight_ln_hh [4H], dweight_ln_c, dbias_ln_c [H], each when planned
// Layout    dense
// Aliasing  no output overlaps an operand
// Accuracy  one FMA chain over the rows of [T,B] in increasing order
// Source    Ba, Kiros & Hinton 2016
void lstm_backward_norm(const Call& call, Team& team) noexcept {
  const Tensor &dgates = call.operand(0), &dvisible = call.operand(1);
  const int64_t H = dvisible.dim(2), rows = dvisible.rows();
  const Range gates = team.split(kLstmGates * H, kLanes), cells = team.split(H, kLanes);
  const DenseRows of_gates = {dgates.f32(), kLstmGates * H}, of_cells = {dvisible.f32(), H};
  sum_column_products(of_gates, call.operand_f32(2), rows, gates, call.output(0).f32());
  sum_column_products(of_gates, call.operand_f32(3), rows, gates, call.output(1).f32());
  sum_column_products(of_cells, call.operand_f32(4), rows, cells, call.output(2).f32());
  sum_column_products(of_cells, nullptr, rows, cells, call.output(3).f32());
}

}  // namespace lstm::LSTM_ISA
