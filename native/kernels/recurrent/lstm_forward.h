// What a forward LSTM reads, writes and keeps between steps.
#pragma once

#include "kernels/recurrent/lstm_gates.h"
#include "kernels/recurrent/lstm_kind.h"
#include "kernels/recurrent/sequence.h"

namespace lstm::LSTM_ISA {

struct LstmForward {
  SequenceWalk walk;
  int64_t input_size, hidden_size, output_size;  // the size of h: P with a projection, else H
  LstmKind kind;
  bool plain, plain_cell;              // no option at all; none of those that the cell itself has
  bool projected;                      // h = W_hr (o φ(c))
  const float *x, *h0, *c0;            // h0 and c0: zeros when null
  const float *packed_ih, *packed_hh;  // gates4
  const float* packed_hr;              // columns
  const float *bias_ih, *bias_hh;      // may be null
  LstmPeepholes peepholes;
  LstmShare keep_hidden, keep_cell;  // zoneout
  const float* hidden_mask;          // [B, output_size]; may be null
  bool gates_recur;                  // the gates of the step before are a third segment
  const float* packed_gate;          // gates3
  const float* g0;                   // [B,3H]: zeros when null
  LstmNorm norm;
  float *y, *h_n, *c_n, *gates, *cells;  // each may be null
  float* unprojected;                    // o φ(c), [T,B,H]; may be null
  float *recurred, *g_n;                 // i, f and o as the next step sees them, [T,B,3H]; may be null
  // For the way back, each may be null: GateBounds; with layer normalization, W_ih x, W_hh h and c normalized and
  // [T,B,3] by what each was scaled.
  float *bounds, *normalized_input, *normalized_state, *normalized_cell, *scales;

  bool normalizes() const { return norm.input != nullptr; }
  int64_t recurrent_gates() const { return gates_recur ? kRecurrentGates * hidden_size : 0; }
  // The widest state.
  int64_t zeros() const {
    const int64_t states = hidden_size > output_size ? hidden_size : output_size;
    return states > recurrent_gates() ? states : recurrent_gates();
  }
  int64_t panels() const { return (hidden_size + kLanes - 1) / kLanes; }
};

// Where one batch row reads and writes its state at one step. `gates` may be null.
struct LstmRow {
  const float* c_before;
  float *c, *h, *gates;
};

// The same for what options need; each pointer may be null but h_before.
struct LstmRowOptions {
  const float *h_before, *keep_hidden, *keep_cell, *mask;
  float *unprojected, *masked, *recurred;
  int64_t position;  // the row of [T,B,·]
};

// As many rows as make a multiply fast: of more, what it gives would leave the L2 before it is used.
constexpr int64_t kRowsToMultiply = 128;

struct LstmMemory {
  // Shared: the running states [B,·], where no output keeps them. h alternates between steps, because a thread may
  // still read the last step's while another writes this one's; so do masked, h as the gates see it, and
  // recurred, the gates as the next step sees them. Where layer normalization keeps apart what x and h add to the gates,
  // both parts of each listed row, in panels.
  float *h[2], *masked[2], *recurred[2], *c, *unprojected, *parts;
  // W_ih x + b of some steps to come, panel by panel of all their rows: one multiply over many rows instead of one for
  // each step, where a step has few. Each thread has those of its rows and panels.
  float* ahead;
  int64_t steps_ahead;
  // Of one thread: where the listed rows of each of those steps begin; before its activations, or from a
  // projection or a query, a panel of a step.
  float *zeros = nullptr, *bias = nullptr, *z = nullptr;
  int64_t* rows_ahead = nullptr;
  const float **x_rows = nullptr, **h_rows = nullptr, **g_rows = nullptr;
  LstmRow* rows = nullptr;
  LstmRowOptions* options = nullptr;
  size_t bytes;

  LstmMemory(const LstmForward& op, void* workspace, int thread) noexcept {
    Carver carver{static_cast<char*>(workspace)};
    const int64_t batch = op.walk.batch, state = batch * op.hidden_size, output = batch * op.output_size;
    for (float*& buffer : h) buffer = carver.take<float>(op.y ? 0 : output);
    for (float*& buffer : masked) buffer = carver.take<float>(op.hidden_mask ? output : 0);
    for (float*& buffer : recurred) buffer = carver.take<float>(op.recurred ? 0 : batch * op.recurrent_gates());
    c = carver.take<float>(op.cells ? 0 : state);
    unprojected = carver.take<float>(op.projected && !op.unprojected ? state : 0);
    parts = carver.take<float>(op.normalizes() ? batch * parts_size(op) : 0);
    steps_ahead = steps_to_multiply_ahead(op);
    ahead = carver.take<float>(steps_ahead * batch * op.panels() * kTileColumns);
    for (int t = 0; t <= thread; ++t) {
      zeros = carver.take<float>(op.zeros());
      bias = carver.take<float>(op.panels() * kTileColumns);
      z = carver.take<float>(batch * kTileColumns);
      rows_ahead = carver.take<int64_t>(steps_ahead);
      x_rows = carver.take<const float*>((steps_ahead > 0 ? steps_ahead : 1) * batch);
      h_rows = carver.take<const float*>(batch);
      g_rows = carver.take<const float*>(op.gates_recur ? batch : 0);
      rows = carver.take<LstmRow>(batch);
      options = carver.take<LstmRowOptions>(op.plain ? 0 : batch);
    }
    bytes = carver.used;
  }

  // None with layer normalization, which keeps W_ih x apart, or where one step has rows enough.
  static int64_t steps_to_multiply_ahead(const LstmForward& op) {
    const int64_t steps = op.walk.batch > 0 ? kRowsToMultiply / op.walk.batch : 0;
    if (op.normalizes() || steps < 2 || op.walk.steps < 2) return 0;
    return steps < op.walk.steps ? steps : op.walk.steps;
  }
  // A panel of what was multiplied ahead, from `row`, the first of this thread, on.
  float* ahead_of(const LstmForward& op, int64_t panel, int64_t row) const {
    return ahead + (panel * op.walk.batch + row) * steps_ahead * kTileColumns;
  }

  // Where h and c of a row stand after a step, and h as the gates of the next step see it.
  float* h_at(const LstmForward& op, int64_t row, int64_t step) const {
    const int64_t P = op.output_size;
    return op.y ? op.y + op.walk.position(row, step) * P : h[step & 1] + row * P;
  }
  float* c_at(const LstmForward& op, int64_t row, int64_t step) const {
    const int64_t H = op.hidden_size;
    return op.cells ? op.cells + op.walk.position(row, step) * H : c + row * H;
  }
  float* masked_at(const LstmForward& op, int64_t row, int64_t step) const {
    return op.hidden_mask ? masked[step & 1] + row * op.output_size : nullptr;
  }
  float* recurred_at(const LstmForward& op, int64_t row, int64_t step) const {
    const int64_t size = op.recurrent_gates();
    if (size == 0) return nullptr;
    return op.recurred ? op.recurred + op.walk.position(row, step) * size : recurred[step & 1] + row * size;
  }
  // The gates of the step before.
  const float* recurred_before(const LstmForward& op, int64_t row, int64_t step) const {
    return step > 0 ? recurred_at(op, row, step - 1) : row_or(op.g0, row, op.recurrent_gates(), zeros);
  }
  static int64_t parts_size(const LstmForward& op) { return 2 * op.panels() * kTileColumns; }
  float* unprojected_at(const LstmForward& op, int64_t row, int64_t position) const {
    const int64_t H = op.hidden_size;
    if (op.unprojected) return op.unprojected + position * H;
    return op.projected ? unprojected + row * H : nullptr;
  }
};

}  // namespace lstm::LSTM_ISA
