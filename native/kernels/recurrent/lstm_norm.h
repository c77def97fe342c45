// Layer normalization inside an LSTM's cell, forward: what happens to a row once x and h are multiplied.
#pragma once

#include "kernels/recurrent/lstm_variant.h"

namespace lstm::LSTM_ISA {

// Added to the variance, as in lib/ops/recurrent/lstmNorm.ts.
constexpr float kNormEpsilon = 1e-5f;

// Sums over the gates of all units. A unit goes to a virtual lane as in simd/reduce.h, a gate to a sum of its own; so the
// four do not wait for each other, and the order depends on nothing but H.
struct GateSum {
  LaneSum gates[kLstmGates];

  LSTM_INLINE float total() const {
    LaneSum sum;
    for (int part = 0; part < kParts; ++part) {
      sum.parts[part] = add(add(gates[kInputGate].parts[part], gates[kForgetGate].parts[part]),
                            add(gates[kCellGate].parts[part], gates[kOutputGate].parts[part]));
    }
    return sum.total();
  }
};

// Visits (unit, gate, part, count) for every vector of the gates that have weights of their own.
template <class Visit>
LSTM_INLINE void each_gate_vector(const LstmKind& kind, int64_t hidden_size, Visit visit) {
  bool weighted[kLstmGates];
  for (int gate = 0; gate < kLstmGates; ++gate) weighted[gate] = kind.weighted(gate);
  for (int64_t block = 0; block < hidden_size; block += kVirtualLanes) {
    LSTM_UNROLL
    for (int part = 0; part < kParts; ++part) {
      const int64_t unit = block + part * kLanes, count = hidden_size - unit;
      if (count <= 0) continue;
      LSTM_UNROLL
      for (int gate = 0; gate < kLstmGates; ++gate) {
        if (weighted[gate]) visit(unit, gate, part, count);
      }
    }
  }
}

LSTM_INLINE void take_first(LaneSum& sum, int part, Vector v, int64_t count) {
  if (count >= kLanes) {
    sum.take(part, v);
  } else {
    sum.take_partial(part, v, static_cast<size_t>(count));
  }
}

inline float lstm_norm_count(const LstmKind& kind, int64_t hidden_size) noexcept {
  int64_t count = 0;
  for (int gate = 0; gate < kLstmGates; ++gate) count += kind.weighted(gate) ? hidden_size : 0;
  return static_cast<float>(count);
}

// What normalizes a vector: (v - center) * scale.
struct Standard {
  float center, scale;

  LSTM_INLINE Vector operator()(Vector v) const { return multiply(subtract(v, broadcast(center)), broadcast(scale)); }
};

LSTM_INLINE float norm_scale(float squares, float count) {
  float scale;
  store_first(&scale, divide(broadcast(1.0f), sqrt(broadcast(squares / count + kNormEpsilon))), int64_t{1});
  return scale;
}

// Over the gates of a row in panels.
inline Standard standard_of_gates(const LstmKind& kind, int64_t hidden_size, const float* panels) noexcept {
  const float count = lstm_norm_count(kind, hidden_size);
  const auto at = [panels](int64_t unit, int gate) { return load(panels + unit * kLstmGates + gate * kLanes); };
  GateSum sum, squares;
  each_gate_vector(kind, hidden_size, [&](int64_t unit, int gate, int part, int64_t units) {
    take_first(sum.gates[gate], part, at(unit, gate), units);
  });
  const float center = sum.total() / count;
  each_gate_vector(kind, hidden_size, [&](int64_t unit, int gate, int part, int64_t units) {
    const Vector v = subtract(at(unit, gate), broadcast(center));
    take_first(squares.gates[gate], part, multiply(v, v), units);
  });
  return {center, norm_scale(squares.total(), count)};
}

// Over the cells of a row.
inline Standard standard_of_cells(const float* c, int64_t hidden_size) noexcept {
  const auto count = static_cast<float>(hidden_size);
  const auto size = static_cast<size_t>(hidden_size);
  const auto at = [c](size_t unit, size_t units) { return load_first(c + unit, static_cast<int64_t>(units)); };
  const float center = reduce<LaneSum>(size, at) / count;
  const float squares = reduce<LaneSum>(size, [&](size_t unit, size_t units) {
    const Vector v = subtract(at(unit, units), broadcast(center));
    return multiply(v, v);
  });
  return {center, norm_scale(squares, count)};
}

// A row of [T,B,width], or null.
inline float* saved_row(float* saved, int64_t position, int64_t width) {
  return saved ? saved + position * width : nullptr;
}

// z = γ_x n_x + γ_h n_h + b for the gates of kLanes units, one FMA for each; n are the parts of the row normalized.
LSTM_INLINE void lstm_normalize_gates(const LstmForward& op, const Standard (&standard)[2], const float* (&part)[2],
                                      float* const (&saved)[2], const float* bias, int64_t unit, float* z) noexcept {
  const int64_t H = op.hidden_size, count = H - unit;
  for (int gate = 0; gate < kLstmGates; ++gate) {
    const int64_t at = gate * H + unit, in_panel = unit * kLstmGates + gate * kLanes;
    const bool weighted = op.kind.weighted(gate);
    Vector sum = load(bias + in_panel);
    for (int which = 0; which < 2; ++which) {
      const float* gain = which == 0 ? op.norm.input : op.norm.state;
      const Vector n = weighted ? standard[which](load(part[which] + in_panel)) : zero();
      if (saved[which]) store_first(saved[which] + at, n, count);
      sum = fma(load_first(gain + at, count), n, sum);
    }
    store(z + gate * kLanes, sum);
  }
}

// One listed row: both parts are normalized, then come the gates and c, then c is normalized, then h.
inline void lstm_norm_row(const LstmForward& op, const LstmMemory& memory, int64_t listed, float* parts) noexcept {
  const int64_t H = op.hidden_size;
  const LstmRow& row = memory.rows[listed];
  const LstmRowOptions& options = memory.options[listed];
  float *input = parts, *state = parts + LstmMemory::parts_size(op) / 2;
  const float* both_parts[] = {input, state};
  const Standard standard[] = {standard_of_gates(op.kind, H, input), standard_of_gates(op.kind, H, state)};
  float* const saved[] = {saved_row(op.normalized_input, options.position, kLstmGates * H),
                          saved_row(op.normalized_state, options.position, kLstmGates * H)};
  for (int64_t unit = 0; unit < H; unit += kLanes) {
    alignas(64) float z[kTileColumns];
    lstm_normalize_gates(op, standard, both_parts, saved, memory.bias, unit, z);
    // What was read of the part is free for o.
    store(input + unit * kLstmGates, lstm_variant_gates(op, z, row, options, unit, H - unit).o);
  }
  const Standard cells = standard_of_cells(row.c, H);
  float* normalized = saved_row(op.normalized_cell, options.position, H);
  for (int64_t unit = 0; unit < H; unit += kLanes) {
    const int64_t count = H - unit;
    const Vector n = cells(load_first(row.c + unit, count));
    if (normalized) store_first(normalized + unit, n, count);
    const Vector visible = fma(load_first(op.norm.cell + unit, count), n, load_first(op.norm.cell_bias + unit, count));
    const Vector h = lstm_variant_hidden(op, {load(input + unit * kLstmGates), visible});
    lstm_give_hidden(op, h, row, options, unit, count);
  }
  if (float* scales = saved_row(op.scales, options.position, 3)) {
    scales[0] = standard[0].scale, scales[1] = standard[1].scale, scales[2] = cells.scale;
  }
}

// What x and h add to the gates of the listed rows, apart, for some panels.
inline void lstm_multiply_parts(const LstmForward& op, const LstmMemory& memory, int64_t active, Range panels,
                                int64_t first_row) noexcept {
  const int64_t I = op.input_size, P = op.output_size, G = op.recurrent_gates(), size = LstmMemory::parts_size(op);
  const Tiles tiles({0, active});
  const TileStart zeros = {kZeroColumns, 0};
  for (int64_t panel = panels.begin; panel < panels.end; ++panel) {
    for (int64_t t = 0; t < tiles.count; ++t) {
      const Range tile = tiles[t];
      float* input = memory.parts + (first_row + tile.begin) * size + panel * kTileColumns;
      const Segment of_input = {memory.x_rows + tile.begin, 1, op.packed_ih + panel * I * kTileColumns, I};
      multiply_tile(tile.size(), &of_input, 1, zeros, {input, size});
      const TileEnd state = {input + size / 2, size};
      const Segment of_state[] = {
          {memory.h_rows + tile.begin, 1, op.packed_hh + panel * P * kTileColumns, P},
          {memory.g_rows + tile.begin, 1, op.packed_gate + panel * G * kRecurrentGates * kLanes, G}};
      if (op.gates_recur) {
        MixedTile<WholePanel, RecurrentGateColumns>::multiply(tile.size(), of_state, zeros, state);
      } else {
        multiply_tile(tile.size(), of_state, 1, zeros, state);
      }
    }
  }
}

}  // namespace lstm::LSTM_ISA
