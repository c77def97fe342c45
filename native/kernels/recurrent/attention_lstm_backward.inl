// The attention LSTM backward in time. What no step waits for is left to the end: with the multiplicative score the
// gradients of keys and values are products over all steps of a row. The gradients of x, the weights and the biases are
// those of linear layers and of lstm over what this gives.
#pragma once

#include "kernels/recurrent/additive_score.h"
#include "kernels/recurrent/lstm_backward.inl"

namespace lstm::LSTM_ISA {

struct AttentionBackward {
  LstmBackward lstm;  // its dprojected is the gradient of h̃
  Attention attention;
  const float *queries, *alphas;                // [T,B,A], [T,B,S]
  float *dkeys, *dvalues, *dqueries, *dweight;  // each may be null; dweight is [B,A]
};

struct AttentionBackwardMemory {
  // Shared, where no output keeps them: the gradient of h before zoneout, [T,B,P]; of the queries and of weight_score, [B,A]. That of the
  // scores, [T,B,S], where the keys' is made of it at the end.
  float *dh, *dqueries, *dweight, *dscores = nullptr;
  // Of one thread.
  float *scores, *scratch;
  AdditiveScore additive;
  LstmBackwardMemory lstm;

  AttentionBackwardMemory(const AttentionBackward& op, Carver carver, const Team& team) noexcept
      : AttentionBackwardMemory(op, carver, team.rank(), team.size()) {}
  AttentionBackwardMemory(const AttentionBackward& op, Carver& carver, int thread, int team_size) noexcept
      : dh(or_take(op.lstm.keep_hidden.data ? nullptr : op.lstm.dh, carver,
                   op.lstm.walk.steps * op.lstm.walk.batch * op.lstm.output_size)),
        dqueries(or_take(op.dqueries, carver, op.lstm.walk.batch * op.attention.size)),
        dweight(or_take(op.dweight, carver, op.attention.additive() ? op.lstm.walk.batch * op.attention.size : 0)),
        dscores(carver.take<float>(
            op.dkeys && !op.attention.additive() ? op.lstm.walk.steps * op.lstm.walk.batch * op.attention.slots : 0)),
        scores(carver.take_own<float>(op.attention.slots, thread, team_size)),
        scratch(carver.take_own<float>(kTransposedScratch, thread, team_size)),
        additive(op.attention, op.lstm.walk.batch, carver, thread, team_size),
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
};

// dh of the listed rows at a step, for panels of P: what arrives there, and the chain over the next step's gates unless
// it is their last; then what zoneout leaves of it.
inline void attention_gradient_of_state(const AttentionBackward& op, const AttentionBackwardMemory& memory,
                                        int64_t active, int64_t step, bool last, Range panels) noexcept {
  const LstmBackward& lstm = op.lstm;
  const int64_t P = lstm.output_size;
  for (int64_t panel = panels.begin; panel < panels.end; ++panel) {
    const int64_t first = panel * kTileColumns;
    const auto list_gradients = [&](Range tile, FetchList& list) {
      for (int64_t r = tile.begin; r < tile.end; ++r) {
        const int64_t position = lstm.walk.position(memory.lstm.rows[r], step);
        list.add(memory.dh + position * P + first, columns_of_panel(P, panel));
      }
    };
    lstm_gradient_of_hidden(lstm, memory.lstm, active, step, last, panel, panels, list_gradients, [&](Range tile) {
      for (int64_t r = tile.begin; r < tile.end; ++r) {
        const int64_t row = memory.lstm.rows[r], position = lstm.walk.position(row, step);
        for (int64_t n = first; n < first + kTileColumns && n < P; n += kLanes) {
          const Vector gradient = load(memory.lstm.dh + r * kTileColumns + n - first);
          store_first(memory.dh + position * P + n,
                      lstm_keep_share(lstm, memory.lstm, gradient, row, position, n, P - n), P - n);
        }
      }
    });
  }
}

// From dh of a row, before zoneout, to the gradient of its query:  dα_s = dh · v_s,  ds = α * (dα - Σ α dα),  then that of the score.
inline void attend_backward(const AttentionBackward& op, const AttentionBackwardMemory& memory, int64_t row,
                            int64_t step) noexcept {
  const Attention& attention = op.attention;
  const int64_t H = attention.hidden_size, A = attention.size, count = attention.count(row);
  const int64_t position = op.lstm.walk.position(row, step);
  float *dscores = memory.dscores_at(op, position), *dquery = memory.dquery_at(op, row, position);
  dot_rows(memory.dh + position * H, attention.values_of(row), count, H, dscores);
  softmax_row_backward(op.alphas + position * attention.slots, dscores, dscores, count);
  if (attention.additive()) {
    memory.additive.backward(
        row, op.queries + position * A, dscores,
        {dquery, memory.dweight + row * A, op.dkeys ? op.dkeys + row * attention.slots * A : nullptr});
  } else {
    add_weighted_rows(nullptr, dscores, attention.keys_of(row), count, A, dquery);
  }
}

// The gradient of h̃ of a listed row, `count` units from `first`, through the cell.
LSTM_INLINE void attention_cell_backward(const AttentionBackward& op, const AttentionBackwardMemory& memory, int64_t r,
                                         int64_t position, Vector gradient, int64_t first, int64_t count) noexcept {
  const LstmBackward& lstm = op.lstm;
  const LstmBackwardRow& at = memory.lstm.places[r];
  if (lstm.plain) {
    lstm_cell_backward(gradient, at, first, count, lstm.hidden_size);
  } else {
    lstm_variant_backward(lstm, memory.lstm, gradient, at, memory.lstm.rows[r], position, first, count);
  }
}

// From dh and the gradient of the query to that of h̃, dh + dq, and through the cell, for a listed row: the multiplicative score.
inline void multiplicative_cells_backward(const AttentionBackward& op, const AttentionBackwardMemory& memory, int64_t r,
                                          int64_t step) noexcept {
  const int64_t P = op.lstm.output_size, row = memory.lstm.rows[r], position = op.lstm.walk.position(row, step);
  const float *dh = memory.dh + position * P, *dquery = memory.dquery_at(op, row, position);
  for (int64_t n = 0; n < P; n += kLanes) {
    const Vector gradient = add(load_first(dh + n, P - n), load_first(dquery + n, P - n));
    attention_cell_backward(op, memory, r, position, gradient, n, P - n);
  }
}

// The same, dh + W_qᵀ dq, for all listed rows: the additive score. The gates of the step after are not needed any more.
inline void additive_cells_backward(const AttentionBackward& op, const AttentionBackwardMemory& memory, int64_t active,
                                    int64_t step) noexcept {
  const LstmBackward& lstm = op.lstm;
  const int64_t P = lstm.output_size, A = op.attention.size, panels = panel_count(P);
  const float** const dqueries = memory.lstm.dgates_after;
  const TileEnd dh = {memory.lstm.dh, kTileColumns};
  const auto position_of = [&](int64_t r) { return lstm.walk.position(memory.lstm.rows[r], step); };
  for (int64_t r = 0; r < active; ++r) dqueries[r] = memory.dquery_at(op, memory.lstm.rows[r], position_of(r));
  for (int64_t panel = 0; panel < panels; ++panel) {
    const int64_t first = panel * kTileColumns, next = panel + 1 < panels ? panel + 1 : 0;
    for (int64_t r = 0; r < active; ++r) {
      const float* arriving = memory.dh + position_of(r) * P;
      for (int64_t n = first; n < first + kTileColumns; n += kLanes) {
        store(dh.data + r * kTileColumns + n - first, load_first(arriving + n, P - n));
      }
    }
    multiply_listed(
        dqueries, active, op.attention.packed_query + first * A, A, op.attention.packed_query + next * kTileColumns * A,
        {dh.data, dh.stride}, dh,
        [&](Range tile, FetchList& list) { lstm_list_hidden_backward(lstm, memory.lstm, tile, step, first, list); },
        [&](Range tile) {
          for (int64_t r = tile.begin; r < tile.end; ++r) {
            const int64_t position = position_of(r);
            for (int64_t n = first; n < first + kTileColumns && n < P; n += kLanes) {
              const Vector gradient = load(dh.data + r * kTileColumns + n - first);
              attention_cell_backward(op, memory, r, position, gradient, n, P - n);
            }
          }
        });
  }
}

// All of a step but the chain that needs the step after, for some rows of the batch.
inline void attention_rows_backward(const AttentionBackward& op, const AttentionBackwardMemory& memory, Range rows,
                                    int64_t step) noexcept {
  const LstmBackward& lstm = op.lstm;
  const bool additive = op.attention.additive();
  int64_t active = 0;
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    if (step >= lstm.walk.length(row)) continue;
    memory.lstm.rows[active] = row;
    memory.lstm.places[active] = lstm_backward_row(lstm, memory.lstm, row, step);
    attend_backward(op, memory, row, step);
    if (!additive) multiplicative_cells_backward(op, memory, active, step);
    ++active;
  }
  if (additive) additive_cells_backward(op, memory, active, step);
  if (lstm.projected) lstm_project_backward(lstm, memory.lstm, rows, step, {0, panel_count(lstm.hidden_size)});
  if (lstm.normalizes()) lstm_norm_backward(lstm, memory.lstm, rows, step);
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
  multiply_transposed(DenseRows{weights + row * slots, batch * slots}, op.lstm.walk.length(row), {0, count}, width,
                      pack_right, out + row * slots * width, scratch);
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
  const Share share(lstm.walk, panel_count(lstm.output_size), team);
  const Share gates(lstm.walk, panel_count(lstm.recurrent_gates()), team);
  // Rows of the batch for what is not shared out by columns.
  Share whole_rows = share;
  if (!share.by_rows) whole_rows.rows = team.split(lstm.walk.batch);
  whole_rows.panels = {0, panel_count(H)};
  clear(memory.lstm.zeros, H);
  lstm_start_cells(lstm, memory.lstm, whole_rows);
  attention_clear_sums(op, memory, whole_rows.rows);
  if (op.attention.additive()) memory.additive.prepare(whole_rows.rows);
  lstm_clear_gradients(lstm, whole_rows.rows);
  clear_past_lengths(lstm.walk, whole_rows.rows, op.dqueries, op.attention.size);
  for (int64_t step = share.steps - 1; step >= 0; --step) {
    // What it leaves is read behind the next barrier.
    if (lstm.gates_recur) lstm_gates_through_next(lstm, memory.lstm, gates, step, memory.lstm.dvalues);
    for (int last = 0; last < 2; ++last) {
      const int64_t active = lstm_list_rows_backward(lstm, memory.lstm, share.rows, step, last == 1);
      attention_gradient_of_state(op, memory, active, step, last == 1, share.panels);
    }
    share.end_step(team);
    attention_rows_backward(op, memory, whole_rows.rows, step);
    share.end_step(team);
  }
  if (lstm.dh0) lstm_initial_gradient(lstm, memory.lstm, share);
  if (lstm.dg0 && lstm.gates_recur) lstm_gates_through_next(lstm, memory.lstm, gates, -1, lstm.dg0);
  attention_memory_backward(op, memory, whole_rows.rows);
}

// attention_lstm_backward
// Computes  the gradients of attention_lstm that lstm_backward gives of lstm, dprojected being that of h̃; those of keys, values
//           and queries; and each row's part of that of weight_score (0 without one)
// Shapes    the operands of lstm_backward but lengths, queries [T,B,A], attention [T,B,S], keys ... memory_lengths as
//           attention_lstm, lengths? int32 [B] -> the outputs of lstm_backward, dkeys, dvalues, dqueries and dweight_score [B,A]
//           when planned
// Layout    as lstm_backward, weight_query packed as rows
// Aliasing  no output overlaps an operand
// Accuracy  as lstm_backward; the gradient of h̃ is one FMA chain from dh over A, or dh + a chain over S; dα in 16 virtual
//           lanes over P; dvalues (and dkeys, multiplicative) one FMA chain over T in increasing time; dkeys (additive) and
//           dweight_score sums over the steps in reverse
// Source    backpropagation through time, Werbos 1990
inline AttentionBackward attention_lstm_backward_of(const Call& call) noexcept {
  constexpr int kFirst = kSlotsAfterOptions + 5;  // behind what layer normalization and the clip saved
  AttentionBackward op = {};
  op.lstm = lstm_backward_of(call, kFirst + 7);
  op.lstm.walk.cost.meetings += 1;
  op.lstm.plain = op.lstm.plain_cell && !has_lstm_options(call) && !op.lstm.dprojected;
  op.queries = call.operand(kFirst).f32(), op.alphas = call.operand(kFirst + 1).f32();
  op.attention = attention_of(call, kFirst + 2);
  op.dkeys = call.output(10).f32(), op.dvalues = call.output(11).f32(), op.dqueries = call.output(12).f32();
  op.dweight = call.output(13).f32();
  return op;
}

size_t attention_lstm_backward_workspace(const Call& call, int team_size) noexcept {
  Carver carver{nullptr};
  AttentionBackwardMemory(attention_lstm_backward_of(call), carver, team_size - 1, team_size);
  return carver.used;
}

void attention_lstm_backward(const Call& call, Team& team) noexcept {
  AttentionBackward op = attention_lstm_backward_of(call);
  lstm_read_packs(op.lstm, call);
  op.attention.packed_query = call.packs[3];
  const int64_t work = lstm_work(op.lstm) + op.attention.slots * (op.attention.size + op.attention.hidden_size);
  on_step_team(team, op.lstm.walk, work, [&](Team& own) { attention_walk_back(op, call.workspace, own); });
}

}  // namespace lstm::LSTM_ISA
