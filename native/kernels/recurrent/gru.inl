// The GRU: forward over a sequence, and its single step.
#pragma once

#include "kernels/recurrent/gru_cells.h"

namespace lstm::LSTM_ISA {

// x and h' add to r, z and their own parts of the candidate.
using GatesStream = Columns<kResetGate, kUpdateGate>;
using ResetAfterTile =
    StreamedTile<Streams<GatesStream, Columns<kCandidateOfInput>>, Streams<GatesStream, Columns<kCandidateOfState>>>;

// One step of the listed rows with the reset gate after the product: b + W_ih x + W_hh h' tile by tile, each followed by
// the cell.
inline void gru_step_rows(const GruForward& op, const GruMemory& memory, int64_t active, int64_t step,
                          Range panels) noexcept {
  const int64_t I = op.hidden.input_size, H = op.hidden.hidden_size;
  const Tiles tiles({0, active});
  for (int64_t panel = panels.begin; panel < panels.end; ++panel) {
    const TileStart bias = {memory.hidden.bias + panel * kTileColumns, 0};
    const float *gates_ih = op.columns_ih(panel, kResetGate), *candidate_ih = op.columns_ih(panel, kCandidateGate),
                *gates_hh = op.columns_hh(panel, kResetGate), *candidate_hh = op.columns_hh(panel, kCandidateGate);
    for (int64_t t = 0; t < tiles.count; ++t) {
      const Range listed = tiles[t];
      const StreamedSegment segments[] = {{memory.hidden.x_rows + listed.begin, {gates_ih, candidate_ih}, I},
                                          {memory.hidden.h_rows + listed.begin, {gates_hh, candidate_hh}, H}};
      alignas(64) float tile[kTileRows * kTileColumns];
      ResetAfterTile::multiply(listed.size(), segments, bias, {tile, kTileColumns});
      for (int64_t r = 0; r < listed.size(); ++r) {
        const GruRow row = gru_row(op, memory, listed.begin + r, step);
        gru_cell(tile + r * kTileColumns, row, op.gate_clip, panel * kLanes, H - panel * kLanes, H);
      }
      regularize_listed(op.hidden, memory.hidden, listed, step, panel * kLanes);
    }
  }
}

// One of the two phases of a step with the reset gate before the product: r and z over x and h', or n over x and q. A tile
// holds kGates vectors of as many panels as fill it: with n of one panel alone, three chains of FMAs left more than half of
// the time unused.
template <int kGates>
struct GruPhase {
  static_assert(kGates == 1 || kGates == 2);
  static constexpr int kPanels = kTileVectors / kGates;
  static constexpr GruGate kFirst = kGates == 2 ? kResetGate : kCandidateGate;

  // The bias of panels from `panel` on, in the places of the tile.
  static float* bias(const GruForward& op, const GruMemory& memory, int64_t panel) {
    return memory.hidden.bias + (kFirst * op.panels() + kGates * panel) * kLanes;
  }

  static void multiply(int64_t rows, int64_t panels, const StreamedSegment* segments, TileStart start,
                       TileEnd end) noexcept {
    if constexpr (kGates == 2) {
      if (panels == 2) return multiply_by<Columns<0, 1>, Columns<2, 3>>(rows, segments, start, end);
      return multiply_by<Columns<0, 1>>(rows, segments, start, end);
    } else {
      if (panels == 4) return multiply_by<Columns<0>, Columns<1>, Columns<2>, Columns<3>>(rows, segments, start, end);
      if (panels == 3) return multiply_by<Columns<0>, Columns<1>, Columns<2>>(rows, segments, start, end);
      if (panels == 2) return multiply_by<Columns<0>, Columns<1>>(rows, segments, start, end);
      return multiply_by<Columns<0>>(rows, segments, start, end);
    }
  }

 private:
  template <class... StreamColumns>
  static void multiply_by(int64_t rows, const StreamedSegment* segments, TileStart start, TileEnd end) noexcept {
    using Stream = Streams<StreamColumns...>;
    StreamedTile<Stream, Stream>::multiply(rows, segments, start, end);
  }
};

template <int kGates, class Cell>
inline void gru_phase_rows(const GruForward& op, const GruMemory& memory, int64_t active, int64_t step, Range panels,
                           Cell cell) noexcept {
  using Phase = GruPhase<kGates>;
  const int64_t I = op.hidden.input_size, H = op.hidden.hidden_size;
  const Tiles tiles({0, active});
  for (int64_t panel = panels.begin; panel < panels.end; panel += Phase::kPanels) {
    const int64_t count = panels.end - panel < Phase::kPanels ? panels.end - panel : Phase::kPanels;
    StreamedSegment of_input = {nullptr, {}, I}, of_state = {nullptr, {}, H};
    for (int64_t p = 0; p < count; ++p) {
      of_input.streams[p] = op.columns_ih(panel + p, Phase::kFirst);
      of_state.streams[p] = op.columns_hh(panel + p, Phase::kFirst);
    }
    for (int64_t t = 0; t < tiles.count; ++t) {
      const Range listed = tiles[t];
      GruRow rows[kTileRows] = {};
      const float* recurrent[kTileRows] = {};
      for (int64_t r = 0; r < listed.size(); ++r) {
        rows[r] = gru_row(op, memory, listed.begin + r, step);
        recurrent[r] = rows[r].recurrent;
      }
      of_input.rows = memory.hidden.x_rows + listed.begin;
      of_state.rows = kGates == 2 ? memory.hidden.h_rows + listed.begin : recurrent;
      const StreamedSegment segments[] = {of_input, of_state};
      alignas(64) float tile[kTileRows * kTileColumns];
      Phase::multiply(listed.size(), count, segments, {Phase::bias(op, memory, panel), 0}, {tile, kTileColumns});
      for (int64_t p = 0; p < count; ++p) {
        const int64_t first = (panel + p) * kLanes;
        for (int64_t r = 0; r < listed.size(); ++r) {
          cell(tile + r * kTileColumns + p * kGates * kLanes, rows[r], op.gate_clip, first, H - first, H);
        }
        if (kGates == 1) regularize_listed(op.hidden, memory.hidden, listed, step, first);
      }
    }
  }
}

// The bias of each panel, in the places of the tiles: b_ih + b_hh where both enter alike.
inline void gru_bias(const GruForward& op, const GruMemory& memory, Range panels) noexcept {
  const int64_t H = op.hidden.hidden_size;
  for (int64_t panel = panels.begin; panel < panels.end; ++panel) {
    const int64_t first = panel * kLanes, count = H - first;
    const auto of_input = [&](int gate) { return bias_vector(op.hidden.bias_ih, gate * H + first, count); };
    const auto of_state = [&](int gate) { return bias_vector(op.hidden.bias_hh, gate * H + first, count); };
    float* gates = op.reset_after ? memory.hidden.bias + panel * kTileColumns : GruPhase<2>::bias(op, memory, panel);
    store(gates + kResetGate * kLanes, add(of_input(kResetGate), of_state(kResetGate)));
    store(gates + kUpdateGate * kLanes, add(of_input(kUpdateGate), of_state(kUpdateGate)));
    const Vector candidate = of_input(kCandidateGate), recurrent = of_state(kCandidateGate);
    if (op.reset_after) {
      store(gates + kCandidateOfInput * kLanes, candidate);
      store(gates + kCandidateOfState * kLanes, recurrent);
    } else {
      store(GruPhase<1>::bias(op, memory, panel), add(candidate, recurrent));
    }
  }
}

inline void gru_forward(const GruForward& op, void* workspace, Team& team) noexcept {
  const int64_t H = op.hidden.hidden_size;
  Carver carver{static_cast<char*>(workspace)};
  const GruMemory memory(op, carver, team.rank());
  const Share share(op.hidden.walk, op.panels(), team);
  clear(memory.hidden.zeros, H);
  gru_bias(op, memory, share.panels);
  const int64_t end = share.panels.end * kLanes;
  const Range units = {share.panels.begin * kLanes, end < H ? end : H};
  walk_forward(op.hidden, memory.hidden, share, units, team, [&](int64_t active, int64_t step) {
    if (op.reset_after) return gru_step_rows(op, memory, active, step, share.panels);
    gru_phase_rows<2>(op, memory, active, step, share.panels, gru_cell_reset);
    share.end_step(team);
    gru_phase_rows<1>(op, memory, active, step, share.panels, gru_cell_candidate);
  });
  const Range rows = team.split(op.hidden.walk.batch);
  clear_past_lengths(op.hidden.walk, rows, op.gates, kGruGates * H);
  clear_past_lengths(op.hidden.walk, rows, op.recurrent, H);
  if (op.bounds && team.rank() == 0) gru_write_bounds(op.gate_clip, op.bounds);
}

// Between the two phases of a step with the reset gate before, threads that share columns meet too.
inline StepCost gru_step_cost(const GruForward& op) noexcept {
  return {kGruGates * multiply_adds(op.hidden), op.panels(), op.reset_after ? 1 : 2};
}

inline void gru_run(const GruForward& op, void* workspace, Team& team) noexcept {
  on_step_team(team, op.hidden.walk, op.hidden.walk.cost.weights, [&](Team& own) { gru_forward(op, workspace, own); });
}

inline size_t gru_memory(const GruForward& op, int team_size) noexcept {
  Carver carver{nullptr};
  GruMemory(op, carver, team_size - 1);
  return carver.used;
}

// gru
// Computes  r, z = σ(W x_t + U h_{t-1} + b); h_t = (1 - z) n + z h_{t-1}; with reset_after q = U_n h_{t-1} + b_hn and
//           n = tanh(W_n x_t + b_in + r q), otherwise q = r h_{t-1} and n = tanh(W_n x_t + b_in + U_n q + b_hn);
//           ±gate_clip bounds what enters σ and tanh; U and q see mask h_{t-1}, and with shares k of zoneout h_t = k h_{t-1} + (1 - k) h_t
// Shapes    x [T,B,I], h0? [B,H], weight_ih [3H,I], weight_hh [3H,H], bias_ih?, bias_hh? [3H], keep_hidden? [T,B,H] or [H],
//           hidden_mask? [B,H], lengths? int32 [B]
//           -> y [T,B,H], h_n [B,H], gates [T,B,3H], recurrent (q) [T,B,H], bounds [3,2], each only when planned
// Layout    weights packed as gru_gates; gates in the order of gru_gates.h, after activation
// Aliasing  no output overlaps an operand
// Accuracy  r, z: one FMA chain from b_ih + b_hh over I, then H; the candidate's parts likewise; activations of simd/math.h
// Source    Cho et al. 2014; reset_after as PyTorch; zoneout Krueger et al. 2016; mask Gal & Ghahramani 2016
inline GruForward gru_of(const Call& call) noexcept {
  const Tensor& x = call.operand(0);
  GruForward op = {};
  op.hidden.input_size = x.dim(2), op.hidden.hidden_size = call.operand(3).dim(1);
  op.hidden.walk = {x.dim(0), x.dim(1), call.operand_i32(8), call.flag(0)};
  op.hidden.x = x.f32(), op.hidden.h0 = call.operand_f32(1);
  op.hidden.bias_ih = call.operand_f32(4), op.hidden.bias_hh = call.operand_f32(5);
  op.hidden.keep_hidden = lstm_share_of(call, 6), op.hidden.hidden_mask = call.operand_f32(7);
  op.hidden.y = call.output(0).f32(), op.hidden.h_n = call.output(1).f32();
  op.gates = call.output(2).f32(), op.recurrent = call.output(3).f32();
  op.bounds = call.output(4).f32();
  op.reset_after = call.flag(1), op.gate_clip = static_cast<float>(call.number(2));
  op.hidden.walk.cost = gru_step_cost(op);
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
// Shapes    x [B,I], h [B,H], keep_hidden? [B,H] or [H], the rest as gru -> h_next [B,H], gates [B,3H], recurrent [B,H] and bounds
//           when planned
// Layout    as gru
// Aliasing  as gru
// Accuracy  the bits of gru
// Source    as gru
inline GruForward gru_step_of(const Call& call) noexcept {
  const Tensor &x = call.operand(0), &h = call.operand(1);
  GruForward op = {};
  op.hidden.input_size = x.dim(1), op.hidden.hidden_size = h.dim(1);
  op.hidden.walk = {1, x.dim(0), nullptr, false};
  op.hidden.x = x.f32(), op.hidden.h0 = h.f32();
  op.hidden.bias_ih = call.operand_f32(4), op.hidden.bias_hh = call.operand_f32(5);
  op.hidden.keep_hidden = lstm_share_of(call, 6), op.hidden.hidden_mask = call.operand_f32(7);
  op.hidden.y = call.output(0).f32(), op.gates = call.output(1).f32(), op.recurrent = call.output(2).f32();
  op.bounds = call.output(3).f32();
  op.reset_after = call.flag(0), op.gate_clip = static_cast<float>(call.number(1));
  op.hidden.walk.cost = gru_step_cost(op);
  return op;
}

size_t gru_step_workspace(const Call& call, int team_size) noexcept { return gru_memory(gru_step_of(call), team_size); }

void gru_step(const Call& call, Team& team) noexcept {
  GruForward op = gru_step_of(call);
  op.hidden.packed_ih = call.packs[0], op.hidden.packed_hh = call.packs[1];
  gru_run(op, call.workspace, team);
}

}  // namespace lstm::LSTM_ISA
