// The plain recurrent network: forward over a sequence, its single step, its backward pass in time and the gradient of
// its recurrent weight. The other gradients are those of a linear layer over dgates.
#pragma once

#include "kernels/recurrent/hidden_backward.h"
#include "simd/math.h"

namespace lstm::LSTM_ISA {

struct RnnForward {
  HiddenForward hidden;
  bool relu;
  float gate_clip;        // of what enters the activation; 0: none
  float *gates, *bounds;  // what the activation gives, and GateBounds; each may be null
};

LSTM_INLINE Vector rnn_activate(bool relu, Vector z) { return relu ? select(less(z, zero()), zero(), z) : tanh(z); }

inline int64_t rnn_bias_columns(const HiddenForward& op) noexcept { return panel_count(op.hidden_size) * kTileColumns; }

// One step of the listed rows: z = b + W_ih x + W_hh h' tile by tile, each followed by the activation.
inline void rnn_step_rows(const RnnForward& rnn, const HiddenMemory& memory, int64_t active, int64_t step,
                          Range panels) noexcept {
  const HiddenForward& op = rnn.hidden;
  const bool relu = rnn.relu, regularized = op.hidden_mask || op.keep_hidden.data;
  const int64_t I = op.input_size, H = op.hidden_size;
  const Tiles tiles({0, active});
  for (int64_t panel = panels.begin; panel < panels.end; ++panel) {
    const int64_t first = panel * kTileColumns, units = columns_of_panel(H, panel);
    for (int64_t t = 0; t < tiles.count; ++t) {
      const Range tile = tiles[t];
      const Segment segments[] = {{memory.x_rows + tile.begin, 1, op.packed_ih + first * I, I},
                                  {memory.h_rows + tile.begin, 1, op.packed_hh + first * H, H}};
      alignas(64) float z[kTileRows * kTileColumns];
      multiply_tile(tile.size(), segments, 2, {memory.bias + first, 0}, {z, kTileColumns});
      for (int64_t r = 0; r < tile.size(); ++r) {
        const int64_t row = memory.rows[tile.begin + r];
        float* h = memory.h_at(op, row, step) + first;
        for (int64_t v = 0; v < units; v += kLanes) {
          const Vector sum = load(z + r * kTileColumns + v);
          store_first(h + v, rnn_activate(relu, bounded(sum, rnn.gate_clip)), units - v);
        }
        if (rnn.gates) {
          memcpy(rnn.gates + op.walk.position(row, step) * H + first, h, sizeof(float) * static_cast<size_t>(units));
        }
        for (int64_t v = 0; regularized && v < units; v += kLanes) {
          regularize_hidden(op, memory, row, step, first + v, units - v);
        }
      }
    }
  }
}

inline void rnn_forward(const RnnForward& rnn, void* workspace, Team& team) noexcept {
  const HiddenForward& op = rnn.hidden;
  const int64_t H = op.hidden_size;
  Carver carver{static_cast<char*>(workspace)};
  const HiddenMemory memory(op, carver, rnn_bias_columns(op), team.rank());
  const Share share(op.walk, panel_count(H), team);
  clear(memory.zeros, H);
  const int64_t begin = share.panels.begin * kTileColumns, end = share.panels.end * kTileColumns;
  for (int64_t first = begin; first < end; first += kLanes) {
    store(memory.bias + first,
          add(bias_vector(op.bias_ih, first, H - first), bias_vector(op.bias_hh, first, H - first)));
  }
  walk_forward(op, memory, share, {begin, end < H ? end : H}, team,
               [&](int64_t active, int64_t step) { rnn_step_rows(rnn, memory, active, step, share.panels); });
  clear_past_lengths(op.walk, team.split(op.walk.batch), rnn.gates, H);
  if (!rnn.bounds || team.rank() > 0) return;
  write_bounds(
      rnn.gate_clip, [&](Vector z) { return rnn_activate(rnn.relu, z); }, rnn.bounds, 0);
}

inline StepCost rnn_step_cost(const HiddenForward& op) noexcept {
  return {multiply_adds(op), panel_count(op.hidden_size)};
}

inline void rnn_run(const RnnForward& rnn, const Call& call, Team& team) noexcept {
  RnnForward op = rnn;
  op.hidden.packed_ih = call.packs[0], op.hidden.packed_hh = call.packs[1];
  on_step_team(team, op.hidden.walk, op.hidden.walk.cost.weights,
               [&](Team& own) { rnn_forward(op, call.workspace, own); });
}

inline size_t rnn_memory(const HiddenForward& op, int team_size) noexcept {
  Carver carver{nullptr};
  HiddenMemory(op, carver, rnn_bias_columns(op), team_size - 1);
  return carver.used;
}

// rnn
// Computes  h_t = φ(W x_t + U h_{t-1} + b), φ the tanh or, with relu, max(0, ·) (NaN stays NaN), of what ±gate_clip bounds;
//           U sees mask h_{t-1}, and with shares k of zoneout h_t = k h_{t-1} + (1 - k) φ(...)
// Shapes    x [T,B,I], h0? [B,H], weight_ih [H,I], weight_hh [H,H], bias_ih?, bias_hh? [H], keep_hidden? [T,B,H] or [H],
//           hidden_mask? [B,H], lengths? int32 [B] -> y [T,B,H], h_n [B,H], gates (φ's value) [T,B,H], bounds [1,2], each when planned
// Layout    weights packed as columns
// Aliasing  no output overlaps an operand
// Accuracy  one FMA chain from b_ih + b_hh over I, then H; tanh of simd/math.h
// Source    Elman 1990; zoneout Krueger et al. 2016; mask Gal & Ghahramani 2016
inline RnnForward rnn_of(const Call& call) noexcept {
  const Tensor& x = call.operand(0);
  RnnForward rnn = {};
  HiddenForward& op = rnn.hidden;
  op.input_size = x.dim(2), op.hidden_size = call.operand(3).dim(1);
  op.walk = {x.dim(0), x.dim(1), call.operand_i32(8), call.flag(0), rnn_step_cost(op)};
  op.x = x.f32(), op.h0 = call.operand_f32(1);
  op.bias_ih = call.operand_f32(4), op.bias_hh = call.operand_f32(5);
  op.keep_hidden = lstm_share_of(call, 6), op.hidden_mask = call.operand_f32(7);
  op.y = call.output(0).f32(), op.h_n = call.output(1).f32();
  rnn.relu = call.flag(1), rnn.gate_clip = static_cast<float>(call.number(2));
  rnn.gates = call.output(2).f32(), rnn.bounds = call.output(3).f32();
  return rnn;
}

size_t rnn_workspace(const Call& call, int team_size) noexcept { return rnn_memory(rnn_of(call).hidden, team_size); }

void rnn(const Call& call, Team& team) noexcept { rnn_run(rnn_of(call), call, team); }

// rnn_step
// Computes  one step of rnn
// Shapes    x [B,I], h [B,H], keep_hidden? [B,H] or [H], the rest as rnn -> h_next [B,H], gates [B,H] and bounds when planned
// Layout    as rnn
// Aliasing  as rnn
// Accuracy  the bits of rnn
// Source    as rnn
inline RnnForward rnn_step_of(const Call& call) noexcept {
  const Tensor &x = call.operand(0), &h = call.operand(1);
  RnnForward rnn = {};
  HiddenForward& op = rnn.hidden;
  op.input_size = x.dim(1), op.hidden_size = h.dim(1);
  op.walk = {1, x.dim(0), nullptr, false, rnn_step_cost(op)};
  op.x = x.f32(), op.h0 = h.f32();
  op.bias_ih = call.operand_f32(4), op.bias_hh = call.operand_f32(5);
  op.keep_hidden = lstm_share_of(call, 6), op.hidden_mask = call.operand_f32(7);
  op.y = call.output(0).f32();
  rnn.relu = call.flag(0), rnn.gate_clip = static_cast<float>(call.number(1));
  rnn.gates = call.output(1).f32(), rnn.bounds = call.output(2).f32();
  return rnn;
}

size_t rnn_step_workspace(const Call& call, int team_size) noexcept {
  return rnn_memory(rnn_step_of(call).hidden, team_size);
}

void rnn_step(const Call& call, Team& team) noexcept { rnn_run(rnn_step_of(call), call, team); }

// rnn_backward
// Computes  the gradients of rnn before its activation (dgates), of its initial state, and of each h_t (dh)
// Shapes    dy? [T,B,H], dh_n? [B,H], gates [T,B,H], weight_hh [H,H], keep_hidden?, hidden_mask?, bounds? as rnn, lengths? int32 [B]
//           -> dgates [T,B,H] (0 past a length), dh0 [B,H] and dh [T,B,H] (0 past a length) when planned
// Layout    weight_hh packed as rows
// Aliasing  no output overlaps an operand
// Accuracy  dh is one FMA chain from dy + dh_n over H; dgates = dh * (1 - gates²), or gates > 0 ? dh : 0; 0 where clipped
// Source    backpropagation through time, Werbos 1990
inline HiddenBackward rnn_backward_of(const Call& call) noexcept {
  const Tensor& gates = call.operand(2);
  HiddenBackward op = {};
  op.hidden_size = gates.dim(2);
  const StepCost cost = {op.hidden_size * op.hidden_size, panel_count(op.hidden_size)};
  op.walk = {gates.dim(0), gates.dim(1), call.operand_i32(7), call.flag(0), cost};
  op.dy = call.operand_f32(0), op.dh_n = call.operand_f32(1);
  op.keep_hidden = lstm_share_of(call, 4), op.hidden_mask = call.operand_f32(5);
  op.dh0 = call.output(1).f32(), op.dh = call.output(2).f32();
  op.chained[0] = {call.output(0).f32(), op.hidden_size};
  return op;
}

size_t rnn_backward_workspace(const Call& call, int team_size) noexcept {
  Carver carver{nullptr};
  HiddenBackwardMemory(rnn_backward_of(call), carver, team_size - 1);
  return carver.used;
}

inline void rnn_walk_back(const Call& call, Team& team) noexcept {
  HiddenBackward op = rnn_backward_of(call);
  op.packed_hh = call.packs[0];
  const bool relu = call.flag(1);
  const GateBounds bounds = {call.operand_f32(6)};
  const int64_t H = op.hidden_size;
  const float* gates = call.operand(2).f32();
  float* dgates = call.output(0).f32();
  Carver carver{static_cast<char*>(call.workspace)};
  const HiddenBackwardMemory memory(op, carver, team.rank());
  const Share share(op.walk, panel_count(H), team);
  clear_past_lengths(op.walk, team.split(op.walk.batch), dgates, H);

  const auto chain = [&](int64_t panel, ListedPart* parts) {
    parts[0] = {memory.after[0], 0, op.packed_hh + panel * H * kTileColumns, H};
    return 1;
  };
  walk_backward(op, memory, share, team, chain, [&](BackwardRows listed, int64_t step) {
    const auto use = [&](const float* dh, int64_t row, int64_t first, int64_t units) {
      const int64_t at = op.walk.position(row, step) * H + first;
      for (int64_t v = 0; v < units; v += kLanes) {
        const Vector given = load_first(gates + at + v, units - v), gradient = load(dh + v);
        const Vector through = relu ? select(greater(given, zero()), gradient, zero())
                                    : multiply(gradient, negative_fma(given, given, broadcast(1.0f)));
        store_first(dgates + at + v, slope_within(bounds, 0, given, through), units - v);
      }
      clear(memory.dh + row * H + first, units);  // h enters nowhere but in the multiply
    };
    const auto list = [&](int64_t row, int64_t first, int64_t units, FetchList& lines) {
      const int64_t at = op.walk.position(row, step) * H + first;
      lines.add(gates + at, units), lines.add(dgates + at, units), lines.add(memory.dh + row * H + first, units);
    };
    gradient_of_state(op, memory, listed, step, share.panels, chain, list, use);
  });
}

void rnn_backward(const Call& call, Team& team) noexcept {
  const SequenceWalk walk = rnn_backward_of(call).walk;
  on_step_team(team, walk, walk.cost.weights, [&](Team& own) { rnn_walk_back(call, own); });
}

// rnn_backward_weight
// Computes  dweight_hh = Σ over t and b of dgates_tᵀ · h_{t-1}, h_{t-1} being h0 (or 0) at the first step of a row
// Shapes    dgates [T,B,H], y [T,B,H], h0? [B,H], lengths? int32 [B] -> dweight_hh [H,H]
// Layout    as lstm_backward_weight, whose kernel it is: that does not ask how many gates there are
// Aliasing  as lstm_backward_weight
// Accuracy  as lstm_backward_weight
// Source    as rnn_backward
size_t rnn_backward_weight_workspace(const Call& call, int team_size) noexcept {
  return lstm_backward_weight_workspace(call, team_size);
}

void rnn_backward_weight(const Call& call, Team& team) noexcept { lstm_backward_weight(call, team); }

}  // namespace lstm::LSTM_ISA
