// Cells that carry a hidden state alone, backward: their memory, their lists of rows, the gradient of h and their loop over
// time. A cell adds what takes that gradient.
#pragma once

#include "kernels/recurrent/hidden.h"

namespace lstm::LSTM_ISA {

constexpr int kChained = 2;

struct HiddenBackward {
  SequenceWalk walk;
  int64_t hidden_size;
  const float *dy, *dh_n;  // zeros when null
  const float* packed_hh;  // rows
  // What the step after multiplies with W_hh on its way to h, [T,B,·]; all but the first may be missing.
  DenseRows chained[kChained];
  LstmShare keep_hidden;
  const float* hidden_mask;  // may be null
  float *dh0, *dh;           // each may be null
};

struct HiddenBackwardMemory {
  float* dh;  // shared: what the gradient of h at the next step begins with, besides dy, [B,H]
  // Of one thread: of the listed rows, a panel of the gradient of h, or of what a cell makes of it, and what the step after
  // chains.
  float *zeros = nullptr, *panel = nullptr;
  int64_t* rows = nullptr;
  const float** after[kChained] = {};

  HiddenBackwardMemory(const HiddenBackward& op, Carver& carver, int thread) noexcept {
    const int64_t batch = op.walk.batch;
    dh = carver.take<float>(op.dh0 ? 0 : batch * op.hidden_size);
    if (op.dh0) dh = op.dh0;
    for (int t = 0; t <= thread; ++t) {
      zeros = carver.take<float>(op.hidden_size);
      panel = carver.take<float>(batch * kTileColumns);
      rows = carver.take<int64_t>(batch);
      for (const float**& list : after) list = carver.take<const float*>(batch);
    }
  }
};

// The rows of a thread at one step, on the way back: first those that have a later step, then those for which it is the
// last. At step -1, where the initial state stands, the latter are the rows of no steps.
struct BackwardRows {
  int64_t continuing, all;
};

inline BackwardRows list_rows(const HiddenBackward& op, const HiddenBackwardMemory& memory, Range rows,
                              int64_t step) noexcept {
  BackwardRows listed = {0, 0};
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    if (step >= op.walk.length(row) - 1) continue;
    const int64_t position = op.walk.position(row, step + 1);
    for (int source = 0; source < kChained && op.chained[source].data; ++source) {
      memory.after[source][listed.all] = op.chained[source](position);
    }
    memory.rows[listed.all++] = row;
  }
  listed.continuing = listed.all;
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    if (step == op.walk.length(row) - 1) memory.rows[listed.all++] = row;
  }
  return listed;
}

// Where dh of a panel of the listed rows starts: dy and what the memory carries. With a mask start + mask * product takes
// the place of the products that stand there.
template <bool kMasked>
inline void start_gradient(const HiddenBackward& op, const HiddenBackwardMemory& memory, Range listed, int64_t step,
                           int64_t first) noexcept {
  const int64_t H = op.hidden_size;
  for (int64_t r = listed.begin; r < listed.end; ++r) {
    const int64_t row = memory.rows[r];
    const float* carried = memory.dh + row * H;
    const float* dy = step >= 0 && op.dy ? op.dy + op.walk.position(row, step) * H : nullptr;
    for (int64_t v = 0; v < kTileColumns; v += kLanes) {
      const int64_t unit = first + v, count = H - unit;
      float* at = memory.panel + r * kTileColumns + v;
      if (count <= 0) {
        store(at, zero());
        continue;
      }
      Vector start = load_first(carried + unit, count);
      if (dy) start = add(start, load_first(dy + unit, count));
      store(at, kMasked ? fma(load_first(op.hidden_mask + row * H + unit, count), load(at), start) : start);
    }
  }
}

// Hands on the gradient of h of one row, `units` from `first`: all of it to op.dh, (1 - k) of it to use, and k of it, by
// zoneout, to the step before.
template <class Use>
LSTM_INLINE void use_gradient(const HiddenBackward& op, const HiddenBackwardMemory& memory, float* dh, int64_t row,
                              int64_t step, int64_t first, int64_t units, Use use) noexcept {
  if (step < 0) return use(dh, row, first, units);
  const int64_t H = op.hidden_size, position = op.walk.position(row, step);
  if (op.dh) memcpy(op.dh + position * H + first, dh, sizeof(float) * static_cast<size_t>(units));
  const float* keep = op.keep_hidden.row(position);
  if (!keep) return use(dh, row, first, units);
  alignas(64) float kept[kTileColumns];
  for (int64_t v = 0; v < units; v += kLanes) {
    const Vector share = load_first(keep + first + v, units - v), gradient = load(dh + v);
    store(kept + v, multiply(share, gradient));
    store(dh + v, multiply(subtract(broadcast(1.0f), share), gradient));
  }
  use(dh, row, first, units);
  float* carried = memory.dh + row * H + first;
  for (int64_t v = 0; v < units; v += kLanes) {
    store_first(carried + v, add(load_first(carried + v, units - v), load(kept + v)), units - v);
  }
}

// dh of the listed rows at a step: dy and what the memory carries, then, for the rows that have a later step, the products
// of what that chains, by the mask where there is one. chain(panel, parts) says which, and how many. use(dh, row, first, units)
// takes it for `units` units from `first`, and leaves in the memory what goes on to the step before without a product;
// list(row, first, units, lines) lists what that touches.
template <class Chain, class List, class Use>
inline void gradient_of_state(const HiddenBackward& op, const HiddenBackwardMemory& memory, BackwardRows listed,
                              int64_t step, Range panels, Chain chain, List list, Use use) noexcept {
  const TileEnd dh = {memory.panel, kTileColumns};
  for (int64_t panel = panels.begin; panel < panels.end; ++panel) {
    const int64_t first = panel * kTileColumns, units = columns_of_panel(op.hidden_size, panel);
    const auto use_rows = [&](Range range) {
      for (int64_t r = range.begin; r < range.end; ++r) {
        use_gradient(op, memory, memory.panel + r * kTileColumns, memory.rows[r], step, first, units, use);
      }
    };
    const bool masked = op.hidden_mask != nullptr;
    start_gradient<false>(op, memory, {masked ? listed.continuing : 0, listed.all}, step, first);
    use_rows({listed.continuing, listed.all});
    if (listed.continuing == 0) continue;
    ListedPart parts[kMostParts], next[kMostParts];
    const int count = chain(panel, parts);
    chain(panel + 1 < panels.end ? panel + 1 : panels.begin, next);
    multiply_listed(
        parts, count, listed.continuing, next[0].columns,
        masked ? TileStart{kZeroColumns, 0} : TileStart{dh.data, dh.stride}, dh,
        [&](Range tile, FetchList& lines) {
          for (int64_t r = tile.begin; r < tile.end; ++r) list(memory.rows[r], first, units, lines);
        },
        [&](Range tile) {
          if (masked) start_gradient<true>(op, memory, tile, step, first);
          use_rows(tile);
        });
  }
}

// The steps in reverse, then dh0. chain is what gradient_of_state takes; step_rows(listed, step) computes the listed rows of
// a step.
template <class Chain, class Step>
inline void walk_backward(const HiddenBackward& op, const HiddenBackwardMemory& memory, const Share& share, Team& team,
                          Chain chain, Step step_rows) noexcept {
  const int64_t H = op.hidden_size, begin = share.panels.begin * kTileColumns, end = share.panels.end * kTileColumns;
  const int64_t units = (end < H ? end : H) - begin;
  for (int64_t row = share.rows.begin; row < share.rows.end && units > 0; ++row) {
    float* dh = memory.dh + row * H + begin;
    if (op.dh_n) {
      memcpy(dh, op.dh_n + row * H + begin, sizeof(float) * static_cast<size_t>(units));
    } else {
      clear(dh, units);
    }
  }
  clear_past_lengths(op.walk, team.split(op.walk.batch), op.dh, H);
  for (int64_t step = share.steps - 1; step >= 0; --step) {
    step_rows(list_rows(op, memory, share.rows, step), step);
    share.end_step(team);
  }
  if (!op.dh0) return;
  const auto keep = [&](const float* dh, int64_t row, int64_t first, int64_t count) {
    memcpy(op.dh0 + row * H + first, dh, sizeof(float) * static_cast<size_t>(count));
  };
  const auto list = [](int64_t, int64_t, int64_t, FetchList&) {};
  gradient_of_state(op, memory, list_rows(op, memory, share.rows, -1), -1, share.panels, chain, list, keep);
}

}  // namespace lstm::LSTM_ISA
