// Layer normalization inside an LSTM's cell, backward: what happens to a row once the gradient of o φ is whole.
#pragma once

#include "kernels/recurrent/lstm_backward_variant.h"
#include "kernels/recurrent/lstm_norm.h"

namespace lstm::LSTM_ISA {

// dv = scale * (dn - mean(dn) - n * mean(dn * n)): the gradient of what was normalized.
struct NormGradient {
  float along, across, scale;

  LSTM_INLINE Vector operator()(Vector dn, Vector n) const {
    const Vector rest = subtract(dn, broadcast(along));
    return multiply(broadcast(scale), negative_fma(n, broadcast(across), rest));
  }
};

// Of a row of gates: from dz, the gain and what was normalized, [4H] each, to the gradient of what entered.
inline void lstm_norm_gates_backward(const LstmKind& kind, int64_t hidden_size, const float* dz, const float* gain,
                                     const float* normalized, float scale, float* gradient) noexcept {
  const int64_t H = hidden_size;
  const auto dn_at = [=](int64_t at, int64_t count) {
    return multiply(load_first(dz + at, count), load_first(gain + at, count));
  };
  GateSum along, across;
  each_gate_vector(kind, H, [&](int64_t unit, int gate, int part, int64_t count) {
    const Vector dn = dn_at(gate * H + unit, count), n = load_first(normalized + gate * H + unit, count);
    take_first(along.gates[gate], part, dn, count);
    take_first(across.gates[gate], part, multiply(dn, n), count);
  });
  const float total = lstm_norm_count(kind, H);
  const NormGradient before = {along.total() / total, across.total() / total, scale};
  for (int gate = 0; gate < kLstmGates; ++gate) {
    if (!kind.weighted(gate)) {
      clear(gradient + gate * H, H);
      continue;
    }
    for (int64_t unit = 0; unit < H; unit += kLanes) {
      const int64_t at = gate * H + unit, count = H - unit;
      store_first(gradient + at, before(dn_at(at, count), load_first(normalized + at, count)), count);
    }
  }
}

// One row at one step, from the gradient of o φ: that of c as φ sees it, then through the normalization of c, the gates,
// and the normalization of both parts of z.
inline void lstm_norm_row_backward(const LstmBackward& op, const LstmBackwardMemory& memory, int64_t row,
                                   int64_t step) noexcept {
  const int64_t H = op.hidden_size, position = op.walk.position(row, step);
  const LstmBackwardRow at = lstm_backward_row(op, memory, row, step);
  const float *dh = memory.arriving + row * H, *scales = op.scales + position * 3;
  const float* normalized = op.normalized_cell + position * H;
  float *dvisible = memory.visible_at(op, row, position), *dzo = at.dgates + kOutputGate * H;
  for (int64_t unit = 0; unit < H; unit += kLanes) {
    const int64_t count = H - unit;
    const Vector n = load_first(normalized + unit, count);
    const Vector visible = fma(load_first(op.norm.cell + unit, count), n, load_first(op.norm.cell_bias + unit, count));
    const Vector p = activate(op.kind.cell, visible), o = load_first(at.gates + kOutputGate * H + unit, count);
    const Vector gradient = load_first(dh + unit, count);
    store_first(dvisible + unit, multiply(multiply(gradient, o), slope_at(op.kind.cell, p)), count);
    store_first(dzo + unit, lstm_output_gradient(op, gradient, p, o, at, unit, count), count);
  }
  const auto dn_at = [&](size_t unit, size_t units) {
    const auto count = static_cast<int64_t>(units);
    return multiply(load_first(dvisible + unit, count), load_first(op.norm.cell + unit, count));
  };
  const float along = reduce<LaneSum>(static_cast<size_t>(H), dn_at);
  const float across = reduce<LaneSum>(static_cast<size_t>(H), [&](size_t unit, size_t units) {
    return multiply(dn_at(unit, units), load_first(normalized + unit, static_cast<int64_t>(units)));
  });
  const auto total = static_cast<float>(H);
  const NormGradient of_cell = {along / total, across / total, scales[2]};
  const float* keep_cell = op.keep_cell.row(position);
  for (int64_t unit = 0; unit < H; unit += kLanes) {
    const int64_t count = H - unit;
    const Vector dn = multiply(load_first(dvisible + unit, count), load_first(op.norm.cell + unit, count));
    const Vector through = of_cell(dn, load_first(normalized + unit, count));
    const Vector dc = add(load_first(at.dc + unit, count), through);
    lstm_variant_gates_backward(op, load_first(dzo + unit, count), dc, at, keep_cell, unit, count);
  }
  const int64_t gates = position * kLstmGates * H;
  lstm_norm_gates_backward(op.kind, H, at.dgates, op.norm.state, op.normalized_state + gates, scales[1],
                           memory.recurrent_at(op, row, step));
  if (!op.dinput) return;
  lstm_norm_gates_backward(op.kind, H, at.dgates, op.norm.input, op.normalized_input + gates, scales[0],
                           op.dinput + gates);
}

inline void lstm_norm_backward(const LstmBackward& op, const LstmBackwardMemory& memory, Range rows,
                               int64_t step) noexcept {
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    if (step < op.walk.length(row)) lstm_norm_row_backward(op, memory, row, step);
  }
}

}  // namespace lstm::LSTM_ISA
