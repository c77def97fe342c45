// What options make of a forward LSTM: the cell, zoneout and mask of h, and the projection.
#pragma once

#include "kernels/multiply/product.h"
#include "kernels/recurrent/lstm_forward.h"

namespace lstm::LSTM_ISA {

// h = keep * h' + (1 - keep) * h, and as the gates of the next step see it: mask * h.
LSTM_INLINE void lstm_store_hidden(Vector h, const LstmRow& row, const LstmRowOptions& options, int64_t first,
                                   int64_t count) noexcept {
  if (options.keep_hidden) {
    h = mix(load_first(options.keep_hidden + first, count), load_first(options.h_before + first, count), h);
  }
  store_first(row.h + first, h, count);
  if (options.masked) store_first(options.masked + first, multiply(h, load_first(options.mask + first, count)), count);
}

struct LstmOutputs {
  Vector o, c;
};

// lstm_cell with options, up to c and o. Peepholes join z by one FMA each, then ±gate_clip bounds it; with shares k of
// zoneout
//   c = clip(f * c' + i * g), then k * c' + (1 - k) * c;  z_o sees this c
// `count` units from `first`; z holds the four gates of kLanes units.
LSTM_INLINE LstmOutputs lstm_variant_gates(const LstmForward& op, const float* z, const LstmRow& row,
                                           const LstmRowOptions& options, int64_t first, int64_t count) noexcept {
  const LstmKind& kind = op.kind;
  const bool peepholes = op.peepholes.input;
  const Vector c_before = load_first(row.c_before + first, count);
  Vector zi = load(z + kInputGate * kLanes), zf = load(z + kForgetGate * kLanes), zo = load(z + kOutputGate * kLanes);
  if (peepholes) {
    zi = fma(load_first(op.peepholes.input + first, count), c_before, zi);
    zf = fma(load_first(op.peepholes.forget + first, count), c_before, zf);
  }
  const Vector i = activate(kind.input, bounded(zi, kind.gate_clip));
  const bool coupled = kind.forget == LstmActivation::coupled;
  const Vector f = coupled ? subtract(broadcast(1.0f), i) : activate(kind.forget, bounded(zf, kind.gate_clip));
  const Vector g = activate(kind.candidate, bounded(load(z + kCellGate * kLanes), kind.gate_clip));
  Vector c = fma(f, c_before, multiply(i, g));
  c = bounded(c, kind.clip);
  if (options.keep_cell) c = mix(load_first(options.keep_cell + first, count), c_before, c);
  if (peepholes) zo = fma(load_first(op.peepholes.output + first, count), c, zo);
  const Vector o = activate(kind.output, bounded(zo, kind.gate_clip));
  store_first(row.c + first, c, count);
  if (options.recurred) {
    // Of a gate that is not there the next step sees nothing.
    const auto seen = [](LstmActivation gate, Vector v) { return gate == LstmActivation::one ? zero() : v; };
    float* recurred = options.recurred + first;
    store_first(recurred, seen(kind.input, i), count);
    store_first(recurred + op.hidden_size, seen(kind.forget, f), count);
    store_first(recurred + 2 * op.hidden_size, seen(kind.output, o), count);
  }
  if (row.gates) {
    float* gates = row.gates + first;
    store_first(gates + kInputGate * op.hidden_size, i, count);
    store_first(gates + kForgetGate * op.hidden_size, f, count);
    store_first(gates + kCellGate * op.hidden_size, g, count);
    store_first(gates + kOutputGate * op.hidden_size, o, count);
  }
  return {o, c};
}

// o * φ(c), c being what layer normalization makes of it, if there is one.
LSTM_INLINE Vector lstm_variant_hidden(const LstmForward& op, LstmOutputs outputs) noexcept {
  return multiply(outputs.o, activate(op.kind.cell, outputs.c));
}

// Without a projection h is stored; with one, what it multiplies is.
LSTM_INLINE void lstm_give_hidden(const LstmForward& op, Vector h, const LstmRow& row, const LstmRowOptions& options,
                                  int64_t first, int64_t count) noexcept {
  if (!op.projected) lstm_store_hidden(h, row, options, first, count);
  if (options.unprojected) store_first(options.unprojected + first, h, count);
}

inline LstmRowOptions lstm_row_options(const LstmForward& op, const LstmMemory& memory, int64_t row, int64_t step,
                                       int64_t position) noexcept {
  const int64_t P = op.output_size;
  return {step > 0 ? memory.h_at(op, row, step - 1) : row_or(op.h0, row, P, memory.zeros),
          op.keep_hidden.row(position),
          op.keep_cell.row(position),
          row_or(op.hidden_mask, row, P, nullptr),
          memory.unprojected_at(op, row, position),
          memory.masked_at(op, row, step),
          memory.recurred_at(op, row, step),
          position};
}

// What the gates are where their inputs are clipped; gates that have no activation are left at 0.
inline void lstm_write_bounds(const LstmKind& kind, float* bounds) noexcept {
  for (int gate = 0; gate < kLstmGates; ++gate) {
    const auto value = [&](Vector z) { return activate(kind.gate(gate), z); };
    write_bounds(kind.weighted(gate) ? kind.gate_clip : 0, value, bounds, gate);
  }
}

// The gates after a row's last step as the next one would see them, or the initial ones of an empty row.
inline void lstm_last_gates(const LstmForward& op, const LstmMemory& memory, Range rows) noexcept {
  const int64_t size = kRecurrentGates * op.hidden_size;
  for (int64_t row = rows.begin; op.g_n && row < rows.end; ++row) {
    if (!op.gates_recur) {
      clear(op.g_n + row * size, size);
    } else {
      const float* last = memory.recurred_before(op, row, op.walk.length(row));
      memcpy(op.g_n + row * size, last, sizeof(float) * static_cast<size_t>(size));
    }
  }
}

// The initial h as the gates of the first step see it. Every thread may read any row of it.
inline void lstm_mask_initial(const LstmForward& op, const LstmMemory& memory, Team& team) noexcept {
  const int64_t P = op.output_size;
  const Range rows = team.split(op.walk.batch);
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    const float *h = row_or(op.h0, row, P, memory.zeros), *mask = op.hidden_mask + row * P;
    float* masked = memory.masked_at(op, row, -1);
    for (int64_t n = 0; n < P; n += kLanes) {
      store_first(masked + n, multiply(load_first(h + n, P - n), load_first(mask + n, P - n)), P - n);
    }
  }
  team.barrier();
}

// h = W_hr (o φ(c)) of the listed rows, for panels of P. What the gates saw of h is not needed any more.
inline void lstm_project_rows(const LstmForward& op, const LstmMemory& memory, int64_t active, Range panels) noexcept {
  const int64_t H = op.hidden_size, P = op.output_size;
  for (int64_t r = 0; r < active; ++r) memory.h_rows[r] = memory.options[r].unprojected;
  for (int64_t panel = panels.begin; panel < panels.end; ++panel) {
    const int64_t first = panel * kTileColumns, next = panel + 1 < panels.end ? panel + 1 : panels.begin;
    multiply_listed(
        memory.h_rows, active, op.packed_hr + panel * H * kTileColumns, H, op.packed_hr + next * H * kTileColumns,
        {kZeroColumns, 0}, {memory.z, kTileColumns},
        [&](Range tile, FetchList& list) {
          for (int64_t r = tile.begin; r < tile.end; ++r) {
            list.add(memory.rows[r].h + first, columns_of_panel(P, panel));
          }
        },
        [&](Range tile) {
          for (int64_t r = tile.begin; r < tile.end; ++r) {
            for (int64_t n = 0; n < kTileColumns && first + n < P; n += kLanes) {
              lstm_store_hidden(load(memory.z + r * kTileColumns + n), memory.rows[r], memory.options[r], first + n,
                                P - first - n);
            }
          }
        });
  }
}

}  // namespace lstm::LSTM_ISA
