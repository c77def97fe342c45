// What a backward LSTM reads, writes and keeps between steps, and its cell without and with options.
#pragma once

#include "kernels/recurrent/lstm_gates.h"
#include "kernels/recurrent/lstm_kind.h"
#include "kernels/recurrent/sequence.h"

namespace lstm::LSTM_ISA {

struct LstmBackward {
  SequenceWalk walk;
  int64_t hidden_size, output_size;  // the size of h: P with a projection, else H
  LstmKind kind;
  bool plain, plain_cell;  // no option at all; none of those that the cell itself has
  bool projected;
  const float *dy, *dh_n, *dc_n;       // zeros when null
  const float *gates, *cells, *c0;     // c0: zeros when null
  const float *packed_hh, *packed_hr;  // rows
  LstmPeepholes peepholes;
  LstmShare keep_hidden, keep_cell;
  const float* hidden_mask;
  bool gates_recur;          // i, f and o are seen by the step after
  const float* packed_gate;  // rows
  const float* dg_n;         // [B,3H]: zeros when null
  LstmNorm norm;
  GateBounds bounds;
  const float *normalized_input, *normalized_state, *normalized_cell, *scales;  // as lstm wrote them
  float *dgates, *dh0, *dc0, *dprojected, *dg0;                                 // all but dgates may be null
  float *dh, *dcells;  // all that reaches h and c, [T,B,·]; may be null
  // With layer normalization: the gradients of W_ih x, of what is normalized with W_hh h, and of c normalized and scaled;
  // each may be null.
  float *dinput, *drecurrent, *dvisible;

  bool normalizes() const { return norm.input != nullptr; }
  int64_t recurrent_gates() const { return gates_recur ? kRecurrentGates * hidden_size : 0; }
};

// What one batch row reads and writes at one step.
struct LstmBackwardRow {
  const float *gates, *cell, *cell_before;
  const float* dvalues;  // null where no step sees gates
  float *dc, *dgates, *dcells;
};

struct LstmBackwardMemory {
  // Shared: the running gradient of c, [B,H]; what zoneout leaves of the gradient of h to the step before, and the
  // gradient of what a projection gives, [B,P]; that of i, f and o through the step after, [B,3H]. With layer
  // normalization, the gradient of o φ, [B,H], of c as φ sees it, [B,H], and of what W_hh multiplied, [B,4H] at this step
  // and the one after.
  float *dc, *kept, *projected, *dvalues, *arriving, *visible, *recurrent[2];
  // Of one thread; dh is the gradient of h in a panel of a step, rows are those listed at a step, places what their cells
  // read and write.
  float *zeros = nullptr, *dh = nullptr;
  const float** dgates_after = nullptr;
  int64_t* rows = nullptr;
  LstmBackwardRow* places = nullptr;
  size_t bytes;

  LstmBackwardMemory(const LstmBackward& op, void* workspace, int thread) noexcept {
    Carver carver{static_cast<char*>(workspace)};
    const int64_t batch = op.walk.batch;
    dc = carver.take<float>(op.dc0 ? 0 : batch * op.hidden_size);
    if (op.dc0) dc = op.dc0;
    kept = carver.take<float>(op.keep_hidden.data ? batch * op.output_size : 0);
    projected = carver.take<float>(op.projected && !op.dprojected ? batch * op.output_size : 0);
    const int64_t cells = op.normalizes() ? batch * op.hidden_size : 0;
    dvalues = carver.take<float>(batch * op.recurrent_gates());
    arriving = carver.take<float>(cells);
    visible = carver.take<float>(op.dvisible ? 0 : cells);
    for (float*& buffer : recurrent) buffer = carver.take<float>(op.drecurrent ? 0 : kLstmGates * cells);
    for (int t = 0; t <= thread; ++t) {
      zeros = carver.take<float>(op.hidden_size);
      dh = carver.take<float>(batch * kTileColumns);
      dgates_after = carver.take<const float*>(batch);
      rows = carver.take<int64_t>(batch);
      places = carver.take<LstmBackwardRow>(batch);
    }
    bytes = carver.used;
  }

  float* projected_at(const LstmBackward& op, int64_t row, int64_t position) const {
    return op.dprojected ? op.dprojected + position * op.output_size : projected + row * op.output_size;
  }
  float* visible_at(const LstmBackward& op, int64_t row, int64_t position) const {
    return op.dvisible ? op.dvisible + position * op.hidden_size : visible + row * op.hidden_size;
  }
  // The gradient of what the recurrent weights multiplied at a step.
  float* recurrent_at(const LstmBackward& op, int64_t row, int64_t step) const {
    const int64_t size = kLstmGates * op.hidden_size;
    float* const all = op.normalizes() ? op.drecurrent : op.dgates;
    return all ? all + op.walk.position(row, step) * size : recurrent[step & 1] + row * size;
  }
};

inline LstmBackwardRow lstm_backward_row(const LstmBackward& op, const LstmBackwardMemory& memory, int64_t row,
                                         int64_t step) noexcept {
  const int64_t H = op.hidden_size, position = op.walk.position(row, step);
  return {op.gates + position * kLstmGates * H,
          op.cells + position * H,
          step > 0 ? op.cells + op.walk.position(row, step - 1) * H : row_or(op.c0, row, H, memory.zeros),
          op.gates_recur ? memory.dvalues + row * kRecurrentGates * H : nullptr,
          memory.dc + row * H,
          op.dgates + position * kLstmGates * H,
          op.dcells ? op.dcells + position * H : nullptr};
}

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

// do = dh * p, and what the step after sends back; times the slope of o.
LSTM_INLINE Vector lstm_output_gradient(const LstmBackward& op, Vector dh, Vector p, Vector o,
                                        const LstmBackwardRow& row, int64_t first, int64_t count) noexcept {
  Vector gradient = multiply(dh, p);
  if (row.dvalues) gradient = add(gradient, load_first(row.dvalues + 2 * op.hidden_size + first, count));
  return multiply(gradient, slope_within(op.bounds, kOutputGate, o, slope_at(op.kind.output, o)));
}

// From the gradients of z_o and of c, the peephole's part of the latter missing; keep_cell may be null. With a share k of
// zoneout
//   dc += dz_o * p_o;  the candidate has (1 - k) * dc, or 0 where clipped,
//   df = dc * c',  di = dc * g, each and what the step after sends back,  di - df if coupled,  dg = dc * i, each * slope
// and dc * f + di * p_i + df * p_f + k * dc goes on to the step before. For `count` units from `first`.
LSTM_INLINE void lstm_variant_gates_backward(const LstmBackward& op, Vector dzo, Vector dc, const LstmBackwardRow& row,
                                             const float* keep_cell, int64_t first, int64_t count) noexcept {
  const LstmKind& kind = op.kind;
  const int64_t H = op.hidden_size;
  const float* gates = row.gates + first;
  const Vector i = load_first(gates + kInputGate * H, count), f = load_first(gates + kForgetGate * H, count);
  const Vector g = load_first(gates + kCellGate * H, count);
  const Vector before = load_first(row.cell_before + first, count);
  if (op.peepholes.input) dc = fma(dzo, load_first(op.peepholes.output + first, count), dc);
  if (row.dcells) store_first(row.dcells + first, dc, count);
  Vector kept = zero();
  if (keep_cell) {
    const Vector keep = load_first(keep_cell + first, count);
    kept = multiply(keep, dc);
    dc = multiply(subtract(broadcast(1.0f), keep), dc);
  }
  if (kind.clip > 0) {
    // The candidate as the forward pass had it, to the bit.
    dc = select(less(broadcast(kind.clip), abs(fma(f, before, multiply(i, g)))), zero(), dc);
  }
  Vector df = multiply(dc, before), di = multiply(dc, g);
  if (row.dvalues) {
    di = add(di, load_first(row.dvalues + first, count));
    df = add(df, load_first(row.dvalues + H + first, count));
  }
  if (kind.forget == LstmActivation::coupled) di = subtract(di, df);
  const Vector dzi = multiply(di, slope_within(op.bounds, kInputGate, i, slope_at(kind.input, i)));
  const Vector dzf = multiply(df, slope_within(op.bounds, kForgetGate, f, slope_at(kind.forget, f)));
  const Vector dzg = multiply(multiply(dc, i), slope_within(op.bounds, kCellGate, g, slope_at(kind.candidate, g)));
  Vector onwards = fma(dc, f, kept);
  if (op.peepholes.input) {
    onwards = fma(dzi, load_first(op.peepholes.input + first, count), onwards);
    onwards = fma(dzf, load_first(op.peepholes.forget + first, count), onwards);
  }
  store_first(row.dc + first, onwards, count);
  float* dgates = row.dgates + first;
  store_first(dgates + kInputGate * H, dzi, count);
  store_first(dgates + kForgetGate * H, dzf, count);
  store_first(dgates + kCellGate * H, dzg, count);
  store_first(dgates + kOutputGate * H, dzo, count);
}

// lstm_cell_backward with options. With p = φ(c):  dc = dc' + dh * o * slope(p), then as above.
LSTM_INLINE void lstm_variant_cell_backward(const LstmBackward& op, Vector dh, const LstmBackwardRow& row,
                                            const float* keep_cell, int64_t first, int64_t count) noexcept {
  const Vector o = load_first(row.gates + kOutputGate * op.hidden_size + first, count);
  const Vector p = activate(op.kind.cell, load_first(row.cell + first, count));
  const Vector dzo = lstm_output_gradient(op, dh, p, o, row, first, count);
  const Vector dc = fma(multiply(dh, o), slope_at(op.kind.cell, p), load_first(row.dc + first, count));
  lstm_variant_gates_backward(op, dzo, dc, row, keep_cell, first, count);
}

}  // namespace lstm::LSTM_ISA
