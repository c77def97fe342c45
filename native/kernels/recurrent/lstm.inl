// The LSTM: forward over a sequence, and its single step.
#pragma once

#include "kernels/recurrent/lstm_gates.h"
#include "kernels/recurrent/sequence.h"
#include "simd/math.h"

namespace lstm::LSTM_ISA {

struct LstmForward {
  SequenceWalk walk;
  int64_t input_size, hidden_size;
  const float *x, *h0, *c0;              // h0 and c0: zeros when null
  const float *packed_ih, *packed_hh;    // gates4
  const float *bias_ih, *bias_hh;        // may be null
  float *y, *h_n, *c_n, *gates, *cells;  // each may be null

  int64_t panels() const { return (hidden_size + kLanes - 1) / kLanes; }
};

// Where one batch row reads and writes its state at one step. `gates` may be null.
struct LstmRow {
  const float* c_before;
  float *c, *h, *gates;
};

struct LstmMemory {
  // Shared: the running states [B,H], where no output keeps them. h alternates between steps, because a thread may
  // still read the last step's while another writes this one's.
  float *h[2], *c;
  // Of one thread.
  float *zeros = nullptr, *bias = nullptr;
  const float **x_rows = nullptr, **h_rows = nullptr;
  LstmRow* rows = nullptr;
  size_t bytes;

  LstmMemory(const LstmForward& op, void* workspace, int thread) noexcept {
    Carver carver{static_cast<char*>(workspace)};
    const int64_t batch = op.walk.batch, state = batch * op.hidden_size;
    h[0] = carver.take<float>(op.y ? 0 : state);
    h[1] = carver.take<float>(op.y ? 0 : state);
    c = carver.take<float>(op.cells ? 0 : state);
    for (int t = 0; t <= thread; ++t) {
      zeros = carver.take<float>(op.hidden_size);
      bias = carver.take<float>(op.panels() * kTileColumns);
      x_rows = carver.take<const float*>(batch);
      h_rows = carver.take<const float*>(batch);
      rows = carver.take<LstmRow>(batch);
    }
    bytes = carver.used;
  }

  // Where h and c of a row stand after a step.
  float* h_at(const LstmForward& op, int64_t row, int64_t step) const {
    const int64_t H = op.hidden_size;
    return op.y ? op.y + op.walk.position(row, step) * H : h[step & 1] + row * H;
  }
  float* c_at(const LstmForward& op, int64_t row, int64_t step) const {
    const int64_t H = op.hidden_size;
    return op.cells ? op.cells + op.walk.position(row, step) * H : c + row * H;
  }
};

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
  const int64_t H = op.hidden_size;
  int64_t active = 0;
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    if (step >= op.walk.length(row)) continue;
    const int64_t position = op.walk.position(row, step);
    memory.x_rows[active] = op.x + position * op.input_size;
    memory.h_rows[active] = step > 0 ? memory.h_at(op, row, step - 1) : row_or(op.h0, row, H, memory.zeros);
    memory.rows[active] = {step > 0 ? memory.c_at(op, row, step - 1) : row_or(op.c0, row, H, memory.zeros),
                           memory.c_at(op, row, step), memory.h_at(op, row, step),
                           op.gates ? op.gates + position * kLstmGates * H : nullptr};
    ++active;
  }
  return active;
}

// i, f, o = σ(z); g = tanh(z); c = f * c' + i * g, by one FMA over the rounded i * g; h = o * tanh(c). For `count` units
// from `first`; z holds the four gates of kLanes units.
LSTM_INLINE void lstm_cell(const float* z, const LstmRow& row, int64_t first, int64_t count,
                           int64_t hidden_size) noexcept {
  const Vector i = sigmoid(load(z + kInputGate * kLanes));
  const Vector f = sigmoid(load(z + kForgetGate * kLanes));
  const Vector g = tanh(load(z + kCellGate * kLanes));
  const Vector o = sigmoid(load(z + kOutputGate * kLanes));
  const Vector c = fma(f, load_first(row.c_before + first, count), multiply(i, g));
  store_first(row.c + first, c, count);
  store_first(row.h + first, multiply(o, tanh(c)), count);
  if (!row.gates) return;
  float* gates = row.gates + first;
  store_first(gates + kInputGate * hidden_size, i, count);
  store_first(gates + kForgetGate * hidden_size, f, count);
  store_first(gates + kCellGate * hidden_size, g, count);
  store_first(gates + kOutputGate * hidden_size, o, count);
}

// One step of the listed rows: z = b + W_ih x + W_hh h' tile by tile, each followed by the cell.
inline void lstm_step_rows(const LstmForward& op, const LstmMemory& memory, int64_t active, Range panels) noexcept {
  const int64_t I = op.input_size, H = op.hidden_size;
  const Tiles tiles({0, active});
  for (int64_t panel = panels.begin; panel < panels.end; ++panel) {
    const float* columns_ih = op.packed_ih + panel * I * kTileColumns;
    const float* columns_hh = op.packed_hh + panel * H * kTileColumns;
    const TileStart bias = {memory.bias + panel * kTileColumns, 0};
    for (int64_t t = 0; t < tiles.count; ++t) {
      const Range tile = tiles[t];
      const Segment segments[] = {{memory.x_rows + tile.begin, 1, columns_ih, I},
                                  {memory.h_rows + tile.begin, 1, columns_hh, H}};
      alignas(64) float z[kTileRows * kTileColumns];
      multiply_tile(tile.size(), segments, 2, bias, {z, kTileColumns});
      for (int64_t r = 0; r < tile.size(); ++r) {
        lstm_cell(z + r * kTileColumns, memory.rows[tile.begin + r], panel * kLanes, H - panel * kLanes, H);
      }
    }
  }
}

// h_n and c_n of the given rows and units: the state after a row's last step, or the initial one of an empty row.
inline void lstm_last_state(const LstmForward& op, const LstmMemory& memory, Range rows, Range units) noexcept {
  const size_t bytes = sizeof(float) * static_cast<size_t>(units.size());
  const int64_t H = op.hidden_size;
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    const int64_t last = op.walk.length(row) - 1;
    const float* h = last >= 0 ? memory.h_at(op, row, last) : row_or(op.h0, row, H, memory.zeros);
    const float* c = last >= 0 ? memory.c_at(op, row, last) : row_or(op.c0, row, H, memory.zeros);
    if (op.h_n) memcpy(op.h_n + row * H + units.begin, h + units.begin, bytes);
    if (op.c_n) memcpy(op.c_n + row * H + units.begin, c + units.begin, bytes);
  }
}

inline void lstm_forward(const LstmForward& op, void* workspace, Team& team) noexcept {
  const LstmMemory memory(op, workspace, team.rank());
  const Share share(op.walk.batch, op.panels(), op.input_size + op.hidden_size, team);
  clear(memory.zeros, op.hidden_size);
  lstm_bias(op, share.panels, memory.bias);
  for (int64_t step = 0; step < op.walk.steps; ++step) {
    lstm_step_rows(op, memory, lstm_list_rows(op, memory, share.rows, step), share.panels);
    share.end_step(team);
  }
  const int64_t H = op.hidden_size, end = share.panels.end * kLanes;
  const Range units = {share.panels.begin * kLanes, end < H ? end : H};
  if (units.size() > 0) lstm_last_state(op, memory, share.rows, units);
  const Range rows = team.split(op.walk.batch);
  clear_past_lengths(op.walk, rows, op.y, H);
  clear_past_lengths(op.walk, rows, op.cells, H);
  clear_past_lengths(op.walk, rows, op.gates, kLstmGates * H);
}

// lstm
// Computes  i, f, o = σ(W x_t + U h_{t-1} + b), g = tanh(same); c_t = f c_{t-1} + i g; h_t = o tanh(c_t)
// Shapes    x [T,B,I], h0?, c0? [B,H], weight_ih [4H,I], weight_hh [4H,H], bias_ih?, bias_hh? [4H], lengths? int32 [B]
//           -> y [T,B,H], h_n, c_n [B,H], gates [T,B,4H], cells [T,B,H], each only when planned
// Layout    weights packed as gates4; gates in the order of lstm_gates.h, after activation
// Aliasing  no output overlaps an operand
// Accuracy  a gate is one FMA chain from b_ih + b_hh over I, then H; activations of simd/math.h
// Source    Hochreiter & Schmidhuber 1997; Gers, Schmidhuber & Cummins 2000
inline LstmForward lstm_forward_of(const Call& call) noexcept {
  const Tensor &x = call.operand(0), &weight_hh = call.operand(4);
  LstmForward op = {};
  op.walk = {x.dim(0), x.dim(1), call.operand_i32(7), call.flag(0)};
  op.input_size = x.dim(2), op.hidden_size = weight_hh.dim(1);
  op.x = x.f32(), op.h0 = call.operand_f32(1), op.c0 = call.operand_f32(2);
  op.bias_ih = call.operand_f32(5), op.bias_hh = call.operand_f32(6);
  op.y = call.output(0).f32(), op.h_n = call.output(1).f32(), op.c_n = call.output(2).f32();
  op.gates = call.output(3).f32(), op.cells = call.output(4).f32();
  return op;
}

size_t lstm_workspace(const Call& call, int team_size) noexcept {
  return LstmMemory(lstm_forward_of(call), nullptr, team_size - 1).bytes;
}

void lstm(const Call& call, Team& team) noexcept {
  LstmForward op = lstm_forward_of(call);
  op.packed_ih = call.packs[0], op.packed_hh = call.packs[1];
  lstm_forward(op, call.workspace, team);
}

// lstm_step
// Computes  one step of lstm
// Shapes    x [B,I], h, c [B,H], weights and biases as lstm -> h_next, c_next [B,H], gates [B,4H] when planned
// Layout    as lstm
// Aliasing  as lstm
// Accuracy  the bits of lstm
// Source    as lstm
inline LstmForward lstm_step_of(const Call& call) noexcept {
  const Tensor &x = call.operand(0), &h = call.operand(1);
  LstmForward op = {};
  op.walk = {1, x.dim(0), nullptr, false};
  op.input_size = x.dim(1), op.hidden_size = h.dim(1);
  op.x = x.f32(), op.h0 = h.f32(), op.c0 = call.operand(2).f32();
  op.bias_ih = call.operand_f32(5), op.bias_hh = call.operand_f32(6);
  op.y = call.output(0).f32(), op.cells = call.output(1).f32(), op.gates = call.output(2).f32();
  return op;
}

size_t lstm_step_workspace(const Call& call, int team_size) noexcept {
  return LstmMemory(lstm_step_of(call), nullptr, team_size - 1).bytes;
}

void lstm_step(const Call& call, Team& team) noexcept {
  LstmForward op = lstm_step_of(call);
  op.packed_ih = call.packs[0], op.packed_hh = call.packs[1];
  lstm_forward(op, call.workspace, team);
}

}  // namespace lstm::LSTM_ISA
