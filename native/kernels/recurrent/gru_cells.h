// The forward GRU's operands and memory, and its cells: what follows a tile.
#pragma once

#include "kernels/recurrent/gru_gates.h"
#include "kernels/recurrent/hidden.h"
#include "simd/math.h"

namespace lstm::LSTM_ISA {

struct GruForward {
  HiddenForward hidden;  // weights packed as gru_gates
  bool reset_after;
  float gate_clip;                    // of what enters an activation; 0: none
  float *gates, *recurrent, *bounds;  // each may be null; bounds: GateBounds

  int64_t panels() const { return (hidden.hidden_size + kLanes - 1) / kLanes; }
  // The columns of a panel from a gate on: r and z are one stream, n is another.
  const float* columns_ih(int64_t panel, GruGate gate) const {
    return hidden.packed_ih + (panel * kGruGates + gate) * kLanes * hidden.input_size;
  }
  const float* columns_hh(int64_t panel, GruGate gate) const {
    return hidden.packed_hh + (panel * kGruGates + gate) * kLanes * hidden.hidden_size;
  }
};

struct GruMemory {
  // Shared: with the reset gate before the product, a step has two phases, and what the first leaves for the second lies
  // in gates and recurrent, or here: [B,3H] and [B,H].
  float *gates, *recurrent;
  HiddenMemory hidden;

  GruMemory(const GruForward& op, Carver& carver, int thread) noexcept
      : gates(take_unless(op, op.gates, kGruGates, carver)),
        recurrent(take_unless(op, op.recurrent, 1, carver)),
        hidden(op.hidden, carver, bias_columns(op), thread) {}

 private:
  // The last tile of a phase may start past its last panel.
  static int64_t bias_columns(const GruForward& op) { return (op.panels() + 1) * kTileColumns; }
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

// r, z = σ(z_r), σ(z_z); n = tanh(z_n + r * q), by one FMA; h = n + z * (h' - n), by one FMA over the rounded difference;
// ±clip bounds what enters σ and tanh. For `count` units from `first`; the tile holds r, z, z_n and q of kLanes units.
LSTM_INLINE void gru_cell(const float* tile, const GruRow& row, float clip, int64_t first, int64_t count,
                          int64_t hidden_size) noexcept {
  const Vector r = sigmoid(bounded(load(tile + kResetGate * kLanes), clip));
  const Vector z = sigmoid(bounded(load(tile + kUpdateGate * kLanes), clip));
  const Vector q = load(tile + kCandidateOfState * kLanes);
  const Vector n = tanh(bounded(fma(r, q, load(tile + kCandidateOfInput * kLanes)), clip));
  store_first(row.h + first, fma(z, subtract(load_first(row.h_before + first, count), n), n), count);
  if (row.recurrent) store_first(row.recurrent + first, q, count);
  if (!row.gates) return;
  float* gates = row.gates + first;
  store_first(gates + kResetGate * hidden_size, r, count);
  store_first(gates + kUpdateGate * hidden_size, z, count);
  store_first(gates + kCandidateGate * hidden_size, n, count);
}

// The two halves of a cell whose reset gate comes before the product. The first leaves r, z and q = r * h' as the gates see
// it; the second ends with z_n over x and q.
LSTM_INLINE void gru_cell_reset(const float* tile, const GruRow& row, float clip, int64_t first, int64_t count,
                                int64_t hidden_size) noexcept {
  const Vector r = sigmoid(bounded(load(tile + kResetGate * kLanes), clip));
  float* gates = row.gates + first;
  store_first(gates + kResetGate * hidden_size, r, count);
  store_first(gates + kUpdateGate * hidden_size, sigmoid(bounded(load(tile + kUpdateGate * kLanes), clip)), count);
  store_first(row.recurrent + first, multiply(r, load_first(row.h_seen + first, count)), count);
}

LSTM_INLINE void gru_cell_candidate(const float* tile, const GruRow& row, float clip, int64_t first, int64_t count,
                                    int64_t hidden_size) noexcept {
  float* gates = row.gates + first;
  const Vector z = load_first(gates + kUpdateGate * hidden_size, count);
  const Vector n = tanh(bounded(load(tile), clip));
  store_first(gates + kCandidateGate * hidden_size, n, count);
  store_first(row.h + first, fma(z, subtract(load_first(row.h_before + first, count), n), n), count);
}

// What the gates are where their inputs are clipped.
inline void gru_write_bounds(float limit, float* bounds) noexcept {
  const auto logistic = [](Vector z) { return sigmoid(z); };
  write_bounds(limit, logistic, bounds, kResetGate);
  write_bounds(limit, logistic, bounds, kUpdateGate);
  write_bounds(
      limit, [](Vector z) { return tanh(z); }, bounds, kCandidateGate);
}

}  // namespace lstm::LSTM_ISA
