// Cells that carry a hidden state alone, forward: their memory, their lists of rows and their loop over time. A cell adds
// what happens to the listed rows within a step.
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

// The multiply-adds of a step for each row and gate.
inline int64_t multiply_adds(const HiddenForward& op) noexcept {
  return op.hidden_size * (op.input_size + op.hidden_size);
}

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

}  // namespace lstm::LSTM_ISA
