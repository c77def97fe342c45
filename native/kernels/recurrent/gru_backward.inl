// The GRU backward in time, and the gradient of its recurrent weight. The gradients of x, weight_ih and bias_ih are those
// of a linear layer over dgates.
#pragma once

#include "kernels/recurrent/gru_gates.h"
#include "kernels/recurrent/hidden_backward.h"

namespace lstm::LSTM_ISA {

struct GruBackward {
  HiddenBackward hidden;
  bool reset_after;
  const float *gates, *recurrent, *y, *h0;  // h0: zeros when null
  GateBounds bounds;
  float *dgates, *drecurrent;

  // The columns of W_hh for `panel` of dh, from a gate's rows on.
  const float* columns(int64_t panel, int gate) const {
    return hidden.packed_hh + (panel * kGruGates + gate) * hidden.hidden_size * kTileColumns;
  }
};

// What one batch row reads and writes at one step, from its first unit on.
struct GruBackwardRow {
  const float *gates, *recurrent, *h_before, *mask;  // mask may be null
  float *dh, *dgates, *drecurrent;
};

inline GruBackwardRow gru_backward_row(const GruBackward& op, const HiddenBackwardMemory& memory, int64_t row,
                                       int64_t step, int64_t first) noexcept {
  const int64_t H = op.hidden.hidden_size, position = op.hidden.walk.position(row, step);
  const float* h_before =
      step > 0 ? op.y + op.hidden.walk.position(row, step - 1) * H : row_or(op.h0, row, H, memory.zeros);
  return {op.gates + position * kGruGates * H + first,
          op.recurrent + position * H + first,
          h_before + first,
          op.hidden.hidden_mask ? op.hidden.hidden_mask + row * H + first : nullptr,
          memory.dh + row * H + first,
          op.dgates + position * kGruGates * H + first,
          op.drecurrent + position * H + first};
}

// g * (1 - g), or 0 where the gate's input was clipped.
LSTM_INLINE Vector sigmoid_slope(GateBounds bounds, int gate, Vector value) {
  return slope_within(bounds, gate, value, multiply(value, subtract(broadcast(1.0f), value)));
}

// dn = (dh * (1 - z)) * (1 - n²),  dz = (dh * (h' - n)) * (z * (1 - z)),  and dh * z goes on to the step before. With the
// reset gate after the product also  dq = dn * r,  dr = (dn * q) * (r * (1 - r)). For `count` units.
template <bool kResetAfter>
LSTM_INLINE void gru_cell_backward(Vector dh, const GruBackwardRow& row, GateBounds bounds, int64_t count,
                                   int64_t hidden_size) noexcept {
  const int64_t reset = kResetGate * hidden_size, update = kUpdateGate * hidden_size,
                candidate = kCandidateGate * hidden_size;
  const Vector one = broadcast(1.0f);
  const Vector z = load_first(row.gates + update, count), n = load_first(row.gates + candidate, count);
  const Vector dn =
      multiply(multiply(dh, subtract(one, z)), slope_within(bounds, kCandidateGate, n, negative_fma(n, n, one)));
  const Vector dz = multiply(dh, subtract(load_first(row.h_before, count), n));
  store_first(row.dgates + update, multiply(dz, sigmoid_slope(bounds, kUpdateGate, z)), count);
  store_first(row.dgates + candidate, dn, count);
  store_first(row.dh, multiply(dh, z), count);
  if constexpr (kResetAfter) {
    const Vector r = load_first(row.gates + reset, count);
    const Vector dr = multiply(dn, load_first(row.recurrent, count));
    store_first(row.dgates + reset, multiply(dr, sigmoid_slope(bounds, kResetGate, r)), count);
    store_first(row.drecurrent, multiply(dn, r), count);
  }
}

// The second half of a cell whose reset gate comes before the product, with dq = dn · W_hn at hand:
// dr = (dq * h') * (r * (1 - r)),  and dq * r joins what goes on to the step before, by one FMA. With a mask dr begins with
// dq * mask, and so does what joins.
LSTM_INLINE void gru_cell_backward_reset(Vector dq, const GruBackwardRow& row, GateBounds bounds, int64_t count,
                                         int64_t hidden_size) noexcept {
  const Vector r = load_first(row.gates + kResetGate * hidden_size, count);
  store_first(row.drecurrent, dq, count);
  if (row.mask) dq = multiply(dq, load_first(row.mask, count));
  const Vector dr = multiply(dq, load_first(row.h_before, count));
  store_first(row.dgates + kResetGate * hidden_size, multiply(dr, sigmoid_slope(bounds, kResetGate, r)), count);
  store_first(row.dh, fma(dq, r, load_first(row.dh, count)), count);
}

// dq of the listed rows, panel by panel, each tile followed by the second half of the cell.
inline void gru_reset_backward(const GruBackward& op, const HiddenBackwardMemory& memory, int64_t active, int64_t step,
                               Range panels) noexcept {
  const int64_t H = op.hidden.hidden_size;
  const float** const dn = memory.after[0];  // what stands there is not needed any more
  for (int64_t r = 0; r < active; ++r) {
    dn[r] = op.dgates + (op.hidden.walk.position(memory.rows[r], step) * kGruGates + kCandidateGate) * H;
  }
  for (int64_t panel = panels.begin; panel < panels.end; ++panel) {
    const int64_t first = panel * kTileColumns, units = columns_of_panel(H, panel);
    const int64_t next = panel + 1 < panels.end ? panel + 1 : panels.begin;
    multiply_listed(
        dn, active, op.columns(panel, kCandidateGate), H, op.columns(next, kCandidateGate), {kZeroColumns, 0},
        {memory.panel, kTileColumns},
        [&](Range tile, FetchList& lines) {
          for (int64_t r = tile.begin; r < tile.end; ++r) {
            const GruBackwardRow row = gru_backward_row(op, memory, memory.rows[r], step, first);
            lines.add(row.drecurrent, units), lines.add(row.dgates + kResetGate * H, units);
            lines.add(row.gates + kResetGate * H, units), lines.add(row.h_before, units), lines.add(row.dh, units);
          }
        },
        [&](Range tile) {
          for (int64_t r = tile.begin; r < tile.end; ++r) {
            for (int64_t v = 0; v < units; v += kLanes) {
              gru_cell_backward_reset(load(memory.panel + r * kTileColumns + v),
                                      gru_backward_row(op, memory, memory.rows[r], step, first + v), op.bounds,
                                      units - v, H);
            }
          }
        });
  }
}

// Lists what the cell of a row reads and writes for `units` units from `first`.
inline void gru_list_backward(const GruBackward& op, const HiddenBackwardMemory& memory, int64_t row, int64_t step,
                              int64_t first, int64_t units, FetchList& lines) noexcept {
  const int64_t H = op.hidden.hidden_size;
  const GruBackwardRow at = gru_backward_row(op, memory, row, step, first);
  for (int gate = op.reset_after ? kResetGate : kUpdateGate; gate < kGruGates; ++gate) {
    lines.add(at.gates + gate * H, units), lines.add(at.dgates + gate * H, units);
  }
  lines.add(at.h_before, units), lines.add(at.dh, units);
  if (op.reset_after) lines.add(at.recurrent, units), lines.add(at.drecurrent, units);
}

// gru_backward
// Computes  the gradients of what x adds to the gates of gru (dgates), of q (drecurrent), of the initial state, and of
//           each h_t (dh)
// Shapes    dy? [T,B,H], dh_n? [B,H], gates [T,B,3H], recurrent, y [T,B,H], h0? [B,H], weight_hh [3H,H], keep_hidden?,
//           hidden_mask?, bounds? as gru, lengths? int32 [B] -> dgates [T,B,3H], drecurrent [T,B,H] (0 past a length), dh0 [B,H] and
//           dh [T,B,H] (0 past a length) when planned
// Layout    weight_hh packed as rows; gates in the order of gru_gates.h
// Aliasing  no output overlaps an operand
// Accuracy  dh is one FMA chain from dy + what goes on directly over 3H (2H with the reset gate before, where dq is one over
//           H); the cell as gru_cell_backward says
// Source    backpropagation through time, Werbos 1990
inline GruBackward gru_backward_of(const Call& call) noexcept {
  const Tensor& y = call.operand(4);
  GruBackward op = {};
  op.hidden.hidden_size = y.dim(2);
  op.hidden.walk = {y.dim(0), y.dim(1), call.operand_i32(10), call.flag(0)};
  op.hidden.dy = call.operand_f32(0), op.hidden.dh_n = call.operand_f32(1), op.hidden.dh0 = call.output(2).f32();
  op.hidden.dh = call.output(3).f32();
  op.hidden.keep_hidden = lstm_share_of(call, 7), op.hidden.hidden_mask = call.operand_f32(8);
  op.bounds = {call.operand_f32(9)};
  op.reset_after = call.flag(1);
  op.hidden.walk.cost = {kGruGates * op.hidden.hidden_size * op.hidden.hidden_size, panel_count(op.hidden.hidden_size),
                         op.reset_after ? 1 : 2};
  op.gates = call.operand(2).f32(), op.recurrent = call.operand(3).f32();
  op.y = y.f32(), op.h0 = call.operand_f32(5);
  op.dgates = call.output(0).f32(), op.drecurrent = call.output(1).f32();
  op.hidden.chained[0] = {op.dgates, kGruGates * op.hidden.hidden_size};
  if (op.reset_after) op.hidden.chained[1] = {op.drecurrent, op.hidden.hidden_size};
  return op;
}

size_t gru_backward_workspace(const Call& call, int team_size) noexcept {
  Carver carver{nullptr};
  HiddenBackwardMemory(gru_backward_of(call).hidden, carver, team_size - 1);
  return carver.used;
}

inline void gru_walk_back(const Call& call, Team& team) noexcept {
  GruBackward op = gru_backward_of(call);
  op.hidden.packed_hh = call.packs[0];
  const int64_t H = op.hidden.hidden_size;
  Carver carver{static_cast<char*>(call.workspace)};
  const HiddenBackwardMemory memory(op.hidden, carver, team.rank());
  const Share share(op.hidden.walk, panel_count(H), team);
  clear(memory.zeros, H);
  clear_past_lengths(op.hidden.walk, team.split(op.hidden.walk.batch), op.dgates, kGruGates * H);
  clear_past_lengths(op.hidden.walk, team.split(op.hidden.walk.batch), op.drecurrent, H);

  // dr and dz, then dq with the reset gate after the product; before it, dq has joined what the memory carries.
  const auto chain = [&](int64_t panel, ListedPart* parts) {
    parts[0] = {memory.after[0], 0, op.columns(panel, kResetGate), kCandidateGate * H};
    if (op.reset_after) parts[1] = {memory.after[1], 0, op.columns(panel, kCandidateGate), H};
    return op.reset_after ? 2 : 1;
  };
  walk_backward(op.hidden, memory, share, team, chain, [&](BackwardRows listed, int64_t step) {
    const auto use = [&](const float* dh, int64_t row, int64_t first, int64_t units) {
      for (int64_t v = 0; v < units; v += kLanes) {
        const GruBackwardRow at = gru_backward_row(op, memory, row, step, first + v);
        if (op.reset_after) {
          gru_cell_backward<true>(load(dh + v), at, op.bounds, units - v, H);
        } else {
          gru_cell_backward<false>(load(dh + v), at, op.bounds, units - v, H);
        }
      }
    };
    const auto list = [&](int64_t row, int64_t first, int64_t units, FetchList& lines) {
      gru_list_backward(op, memory, row, step, first, units, lines);
    };
    gradient_of_state(op.hidden, memory, listed, step, share.panels, chain, list, use);
    if (op.reset_after) return;
    share.end_step(team);
    gru_reset_backward(op, memory, listed.all, step, share.panels);
  });
}

void gru_backward(const Call& call, Team& team) noexcept {
  const SequenceWalk walk = gru_backward_of(call).hidden.walk;
  on_step_team(team, walk, walk.cost.weights, [&](Team& own) { gru_walk_back(call, own); });
}

// gru_backward_weight
// Computes  dweight_hh = Σ over t and b of dgates_tᵀ · h_{t-1} for the rows of r and z; for those of n, of
//           drecurrent_tᵀ · h_{t-1} with reset_after, otherwise of dgates_tᵀ · recurrent_t
// Shapes    dgates [T,B,3H], drecurrent, recurrent, y [T,B,H], h0? [B,H], lengths? int32 [B] -> dweight_hh [3H,H]
// Layout    dense; the operands are packed block by block in the workspace
// Aliasing  dweight_hh overlaps no operand
// Accuracy  one FMA chain over the rows of [T,B] in increasing order
// Source    as gru_backward
size_t gru_backward_weight_workspace(const Call& call, int team_size) noexcept {
  return outer_products_bytes(call.operand(0), call.has(5), team_size);
}

void gru_backward_weight(const Call& call, Team& team) noexcept {
  const Tensor &dgates = call.operand(0), &drecurrent = call.operand(1), &recurrent = call.operand(2);
  float* dweight = call.output(0).f32();
  const int64_t H = recurrent.dim(2), candidate = kCandidateGate * H;
  const SequenceWalk walk = {dgates.dim(0), dgates.dim(1), call.operand_i32(5), call.flag(0)};
  const StartStates starts = {walk, call.operand(3).f32(), call.operand_f32(4), H};
  float* dweight_candidate = dweight + candidate * H;
  with_outer_products(dgates, walk.lengths, call.workspace, team, [&](auto rows, void* scratch) {
    sum_outer_products({dgates.f32(), kGruGates * H}, rows, starts, dweight, candidate, H, scratch, team);
    if (call.flag(1)) {
      sum_outer_products({drecurrent.f32(), H}, rows, starts, dweight_candidate, H, H, scratch, team);
    } else {
      sum_outer_products({dgates.f32() + candidate, kGruGates * H}, rows, DenseRows{recurrent.f32(), H},
                         dweight_candidate, H, H, scratch, team);
    }
  });
}

}  // namespace lstm::LSTM_ISA
