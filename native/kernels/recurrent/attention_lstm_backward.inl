// The attention LSTM backward in time. What no step waits for is left to the end: with the multiplicative score the
// gradients of keys and values are products over all steps of a row. The gradients of x, the weights and the biases are
// those of linear layers and of lstm over what this gives.
#pragma once

#include "kernels/recurrent/attention.h"
#include "kernels/recurrent/lstm_backward.inl"

namespace lstm::LSTM_ISA {

struct AttentionBackward {
  LstmBackward lstm;  // plain
  Attention attention;
  const float *queries, *alphas;                              // [T,B,A], [T,B,S]
  float *dkeys, *dvalues, *dqueries, *dweight, *dh, *dcells;  // each may be null; dweight is [B,A]
};

struct AttentionBackwardMemory {
  // Shared, where no output keeps them: the gradient of h, [T,B,H]; of the queries and of weight_score, [B,A]. That of the
  // scores, [T,B,S], where the keys' is made of it at the end.
  float *dh, *dqueries, *dweight, *dscores = nullptr;
  // Of one thread.
  float *scores, *scratch;
  LstmBackwardMemory lstm;

  AttentionBackwardMemory(const AttentionBackward& op, Carver carver, const Team& team) noexcept
      : AttentionBackwardMemory(op, carver, team.rank(), team.size()) {}
  AttentionBackwardMemory(const AttentionBackward& op, Carver& carver, int thread, int team_size) noexcept
      : dh(or_take(op.dh, carver, op.lstm.walk.steps * op.lstm.walk.batch * op.lstm.hidden_size)),
        dqueries(or_take(op.dqueries, carver, op.lstm.walk.batch * op.attention.size)),
        dweight(or_take(op.dweight, carver, op.attention.additive() ? op.lstm.walk.batch * op.attention.size : 0)),
        dscores(carver.take<float>(
            op.dkeys && !op.attention.additive() ? op.lstm.walk.steps * op.lstm.walk.batch * op.attention.slots : 0)),
        scores(own(carver, carver.take<float>(op.attention.slots * team_size), op.attention.slots * thread)),
        scratch(own(carver, carver.take<float>(kTransposedScratch * team_size), kTransposedScratch * thread)),
        lstm(op.lstm, carver.base ? carver.base + carver.used : nullptr, thread) {
    carver.used += lstm.bytes;
  }

  float* dquery_at(const AttentionBackward& op, int64_t row, int64_t position) const {
    return dqueries + (op.dqueries ? position : row) * op.attention.size;
  }
  float* dscores_at(const AttentionBackward& op, int64_t position) const {
    return op.dkeys && !op.attention.additive() ? dscores + position * op.attention.slots : scores;
  }

 private:
  static float* or_take(float* output, Carver& carver, int64_t count) noexcept {
    float* taken = carver.take<float>(output ? 0 : count);
    return output ? output : taken;
  }
  static float* own(const Carver& carver, float* all, int64_t offset) noexcept {
    return carver.base ? all + offset : nullptr;
  }
};

// dh of the listed rows at a step, for panels of H: what arrives there, and the chain over the next step's gates unless
// it is their last.
inline void attention_gradient_of_state(const AttentionBackward& op, const AttentionBackwardMemory& memory,
                                        int64_t active, int64_t step, bool last, Range panels) noexcept {
  const LstmBackward& lstm = op.lstm;
  const int64_t H = lstm.hidden_size, depth = kLstmGates * H;
  const Tiles tiles({0, active});
  for (int64_t panel = panels.begin; panel < panels.end; ++panel) {
    const int64_t first = panel * kTileColumns;
    for (int64_t t = 0; t < tiles.count; ++t) {
      const Range tile = tiles[t];
      alignas(64) float dh[kTileRows * kTileColumns];
      lstm_start_backward(lstm, memory.lstm, tile, step, last, first, dh);
      const Segment segment = {memory.lstm.dgates_after + tile.begin, 1, lstm.packed_hh + first * depth, depth};
      multiply_tile(tile.size(), &segment, last ? 0 : 1, {dh, kTileColumns}, {dh, kTileColumns});
      for (int64_t r = 0; r < tile.size(); ++r) {
        float* to = memory.dh + lstm.walk.position(memory.lstm.rows[tile.begin + r], step) * H + first;
        for (int64_t n = 0; n < kTileColumns; n += kLanes) {
          store_first(to + n, load(dh + r * kTileColumns + n), H - first - n);
        }
      }
    }
  }
}

// From dh of a row to the gradient of its query:  dα_s = dh · v_s,  ds = α * (dα - Σ α dα),  then that of the score.
inline void attend_backward(const AttentionBackward& op, const AttentionBackwardMemory& memory, int64_t row,
                            int64_t step) noexcept {
  const Attention& attention = op.attention;
  const int64_t H = attention.hidden_size, A = attention.size, count = attention.count(row);
  const int64_t position = op.lstm.walk.position(row, step);
  float *dscores = memory.dscores_at(op, position), *dquery = memory.dquery_at(op, row, position);
  dot_rows(memory.dh + position * H, attention.values_of(row), count, H, dscores);
  softmax_row_backward(op.alphas + position * attention.slots, dscores, dscores, count);
  if (attention.additive()) {
    additive_scores_backward(attention, row, op.queries + position * A, dscores, dquery, memory.dweight + row * A,
                             op.dkeys ? op.dkeys + row * attention.slots * A : nullptr);
  } else {
    add_weighted_rows(nullptr, dscores, attention.keys_of(row), count, A, dquery);
  }
}

// The whole gradient of c, as lstm_cell_backward has it.
LSTM_INLINE void attention_store_cell_gradient(const AttentionBackward& op, Vector dh, const LstmBackwardRow& at,
                                               int64_t position, int64_t first, int64_t count) noexcept {
  const int64_t H = op.lstm.hidden_size;
  const Vector o = load_first(at.gates + kOutputGate * H + first, count), t = tanh(load_first(at.cell + first, count));
  const Vector dc = fma(multiply(dh, o), negative_fma(t, t, broadcast(1.0f)), load_first(at.dc + first, count));
  store_first(op.dcells + position * H + first, dc, count);
}

// From dh and the gradient of the query to that of h̃, dh + dq or dh + W_qᵀ dq, and through the cell, for the listed rows.
inline void attention_cells_backward(const AttentionBackward& op, const AttentionBackwardMemory& memory, int64_t active,
                                     int64_t step) noexcept {
  const int64_t H = op.lstm.hidden_size, A = op.attention.size;
  const bool additive = op.attention.additive();
  const Tiles tiles({0, active});
  for (int64_t panel = 0; panel < panel_count(H); ++panel) {
    const int64_t first = panel * kTileColumns, columns = H - first;
    for (int64_t t = 0; t < tiles.count; ++t) {
      const Range tile = tiles[t];
      const int64_t* rows = memory.lstm.rows + tile.begin;
      const float* dqueries[kTileRows] = {};
      alignas(64) float dh[kTileRows * kTileColumns] = {};
      for (int64_t r = 0; r < tile.size(); ++r) {
        const int64_t position = op.lstm.walk.position(rows[r], step);
        dqueries[r] = memory.dquery_at(op, rows[r], position);
        for (int64_t n = 0; n < kTileColumns; n += kLanes) {
          Vector start = load_first(memory.dh + position * H + first + n, columns - n);
          if (!additive) start = add(start, load_first(dqueries[r] + first + n, columns - n));
          store(dh + r * kTileColumns + n, start);
        }
      }
      const Segment segment = {dqueries, 1, op.attention.packed_query + first * A, A};
      if (additive) multiply_tile(tile.size(), &segment, 1, {dh, kTileColumns}, {dh, kTileColumns});
      for (int64_t r = 0; r < tile.size(); ++r) {
        const LstmBackwardRow at = lstm_backward_row(op.lstm, memory.lstm, rows[r], step);
        for (int64_t n = 0; n < kTileColumns && n < columns; n += kLanes) {
          const Vector gradient = load(dh + r * kTileColumns + n);
          if (op.dcells) {
            const int64_t position = op.lstm.walk.position(rows[r], step);
            attention_store_cell_gradient(op, gradient, at, position, first + n, columns - n);
          }
          lstm_cell_backward(gradient, at, first + n, columns - n, H);
        }
      }
    }
  }
}

// All of a step but the chain that needs the step after, for some rows of the batch.
inline void attention_rows_backward(const AttentionBackward& op, const AttentionBackwardMemory& memory, Range rows,
                                    int64_t step) noexcept {
  int64_t active = 0;
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    if (step >= op.lstm.walk.length(row)) continue;
    attend_backward(op, memory, row, step);
    memory.lstm.rows[active++] = row;
  }
  attention_cells_backward(op, memory, active, step);
}

// out [S, width] of one row = Σ over its steps, in increasing time, of weights_tᵀ · vectors_t; 0 past its slots.
inline void sum_over_steps(const AttentionBackward& op, int64_t row, const float* weights, const float* vectors,
                           int64_t width, float* out, float* scratch) noexcept {
  const int64_t batch = op.lstm.walk.batch, slots = op.attention.slots, count = op.attention.count(row);
  const auto pack_right = [=](int64_t time, int64_t steps, int64_t panel, float* packed) {
    const auto row_of_panel = [=](int64_t k) {
      return vectors + ((time + k) * batch + row) * width + panel * kTileColumns;
    };
    pack_panel_of_rows(row_of_panel, steps, columns_of_panel(width, panel), packed);
  };
  multiply_transposed({weights + row * slots, batch * slots}, op.lstm.walk.length(row), {0, count}, width, pack_right,
                      out + row * slots * width, scratch);
  clear(out + (row * slots + count) * width, (slots - count) * width);
}

// The gradients of what the rows attended to, when all their steps are done.
inline void attention_memory_backward(const AttentionBackward& op, const AttentionBackwardMemory& memory,
                                      Range rows) noexcept {
  const Attention& attention = op.attention;
  const int64_t A = attention.size;
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    if (op.dvalues) {
      sum_over_steps(op, row, op.alphas, memory.dh, attention.hidden_size, op.dvalues, memory.scratch);
    }
    if (!op.dkeys) continue;
    if (!attention.additive()) {
      sum_over_steps(op, row, memory.dscores, op.queries, A, op.dkeys, memory.scratch);
      continue;
    }
    float* dkey = op.dkeys + row * attention.slots * A;
    for (int64_t s = 0; s < attention.count(row); ++s, dkey += A) {
      for (int64_t k = 0; k < A; k += kLanes) {
        store_first(dkey + k, multiply(load_first(dkey + k, A - k), load_first(attention.weight + k, A - k)), A - k);
      }
    }
  }
}

// Sums that grow from step to step begin as zeros.
inline void attention_clear_sums(const AttentionBackward& op, const AttentionBackwardMemory& memory,
                                 Range rows) noexcept {
  const int64_t A = op.attention.size, slots = op.attention.slots;
  if (op.dweight || op.attention.additive()) clear(memory.dweight + rows.begin * A, rows.size() * A);
  if (op.dkeys && op.attention.additive()) clear(op.dkeys + rows.begin * slots * A, rows.size() * slots * A);
}

inline void attention_walk_back(const AttentionBackward& op, void* workspace, Team& team) noexcept {
  const AttentionBackwardMemory memory(op, Carver{static_cast<char*>(workspace)}, team);
  const LstmBackward& lstm = op.lstm;
  const int64_t H = lstm.hidden_size;
  const Share share(lstm.walk.batch, panel_count(H), team);
  // Rows of the batch for what is not shared out by columns.
  Share whole_rows = share;
  whole_rows.rows = team.split(lstm.walk.batch), whole_rows.panels = {0, panel_count(H)};
  clear(memory.lstm.zeros, H);
  lstm_start_cells(lstm, memory.lstm, whole_rows);
  attention_clear_sums(op, memory, whole_rows.rows);
  clear_past_lengths(lstm.walk, whole_rows.rows, lstm.dgates, kLstmGates * H);
  clear_past_lengths(lstm.walk, whole_rows.rows, op.dh, H);
  clear_past_lengths(lstm.walk, whole_rows.rows, op.dcells, H);
  clear_past_lengths(lstm.walk, whole_rows.rows, op.dqueries, op.attention.size);
  for (int64_t step = lstm.walk.steps - 1; step >= 0; --step) {
    for (int last = 0; last < 2; ++last) {
      const int64_t active = lstm_list_rows_backward(lstm, memory.lstm, share.rows, step, last == 1);
      attention_gradient_of_state(op, memory, active, step, last == 1, share.panels);
    }
    share.end_step(team);
    attention_rows_backward(op, memory, whole_rows.rows, step);
    share.end_step(team);
  }
  if (lstm.dh0) lstm_initial_gradient(lstm, memory.lstm, share);
  attention_memory_backward(op, memory, whole_rows.rows);
}

// attention_lstm_backward
// Computes  the gradients of attention_lstm before its activations, of its initial states, keys, values and queries; each row's
//           part of that of weight_score (0 without one); and the whole gradients of h and c at each step, dh and dcells
// Shapes    dy? [T,B,H], dh_n?, dc_n? [B,H], gates [T,B,4H], cells [T,B,H], c0? [B,H], unattended [T,B,H], queries [T,B,A],
//           attention [T,B,S], weight_hh [4H,H], keys ... memory_lengths as attention_lstm, lengths? int32 [B] -> dgates [T,B,4H];
//           dh0, dc0 [B,H], dkeys, dvalues, dqueries, dweight_score [B,A], dh, dcells [T,B,H] when planned
// Layout    weight_hh and weight_query packed as rows; gates in the order of lstm_gates.h
// Aliasing  no output overlaps an operand
// Accuracy  dh is one FMA chain from dy + dh_n over 4H; that of h̃ one from dh over A, or dh + a chain over S; dα in 16 virtual
//           lanes over H; dvalues (and dkeys, multiplicative) one FMA chain over T in increasing time; dkeys (additive) and
//           dweight_score sums over the steps in reverse
// Source    backpropagation through time, Werbos 1990
inline AttentionBackward attention_lstm_backward_of(const Call& call) noexcept {
  const Tensor& cells = call.operand(4);
  AttentionBackward op = {};
  op.attention = attention_of(call, 10);
  op.lstm.walk = {cells.dim(0), cells.dim(1), call.operand_i32(15), call.flag(0)};
  op.lstm.hidden_size = op.lstm.output_size = cells.dim(2);
  op.lstm.plain = true;
  op.lstm.dy = call.operand_f32(0), op.lstm.dh_n = call.operand_f32(1), op.lstm.dc_n = call.operand_f32(2);
  op.lstm.gates = call.operand(3).f32(), op.lstm.cells = cells.f32(), op.lstm.c0 = call.operand_f32(5);
  op.queries = call.operand(7).f32(), op.alphas = call.operand(8).f32();
  op.lstm.dgates = call.output(0).f32(), op.lstm.dh0 = call.output(1).f32(), op.lstm.dc0 = call.output(2).f32();
  op.dkeys = call.output(3).f32(), op.dvalues = call.output(4).f32(), op.dqueries = call.output(5).f32();
  op.dweight = call.output(6).f32(), op.dh = call.output(7).f32(), op.dcells = call.output(8).f32();
  return op;
}

size_t attention_lstm_backward_workspace(const Call& call, int team_size) noexcept {
  Carver carver{nullptr};
  AttentionBackwardMemory(attention_lstm_backward_of(call), carver, team_size - 1, team_size);
  return carver.used;
}

void attention_lstm_backward(const Call& call, Team& team) noexcept {
  AttentionBackward op = attention_lstm_backward_of(call);
  op.lstm.packed_hh = call.packs[0], op.attention.packed_query = call.packs[1];
  const int64_t H = op.lstm.hidden_size, work = kLstmGates * H * H + op.attention.slots * (op.attention.size + H);
  on_step_team(team, op.lstm.walk.batch, work, [&](Team& own) { attention_walk_back(op, call.workspace, own); });
}

}  // namespace lstm::LSTM_ISA
