// The LSTM backward in time, and the gradient of its recurrent weight. The gradients of x, weight_ih and the biases are
// those of a linear layer over dgates.
#pragma once

#include "kernels/multiply/product.h"
#include "kernels/recurrent/lstm_gates.h"
#include "kernels/recurrent/sequence.h"
#include "simd/math.h"

namespace lstm::LSTM_ISA {

struct LstmBackward {
  SequenceWalk walk;
  int64_t hidden_size;
  const float *dy, *dh_n, *dc_n;    // zeros when null
  const float *gates, *cells, *c0;  // c0: zeros when null
  const float* packed_hh;           // rows
  float *dgates, *dh0, *dc0;        // dh0 and dc0 may be null
};

struct LstmBackwardMemory {
  float* dc;  // shared: the running gradient of c, [B,H]
  // Of one thread.
  float* zeros = nullptr;
  const float** dgates_after = nullptr;
  int64_t* rows = nullptr;
  size_t bytes;

  LstmBackwardMemory(const LstmBackward& op, void* workspace, int thread) noexcept {
    Carver carver{static_cast<char*>(workspace)};
    const int64_t batch = op.walk.batch;
    dc = carver.take<float>(op.dc0 ? 0 : batch * op.hidden_size);
    if (op.dc0) dc = op.dc0;
    for (int t = 0; t <= thread; ++t) {
      zeros = carver.take<float>(op.hidden_size);
      dgates_after = carver.take<const float*>(batch);
      rows = carver.take<int64_t>(batch);
    }
    bytes = carver.used;
  }
};

// What one batch row reads and writes at one step.
struct LstmBackwardRow {
  const float *gates, *cell, *cell_before;
  float *dc, *dgates;
};

// With t = tanh(c):  dc = dc' + dh * o * (1 - t²), one FMA over the rounded dh * o;  the gate gradients are
//   di = (dc * g) * (i * (1 - i)),  df = (dc * c') * (f * (1 - f)),  dg = (dc * i) * (1 - g²),  do = (dh * t) * (o * (1 - o))
// and dc * f goes on to the step before. For `count` units from `first`.
LSTM_INLINE void lstm_cell_backward(Vector dh, const LstmBackwardRow& row, int64_t first, int64_t count,
                                    int64_t hidden_size) noexcept {
  const float* gates = row.gates + first;
  const Vector i = load_first(gates + kInputGate * hidden_size, count);
  const Vector f = load_first(gates + kForgetGate * hidden_size, count);
  const Vector g = load_first(gates + kCellGate * hidden_size, count);
  const Vector o = load_first(gates + kOutputGate * hidden_size, count);
  const Vector t = tanh(load_first(row.cell + first, count));
  const Vector one = broadcast(1.0f);
  const Vector dc = fma(multiply(dh, o), negative_fma(t, t, one), load_first(row.dc + first, count));
  store_first(row.dc + first, multiply(dc, f), count);
  float* dgates = row.dgates + first;
  const auto slope = [one](Vector gate) { return multiply(gate, subtract(one, gate)); };
  const Vector cell_before = load_first(row.cell_before + first, count);
  store_first(dgates + kInputGate * hidden_size, multiply(multiply(dc, g), slope(i)), count);
  store_first(dgates + kForgetGate * hidden_size, multiply(multiply(dc, cell_before), slope(f)), count);
  store_first(dgates + kCellGate * hidden_size, multiply(multiply(dc, i), negative_fma(g, g, one)), count);
  store_first(dgates + kOutputGate * hidden_size, multiply(multiply(dh, t), slope(o)), count);
}

// The listed rows at one step. The gradient of h starts from dy, plus dh_n at a row's last step; before that the chain
// over the next step's gates follows, in increasing k. `last` says which of the two the rows are.
inline void lstm_step_backward(const LstmBackward& op, const LstmBackwardMemory& memory, int64_t active, int64_t step,
                               bool last, Range panels) noexcept {
  const int64_t H = op.hidden_size, depth = kLstmGates * H;
  const Tiles tiles({0, active});
  for (int64_t panel = panels.begin; panel < panels.end; ++panel) {
    const int64_t first = panel * kTileColumns, count = H - first;
    for (int64_t t = 0; t < tiles.count; ++t) {
      const Range tile = tiles[t];
      alignas(64) float dh[kTileRows * kTileColumns];
      for (int64_t r = 0; r < tile.size(); ++r) {
        const int64_t row = memory.rows[tile.begin + r], position = op.walk.position(row, step);
        for (int v = 0; v < kTileVectors; ++v) {
          const int64_t unit = first + v * kLanes, rest = H - unit;
          Vector start = op.dy && rest > 0 ? load_first(op.dy + position * H + unit, rest) : zero();
          if (last && op.dh_n && rest > 0) start = add(start, load_first(op.dh_n + row * H + unit, rest));
          store(dh + r * kTileColumns + v * kLanes, start);
        }
      }
      const Segment segment = {memory.dgates_after + tile.begin, 1, op.packed_hh + panel * depth * kTileColumns, depth};
      multiply_tile(tile.size(), &segment, last ? 0 : 1, {dh, kTileColumns}, {dh, kTileColumns});
      for (int64_t r = 0; r < tile.size(); ++r) {
        const int64_t row = memory.rows[tile.begin + r], position = op.walk.position(row, step);
        const LstmBackwardRow at = {
            op.gates + position * depth, op.cells + position * H,
            step > 0 ? op.cells + op.walk.position(row, step - 1) * H : row_or(op.c0, row, H, memory.zeros),
            memory.dc + row * H, op.dgates + position * depth};
        for (int64_t unit = 0; unit < kTileColumns && unit < count; unit += kLanes) {
          lstm_cell_backward(load(dh + r * kTileColumns + unit), at, first + unit, count - unit, H);
        }
      }
    }
  }
}

// Lists the rows that have this step: those for which it is the last, or the others.
inline int64_t lstm_list_rows_backward(const LstmBackward& op, const LstmBackwardMemory& memory, Range rows,
                                       int64_t step, bool last) noexcept {
  int64_t active = 0;
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    const int64_t final_step = op.walk.length(row) - 1;
    if (last ? step != final_step : step >= final_step) continue;
    memory.rows[active] = row;
    memory.dgates_after[active] =
        last ? nullptr : op.dgates + op.walk.position(row, step + 1) * kLstmGates * op.hidden_size;
    ++active;
  }
  return active;
}

// dh0 = dgates of the first step · W_hh, or dh_n for a row of no steps.
inline void lstm_initial_gradient(const LstmBackward& op, Share share) noexcept {
  const int64_t H = op.hidden_size, depth = kLstmGates * H;
  const Tiles tiles(share.rows);
  for (int64_t panel = share.panels.begin; panel < share.panels.end; ++panel) {
    const int64_t first = panel * kTileColumns, columns = columns_of_panel(H, panel);
    for (int64_t t = 0; t < tiles.count; ++t) {
      const Range tile = tiles[t];
      const float* rows[kTileRows] = {};
      // A row of no steps multiplies whatever stands at time 0; what it should have is copied over it.
      for (int64_t r = 0; r < tile.size(); ++r) {
        const int64_t row = tile.begin + r;
        rows[r] = op.dgates + (op.walk.length(row) > 0 ? op.walk.position(row, 0) : row) * depth;
      }
      multiply_panel(tile.size(), {rows, 1, op.packed_hh + panel * depth * kTileColumns, depth}, {kZeroColumns, 0},
                     {op.dh0 + tile.begin * H + first, H}, columns);
    }
    for (int64_t row = share.rows.begin; row < share.rows.end; ++row) {
      if (op.walk.length(row) > 0) continue;
      const float* source = row_or(op.dh_n, row, H, nullptr);
      for (int64_t n = first; n < first + columns; ++n) op.dh0[row * H + n] = source ? source[n] : 0.0f;
    }
  }
}

// lstm_backward
// Computes  the gradients of lstm before its activations, and of its initial state
// Shapes    dy? [T,B,H], dh_n?, dc_n? [B,H], gates [T,B,4H], cells [T,B,H], c0? [B,H], weight_hh [4H,H], lengths? int32 [B]
//           -> dgates [T,B,4H] (0 past a length), dh0, dc0 [B,H] when planned
// Layout    weight_hh packed as rows; gates in the order of lstm_gates.h
// Aliasing  no output overlaps an operand
// Accuracy  dh is one FMA chain from dy + dh_n over 4H; tanh(c) of simd/math.h; the cell as lstm_cell_backward says
// Source    backpropagation through time, Werbos 1990
inline LstmBackward lstm_backward_of(const Call& call) noexcept {
  const Tensor& gates = call.operand(3);
  LstmBackward op = {};
  op.walk = {gates.dim(0), gates.dim(1), call.operand_i32(7), call.flag(0)};
  op.hidden_size = gates.dim(2) / kLstmGates;
  op.dy = call.operand_f32(0), op.dh_n = call.operand_f32(1), op.dc_n = call.operand_f32(2);
  op.gates = gates.f32(), op.cells = call.operand(4).f32(), op.c0 = call.operand_f32(5);
  op.dgates = call.output(0).f32(), op.dh0 = call.output(1).f32(), op.dc0 = call.output(2).f32();
  return op;
}

size_t lstm_backward_workspace(const Call& call, int team_size) noexcept {
  return LstmBackwardMemory(lstm_backward_of(call), nullptr, team_size - 1).bytes;
}

void lstm_backward(const Call& call, Team& team) noexcept {
  LstmBackward op = lstm_backward_of(call);
  op.packed_hh = call.packs[0];
  const int64_t H = op.hidden_size;
  const LstmBackwardMemory memory(op, call.workspace, team.rank());
  const Share share(op.walk.batch, panel_count(H), team);
  clear(memory.zeros, H);
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
  clear_past_lengths(op.walk, team.split(op.walk.batch), op.dgates, kLstmGates * H);
  for (int64_t step = op.walk.steps - 1; step >= 0; --step) {
    for (int last = 0; last < 2; ++last) {
      const int64_t active = lstm_list_rows_backward(op, memory, share.rows, step, last == 1);
      lstm_step_backward(op, memory, active, step, last == 1, share.panels);
    }
    share.end_step(team);
  }
  if (op.dh0) lstm_initial_gradient(op, share);
}

// lstm_backward_weight
// Computes  dweight_hh = Σ over t and b of dgates_tᵀ · h_{t-1}, h_{t-1} being h0 (or 0) at the first step of a row
// Shapes    dgates [T,B,4H], y [T,B,H], h0? [B,H], lengths? int32 [B] -> dweight_hh [4H,H]
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

}  // namespace lstm::LSTM_ISA
