// What a backward LSTM reads, writes and keeps between steps, and its cell with options.
#pragma once

#include "kernels/recurrent/lstm_gates.h"
#include "kernels/recurrent/lstm_kind.h"
#include "kernels/recurrent/sequence.h"

namespace lstm::LSTM_ISA {

struct LstmBackward {
  SequenceWalk walk;
  int64_t hidden_size, output_size;  // the size of h: P with a projection, else H
  LstmKind kind;
  bool plain;  // no option at all
  bool projected;
  const float *dy, *dh_n, *dc_n;       // zeros when null
  const float *gates, *cells, *c0;     // c0: zeros when null
  const float *packed_hh, *packed_hr;  // rows
  LstmPeepholes peepholes;
  LstmShare keep_hidden, keep_cell;
  const float* hidden_mask;
  float *dgates, *dh0, *dc0, *dprojected;  // all but dgates may be null
};

struct LstmBackwardMemory {
  // Shared: the running gradient of c, [B,H]; what zoneout leaves of the gradient of h to the step before, and the
  // gradient of what a projection gives, [B,P].
  float *dc, *kept, *projected;
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
    kept = carver.take<float>(op.keep_hidden.data ? batch * op.output_size : 0);
    projected = carver.take<float>(op.projected && !op.dprojected ? batch * op.output_size : 0);
    for (int t = 0; t <= thread; ++t) {
      zeros = carver.take<float>(op.hidden_size);
      dgates_after = carver.take<const float*>(batch);
      rows = carver.take<int64_t>(batch);
    }
    bytes = carver.used;
  }

  float* projected_at(const LstmBackward& op, int64_t row, int64_t position) const {
    return op.dprojected ? op.dprojected + position * op.output_size : projected + row * op.output_size;
  }
};

// What one batch row reads and writes at one step.
struct LstmBackwardRow {
  const float *gates, *cell, *cell_before;
  float *dc, *dgates;
};

inline LstmBackwardRow lstm_backward_row(const LstmBackward& op, const LstmBackwardMemory& memory, int64_t row,
                                         int64_t step) noexcept {
  const int64_t H = op.hidden_size, position = op.walk.position(row, step);
  return {op.gates + position * kLstmGates * H, op.cells + position * H,
          step > 0 ? op.cells + op.walk.position(row, step - 1) * H : row_or(op.c0, row, H, memory.zeros),
          memory.dc + row * H, op.dgates + position * kLstmGates * H};
}

// lstm_cell_backward with options; keep_cell may be null. With p = φ(c) and a share k of zoneout
//   do = (dh * p) * slope(o);  dc = dc' + dh * o * slope(p) + do * p_o;  the candidate has (1 - k) * dc, or 0 where clipped,
//   di = (dc * g - dc * c', the latter if coupled) * slope(i),  df = (dc * c') * slope(f),  dg = (dc * i) * slope(g)
// and dc * f + di * p_i + df * p_f + k * dc goes on to the step before. For `count` units from `first`.
LSTM_INLINE void lstm_variant_cell_backward(const LstmBackward& op, Vector dh, const LstmBackwardRow& row,
                                            const float* keep_cell, int64_t first, int64_t count) noexcept {
  const LstmKind& kind = op.kind;
  const int64_t H = op.hidden_size;
  const float* gates = row.gates + first;
  const Vector i = load_first(gates + kInputGate * H, count), f = load_first(gates + kForgetGate * H, count);
  const Vector g = load_first(gates + kCellGate * H, count), o = load_first(gates + kOutputGate * H, count);
  const Vector before = load_first(row.cell_before + first, count);
  const Vector p = activate(kind.cell, load_first(row.cell + first, count));
  const Vector dzo = multiply(multiply(dh, p), slope_at(kind.output, o));
  Vector dc = fma(multiply(dh, o), slope_at(kind.cell, p), load_first(row.dc + first, count));
  if (op.peepholes.input) dc = fma(dzo, load_first(op.peepholes.output + first, count), dc);
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
  const Vector df = multiply(dc, before);
  Vector di = multiply(dc, g);
  if (kind.forget == LstmActivation::coupled) di = subtract(di, df);
  const Vector dzi = multiply(di, slope_at(kind.input, i)), dzf = multiply(df, slope_at(kind.forget, f));
  Vector onwards = fma(dc, f, kept);
  if (op.peepholes.input) {
    onwards = fma(dzi, load_first(op.peepholes.input + first, count), onwards);
    onwards = fma(dzf, load_first(op.peepholes.forget + first, count), onwards);
  }
  store_first(row.dc + first, onwards, count);
  float* dgates = row.dgates + first;
  store_first(dgates + kInputGate * H, dzi, count);
  store_first(dgates + kForgetGate * H, dzf, count);
  store_first(dgates + kCellGate * H, multiply(multiply(dc, i), slope_at(kind.candidate, g)), count);
  store_first(dgates + kOutputGate * H, dzo, count);
}

}  // namespace lstm::LSTM_ISA
