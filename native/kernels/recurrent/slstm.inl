// The sLSTM: forward over a sequence, and its single step.
#pragma once

#include "kernels/multiply/packing.h"
#include "kernels/recurrent/hidden.h"
#include "kernels/recurrent/lstm_gates.h"
#include "simd/math.h"

namespace lstm::LSTM_ISA {

// What a unit carries from step to step besides h: c, n and m.
enum SlstmState : int { kCell, kNormalizer, kStabilizer, kSlstmStates };

struct SlstmCarried {
  const float* initial;  // [B,H], zeros when null
  float *all, *last;     // [T,B,H] and [B,H]; each may be null
};

struct SlstmForward {
  HiddenForward hidden;  // weight_ih packed as gates4, weight_hh as heads4
  int64_t head_size;
  bool exponential_forget;
  LstmShare keep_cell;  // zoneout of c, n and m together
  SlstmCarried carried[kSlstmStates];
  float *gates, *forget_slope;  // each may be null

  HeadPanels panels() const { return {hidden.hidden_size, head_size, kLanes}; }
};

struct SlstmMemory {
  // Shared: the running states [B,H], where no output keeps them. A unit's are read and written by one thread alone.
  float* running[kSlstmStates];
  HiddenMemory hidden;

  SlstmMemory(const SlstmForward& op, Carver& carver, int thread) noexcept
      : running{take(op, kCell, carver), take(op, kNormalizer, carver), take(op, kStabilizer, carver)},
        hidden(op.hidden, carver, op.panels().count() * kTileColumns, thread) {}

  // Where a state of a row stands after a step, and before it.
  float* after(const SlstmForward& op, int state, int64_t row, int64_t step) const {
    const int64_t H = op.hidden.hidden_size;
    float* all = op.carried[state].all;
    return all ? all + op.hidden.walk.position(row, step) * H : running[state] + row * H;
  }
  const float* before(const SlstmForward& op, int state, int64_t row, int64_t step) const {
    if (step > 0) return after(op, state, row, step - 1);
    return row_or(op.carried[state].initial, row, op.hidden.hidden_size, hidden.zeros);
  }

 private:
  static float* take(const SlstmForward& op, int state, Carver& carver) noexcept {
    return carver.take<float>(op.carried[state].all ? 0 : op.hidden.walk.batch * op.hidden.hidden_size);
  }
};

// What one batch row reads and writes at one step. Those from `gates` on may be null.
struct SlstmRow {
  const float* before[kSlstmStates];
  float* after[kSlstmStates];
  float *h, *gates, *forget_slope;
  const float* keep_cell;
};

inline SlstmRow slstm_row(const SlstmForward& op, const SlstmMemory& memory, int64_t row, int64_t step) noexcept {
  const int64_t H = op.hidden.hidden_size, position = op.hidden.walk.position(row, step);
  SlstmRow at = {};
  for (int state = 0; state < kSlstmStates; ++state) {
    at.before[state] = memory.before(op, state, row, step);
    at.after[state] = memory.after(op, state, row, step);
  }
  at.h = memory.hidden.h_at(op.hidden, row, step);
  at.gates = op.gates ? op.gates + position * kLstmGates * H : nullptr;
  at.forget_slope = op.forget_slope ? op.forget_slope + position * H : nullptr;
  at.keep_cell = op.keep_cell.row(position);
  return at;
}

// The bias of each panel, b_ih + b_hh, gates side by side as in the packs.
inline void slstm_bias(const SlstmForward& op, Range panels, float* bias) noexcept {
  const int64_t H = op.hidden.hidden_size;
  for (int64_t panel = panels.begin; panel < panels.end; ++panel) {
    const int64_t first = panel * kLanes;
    for (int gate = 0; gate < kLstmGates; ++gate) {
      store(bias + panel * kTileColumns + gate * kLanes,
            add(bias_vector(op.hidden.bias_ih, gate * H + first, H - first),
                bias_vector(op.hidden.bias_hh, gate * H + first, H - first)));
    }
  }
}

// The logarithms of the gates that a step makes, the slope of that of f in z_f, and where n' = 0 tells that nothing was seen.
struct SlstmLogGates {
  Vector input, forget, forget_slope;
  Mask unseen;
};

// log i = z_i and log f = log σ(z_f) or z_f. With a share k of zoneout
//   log i = z_i + log(1 - k),  log f = log(e^(log k) + e^b) with b = log f + log(1 - k),  its slope times e^(b - log f)
// where k 0 changes no bit, and a unit with k 1 stays as it is, whether or not it has seen anything.
LSTM_INLINE SlstmLogGates slstm_log_gates(Vector input, Vector forget, Vector n_before, const SlstmRow& row,
                                          bool exponential_forget, int64_t first, int64_t count) noexcept {
  const Vector one = broadcast(1.0f);
  SlstmLogGates log_gates = {input, exponential_forget ? forget : log_sigmoid(forget), one, equal(n_before, zero())};
  if (row.forget_slope && !exponential_forget) log_gates.forget_slope = sigmoid(subtract(zero(), forget));
  if (!row.keep_cell) return log_gates;
  const Vector keep = load_first(row.keep_cell + first, count);
  const Vector log_keep = log(keep), log_rest = log(subtract(one, keep));
  const Vector made = add(log_gates.forget, log_rest);
  const Vector kept = subtract(max(log_keep, made), log_sigmoid(abs(subtract(log_keep, made))));
  log_gates.input = add(input, log_rest);
  log_gates.forget = kept;
  if (row.forget_slope) log_gates.forget_slope = multiply(log_gates.forget_slope, exp(subtract(made, kept)));
  log_gates.unseen = both(log_gates.unseen, less(keep, one));
  return log_gates;
}

// With log i and log f as above: a = log f + m', or -∞ where nothing was seen;  m = max(log i, a);  of i = e^(log i - m) and
// f = e^(a - m) one is 1, the other e^-|log i - a|;  g = tanh(z_g);  c = f * c' + i * g, by one FMA over the rounded i * g;
// n = f * n' + i, by one FMA;  h = σ(z_o) * (c / n), 0 where n = 0. For `count` units from `first`; z holds the four gates of kLanes units.
LSTM_INLINE void slstm_cell(const float* z, const SlstmRow& row, bool exponential_forget, int64_t first, int64_t count,
                            int64_t hidden_size) noexcept {
  const Vector one = broadcast(1.0f);
  const Vector n_before = load_first(row.before[kNormalizer] + first, count);
  const SlstmLogGates log_gates = slstm_log_gates(load(z + kInputGate * kLanes), load(z + kForgetGate * kLanes),
                                                  n_before, row, exponential_forget, first, count);
  const Vector a = select(log_gates.unseen, broadcast(-INFINITY),
                          add(log_gates.forget, load_first(row.before[kStabilizer] + first, count)));
  const Vector distance = subtract(log_gates.input, a);
  const Vector smaller = exp(subtract(zero(), abs(distance)));
  const Mask past_is_larger = less(distance, zero());
  const Vector i = select(past_is_larger, smaller, one), f = select(past_is_larger, one, smaller);
  const Vector g = tanh(load(z + kCellGate * kLanes)), o = sigmoid(load(z + kOutputGate * kLanes));
  const Vector c = fma(f, load_first(row.before[kCell] + first, count), multiply(i, g));
  const Vector n = fma(f, n_before, i);
  store_first(row.after[kCell] + first, c, count);
  store_first(row.after[kNormalizer] + first, n, count);
  store_first(row.after[kStabilizer] + first, max(log_gates.input, a), count);
  const Vector mean = select(equal(n, zero()), zero(), divide(c, n));
  store_first(row.h + first, multiply(o, mean), count);
  if (row.forget_slope) store_first(row.forget_slope + first, log_gates.forget_slope, count);
  if (!row.gates) return;
  float* gates = row.gates + first;
  store_first(gates + kInputGate * hidden_size, i, count);
  store_first(gates + kForgetGate * hidden_size, f, count);
  store_first(gates + kCellGate * hidden_size, g, count);
  store_first(gates + kOutputGate * hidden_size, o, count);
}

// One step of the listed rows: z = b + W_ih x + W_hh h' tile by tile, each followed by the cell.
inline void slstm_step_rows(const SlstmForward& op, const SlstmMemory& memory, int64_t active, int64_t step,
                            Range panels) noexcept {
  const int64_t I = op.hidden.input_size, H = op.hidden.hidden_size;
  const HeadPanels heads = op.panels();
  const Tiles tiles({0, active});
  for (int64_t panel = panels.begin; panel < panels.end; ++panel) {
    const Range seen = heads.seen(panel);
    const float* columns_ih = op.hidden.packed_ih + panel * I * kTileColumns;
    const float* columns_hh = op.hidden.packed_hh + panel * heads.depth() * kTileColumns;
    for (int64_t t = 0; t < tiles.count; ++t) {
      const Range tile = tiles[t];
      const float* h_rows[kTileRows] = {};
      for (int64_t r = 0; r < tile.size(); ++r) h_rows[r] = memory.hidden.h_rows[tile.begin + r] + seen.begin;
      const Segment segments[] = {{memory.hidden.x_rows + tile.begin, 1, columns_ih, I},
                                  {h_rows, 1, columns_hh, seen.size()}};
      alignas(64) float z[kTileRows * kTileColumns];
      multiply_tile(tile.size(), segments, 2, {memory.hidden.bias + panel * kTileColumns, 0}, {z, kTileColumns});
      for (int64_t r = 0; r < tile.size(); ++r) {
        const SlstmRow row = slstm_row(op, memory, memory.hidden.rows[tile.begin + r], step);
        slstm_cell(z + r * kTileColumns, row, op.exponential_forget, panel * kLanes, H - panel * kLanes, H);
      }
      regularize_listed(op.hidden, memory.hidden, tile, step, panel * kLanes);
    }
  }
}

// c_n, n_n and m_n of the given rows and units: the state after a row's last step, or the initial one of an empty row.
inline void slstm_last_states(const SlstmForward& op, const SlstmMemory& memory, Range rows, Range units) noexcept {
  if (units.size() <= 0) return;
  for (int state = 0; state < kSlstmStates; ++state) {
    float* last = op.carried[state].last;
    for (int64_t row = rows.begin; last && row < rows.end; ++row) {
      const float* source = memory.before(op, state, row, op.hidden.walk.length(row));
      memcpy(last + row * op.hidden.hidden_size + units.begin, source + units.begin,
             sizeof(float) * static_cast<size_t>(units.size()));
    }
  }
}

inline void slstm_forward(const SlstmForward& op, void* workspace, Team& team) noexcept {
  const int64_t H = op.hidden.hidden_size;
  Carver carver{static_cast<char*>(workspace)};
  const SlstmMemory memory(op, carver, team.rank());
  const Share share(op.hidden.walk, op.panels().count(), team);
  clear(memory.hidden.zeros, H);
  slstm_bias(op, share.panels, memory.hidden.bias);
  const int64_t end = share.panels.end * kLanes;
  const Range units = {share.panels.begin * kLanes, end < H ? end : H};
  walk_forward(op.hidden, memory.hidden, share, units, team,
               [&](int64_t active, int64_t step) { slstm_step_rows(op, memory, active, step, share.panels); });
  slstm_last_states(op, memory, share.rows, units);
  const Range rows = team.split(op.hidden.walk.batch);
  for (const SlstmCarried& state : op.carried) clear_past_lengths(op.hidden.walk, rows, state.all, H);
  clear_past_lengths(op.hidden.walk, rows, op.gates, kLstmGates * H);
  clear_past_lengths(op.hidden.walk, rows, op.forget_slope, H);
}

// What slstm and slstm_step have at the same places: x, the states before and the parameters.
inline SlstmForward slstm_read(const Call& call, int64_t rows_of_x) noexcept {
  const Tensor &weight_ih = call.operand(5), &weight_hh = call.operand(6);
  SlstmForward op = {};
  op.hidden.input_size = weight_ih.dim(1), op.hidden.hidden_size = weight_ih.dim(0) / kLstmGates;
  op.head_size = weight_hh.dim(1);
  const StepCost cost = {weight_ih.dim(0) * (op.hidden.input_size + op.head_size), op.panels().count()};
  op.hidden.walk = {1, rows_of_x, nullptr, false, cost};
  op.hidden.x = call.operand(0).f32(), op.hidden.h0 = call.operand_f32(1);
  for (int state = 0; state < kSlstmStates; ++state) op.carried[state].initial = call.operand_f32(2 + state);
  op.hidden.bias_ih = call.operand_f32(7), op.hidden.bias_hh = call.operand_f32(8);
  op.hidden.keep_hidden = lstm_share_of(call, 9), op.keep_cell = lstm_share_of(call, 10);
  op.hidden.hidden_mask = call.operand_f32(11);
  return op;
}

inline size_t slstm_memory(const SlstmForward& op, int team_size) noexcept {
  Carver carver{nullptr};
  SlstmMemory(op, carver, team_size - 1);
  return carver.used;
}

inline void slstm_run(SlstmForward op, const Call& call, Team& team) noexcept {
  op.hidden.packed_ih = call.packs[0], op.hidden.packed_hh = call.packs[1];
  on_step_team(team, op.hidden.walk, op.hidden.walk.cost.weights,
               [&](Team& own) { slstm_forward(op, call.workspace, own); });
}

// slstm
// Computes  z_i, z_f, z_g, z_o = W x_t + U h_{t-1} + b, U block-diagonal; m_t = max(z_i, log σ(z_f) + m_{t-1});
//           i = exp(z_i - m_t), f = exp(log σ(z_f) + m_{t-1} - m_t); c_t = f c_{t-1} + i tanh(z_g); n_t = f n_{t-1} + i;
//           h_t = σ(z_o) c_t / n_t; z_f for log σ(z_f) with exponential_forget; m_t = z_i where n_{t-1} = 0; U sees mask h_{t-1}; with shares k of
//           zoneout h_t = k h_{t-1} + (1 - k) h_t, and of c, n and m as slstm_log_gates says
// Shapes    x [T,B,I], h0?, c0?, n0?, m0? [B,H], weight_ih [4H,I], weight_hh [4H,H/heads], bias_ih?, bias_hh? [4H],
//           keep_hidden?, keep_cell? [T,B,H] or [H], hidden_mask? [B,H], lengths? int32 [B] -> y [T,B,H], h_n, c_n, n_n, m_n [B,H], gates [T,B,4H], forget_slope (of log f),
//           cells, normalizers, stabilizers [T,B,H], each only when planned
// Layout    weight_ih packed as gates4, weight_hh as heads4; gates in the order of lstm_gates.h, after activation
// Aliasing  no output overlaps an operand
// Accuracy  a gate is one FMA chain from b_ih + b_hh over I, then H/heads; functions of simd/math.h; slstm_cell
// Source    Beck et al. 2024, "xLSTM: Extended Long Short-Term Memory", section 2.2 and appendix A.2; zoneout Krueger et al. 2016;
//           mask Gal & Ghahramani 2016
inline SlstmForward slstm_of(const Call& call) noexcept {
  const Tensor& x = call.operand(0);
  SlstmForward op = slstm_read(call, x.dim(1));
  op.hidden.walk = {x.dim(0), x.dim(1), call.operand_i32(12), call.flag(0), op.hidden.walk.cost};
  op.exponential_forget = call.flag(1);
  op.hidden.y = call.output(0).f32(), op.hidden.h_n = call.output(1).f32();
  for (int state = 0; state < kSlstmStates; ++state) {
    op.carried[state].last = call.output(2 + state).f32(), op.carried[state].all = call.output(7 + state).f32();
  }
  op.gates = call.output(5).f32(), op.forget_slope = call.output(6).f32();
  return op;
}

size_t slstm_workspace(const Call& call, int team_size) noexcept { return slstm_memory(slstm_of(call), team_size); }

void slstm(const Call& call, Team& team) noexcept { slstm_run(slstm_of(call), call, team); }

// slstm_step
// Computes  one step of slstm
// Shapes    x [B,I], h, c, n, m [B,H], the rest as slstm without T -> h_next, c_next, n_next, m_next [B,H], gates [B,4H] and
//           forget_slope [B,H] when planned
// Layout    as slstm
// Aliasing  as slstm
// Accuracy  the bits of slstm
// Source    as slstm
inline SlstmForward slstm_step_of(const Call& call) noexcept {
  SlstmForward op = slstm_read(call, call.operand(0).dim(0));
  op.exponential_forget = call.flag(0);
  op.hidden.y = call.output(0).f32();
  for (int state = 0; state < kSlstmStates; ++state) op.carried[state].all = call.output(1 + state).f32();
  op.gates = call.output(4).f32(), op.forget_slope = call.output(5).f32();
  return op;
}

size_t slstm_step_workspace(const Call& call, int team_size) noexcept {
  return slstm_memory(slstm_step_of(call), team_size);
}

void slstm_step(const Call& call, Team& team) noexcept { slstm_run(slstm_step_of(call), call, team); }

}  // namespace lstm::LSTM_ISA
