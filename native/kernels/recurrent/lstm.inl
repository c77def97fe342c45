// The LSTM: forward over a sequence, and its single step.
#pragma once

#include "kernels/recurrent/lstm_norm.h"

namespace lstm::LSTM_ISA {

// The bias of each panel, b_ih + b_hh, gates side by side as in the packs.
inline void lstm_bias(const LstmForward& op, Range panels, float* bias) noexcept {
  const int64_t H = op.hidden_size;
  for (int64_t panel = panels.begin; panel < panels.end; ++panel) {
    const int64_t first = panel * kLanes, count = H - first;
    for (int gate = 0; gate < kLstmGates; ++gate) {
      Vector sum = op.bias_ih ? load_first(op.bias_ih + gate * H + first, count) : zero();
      if (op.bias_hh) sum = add(sum, load_first(op.bias_hh + gate * H + first, count));
      store(bias + panel * kTileColumns + gate * kLanes, sum);
    }
  }
}

// Lists the rows that are within their length at a step; returns how many.
inline int64_t lstm_list_rows(const LstmForward& op, const LstmMemory& memory, Range rows, int64_t step) noexcept {
  const int64_t H = op.hidden_size, P = op.output_size;
  int64_t active = 0;
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    if (step >= op.walk.length(row)) continue;
    const int64_t position = op.walk.position(row, step);
    if (memory.steps_ahead == 0) memory.x_rows[active] = op.x + position * op.input_size;
    memory.h_rows[active] = op.hidden_mask ? memory.masked_at(op, row, step - 1)
                            : step > 0     ? memory.h_at(op, row, step - 1)
                                           : row_or(op.h0, row, P, memory.zeros);
    memory.rows[active] = {step > 0 ? memory.c_at(op, row, step - 1) : row_or(op.c0, row, H, memory.zeros),
                           memory.c_at(op, row, step), memory.h_at(op, row, step),
                           op.gates ? op.gates + position * kLstmGates * H : nullptr};
    if (op.gates_recur) memory.g_rows[active] = memory.recurred_before(op, row, step);
    if (!op.plain) memory.options[active] = lstm_row_options(op, memory, row, step, position);
    ++active;
  }
  return active;
}

// i, f, o = σ(z); g = tanh(z); c = f * c' + i * g, by one FMA over the rounded i * g. Returns h = o * tanh(c) of `count`
// units from `first`; z holds the four gates of kLanes units.
LSTM_INLINE Vector lstm_cell(const float* z, const LstmRow& row, int64_t first, int64_t count,
                             int64_t hidden_size) noexcept {
  const Vector i = sigmoid(load(z + kInputGate * kLanes));
  const Vector f = sigmoid(load(z + kForgetGate * kLanes));
  const Vector g = tanh(load(z + kCellGate * kLanes));
  const Vector o = sigmoid(load(z + kOutputGate * kLanes));
  const Vector c = fma(f, load_first(row.c_before + first, count), multiply(i, g));
  store_first(row.c + first, c, count);
  const Vector h = multiply(o, tanh(c));
  if (!row.gates) return h;
  float* gates = row.gates + first;
  store_first(gates + kInputGate * hidden_size, i, count);
  store_first(gates + kForgetGate * hidden_size, f, count);
  store_first(gates + kCellGate * hidden_size, g, count);
  store_first(gates + kOutputGate * hidden_size, o, count);
  return h;
}

// b + W_ih x of the steps from `step` on, for the rows and panels of a share.
inline void lstm_multiply_ahead(const LstmForward& op, const LstmMemory& memory, const Share& share,
                                int64_t step) noexcept {
  const int64_t I = op.input_size;
  int64_t listed = 0;
  for (int64_t k = 0; k < memory.steps_ahead && step + k < share.steps; ++k) {
    memory.rows_ahead[k] = listed;
    for (int64_t row = share.rows.begin; row < share.rows.end; ++row) {
      if (step + k < op.walk.length(row)) memory.x_rows[listed++] = op.x + op.walk.position(row, step + k) * I;
    }
  }
  for (int64_t panel = share.panels.begin; panel < share.panels.end; ++panel) {
    const float* columns = op.packed_ih + panel * I * kTileColumns;
    multiply_listed(
        memory.x_rows, listed, columns, I, columns + I * kTileColumns, {memory.bias + panel * kTileColumns, 0},
        {memory.ahead_of(op, panel, share.rows.begin), kTileColumns}, [](Range, FetchList&) {}, [](Range) {});
  }
}

// z += the gates of the step before, a third segment, for a tile of the listed rows.
inline void lstm_multiply_gates(const LstmForward& op, const LstmMemory& memory, Range tile, int64_t panel,
                                float* z) noexcept {
  const int64_t G = op.recurrent_gates();
  const Segment segment = {memory.g_rows + tile.begin, 1, op.packed_gate + panel * G * kRecurrentGates * kLanes, G};
  MixedTile<RecurrentGateColumns>::multiply(tile.size(), &segment, {z, kTileColumns}, {z, kTileColumns});
}

// Lists what the cells of a tile of the listed rows write for the way back: new memory at each step, a line of which holds
// several panels.
LSTM_INLINE void lstm_list_cells(const LstmForward& op, const LstmMemory& memory, Range tile, int64_t panel,
                                 FetchList& list) noexcept {
  const int64_t H = op.hidden_size, first = panel * kLanes;
  if (first % kLine != 0 || !op.gates) return;
  for (int64_t r = tile.begin; r < tile.end; ++r) {
    const LstmRow& row = memory.rows[r];
    for (int gate = 0; gate < kLstmGates; ++gate) list.add(row.gates + gate * H + first, 1);
    list.add(row.c + first, 1), list.add((op.projected ? memory.options[r].unprojected : row.h) + first, 1);
  }
}

// The cells of a tile of the listed rows, whose z stands at z[r][kTileColumns].
LSTM_INLINE void lstm_tile_cells(const LstmForward& op, const LstmMemory& memory, Range tile, int64_t panel,
                                 const float* z) noexcept {
  const int64_t H = op.hidden_size, first = panel * kLanes;
  for (int64_t r = tile.begin; r < tile.end; ++r, z += kTileColumns) {
    const LstmRow& row = memory.rows[r];
    if (op.plain) {
      store_first(row.h + first, lstm_cell(z, row, first, H - first, H), H - first);
      continue;
    }
    const LstmRowOptions& options = memory.options[r];
    const Vector h = op.plain_cell ? lstm_cell(z, row, first, H - first, H)
                                   : lstm_variant_hidden(op, lstm_variant_gates(op, z, row, options, first, H - first));
    lstm_give_hidden(op, h, row, options, first, H - first);
  }
}

// One step of the listed rows: z = b + W_ih x + W_hh h' panel by panel, each tile followed by its cells. What is multiplied
// after a panel is the next one, or the first one at the next step.
inline void lstm_step_rows(const LstmForward& op, const LstmMemory& memory, int64_t active, int64_t step,
                           const Share& share) noexcept {
  const int64_t I = op.input_size, P = op.output_size;
  const Range panels = share.panels;
  const bool ahead = memory.steps_ahead > 0;
  if (ahead && step % memory.steps_ahead == 0) lstm_multiply_ahead(op, memory, share, step);
  for (int64_t panel = panels.begin; panel < panels.end; ++panel) {
    const int64_t next = panel + 1 < panels.end ? panel + 1 : panels.begin;
    float* z = memory.z;
    if (ahead) {
      z = memory.ahead_of(op, panel, share.rows.begin) + memory.rows_ahead[step % memory.steps_ahead] * kTileColumns;
    } else {
      multiply_listed(
          memory.x_rows, active, op.packed_ih + panel * I * kTileColumns, I, op.packed_ih + next * I * kTileColumns,
          {memory.bias + panel * kTileColumns, 0}, {z, kTileColumns}, [](Range, FetchList&) {}, [](Range) {});
    }
    const TileEnd end = {z, kTileColumns};
    multiply_listed(
        memory.h_rows, active, op.packed_hh + panel * P * kTileColumns, P, op.packed_hh + next * P * kTileColumns,
        {end.data, end.stride}, end,
        [&](Range tile, FetchList& list) { lstm_list_cells(op, memory, tile, panel, list); },
        [&](Range tile) {
          float* const at = z + tile.begin * kTileColumns;
          if (op.gates_recur) lstm_multiply_gates(op, memory, tile, panel, at);
          lstm_tile_cells(op, memory, tile, panel, at);
        });
  }
}

// h_n and c_n of the given rows and columns: the state after a row's last step, or the initial one of an empty row.
inline void lstm_last_state(const LstmForward& op, const LstmMemory& memory, Range rows, Range outputs,
                            Range units) noexcept {
  const auto copy = [](float* to, const float* from, int64_t row, int64_t width, Range columns) {
    if (!to || columns.size() <= 0) return;
    memcpy(to + row * width + columns.begin, from + columns.begin, sizeof(float) * static_cast<size_t>(columns.size()));
  };
  const int64_t H = op.hidden_size, P = op.output_size;
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    const int64_t last = op.walk.length(row) - 1;
    copy(op.h_n, last >= 0 ? memory.h_at(op, row, last) : row_or(op.h0, row, P, memory.zeros), row, P, outputs);
    copy(op.c_n, last >= 0 ? memory.c_at(op, row, last) : row_or(op.c0, row, H, memory.zeros), row, H, units);
  }
}

// The columns that some panels hold, of `width` in all.
inline Range columns_of_panels(Range panels, int64_t columns, int64_t width) {
  const int64_t end = panels.end * columns;
  return {panels.begin * columns, end < width ? end : width};
}

// Past the lengths, and where an option that they belong to is missing, outputs over time are 0.
inline void lstm_clear_rest(const LstmForward& op, Range rows) noexcept {
  const int64_t H = op.hidden_size;
  clear_rows_past_lengths(op.walk, rows, op.y, op.output_size, true);
  clear_rows_past_lengths(op.walk, rows, op.cells, H, true);
  clear_rows_past_lengths(op.walk, rows, op.gates, kLstmGates * H, true);
  clear_rows_past_lengths(op.walk, rows, op.unprojected, H, true);
  clear_rows_past_lengths(op.walk, rows, op.recurred, kRecurrentGates * H, op.gates_recur);
  clear_rows_past_lengths(op.walk, rows, op.normalized_input, kLstmGates * H, op.normalizes());
  clear_rows_past_lengths(op.walk, rows, op.normalized_state, kLstmGates * H, op.normalizes());
  clear_rows_past_lengths(op.walk, rows, op.normalized_cell, H, op.normalizes());
  clear_rows_past_lengths(op.walk, rows, op.scales, 3, op.normalizes());
}

// Without options it is y, if somebody asks for it.
inline void lstm_copy_unprojected(const LstmForward& op, Range rows) noexcept {
  const int64_t H = op.hidden_size;
  for (int64_t row = rows.begin; op.unprojected && row < rows.end; ++row) {
    for (int64_t step = 0; step < op.walk.length(row); ++step) {
      const int64_t first = op.walk.position(row, step) * H;
      memcpy(op.unprojected + first, op.y + first, sizeof(float) * static_cast<size_t>(H));
    }
  }
}

// One step of the listed rows, up to h or what a projection multiplies. With layer normalization a row is whole only when
// all panels are: where threads share these, they meet and then share the rows.
inline void lstm_step_cells(const LstmForward& op, const LstmMemory& memory, int64_t active, int64_t step,
                            const Share& share, Team& team) noexcept {
  if (op.normalizes()) {
    lstm_multiply_parts(op, memory, active, share.panels, share.rows.begin);
    share.end_step(team);
    const Range rows = share.by_rows ? Range{0, active} : team.split(active);
    for (int64_t listed = rows.begin; listed < rows.end; ++listed) {
      lstm_norm_row(op, memory, listed, memory.parts + (share.rows.begin + listed) * LstmMemory::parts_size(op));
    }
  } else {
    lstm_step_rows(op, memory, active, step, share);
  }
  share.end_step(team);
}

// The same, and h where it is a projection of that.
inline void lstm_step_hidden(const LstmForward& op, const LstmMemory& memory, int64_t active, int64_t step,
                             const Share& share, const Share& projection, Team& team) noexcept {
  lstm_step_cells(op, memory, active, step, share, team);
  if (!op.projected) return;
  lstm_project_rows(op, memory, active, projection.panels);
  share.end_step(team);
}

// All steps, each by step_rows(share, projection, step), with what stands before and behind them.
template <class Step>
inline void lstm_walk(const LstmForward& op, const LstmMemory& memory, Team& team, Step step_rows) noexcept {
  const int64_t H = op.hidden_size, P = op.output_size;
  const Share share(op.walk, op.panels(), team), projection(op.walk, panel_count(P), team);
  clear(memory.zeros, op.zeros());
  lstm_bias(op, op.normalizes() ? Range{0, op.panels()} : share.panels, memory.bias);
  if (op.hidden_mask) lstm_mask_initial(op, memory, team);
  for (int64_t step = 0; step < share.steps; ++step) step_rows(share, projection, step);
  const Range units = columns_of_panels(share.panels, kLanes, H), rows = team.split(op.walk.batch);
  // With layer normalization a thread that has columns made rows of h, and meets the others after them.
  lstm_last_state(op, memory, share.rows, op.projected ? columns_of_panels(projection.panels, kTileColumns, P) : units,
                  units);
  const Range own = share.by_rows ? share.rows : rows;
  lstm_last_gates(op, memory, own);
  if (op.bounds && team.rank() == 0) lstm_write_bounds(op.kind, op.bounds);
  if (op.plain) lstm_copy_unprojected(op, own);
  lstm_clear_rest(op, rows);
}

inline void lstm_forward(const LstmForward& op, void* workspace, Team& team) noexcept {
  const LstmMemory memory(op, workspace, team.rank());
  lstm_walk(op, memory, team, [&](const Share& share, const Share& projection, int64_t step) {
    lstm_step_hidden(op, memory, lstm_list_rows(op, memory, share.rows, step), step, share, projection, team);
  });
}

// What lstm and lstm_step have at the same places: weights and what regularizes, and the attributes from `attribute` on.
inline void lstm_read_cell(LstmForward& op, const Call& call, int attribute) noexcept {
  const Tensor &weight_ih = call.operand(3), &weight_hh = call.operand(4);
  op.input_size = weight_ih.dim(1), op.hidden_size = weight_ih.dim(0) / kLstmGates, op.output_size = weight_hh.dim(1);
  op.bias_ih = call.operand_f32(5), op.bias_hh = call.operand_f32(6);
  op.peepholes = {call.operand_f32(kPeepholeSlot), op.hidden_size};
  op.projected = call.has(kProjectionSlot);
  op.keep_hidden = lstm_share_of(call, kKeepHiddenSlot), op.keep_cell = lstm_share_of(call, kKeepCellSlot);
  op.hidden_mask = call.operand_f32(kMaskSlot);
  op.gates_recur = call.has(kGateWeightSlot);
  op.g0 = call.operand_f32(kGateStateSlot);
  op.norm = LstmNorm(call);
  op.kind = lstm_kind_of(call, attribute);
  op.plain_cell = op.kind.plain() && !op.peepholes.input && !op.keep_cell.data && !op.gates_recur;
  op.plain = op.plain_cell && !has_lstm_options(call);
}

// The multiply-adds of a step for each row: of what it has from the step before, and of all.
inline int64_t lstm_recurrent_work(const LstmForward& op) noexcept {
  return kLstmGates * op.hidden_size * op.output_size + kRecurrentGates * op.hidden_size * op.recurrent_gates();
}
inline int64_t lstm_work(const LstmForward& op) noexcept {
  return kLstmGates * op.hidden_size * op.input_size + lstm_recurrent_work(op);
}

// Of the recurrent part alone: where a step has few rows, x is multiplied ahead.
inline StepCost lstm_step_cost(const LstmForward& op) noexcept {
  return {lstm_recurrent_work(op), op.panels(), 1 + op.projected + op.normalizes()};
}

// What both write for the way back, from output `slot` on.
inline void lstm_read_saved(LstmForward& op, const Call& call, int slot) noexcept {
  op.bounds = call.output(slot).f32();
  op.normalized_input = call.output(slot + 1).f32(), op.normalized_state = call.output(slot + 2).f32();
  op.normalized_cell = call.output(slot + 3).f32(), op.scales = call.output(slot + 4).f32();
}

// The packs that all LSTMs have.
inline void lstm_read_packs(LstmForward& op, const Call& call) noexcept {
  op.packed_ih = call.packs[0], op.packed_hh = call.packs[1], op.packed_hr = call.packs[2];
  op.packed_gate = call.packs[3];
}

inline void lstm_run(LstmForward op, const Call& call, Team& team) noexcept {
  lstm_read_packs(op, call);
  on_step_team(team, op.walk, lstm_work(op), [&](Team& own) { lstm_forward(op, call.workspace, own); });
}

// lstm
// Computes  i, f, o = σ(W x_t + U h_{t-1} + b), g = tanh(same); c_t = f c_{t-1} + i g; h_t = o tanh(c_t); options: lstm_variant.h
// Shapes    x [T,B,I], h0? [B,P], c0? [B,H], weight_ih [4H,I], weight_hh [4H,P], bias_ih?, bias_hh? [4H], weight_peephole? [3H],
//           weight_hr? [P,H] (else P = H), keep_hidden? [T,B,P] or [P], keep_cell? [T,B,H] or [H], hidden_mask? [B,P],
//           g0? [B,3H], weight_gate? [3H,3H], weight_ln_ih?, weight_ln_hh? [4H], weight_ln_c?, bias_ln_c? [H],
//           lengths? int32 [B] -> y [T,B,P], h_n [B,P], c_n [B,H], gates [T,B,4H], cells, unprojected [T,B,H],
//           recurred [T,B,3H], g_n [B,3H], bounds [4,2], normalized_ih, normalized_hh [T,B,4H], normalized_c [T,B,H],
//           scales [T,B,3], each when planned
// Layout    weights packed as gates4, weight_gate as gates3, weight_hr as columns; gates in the order of lstm_gates.h, after activation
// Aliasing  no output overlaps an operand
// Accuracy  a gate is one FMA chain from b_ih + b_hh over I, then P, then the gates of the step before; with layer
//           normalization the chain over I and the rest start from 0, apart, and their statistics are those of lstm_norm.h;
//           activations of simd/math.h
// Source    Hochreiter & Schmidhuber 1997; Gers, Schmidhuber & Cummins 2000; Greff et al. 2017; Ba et al. 2016
inline LstmForward lstm_forward_of(const Call& call, int lengths_slot = kSlotsAfterOptions) noexcept {
  const Tensor& x = call.operand(0);
  LstmForward op = {};
  lstm_read_cell(op, call, 1);
  op.walk = {x.dim(0), x.dim(1), call.operand_i32(lengths_slot), call.flag(0), lstm_step_cost(op)};
  op.x = x.f32(), op.h0 = call.operand_f32(1), op.c0 = call.operand_f32(2);
  op.y = call.output(0).f32(), op.h_n = call.output(1).f32(), op.c_n = call.output(2).f32();
  op.gates = call.output(3).f32(), op.cells = call.output(4).f32(), op.unprojected = call.output(5).f32();
  op.recurred = call.output(6).f32(), op.g_n = call.output(7).f32();
  lstm_read_saved(op, call, 8);
  op.plain = op.plain && (op.y || !op.unprojected);
  return op;
}

size_t lstm_workspace(const Call& call, int team_size) noexcept {
  return LstmMemory(lstm_forward_of(call), nullptr, team_size - 1).bytes;
}

void lstm(const Call& call, Team& team) noexcept { lstm_run(lstm_forward_of(call), call, team); }

// lstm_step
// Computes  one step of lstm
// Shapes    x [B,I], h [B,P], c [B,H], the rest as lstm without T -> h_next [B,P], c_next [B,H] and, when planned,
//           gates [B,4H], unprojected [B,H], g_next [B,3H] and what lstm has for the way back
// Layout    as lstm
// Aliasing  as lstm
// Accuracy  the bits of lstm
// Source    as lstm
inline LstmForward lstm_step_of(const Call& call) noexcept {
  const Tensor& x = call.operand(0);
  LstmForward op = {};
  lstm_read_cell(op, call, 0);
  op.walk = {1, x.dim(0), nullptr, false, lstm_step_cost(op)};
  op.x = x.f32(), op.h0 = call.operand(1).f32(), op.c0 = call.operand(2).f32();
  op.y = call.output(0).f32(), op.cells = call.output(1).f32(), op.gates = call.output(2).f32();
  op.unprojected = call.output(3).f32(), op.recurred = call.output(4).f32();
  lstm_read_saved(op, call, 5);
  return op;
}

size_t lstm_step_workspace(const Call& call, int team_size) noexcept {
  return LstmMemory(lstm_step_of(call), nullptr, team_size - 1).bytes;
}

void lstm_step(const Call& call, Team& team) noexcept { lstm_run(lstm_step_of(call), call, team); }

}  // namespace lstm::LSTM_ISA
