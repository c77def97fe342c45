// The sLSTM backward in time. The gradients of x, weight_ih and the biases are those of a linear layer over dgates.
#pragma once

#include "kernels/multiply/heads.h"
#include "kernels/recurrent/hidden_backward.h"
#include "kernels/recurrent/lstm_gates.h"

namespace lstm::LSTM_ISA {

struct SlstmBackward {
  HiddenBackward hidden;  // weight_hh packed as heads4_rows
  int64_t head_size;
  const float *dc_n, *dn_n, *dm_n;                          // zeros when null
  const float *gates, *forget_slope, *cells, *normalizers;  // forget_slope: ones when null
  const float *c0, *n0;                                     // zeros when null
  float* dgates;
  float *dc0, *dn0, *dm0, *dcells;  // each may be null

  HeadPanels panels() const { return {hidden.hidden_size, head_size, kTileColumns}; }
  // Without one of these, no part of the loss but outputs reaches m.
  bool has_excess() const { return dc_n || dn_n || dm_n || dm0; }
  // c or n (`all` with `initial`) after a step of a row, or before the first.
  const float* after(const float* all, const float* initial, int64_t row, int64_t step, const float* zeros) const {
    const int64_t H = hidden.hidden_size;
    return step >= 0 ? all + hidden.walk.position(row, step) * H : row_or(initial, row, H, zeros);
  }
};

struct SlstmBackwardMemory {
  // Shared: the running gradients of c and n, and of m what exceeds c dc + n dn, [B,H]. excess may be null, for zeros.
  float *dc, *dn, *excess;
  HiddenBackwardMemory hidden;

  SlstmBackwardMemory(const SlstmBackward& op, Carver& carver, int thread) noexcept
      : dc(take_unless(op, op.dc0, carver)),
        dn(take_unless(op, op.dn0, carver)),
        excess(op.has_excess() ? take_unless(op, op.dm0, carver) : nullptr),
        hidden(op.hidden, carver, thread) {}

 private:
  static float* take_unless(const SlstmBackward& op, float* planned, Carver& carver) noexcept {
    return planned ? planned : carver.take<float>(op.hidden.walk.batch * op.hidden.hidden_size);
  }
};

// What one batch row reads and writes at one step, from its first unit on. Those after dgates may be null.
struct SlstmBackwardRow {
  const float *gates, *c_before, *n_before, *c, *n;
  float *dc, *dn, *dgates;
  const float* forget_slope;
  float *excess, *dcells;
};

inline SlstmBackwardRow slstm_backward_row(const SlstmBackward& op, const SlstmBackwardMemory& memory, int64_t row,
                                           int64_t step, int64_t first) noexcept {
  const int64_t H = op.hidden.hidden_size, position = op.hidden.walk.position(row, step);
  const int64_t at = position * H + first, of_row = row * H + first;
  return {op.gates + position * kLstmGates * H + first,
          op.after(op.cells, op.c0, row, step - 1, memory.hidden.zeros) + first,
          op.after(op.normalizers, op.n0, row, step - 1, memory.hidden.zeros) + first,
          op.cells + at,
          op.normalizers + at,
          memory.dc + of_row,
          memory.dn + of_row,
          op.dgates + position * kLstmGates * H + first,
          op.forget_slope ? op.forget_slope + at : nullptr,
          memory.excess ? memory.excess + of_row : nullptr,
          op.dcells ? op.dcells + at : nullptr};
}

// With q = c / n and r = (dh * o) / n, both 0 where n = 0:  dc = dc' + r,  dn = dn' - r * q by one FMA. Before activation
//   di = i * (dc * g + dn),  df = f * (dc * c' + dn * n') * slope of log f,  dg = (dc * i) * (1 - g²),  do = (dh * q) * (o * (1 - o)),
// each sum one FMA over the rounded other product. The excess joins df (before its slope) where f = 1, and goes on; else it
// joins di and ends. dc * f and dn * f go on. For `count` units; lib/ops/recurrent/slstmCell.ts says why.
LSTM_INLINE void slstm_cell_backward(Vector dh, const SlstmBackwardRow& row, int64_t count,
                                     int64_t hidden_size) noexcept {
  const Vector one = broadcast(1.0f);
  const auto gate = [&](int which) { return load_first(row.gates + which * hidden_size, count); };
  const Vector i = gate(kInputGate), f = gate(kForgetGate), g = gate(kCellGate), o = gate(kOutputGate);
  const Vector n = load_first(row.n, count);
  const Mask unseen = equal(n, zero());
  const auto over_n = [&](Vector v) { return select(unseen, zero(), divide(v, n)); };
  const Vector q = over_n(load_first(row.c, count)), r = over_n(multiply(dh, o));
  const Vector dc = add(load_first(row.dc, count), r);
  const Vector dn = negative_fma(r, q, load_first(row.dn, count));
  const Vector n_part = multiply(dn, load_first(row.n_before, count));
  Vector di = multiply(i, fma(dc, g, dn));
  Vector df = multiply(f, fma(dc, load_first(row.c_before, count), n_part));
  if (row.excess) {
    const Vector excess = load_first(row.excess, count);
    const Mask of_input = less(f, one);
    const Vector going_on = select(of_input, zero(), excess);
    di = add(di, select(of_input, excess, zero()));
    df = add(df, going_on);
    store_first(row.excess, going_on, count);
  }
  if (row.forget_slope) df = multiply(df, load_first(row.forget_slope, count));
  if (row.dcells) store_first(row.dcells, dc, count);
  store_first(row.dc, multiply(dc, f), count);
  store_first(row.dn, multiply(dn, f), count);
  store_first(row.dgates + kInputGate * hidden_size, di, count);
  store_first(row.dgates + kForgetGate * hidden_size, df, count);
  store_first(row.dgates + kCellGate * hidden_size, multiply(multiply(dc, i), negative_fma(g, g, one)), count);
  store_first(row.dgates + kOutputGate * hidden_size, multiply(multiply(dh, q), multiply(o, subtract(one, o))), count);
}

// Lists what the gates of the step after give to a panel of dh: gate by gate, of the heads that its units are in. Returns
// how many parts that is.
inline int slstm_chain(const SlstmBackward& op, const HiddenBackwardMemory& memory, int64_t panel,
                       ListedPart* parts) noexcept {
  const HeadPanels heads = op.panels();
  const Range seen = heads.seen(panel);
  for (int gate = 0; gate < kLstmGates; ++gate) {
    parts[gate] = {memory.after[0], gate * op.hidden.hidden_size + seen.begin,
                   op.hidden.packed_hh + (panel * kLstmGates + gate) * heads.depth() * kTileColumns, seen.size()};
  }
  return kLstmGates;
}

// Lists what the cell of a row reads and writes for `units` units from `first`.
inline void slstm_list_backward(const SlstmBackward& op, const SlstmBackwardMemory& memory, int64_t row, int64_t step,
                                int64_t first, int64_t units, FetchList& lines) noexcept {
  const SlstmBackwardRow at = slstm_backward_row(op, memory, row, step, first);
  for (int gate = 0; gate < kLstmGates; ++gate) {
    lines.add(at.gates + gate * op.hidden.hidden_size, units);
    lines.add(at.dgates + gate * op.hidden.hidden_size, units);
  }
  const float* const more[] = {at.c, at.n, at.c_before, at.n_before, at.forget_slope};
  for (const float* read : more) {
    if (read) lines.add(read, units);
  }
  lines.add(at.dc, units), lines.add(at.dn, units);
}

// A thread's rows and units, a vector of units at a time: visit(row, first unit, units left).
template <class Visit>
inline void for_each_vector(const SlstmBackward& op, const Share& share, Visit visit) noexcept {
  const int64_t H = op.hidden.hidden_size, end = share.panels.end * kTileColumns;
  const int64_t last = end < H ? end : H;
  for (int64_t row = share.rows.begin; row < share.rows.end; ++row) {
    for (int64_t unit = share.panels.begin * kTileColumns; unit < last; unit += kLanes) visit(row, unit, last - unit);
  }
}

// The running gradients begin as dc_n, dn_n and dm_n - n dn_n - c dc_n; the last as dm_n itself in a row of no steps.
inline void slstm_start_backward(const SlstmBackward& op, const SlstmBackwardMemory& memory,
                                 const Share& share) noexcept {
  const int64_t H = op.hidden.hidden_size;
  for_each_vector(op, share, [&](int64_t row, int64_t unit, int64_t count) {
    const int64_t at = row * H + unit, last = op.hidden.walk.length(row) - 1;
    const auto given = [&](const float* final) { return final ? load_first(final + at, count) : zero(); };
    const Vector dc = given(op.dc_n), dn = given(op.dn_n);
    store_first(memory.dc + at, dc, count);
    store_first(memory.dn + at, dn, count);
    if (!memory.excess) return;
    Vector excess = given(op.dm_n);
    if (last >= 0) {
      const float* zeros = memory.hidden.zeros;
      excess = negative_fma(load_first(op.after(op.cells, op.c0, row, last, zeros) + unit, count), dc, excess);
      excess = negative_fma(load_first(op.after(op.normalizers, op.n0, row, last, zeros) + unit, count), dn, excess);
    }
    store_first(memory.excess + at, excess, count);
  });
}

// dm0 is the excess and c0 dc0 + n0 dn0.
inline void slstm_initial_stabilizer(const SlstmBackward& op, const SlstmBackwardMemory& memory,
                                     const Share& share) noexcept {
  if (!op.dm0) return;
  const int64_t H = op.hidden.hidden_size;
  for_each_vector(op, share, [&](int64_t row, int64_t unit, int64_t count) {
    if (op.hidden.walk.length(row) == 0) return;
    const int64_t at = row * H + unit;
    const float *c0 = row_or(op.c0, row, H, memory.hidden.zeros), *n0 = row_or(op.n0, row, H, memory.hidden.zeros);
    Vector dm = load_first(op.dm0 + at, count);
    dm = fma(load_first(c0 + unit, count), load_first(memory.dc + at, count), dm);
    dm = fma(load_first(n0 + unit, count), load_first(memory.dn + at, count), dm);
    store_first(op.dm0 + at, dm, count);
  });
}

// slstm_backward
// Computes  the gradients of slstm before its activations, of its initial states, and the whole gradients of h and c (dh,
//           dcells), through the stabilizer too
// Shapes    dy? [T,B,H], dh_n?, dc_n?, dn_n?, dm_n? [B,H], gates [T,B,4H], forget_slope?, cells, normalizers [T,B,H],
//           c0?, n0? [B,H], weight_hh [4H,H/heads], keep_hidden?, hidden_mask? as slstm, lengths? int32 [B] -> dgates [T,B,4H] (0 past a length),
//           dh0, dc0, dn0, dm0 [B,H], dh, dcells [T,B,H] when planned
// Layout    weight_hh packed as heads4_rows; gates in the order of lstm_gates.h
// Aliasing  no output overlaps an operand
// Accuracy  dh is one FMA chain from dy + dh_n over 4H/heads; the cell as slstm_cell_backward says
// Source    backpropagation through time, Werbos 1990; Beck et al. 2024, appendix A.2
inline SlstmBackward slstm_backward_of(const Call& call) noexcept {
  const Tensor &cells = call.operand(7), &weight_hh = call.operand(11);
  SlstmBackward op = {};
  op.hidden.hidden_size = cells.dim(2), op.head_size = weight_hh.dim(1);
  const StepCost cost = {weight_hh.dim(0) * op.head_size, op.panels().count()};
  op.hidden.walk = {cells.dim(0), cells.dim(1), call.operand_i32(14), call.flag(0), cost};
  op.hidden.dy = call.operand_f32(0), op.hidden.dh_n = call.operand_f32(1);
  op.dc_n = call.operand_f32(2), op.dn_n = call.operand_f32(3), op.dm_n = call.operand_f32(4);
  op.gates = call.operand(5).f32(), op.forget_slope = call.operand_f32(6);
  op.cells = cells.f32(), op.normalizers = call.operand(8).f32();
  op.c0 = call.operand_f32(9), op.n0 = call.operand_f32(10);
  op.hidden.keep_hidden = lstm_share_of(call, 12), op.hidden.hidden_mask = call.operand_f32(13);
  op.dgates = call.output(0).f32(), op.hidden.dh0 = call.output(1).f32();
  op.dc0 = call.output(2).f32(), op.dn0 = call.output(3).f32(), op.dm0 = call.output(4).f32();
  op.hidden.dh = call.output(5).f32(), op.dcells = call.output(6).f32();
  op.hidden.chained[0] = {op.dgates, kLstmGates * op.hidden.hidden_size};
  return op;
}

size_t slstm_backward_workspace(const Call& call, int team_size) noexcept {
  Carver carver{nullptr};
  SlstmBackwardMemory(slstm_backward_of(call), carver, team_size - 1);
  return carver.used;
}

inline void slstm_walk_back(const SlstmBackward& op, void* workspace, Team& team) noexcept {
  const int64_t H = op.hidden.hidden_size;
  const SequenceWalk& walk = op.hidden.walk;
  Carver carver{static_cast<char*>(workspace)};
  const SlstmBackwardMemory memory(op, carver, team.rank());
  const Share share(walk, op.panels().count(), team);
  clear(memory.hidden.zeros, H);
  slstm_start_backward(op, memory, share);
  const Range rows = team.split(walk.batch);
  clear_past_lengths(walk, rows, op.dgates, kLstmGates * H);
  clear_past_lengths(walk, rows, op.dcells, H);
  const auto chain = [&](int64_t panel, ListedPart* parts) { return slstm_chain(op, memory.hidden, panel, parts); };
  walk_backward(op.hidden, memory.hidden, share, team, chain, [&](BackwardRows listed, int64_t step) {
    const auto use = [&](const float* dh, int64_t row, int64_t first, int64_t units) {
      for (int64_t v = 0; v < units; v += kLanes) {
        slstm_cell_backward(load(dh + v), slstm_backward_row(op, memory, row, step, first + v), units - v, H);
      }
      clear(memory.hidden.dh + row * H + first, units);  // h enters nowhere but in the multiply
    };
    const auto list = [&](int64_t row, int64_t first, int64_t units, FetchList& lines) {
      slstm_list_backward(op, memory, row, step, first, units, lines);
    };
    gradient_of_state(op.hidden, memory.hidden, listed, step, share.panels, chain, list, use);
  });
  slstm_initial_stabilizer(op, memory, share);
}

void slstm_backward(const Call& call, Team& team) noexcept {
  SlstmBackward op = slstm_backward_of(call);
  op.hidden.packed_hh = call.packs[0];
  on_step_team(team, op.hidden.walk, op.hidden.walk.cost.weights,
               [&](Team& own) { slstm_walk_back(op, call.workspace, own); });
}

}  // namespace lstm::LSTM_ISA
