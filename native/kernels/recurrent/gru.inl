// The GRU: forward over a sequence, and its single step.
#pragma once

#include "kernels/recurrent/gru_gates.h"
#include "kernels/recurrent/hidden.h"
#include "simd/math.h"

namespace lstm::LSTM_ISA {

struct GruForward {
  HiddenForward hidden;  // weights packed as gates3
  bool reset_after;
  float *gates, *recurrent;  // each may be null

  int64_t panels() const { return (hidden.hidden_size + kLanes - 1) / kLanes; }
};

struct GruMemory {
  // Shared: with the reset gate before the product, a step has two phases, and what the first leaves for the second lies
  // in gates and recurrent, or here: [B,3H] and [B,H].
  float *gates, *recurrent;
  HiddenMemory hidden;

  GruMemory(const GruForward& op, Carver& carver, int thread) noexcept
      : gates(take_unless(op, op.gates, kGruGates, carver)),
        recurrent(take_unless(op, op.recurrent, 1, carver)),
        hidden(op.hidden, carver, op.panels() * kTileColumns, thread) {}

 private:
  static float* take_unless(const GruForward& op, const float* planned, int64_t width, Carver& carver) noexcept {
    if (op.reset_after || planned) return nullptr;
    return carver.take<float>(op.hidden.walk.batch * width * op.hidden.hidden_size);
  }
};

// What one batch row reads and writes at one step: the state before as the gates see it, and as it is. With the reset
// gate after, gates and recurrent may be null.
struct GruRow {
  const float *h_seen, *h_before;
  float *h, *gates, *recurrent;
};

inline GruRow gru_row(const GruForward& op, const GruMemory& memory, int64_t listed, int64_t step) noexcept {
  const int64_t H = op.hidden.hidden_size, row = memory.hidden.rows[listed];
  const int64_t position = op.hidden.walk.position(row, step);
  const auto at = [=](float* planned, float* own, int64_t width) {
    return planned ? planned + position * width : own ? own + row * width : nullptr;
  };
  const float* seen = memory.hidden.h_rows[listed];
  return {seen, op.hidden.hidden_mask ? memory.hidden.h_before(op.hidden, row, step) : seen,
          memory.hidden.h_at(op.hidden, row, step), at(op.gates, memory.gates, kGruGates * H),
          at(op.recurrent, memory.recurrent, H)};
}

// The bias of each panel, in the places of the tile: b_ih + b_hh where both enter alike.
inline void gru_bias(const GruForward& op, Range panels, float* bias) noexcept {
  const int64_t H = op.hidden.hidden_size;
  for (int64_t panel = panels.begin; panel < panels.end; ++panel) {
    float* sums = bias + panel * kTileColumns;
    const int64_t first = panel * kLanes, count = H - first;
    const auto of_input = [&](int gate) { return bias_vector(op.hidden.bias_ih, gate * H + first, count); };
    const auto of_state = [&](int gate) { return bias_vector(op.hidden.bias_hh, gate * H + first, count); };
    store(sums + kResetGate * kLanes, add(of_input(kResetGate), of_state(kResetGate)));
    store(sums + kUpdateGate * kLanes, add(of_input(kUpdateGate), of_state(kUpdateGate)));
    const Vector candidate = of_input(kCandidateGate), recurrent = of_state(kCandidateGate);
    store(sums + kCandidateOfInput * kLanes, op.reset_after ? candidate : add(candidate, recurrent));
    store(sums + kCandidateOfState * kLanes, recurrent);
  }
}

// r, z = σ(z_r), σ(z_z); n = tanh(z_n + r * q), by one FMA; h = n + z * (h' - n), by one FMA over the rounded difference.
// For `count` units from `first`; the tile holds r, z, z_n and q of kLanes units.
LSTM_INLINE void gru_cell(const float* tile, const GruRow& row, int64_t first, int64_t count,
                          int64_t hidden_size) noexcept {
  const Vector r = sigmoid(load(tile + kResetGate * kLanes));
  const Vector z = sigmoid(load(tile + kUpdateGate * kLanes));
  const Vector q = load(tile + kCandidateOfState * kLanes);
  const Vector n = tanh(fma(r, q, load(tile + kCandidateOfInput * kLanes)));
  store_first(row.h + first, fma(z, subtract(load_first(row.h_before + first, count), n), n), count);
  if (row.recurrent) store_first(row.recurrent + first, q, count);
  if (!row.gates) return;
  float* gates = row.gates + first;
  store_first(gates + kResetGate * hidden_size, r, count);
  store_first(gates + kUpdateGate * hidden_size, z, count);
  store_first(gates + kCandidateGate * hidden_size, n, count);
}

// The two halves of a cell whose reset gate comes before the product. The first leaves r, z, what x adds to the candidate,
// and q = r * h' as the gates see it; the second ends the candidate's chain with q.
LSTM_INLINE void gru_cell_reset(const float* tile, const GruRow& row, int64_t first, int64_t count,
                                int64_t hidden_size) noexcept {
  const Vector r = sigmoid(load(tile + kResetGate * kLanes));
  float* gates = row.gates + first;
  store_first(gates + kResetGate * hidden_size, r, count);
  store_first(gates + kUpdateGate * hidden_size, sigmoid(load(tile + kUpdateGate * kLanes)), count);
  store_first(gates + kCandidateGate * hidden_size, load(tile + kCandidateOfInput * kLanes), count);
  store_first(row.recurrent + first, multiply(r, load_first(row.h_seen + first, count)), count);
}

LSTM_INLINE void gru_cell_candidate(const float* tile, const GruRow& row, int64_t first, int64_t count,
                                    int64_t hidden_size) noexcept {
  float* gates = row.gates + first;
  const Vector z = load_first(gates + kUpdateGate * hidden_size, count);
  const Vector n = tanh(load(tile + kCandidateGate * kLanes));
  store_first(gates + kCandidateGate * hidden_size, n, count);
  store_first(row.h + first, fma(z, subtract(load_first(row.h_before + first, count), n), n), count);
}

// What regularization makes of the h that the cell has stored for some listed rows, one vector from `first` of each.
inline void gru_regularize(const GruForward& op, const GruMemory& memory, Range listed, int64_t step,
                           int64_t first) noexcept {
  if (!op.hidden.hidden_mask && !op.hidden.keep_hidden.data) return;
  for (int64_t i = listed.begin; i < listed.end; ++i) {
    regularize_hidden(op.hidden, memory.hidden, memory.hidden.rows[i], step, first, op.hidden.hidden_size - first);
  }
}

// x adds to r, z and its part of the candidate; h' to r, z and, with the reset gate after, to its own part.
using ResetAfterTile =
    MixedTile<Columns<kResetGate, kUpdateGate, kCandidateOfInput>, Columns<kResetGate, kUpdateGate, kCandidateOfState>>;
using ResetBeforeTile =
    MixedTile<Columns<kResetGate, kUpdateGate, kCandidateOfInput>, Columns<kResetGate, kUpdateGate, kSkip>>;
using CandidateTile = MixedTile<Columns<kSkip, kSkip, kCandidateGate>>;

// One step of the listed rows: b + W_ih x + W_hh h' tile by tile, each followed by the cell.
template <class Tile, class Cell>
inline void gru_step_rows(const GruForward& op, const GruMemory& memory, int64_t active, int64_t step, Range panels,
                          Cell cell) noexcept {
  const int64_t I = op.hidden.input_size, H = op.hidden.hidden_size, width = kGruGates * kLanes;
  const Tiles tiles({0, active});
  for (int64_t panel = panels.begin; panel < panels.end; ++panel) {
    const TileStart bias = {memory.hidden.bias + panel * kTileColumns, 0};
    for (int64_t t = 0; t < tiles.count; ++t) {
      const Range listed = tiles[t];
      const Segment segments[] = {{memory.hidden.x_rows + listed.begin, 1, op.hidden.packed_ih + panel * I * width, I},
                                  {memory.hidden.h_rows + listed.begin, 1, op.hidden.packed_hh + panel * H * width, H}};
      alignas(64) float tile[kTileRows * kTileColumns];
      Tile::multiply(listed.size(), segments, bias, {tile, kTileColumns});
      for (int64_t r = 0; r < listed.size(); ++r) {
        const GruRow row = gru_row(op, memory, listed.begin + r, step);
        cell(tile + r * kTileColumns, row, panel * kLanes, H - panel * kLanes, H);
      }
      if (op.reset_after) gru_regularize(op, memory, listed, step, panel * kLanes);
    }
  }
}

// The second phase of a step with the reset gate before: the candidate's chain goes on over q.
inline void gru_candidate_rows(const GruForward& op, const GruMemory& memory, int64_t active, int64_t step,
                               Range panels) noexcept {
  const int64_t H = op.hidden.hidden_size;
  const Tiles tiles({0, active});
  const float** q_rows = memory.hidden.x_rows;  // x has been multiplied
  for (int64_t i = 0; i < active; ++i) q_rows[i] = gru_row(op, memory, i, step).recurrent;
  for (int64_t panel = panels.begin; panel < panels.end; ++panel) {
    const int64_t first = panel * kLanes, count = H - first;
    const float* columns = op.hidden.packed_hh + panel * H * kGruGates * kLanes;
    for (int64_t t = 0; t < tiles.count; ++t) {
      const Range listed = tiles[t];
      const Segment segment = {q_rows + listed.begin, 1, columns, H};
      alignas(64) float tile[kTileRows * kTileColumns] = {};
      for (int64_t r = 0; r < listed.size(); ++r) {
        const float* begun = gru_row(op, memory, listed.begin + r, step).gates + kCandidateGate * H + first;
        store(tile + r * kTileColumns + kCandidateGate * kLanes, load_first(begun, count));
      }
      CandidateTile::multiply(listed.size(), &segment, {tile, kTileColumns}, {tile, kTileColumns});
      for (int64_t r = 0; r < listed.size(); ++r) {
        gru_cell_candidate(tile + r * kTileColumns, gru_row(op, memory, listed.begin + r, step), first, count, H);
      }
      gru_regularize(op, memory, listed, step, first);
    }
  }
}

inline void gru_forward(const GruForward& op, void* workspace, Team& team) noexcept {
  const int64_t H = op.hidden.hidden_size;
  Carver carver{static_cast<char*>(workspace)};
  const GruMemory memory(op, carver, team.rank());
  const Share share(op.hidden.walk, op.panels(), team);
  clear(memory.hidden.zeros, H);
  gru_bias(op, share.panels, memory.hidden.bias);
  const int64_t end = share.panels.end * kLanes;
  const Range units = {share.panels.begin * kLanes, end < H ? end : H};
  walk_forward(op.hidden, memory.hidden, share, units, team, [&](int64_t active, int64_t step) {
    if (op.reset_after) {
      return gru_step_rows<ResetAfterTile>(op, memory, active, step, share.panels, gru_cell);
    }
    gru_step_rows<ResetBeforeTile>(op, memory, active, step, share.panels, gru_cell_reset);
    share.end_step(team);
    gru_candidate_rows(op, memory, active, step, share.panels);
  });
  const Range rows = team.split(op.hidden.walk.batch);
  clear_past_lengths(op.hidden.walk, rows, op.gates, kGruGates * H);
  clear_past_lengths(op.hidden.walk, rows, op.recurrent, H);
}

inline void gru_run(const GruForward& op, void* workspace, Team& team) noexcept {
  const int64_t work = kGruGates * op.hidden.hidden_size * (op.hidden.input_size + op.hidden.hidden_size);
  on_step_team(team, op.hidden.walk, work, [&](Team& own) { gru_forward(op, workspace, own); });
}

inline size_t gru_memory(const GruForward& op, int team_size) noexcept {
  Carver carver{nullptr};
  GruMemory(op, carver, team_size - 1);
  return carver.used;
}

// gru
// Computes  r, z = σ(W x_t + U h_{t-1} + b); h_t = (1 - z) n + z h_{t-1}; with reset_after q = U_n h_{t-1} + b_hn and
//           n = tanh(W_n x_t + b_in + r q), otherwise q = r h_{t-1} and n = tanh(W_n x_t + b_in + U_n q + b_hn);
//           U and q see mask h_{t-1}, and with shares k of zoneout h_t = k h_{t-1} + (1 - k) h_t
// Shapes    x [T,B,I], h0? [B,H], weight_ih [3H,I], weight_hh [3H,H], bias_ih?, bias_hh? [3H], keep_hidden? [T,B,H] or [H],
//           hidden_mask? [B,H], lengths? int32 [B]
//           -> y [T,B,H], h_n [B,H], gates [T,B,3H], recurrent (q) [T,B,H], each only when planned
// Layout    weights packed as gates3; gates in the order of gru_gates.h, after activation
// Aliasing  no output overlaps an operand
// Accuracy  r, z: one FMA chain from b_ih + b_hh over I, then H; the candidate's parts likewise; activations of simd/math.h
// Source    Cho et al. 2014; reset_after as PyTorch; zoneout Krueger et al. 2016; mask Gal & Ghahramani 2016
inline GruForward gru_of(const Call& call) noexcept {
  const Tensor& x = call.operand(0);
  GruForward op = {};
  op.hidden.walk = {x.dim(0), x.dim(1), call.operand_i32(8), call.flag(0)};
  op.hidden.input_size = x.dim(2), op.hidden.hidden_size = call.operand(3).dim(1);
  op.hidden.x = x.f32(), op.hidden.h0 = call.operand_f32(1);
  op.hidden.bias_ih = call.operand_f32(4), op.hidden.bias_hh = call.operand_f32(5);
  op.hidden.keep_hidden = lstm_share_of(call, 6), op.hidden.hidden_mask = call.operand_f32(7);
  op.hidden.y = call.output(0).f32(), op.hidden.h_n = call.output(1).f32();
  op.gates = call.output(2).f32(), op.recurrent = call.output(3).f32();
  op.reset_after = call.flag(1);
  return op;
}

size_t gru_workspace(const Call& call, int team_size) noexcept { return gru_memory(gru_of(call), team_size); }

void gru(const Call& call, Team& team) noexcept {
  GruForward op = gru_of(call);
  op.hidden.packed_ih = call.packs[0], op.hidden.packed_hh = call.packs[1];
  gru_run(op, call.workspace, team);
}

// gru_step
// Computes  one step of gru
// Shapes    x [B,I], h [B,H], keep_hidden? [B,H] or [H], the rest as gru -> h_next [B,H], gates [B,3H], recurrent [B,H] when planned
// Layout    as gru
// Aliasing  as gru
// Accuracy  the bits of gru
// Source    as gru
inline GruForward gru_step_of(const Call& call) noexcept {
  const Tensor &x = call.operand(0), &h = call.operand(1);
  GruForward op = {};
  op.hidden.walk = {1, x.dim(0), nullptr, false};
  op.hidden.input_size = x.dim(1), op.hidden.hidden_size = h.dim(1);
  op.hidden.x = x.f32(), op.hidden.h0 = h.f32();
  op.hidden.bias_ih = call.operand_f32(4), op.hidden.bias_hh = call.operand_f32(5);
  op.hidden.keep_hidden = lstm_share_of(call, 6), op.hidden.hidden_mask = call.operand_f32(7);
  op.hidden.y = call.output(0).f32(), op.gates = call.output(1).f32(), op.recurrent = call.output(2).f32();
  op.reset_after = call.flag(0);
  return op;
}

size_t gru_step_workspace(const Call& call, int team_size) noexcept { return gru_memory(gru_step_of(call), team_size); }

void gru_step(const Call& call, Team& team) noexcept {
  GruForward op = gru_step_of(call);
  op.hidden.packed_ih = call.packs[0], op.hidden.packed_hh = call.packs[1];
  gru_run(op, call.workspace, team);
}

}  // namespace lstm::LSTM_ISA
