// Cells that carry a hidden state alone: their memory, their lists of rows and their loops over time, forward and
// backward. A cell adds what happens to the listed rows within a step.
#pragma once

#include "kernels/multiply/product.h"
#include "kernels/recurrent/lstm_kind.h"
#include "kernels/recurrent/sequence.h"

namespace lstm::LSTM_ISA {

struct HiddenForward {
  SequenceWalk walk;
  int64_t input_size, hidden_size;
  const float *x, *h0;  // h0: zeros when null
  const float *packed_ih, *packed_hh;
  const float *bias_ih, *bias_hh;  // may be null
  LstmShare keep_hidden;           // zoneout
  const float* hidden_mask;        // [B,H]; may be null
  float *y, *h_n;                  // each may be null
};

struct HiddenMemory {
  // Shared: the running state [B,H], where y does not keep it. It alternates between steps, because a thread may still
  // read the last step's while another writes this one's; so does masked, h as the gates see it.
  float *h[2], *masked[2];
  // Of one thread.
  float *zeros = nullptr, *bias = nullptr;
  const float **x_rows = nullptr, **h_rows = nullptr;
  int64_t* rows = nullptr;  // those that have the step under way

  HiddenMemory(const HiddenForward& op, Carver& carver, int64_t bias_columns, int thread) noexcept {
    const int64_t batch = op.walk.batch, state = op.y ? 0 : batch * op.hidden_size;
    h[0] = carver.take<float>(state);
    h[1] = carver.take<float>(state);
    for (float*& buffer : masked) buffer = carver.take<float>(op.hidden_mask ? batch * op.hidden_size : 0);
    for (int t = 0; t <= thread; ++t) {
      zeros = carver.take<float>(op.hidden_size);
      bias = carver.take<float>(bias_columns);
      x_rows = carver.take<const float*>(batch);
      h_rows = carver.take<const float*>(batch);
      rows = carver.take<int64_t>(batch);
    }
  }

  // Where h of a row stands after a step.
  float* h_at(const HiddenForward& op, int64_t row, int64_t step) const {
    const int64_t H = op.hidden_size;
    return op.y ? op.y + op.walk.position(row, step) * H : h[step & 1] + row * H;
  }
  // The state after the step before, or the initial one.
  const float* h_before(const HiddenForward& op, int64_t row, int64_t step) const {
    return step > 0 ? h_at(op, row, step - 1) : row_or(op.h0, row, op.hidden_size, zeros);
  }
  // What the gates of the next step see of h after a step; -1 for the initial state.
  float* masked_at(const HiddenForward& op, int64_t row, int64_t step) const {
    return masked[step & 1] + row * op.hidden_size;
  }
};

// masked = mask * h, for `count` units from `first`.
LSTM_INLINE void mask_hidden(const HiddenForward& op, const HiddenMemory& memory, const float* h, int64_t row,
                             int64_t step, int64_t first, int64_t count) noexcept {
  const float* mask = op.hidden_mask + row * op.hidden_size + first;
  store_first(memory.masked_at(op, row, step) + first, multiply(load_first(h + first, count), load_first(mask, count)),
              count);
}

// What regularization makes of h once the cell has stored it, for `count` units from `first` of one row:
//   h = k * h' + (1 - k) * h, h' the state before,  and mask * h, for the gates of the next step
LSTM_INLINE void regularize_hidden(const HiddenForward& op, const HiddenMemory& memory, int64_t row, int64_t step,
                                   int64_t first, int64_t count) noexcept {
  float* h = memory.h_at(op, row, step);
  if (const float* keep = op.keep_hidden.row(op.walk.position(row, step))) {
    const Vector before = load_first(memory.h_before(op, row, step) + first, count);
    store_first(h + first, mix(load_first(keep + first, count), before, load_first(h + first, count)), count);
  }
  if (op.hidden_mask) mask_hidden(op, memory, h, row, step, first, count);
}

// The same for some listed rows, one vector from `first` of each; nothing where nothing regularizes.
inline void regularize_listed(const HiddenForward& op, const HiddenMemory& memory, Range listed, int64_t step,
                              int64_t first) noexcept {
  if (!op.hidden_mask && !op.keep_hidden.data) return;
  for (int64_t i = listed.begin; i < listed.end; ++i) {
    regularize_hidden(op, memory, memory.rows[i], step, first, op.hidden_size - first);
  }
}

// The initial state as the gates of the first step see it. Every thread may read any row of it.
inline void mask_initial(const HiddenForward& op, const HiddenMemory& memory, Team& team) noexcept {
  const Range rows = team.split(op.walk.batch);
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    const float* h = memory.h_before(op, row, 0);
    for (int64_t n = 0; n < op.hidden_size; n += kLanes) {
      mask_hidden(op, memory, h, row, -1, n, op.hidden_size - n);
    }
  }
  team.barrier();
}

// Lists the rows that are within their length at a step; returns how many.
inline int64_t list_rows(const HiddenForward& op, const HiddenMemory& memory, Range rows, int64_t step) noexcept {
  int64_t active = 0;
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    if (step >= op.walk.length(row)) continue;
    memory.x_rows[active] = op.x + op.walk.position(row, step) * op.input_size;
    memory.h_rows[active] = op.hidden_mask ? memory.masked_at(op, row, step - 1) : memory.h_before(op, row, step);
    memory.rows[active] = row;
    ++active;
  }
  return active;
}

// A vector of a bias that may be missing.
LSTM_INLINE Vector bias_vector(const float* bias, int64_t first, int64_t count) {
  return bias ? load_first(bias + first, count) : zero();
}

// The steps in order, then h_n. step(active, step) computes the listed rows; `units` are this thread's.
template <class Step>
inline void walk_forward(const HiddenForward& op, const HiddenMemory& memory, const Share& share, Range units,
                         Team& team, Step step_rows) noexcept {
  if (op.hidden_mask) mask_initial(op, memory, team);
  for (int64_t step = 0; step < share.steps; ++step) {
    step_rows(list_rows(op, memory, share.rows, step), step);
    share.end_step(team);
  }
  for (int64_t row = share.rows.begin; op.h_n && units.size() > 0 && row < share.rows.end; ++row) {
    const float* last = memory.h_before(op, row, op.walk.length(row));
    memcpy(op.h_n + row * op.hidden_size + units.begin, last + units.begin,
           sizeof(float) * static_cast<size_t>(units.size()));
  }
  clear_past_lengths(op.walk, team.split(op.walk.batch), op.y, op.hidden_size);
}

struct HiddenBackward {
  SequenceWalk walk;
  int64_t hidden_size;
  const float *dy, *dh_n;  // zeros when null
  const float* packed_hh;  // rows
  LstmShare keep_hidden;
  const float* hidden_mask;  // may be null
  float *dh0, *dh;           // each may be null
};

struct HiddenBackwardMemory {
  float* dh;  // shared: what the gradient of h at the next step begins with, besides dy, [B,H]
  // Of one thread.
  float* zeros = nullptr;
  int64_t* rows = nullptr;

  HiddenBackwardMemory(const HiddenBackward& op, Carver& carver, int thread) noexcept {
    const int64_t batch = op.walk.batch;
    dh = carver.take<float>(op.dh0 ? 0 : batch * op.hidden_size);
    if (op.dh0) dh = op.dh0;
    for (int t = 0; t <= thread; ++t) {
      zeros = carver.take<float>(op.hidden_size);
      rows = carver.take<int64_t>(batch);
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
    if (step < op.walk.length(row) - 1) memory.rows[listed.all++] = row;
  }
  listed.continuing = listed.all;
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    if (step == op.walk.length(row) - 1) memory.rows[listed.all++] = row;
  }
  return listed;
}

// dh += mask * (what chain adds to zeros), for the listed rows.
template <class Chain>
inline void add_masked(const HiddenBackward& op, const int64_t* rows, int64_t count, int64_t panel, Chain chain,
                       float* dh) noexcept {
  const int64_t H = op.hidden_size, first = panel * kTileColumns, units = columns_of_panel(H, panel);
  alignas(64) float product[kTileRows * kTileColumns] = {};
  chain(rows, count, panel, TileEnd{product, kTileColumns});
  for (int64_t r = 0; r < count; ++r) {
    const float* mask = op.hidden_mask + rows[r] * H + first;
    for (int64_t v = 0; v < units; v += kLanes) {
      float* at = dh + r * kTileColumns + v;
      store(at, fma(load_first(mask + v, units - v), load(product + r * kTileColumns + v), load(at)));
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
// that chain(rows, count, panel, tile) adds to a tile. use(dh, row, first, units) takes it for `units` units from `first`,
// and leaves in the memory what goes on to the step before without a product.
template <class Chain, class Use>
inline void gradient_of_state(const HiddenBackward& op, const HiddenBackwardMemory& memory, BackwardRows listed,
                              int64_t step, Range panels, Chain chain, Use use) noexcept {
  const int64_t H = op.hidden_size;
  const Tiles parts[] = {Tiles({0, listed.continuing}), Tiles({listed.continuing, listed.all})};
  for (int64_t panel = panels.begin; panel < panels.end; ++panel) {
    const int64_t first = panel * kTileColumns, units = columns_of_panel(H, panel);
    for (int64_t t = 0; t < parts[0].count + parts[1].count; ++t) {
      const bool continuing = t < parts[0].count;
      const Range tile = continuing ? parts[0][t] : parts[1][t - parts[0].count];
      const int64_t* rows = memory.rows + tile.begin;
      alignas(64) float dh[kTileRows * kTileColumns];
      for (int64_t r = 0; r < tile.size(); ++r) {
        const float* carried = memory.dh + rows[r] * H + first;
        const float* dy = step >= 0 && op.dy ? op.dy + op.walk.position(rows[r], step) * H + first : nullptr;
        for (int64_t v = 0; v < kTileColumns; v += kLanes) {
          const Vector start = v < units ? load_first(carried + v, units - v) : zero();
          store(dh + r * kTileColumns + v, dy && v < units ? add(start, load_first(dy + v, units - v)) : start);
        }
      }
      if (continuing && op.hidden_mask) {
        add_masked(op, rows, tile.size(), panel, chain, dh);
      } else if (continuing) {
        chain(rows, tile.size(), panel, TileEnd{dh, kTileColumns});
      }
      for (int64_t r = 0; r < tile.size(); ++r) {
        use_gradient(op, memory, dh + r * kTileColumns, rows[r], step, first, units, use);
      }
    }
  }
}

// The steps in reverse, then dh0. chain(step) is what gradient_of_state takes; step_rows(listed, step) computes the listed
// rows of a step.
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
  gradient_of_state(op, memory, list_rows(op, memory, share.rows, -1), -1, share.panels, chain(-1), keep);
}

}  // namespace lstm::LSTM_ISA
