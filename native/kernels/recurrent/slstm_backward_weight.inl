// The gradient of an sLSTM's recurrent weight.
#pragma once

#include "kernels/multiply/product.h"
#include "kernels/recurrent/lstm_gates.h"
#include "kernels/recurrent/sequence.h"

namespace lstm::LSTM_ISA {

// Within the head that begins at unit `head`, for the rows of `units` in each gate: dweight = Σ over rows of dgatesᵀ · h.
// As multiply_transposed, but what is packed of h serves four blocks of rows.
inline void sum_head_products(DenseRows dgates, int64_t depth, const StartStates& starts, int64_t head, Range units,
                              int64_t head_size, float* dweight, float* scratch) noexcept {
  const int64_t H = starts.hidden_size, panels = panel_count(head_size);
  float *const right = scratch, *const strip = scratch + kRightScratch;
  for (int64_t first = 0; first < panels; first += kSumPanels) {
    const Range group = {first, first + kSumPanels < panels ? first + kSumPanels : panels};
    for (int64_t k = 0; k == 0 || k < depth; k += kSumDepth) {
      const int64_t block = depth - k < kSumDepth ? depth - k : kSumDepth;
      for (int64_t panel = first; panel < group.end; ++panel) {
        const auto row_of_panel = [=, &starts](int64_t row) {
          const float* h = starts(k + row);
          return h ? h + head + panel * kTileColumns : nullptr;
        };
        pack_panel_of_rows(row_of_panel, block, columns_of_panel(head_size, panel),
                           right + (panel - first) * block * kTileColumns);
      }
      for (int gate = 0; gate < kLstmGates; ++gate) {
        for (int64_t unit = units.begin; unit < units.end; unit += kStrip) {
          const int64_t width = units.end - unit < kStrip ? units.end - unit : kStrip, row = gate * H + unit;
          pack_strip({dgates(k) + row, dgates.stride}, block, width, strip);
          multiply_strip(strip, width, right, block, k == 0, group, dweight + row * head_size, head_size);
        }
      }
    }
  }
}

// slstm_backward_weight
// Computes  dweight_hh = Σ over t and b of dgates_tᵀ · h_{t-1} within each head, h_{t-1} being h0 (or 0) at the first step
// Shapes    dgates [T,B,4H], y [T,B,H], h0? [B,H], lengths? int32 [B] -> dweight_hh [4H,H/heads]
// Layout    dense; both operands are packed block by block in the workspace
// Aliasing  dweight_hh overlaps no operand
// Accuracy  one FMA chain over the rows of [T,B] in increasing order
// Source    as slstm_backward
size_t slstm_backward_weight_workspace(const Call& call, int team_size) noexcept {
  return linear_backward_weight_workspace(call, team_size);
}

void slstm_backward_weight(const Call& call, Team& team) noexcept {
  const Tensor &dgates = call.operand(0), &dweight = call.output(0);
  const int64_t head_size = dweight.dim(1), H = dweight.dim(0) / kLstmGates;
  const SequenceWalk walk = {dgates.dim(0), dgates.dim(1), call.operand_i32(3), call.flag(0)};
  const StartStates starts = {walk, call.operand(1).f32(), call.operand_f32(2), H};
  float* scratch = static_cast<float*>(call.workspace) + team.rank() * kTransposedScratch;
  const Range own = team.split(H);
  for (int64_t head = own.begin / head_size * head_size; head < own.end; head += head_size) {
    const Range units = {own.begin > head ? own.begin : head, own.end < head + head_size ? own.end : head + head_size};
    sum_head_products({dgates.f32(), dgates.dim(2)}, dgates.rows(), starts, head, units, head_size, dweight.f32(),
                      scratch);
  }
}

}  // namespace lstm::LSTM_ISA
