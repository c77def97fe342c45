// The LSTM backward in time. The gradients of x, weight_ih and the biases are those of a linear layer over dgates; those of
// weight_hr are those of one over dprojected.
#pragma once

#include "kernels/recurrent/lstm_backward_phases.h"

namespace lstm::LSTM_ISA {

// Where the gradient of h starts, for `count` units from `first` of one row: dy, plus dh_n at its last step or else what
// zoneout left.
LSTM_INLINE Vector lstm_start_of_hidden(const LstmBackward& op, const LstmBackwardMemory& memory, int64_t row,
                                        int64_t position, bool last, int64_t first, int64_t count) noexcept {
  const int64_t P = op.output_size;
  Vector start = op.dy && count > 0 ? load_first(op.dy + position * P + first, count) : zero();
  if (last && op.dh_n && count > 0) start = add(start, load_first(op.dh_n + row * P + first, count));
  if (!last && op.keep_hidden.data && count > 0) start = add(start, load_first(memory.kept + row * P + first, count));
  return start;
}

// The same for a panel of the listed rows, into dh[r][kTileColumns]; with a mask `start + mask * product` takes the place
// of the products that stand there.
template <bool kMasked>
inline void lstm_start_backward(const LstmBackward& op, const LstmBackwardMemory& memory, Range listed, int64_t step,
                                bool last, int64_t first) noexcept {
  const int64_t P = op.output_size;
  for (int64_t r = listed.begin; r < listed.end; ++r) {
    const int64_t row = memory.rows[r], position = op.walk.position(row, step);
    for (int v = 0; v < kTileVectors; ++v) {
      const int64_t unit = first + v * kLanes, rest = P - unit;
      float* at = memory.dh + r * kTileColumns + v * kLanes;
      const Vector start = lstm_start_of_hidden(op, memory, row, position, last, unit, rest);
      if constexpr (kMasked) {
        if (rest > 0) store(at, fma(load_first(op.hidden_mask + row * P + unit, rest), load(at), start));
      } else {
        store(at, start);
      }
    }
  }
}

// The gradient of h for a panel of the listed rows, into memory.dh[r][kTileColumns], then use(tile) for each tile of them:
// where it starts, and the chain over the next step's gates, by the mask where there is one; none at a row's last step.
// What is multiplied next is the panel after this one, or the first again. before(tile, list) lists what use touches.
template <class Before, class Use>
inline void lstm_gradient_of_hidden(const LstmBackward& op, const LstmBackwardMemory& memory, int64_t active,
                                    int64_t step, bool last, int64_t panel, Range panels, Before before,
                                    Use use) noexcept {
  const int64_t depth = kLstmGates * op.hidden_size, next = panel + 1 < panels.end ? panel + 1 : panels.begin;
  const int64_t first = panel * kTileColumns;
  const bool masked = op.hidden_mask && !last;
  if (!masked) lstm_start_backward<false>(op, memory, {0, active}, step, last, first);
  if (last) return use(Range{0, active});
  const TileEnd dh = {memory.dh, kTileColumns};
  multiply_listed(memory.dgates_after, active, op.packed_hh + panel * depth * kTileColumns, depth,
                  op.packed_hh + next * depth * kTileColumns,
                  masked ? TileStart{kZeroColumns, 0} : TileStart{dh.data, dh.stride}, dh, before, [&](Range tile) {
                    if (masked) lstm_start_backward<true>(op, memory, tile, step, last, first);
                    use(tile);
                  });
}

// All that reaches h, for `count` units from `first` of one row: what zoneout leaves to the step before goes there, and the
// rest is returned.
LSTM_INLINE Vector lstm_keep_share(const LstmBackward& op, const LstmBackwardMemory& memory, Vector dh, int64_t row,
                                   int64_t position, int64_t first, int64_t count) noexcept {
  if (op.dh) store_first(op.dh + position * op.output_size + first, dh, count);
  const float* share = op.keep_hidden.row(position);
  if (!share) return dh;
  const Vector keep = load_first(share + first, count);
  store_first(memory.kept + row * op.output_size + first, multiply(keep, dh), count);
  return multiply(subtract(broadcast(1.0f), keep), dh);
}

// From the gradient of what the cell gave on: that of a projection, to be multiplied, or the cell.
LSTM_INLINE void lstm_variant_backward(const LstmBackward& op, const LstmBackwardMemory& memory, Vector dh,
                                       const LstmBackwardRow& at, int64_t row, int64_t position, int64_t first,
                                       int64_t count) noexcept {
  if (op.projected || op.dprojected) store_first(memory.projected_at(op, row, position) + first, dh, count);
  if (!op.projected) lstm_cell_or_row(op, memory, dh, at, row, op.keep_cell.row(position), first, count);
}

// The listed rows at one step. The gradient of h starts as above; before a row's last step the chain over the next step's
// gates follows, in increasing k. `last` says which of the two the rows are.
inline void lstm_step_backward(const LstmBackward& op, const LstmBackwardMemory& memory, int64_t active, int64_t step,
                               bool last, Range panels) noexcept {
  const int64_t H = op.hidden_size, P = op.output_size;
  for (int64_t r = 0; r < active; ++r) memory.places[r] = lstm_backward_row(op, memory, memory.rows[r], step);
  for (int64_t panel = panels.begin; panel < panels.end; ++panel) {
    const int64_t first = panel * kTileColumns, count = P - first;
    const auto list = [&](Range tile, FetchList& lines) {
      lstm_list_hidden_backward(op, memory, tile, step, first, lines);
    };
    lstm_gradient_of_hidden(op, memory, active, step, last, panel, panels, list, [&](Range tile) {
      for (int64_t r = tile.begin; r < tile.end; ++r) {
        const int64_t row = memory.rows[r], position = op.walk.position(row, step);
        const LstmBackwardRow& at = memory.places[r];
        for (int64_t unit = 0; unit < kTileColumns && unit < count; unit += kLanes) {
          const Vector gradient = load(memory.dh + r * kTileColumns + unit);
          if (op.plain) {
            if (op.dprojected) {
              store_first(op.dprojected + position * P + first + unit, gradient, count - unit);
            }
            lstm_cell_backward(gradient, at, first + unit, count - unit, H);
          } else {
            const Vector made = lstm_keep_share(op, memory, gradient, row, position, first + unit, count - unit);
            lstm_variant_backward(op, memory, made, at, row, position, first + unit, count - unit);
          }
        }
      }
    });
  }
}

// dh0 = dgates of the first step · W_hh, masked, and what zoneout left; dh_n for a row of no steps.
inline void lstm_initial_gradient(const LstmBackward& op, const LstmBackwardMemory& memory, Share share) noexcept {
  const int64_t P = op.output_size, depth = kLstmGates * op.hidden_size;
  int64_t walked = 0;
  for (int64_t row = share.rows.begin; row < share.rows.end; ++row) {
    if (op.walk.length(row) > 0) memory.rows[walked++] = row;
  }
  const Tiles tiles({0, walked});
  for (int64_t panel = share.panels.begin; panel < share.panels.end; ++panel) {
    const int64_t first = panel * kTileColumns, columns = columns_of_panel(P, panel);
    for (int64_t t = 0; t < tiles.count; ++t) {
      const Range tile = tiles[t];
      const float* rows[kTileRows] = {};
      for (int64_t r = 0; r < tile.size(); ++r) {
        rows[r] = memory.recurrent_at(op, memory.rows[tile.begin + r], 0);
      }
      const Segment segment = {rows, 1, op.packed_hh + panel * depth * kTileColumns, depth};
      const auto start_of = [](int64_t) { return kZeroColumns; };
      const auto end_of = [&](int64_t r) { return op.dh0 + memory.rows[tile.begin + r] * P + first; };
      multiply_apart(tile.size(), segment, start_of, end_of, columns);
    }
    for (int64_t row = share.rows.begin; row < share.rows.end; ++row) {
      float* dh0 = op.dh0 + row * P;
      const float *mask = row_or(op.hidden_mask, row, P, nullptr), *source = row_or(op.dh_n, row, P, nullptr);
      for (int64_t n = first; n < first + columns; ++n) {
        if (op.walk.length(row) == 0) {
          dh0[n] = source ? source[n] : 0.0f;
          continue;
        }
        if (mask) dh0[n] *= mask[n];
        if (op.keep_hidden.data) dh0[n] += memory.kept[row * P + n];
      }
    }
  }
}

// The multiply-adds of a step for each row.
inline int64_t lstm_work(const LstmBackward& op) noexcept {
  return kLstmGates * op.hidden_size * op.output_size + kRecurrentGates * op.hidden_size * op.recurrent_gates();
}

// lstm_backward
// Computes  the gradients of lstm before its activations, of its initial state and of what its projection gives (without
//           one, of h)
// Shapes    dy? [T,B,P], dh_n? [B,P], dc_n? [B,H], gates [T,B,4H], cells [T,B,H], c0? [B,H], weight_hh [4H,P],
//           weight_peephole?, weight_hr?, keep_hidden?, keep_cell?, hidden_mask? as lstm, dg_n? [B,3H], weight_gate? and
//           those of layer normalization?, bounds?, normalized_*?, scales? as lstm, lengths? int32 [B]
//           -> dgates [T,B,4H] (0 past a length), dh0 [B,P], dc0 [B,H], dprojected [T,B,P], dg0 [B,3H], dh [T,B,P],
//           dcells [T,B,H], dinput, drecurrent [T,B,4H], dvisible [T,B,H] when planned
// Layout    weight_hh, weight_hr and weight_gate packed as rows; gates in the order of lstm_gates.h
// Aliasing  no output overlaps an operand
// Accuracy  dh is one FMA chain from dy + dh_n over 4H; that of i, f and o one from 0 over 3H; tanh(c) of simd/math.h; the
//           cell as lstm_cell_backward and lstm_variant_gates_backward say; means as lstm_norm.h
// Source    backpropagation through time, Werbos 1990
inline LstmBackward lstm_backward_of(const Call& call, int lengths_slot = kSlotsAfterOptions + 5) noexcept {
  const Tensor &gates = call.operand(3), &weight_hh = call.operand(6);
  LstmBackward op = {};
  op.walk = {gates.dim(0), gates.dim(1), call.operand_i32(lengths_slot), call.flag(0)};
  op.hidden_size = gates.dim(2) / kLstmGates, op.output_size = weight_hh.dim(1);
  op.dy = call.operand_f32(0), op.dh_n = call.operand_f32(1), op.dc_n = call.operand_f32(2);
  op.gates = gates.f32(), op.cells = call.operand(4).f32(), op.c0 = call.operand_f32(5);
  op.peepholes = {call.operand_f32(kPeepholeSlot), op.hidden_size};
  op.projected = call.has(kProjectionSlot);
  op.keep_hidden = lstm_share_of(call, kKeepHiddenSlot), op.keep_cell = lstm_share_of(call, kKeepCellSlot);
  op.hidden_mask = call.operand_f32(kMaskSlot);
  op.dg_n = call.operand_f32(kGateStateSlot);
  op.gates_recur = call.has(kGateWeightSlot);
  op.norm = LstmNorm(call);
  op.bounds = {call.operand_f32(kSlotsAfterOptions)};
  op.normalized_input = call.operand_f32(kSlotsAfterOptions + 1);
  op.normalized_state = call.operand_f32(kSlotsAfterOptions + 2);
  op.normalized_cell = call.operand_f32(kSlotsAfterOptions + 3);
  op.scales = call.operand_f32(kSlotsAfterOptions + 4);
  op.kind = lstm_kind_of(call, 1);
  op.walk.cost = {lstm_work(op), panel_count(op.output_size), 1 + op.gates_recur + op.projected + op.normalizes()};
  op.dgates = call.output(0).f32(), op.dh0 = call.output(1).f32(), op.dc0 = call.output(2).f32();
  op.dprojected = call.output(3).f32(), op.dg0 = call.output(4).f32();
  op.dh = call.output(5).f32(), op.dcells = call.output(6).f32();
  op.dinput = call.output(7).f32(), op.drecurrent = call.output(8).f32(), op.dvisible = call.output(9).f32();
  op.plain_cell = op.kind.plain() && !op.peepholes.input && !op.keep_cell.data && !op.gates_recur && !op.dcells;
  op.plain = op.plain_cell && !has_lstm_options(call) && !op.dh;
  return op;
}

size_t lstm_backward_workspace(const Call& call, int team_size) noexcept {
  return LstmBackwardMemory(lstm_backward_of(call), nullptr, team_size - 1).bytes;
}

// The running gradient of c begins as dc_n, in the rows and columns of the thread that goes on with it.
inline void lstm_start_cells(const LstmBackward& op, const LstmBackwardMemory& memory, const Share& share) noexcept {
  const int64_t H = op.hidden_size;
  const int64_t begin = share.panels.begin * kTileColumns, end = share.panels.end * kTileColumns;
  const int64_t units = (end < H ? end : H) - begin;
  for (int64_t row = share.rows.begin; row < share.rows.end && units > 0; ++row) {
    float* dc = memory.dc + row * H + begin;
    if (op.dc_n) {
      memcpy(dc, op.dc_n + row * H + begin, sizeof(float) * static_cast<size_t>(units));
    } else {
      clear(dc, units);
    }
  }
}

// Past the lengths, and where an option that they belong to is missing, outputs over time are 0.
inline void lstm_clear_gradients(const LstmBackward& op, Range rows) noexcept {
  const int64_t H = op.hidden_size, P = op.output_size;
  clear_rows_past_lengths(op.walk, rows, op.dgates, kLstmGates * H, true);
  clear_rows_past_lengths(op.walk, rows, op.dprojected, P, true);
  clear_rows_past_lengths(op.walk, rows, op.dh, P, true);
  clear_rows_past_lengths(op.walk, rows, op.dcells, H, true);
  clear_rows_past_lengths(op.walk, rows, op.dinput, kLstmGates * H, op.normalizes());
  clear_rows_past_lengths(op.walk, rows, op.drecurrent, kLstmGates * H, op.normalizes());
  clear_rows_past_lengths(op.walk, rows, op.dvisible, H, op.normalizes());
  const int64_t G = kRecurrentGates * H;
  if (op.dg0 && !op.gates_recur) clear(op.dg0 + rows.begin * G, rows.size() * G);
}

inline void lstm_walk_back(const LstmBackward& op, void* workspace, Team& team) noexcept {
  const int64_t H = op.hidden_size, batch = op.walk.batch;
  const LstmBackwardMemory memory(op, workspace, team.rank());
  const Share outputs(op.walk, panel_count(op.output_size), team), cells(op.walk, panel_count(H), team);
  const Share gates(op.walk, panel_count(op.recurrent_gates()), team);
  const Range rows = outputs.by_rows ? outputs.rows : team.split(batch);
  clear(memory.zeros, H);
  lstm_start_cells(op, memory, cells);
  lstm_clear_gradients(op, team.split(batch));
  for (int64_t step = outputs.steps - 1; step >= 0; --step) {
    if (op.gates_recur) {
      lstm_gates_through_next(op, memory, gates, step, memory.dvalues);
      gates.end_step(team);
    }
    for (int last = 0; last < 2; ++last) {
      const int64_t active = lstm_list_rows_backward(op, memory, outputs.rows, step, last == 1);
      lstm_step_backward(op, memory, active, step, last == 1, outputs.panels);
    }
    outputs.end_step(team);
    if (op.projected) {
      lstm_project_backward(op, memory, cells.rows, step, cells.panels);
      cells.end_step(team);
    }
    if (op.normalizes()) {
      lstm_norm_backward(op, memory, rows, step);
      outputs.end_step(team);
    }
  }
  if (op.dh0) lstm_initial_gradient(op, memory, outputs);
  if (op.dg0 && op.gates_recur) lstm_gates_through_next(op, memory, gates, -1, op.dg0);
}

// The packs that all LSTMs have.
inline void lstm_read_packs(LstmBackward& op, const Call& call) noexcept {
  op.packed_hh = call.packs[0], op.packed_hr = call.packs[1], op.packed_gate = call.packs[2];
}

void lstm_backward(const Call& call, Team& team) noexcept {
  LstmBackward op = lstm_backward_of(call);
  lstm_read_packs(op, call);
  on_step_team(team, op.walk, lstm_work(op), [&](Team& own) { lstm_walk_back(op, call.workspace, own); });
}

}  // namespace lstm::LSTM_ISA
