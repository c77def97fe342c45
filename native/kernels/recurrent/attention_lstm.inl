// The LSTM whose hidden state attends to a memory in each step: forward over a sequence, and its single step. The cell is
// that of lstm.inl, which writes the hidden state before attention to a place of its own.
#pragma once

#include "kernels/recurrent/additive_score.h"
#include "kernels/recurrent/lstm.inl"

namespace lstm::LSTM_ISA {

struct AttentionForward {
  LstmForward lstm;  // its y, h_n and h0 are attended states
  Attention attention;
  float *unattended, *queries, *alphas;  // [T,B,P], [T,B,A], [T,B,S]; each may be null
};

struct AttentionForwardMemory {
  // Shared, where no output keeps them: [B,P] and [B,A]. A row's is written and read within one step.
  float *unattended, *queries;
  // Of one thread: the attention of a row, and the rows of lstm.rows.
  float* alphas;
  int64_t* rows;
  AdditiveScore additive;
  LstmMemory lstm;

  AttentionForwardMemory(const AttentionForward& op, Carver carver, const Team& team) noexcept
      : AttentionForwardMemory(op, carver, team.rank(), team.size()) {}
  AttentionForwardMemory(const AttentionForward& op, Carver& carver, int thread, int team_size) noexcept
      : unattended(carver.take<float>(op.unattended ? 0 : op.lstm.walk.batch * op.attention.hidden_size)),
        queries(
            carver.take<float>(op.queries || !op.attention.additive() ? 0 : op.lstm.walk.batch * op.attention.size)),
        alphas(carver.take_own<float>(op.attention.slots, thread, team_size)),
        rows(carver.take_own<int64_t>(op.lstm.walk.batch, thread, team_size)),
        additive(op.attention, op.lstm.walk.batch, carver, thread, team_size),
        lstm(op.lstm, carver.base ? carver.base + carver.used : nullptr, thread) {
    carver.used += lstm.bytes;
  }

  float* unattended_at(const AttentionForward& op, int64_t row, int64_t position) const {
    const int64_t H = op.attention.hidden_size;
    return op.unattended ? op.unattended + position * H : unattended + row * H;
  }
  // What the scores are of.
  float* query_at(const AttentionForward& op, int64_t row, int64_t position) const {
    const int64_t A = op.attention.size;
    if (op.queries) return op.queries + position * A;
    return op.attention.additive() ? queries + row * A : unattended_at(op, row, position);
  }
};

// As lstm_list_rows, the cell's h going to where the attention finds it, before zoneout and mask.
inline int64_t attention_list_rows(const AttentionForward& op, const AttentionForwardMemory& memory, Range rows,
                                   int64_t step) noexcept {
  const SequenceWalk& walk = op.lstm.walk;
  const int64_t active = lstm_list_rows(op.lstm, memory.lstm, rows, step);
  int64_t listed = 0;
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    if (step >= walk.length(row)) continue;
    memory.lstm.rows[listed].h = memory.unattended_at(op, row, walk.position(row, step));
    if (!op.lstm.plain) {
      memory.lstm.options[listed].keep_hidden = nullptr;
      memory.lstm.options[listed].masked = nullptr;
    }
    memory.rows[listed++] = row;
  }
  return active;
}

// q = W_q h̃ for some of the listed rows. What the gates saw of h is not needed any more.
inline void attention_queries(const AttentionForward& op, const AttentionForwardMemory& memory, Range listed,
                              int64_t step) noexcept {
  const int64_t H = op.attention.hidden_size, A = op.attention.size, panels = panel_count(A);
  const float** const hidden = memory.lstm.h_rows + listed.begin;
  for (int64_t r = 0; r < listed.size(); ++r) hidden[r] = memory.lstm.rows[listed.begin + r].h;
  const auto query_of = [&](int64_t r) {
    const int64_t row = memory.rows[listed.begin + r];
    return memory.query_at(op, row, op.lstm.walk.position(row, step));
  };
  for (int64_t panel = 0; panel < panels; ++panel) {
    const int64_t first = panel * kTileColumns, next = panel + 1 < panels ? panel + 1 : 0;
    multiply_listed(
        hidden, listed.size(), op.attention.packed_query + first * H, H,
        op.attention.packed_query + next * kTileColumns * H, {kZeroColumns, 0}, {memory.lstm.z, kTileColumns},
        [&](Range tile, FetchList& list) {
          for (int64_t r = tile.begin; r < tile.end; ++r) list.add(query_of(r) + first, columns_of_panel(A, panel));
        },
        [&](Range tile) {
          for (int64_t r = tile.begin; r < tile.end; ++r) {
            float* to = query_of(r) + first;
            for (int64_t n = 0; n < kTileColumns; n += kLanes) {
              store_first(to + n, load(memory.lstm.z + r * kTileColumns + n), A - first - n);
            }
          }
        });
  }
}

// Zoneout and mask of the h that a row's attention has stored.
inline void attention_regularize(const LstmForward& op, const LstmMemory& memory, int64_t row, int64_t step) noexcept {
  if (!op.keep_hidden.data && !op.hidden_mask) return;
  const LstmRowOptions options = lstm_row_options(op, memory, row, step, op.walk.position(row, step));
  float* h = memory.h_at(op, row, step);
  const LstmRow at = {nullptr, nullptr, h, nullptr};
  for (int64_t n = 0; n < op.output_size; n += kLanes) {
    const int64_t count = op.output_size - n;
    lstm_store_hidden(load_first(h + n, count), at, options, n, count);
  }
}

// alphas [S] = softmax of the scores, 0 past the row's slots;  h = unattended + Σ alphas[s] * value[s].
inline void attend(const Attention& attention, const AdditiveScore& additive, int64_t row, const float* unattended,
                   const float* query, float* alphas, float* h) noexcept {
  const int64_t count = attention.count(row), H = attention.hidden_size;
  if (attention.additive()) {
    additive.scores(row, query, alphas);
  } else {
    dot_rows(query, attention.keys_of(row), count, H, alphas);
  }
  softmax_row(alphas, alphas, count);
  clear(alphas + count, attention.slots - count);
  add_weighted_rows(unattended, alphas, attention.values_of(row), count, H, h);
}

// From h̃ to h, for some of the listed rows.
inline void attention_step_rows(const AttentionForward& op, const AttentionForwardMemory& memory, Range listed,
                                int64_t step) noexcept {
  const Attention& attention = op.attention;
  if (attention.additive()) attention_queries(op, memory, listed, step);
  for (int64_t k = listed.begin; k < listed.end; ++k) {
    const int64_t row = memory.rows[k], position = op.lstm.walk.position(row, step);
    const float* hidden = memory.lstm.rows[k].h;
    float* query = memory.query_at(op, row, position);
    if (!attention.additive() && query != hidden) {
      memcpy(query, hidden, sizeof(float) * static_cast<size_t>(attention.hidden_size));
    }
    attend(attention, memory.additive, row, hidden, query,
           op.alphas ? op.alphas + position * attention.slots : memory.alphas, memory.lstm.h_at(op.lstm, row, step));
    attention_regularize(op.lstm, memory.lstm, row, step);
  }
}

inline void attention_forward(const AttentionForward& op, void* workspace, Team& team) noexcept {
  const AttentionForwardMemory memory(op, Carver{static_cast<char*>(workspace)}, team);
  const LstmForward& lstm = op.lstm;
  if (op.attention.additive()) {
    memory.additive.prepare(team.split(lstm.walk.batch));
    team.barrier();
  }
  lstm_walk(lstm, memory.lstm, team, [&](const Share& share, const Share& projection, int64_t step) {
    const int64_t active = attention_list_rows(op, memory, share.rows, step);
    lstm_step_hidden(lstm, memory.lstm, active, step, share, projection, team);
    // All threads list all rows where they share out the columns.
    attention_step_rows(op, memory, share.by_rows ? Range{0, active} : team.split(active), step);
    share.end_step(team);
  });
  const Range rows = team.split(lstm.walk.batch);
  clear_past_lengths(lstm.walk, rows, op.unattended, lstm.output_size);
  clear_past_lengths(lstm.walk, rows, op.queries, op.attention.size);
  clear_past_lengths(lstm.walk, rows, op.alphas, op.attention.slots);
}

// What an op attends to, from its operand `slot` on.
inline Attention attention_of(const Call& call, int slot) noexcept {
  const Tensor &keys = call.operand(slot), &values = call.operand(slot + 1);
  return {keys.dim(1),
          keys.dim(2),
          values.dim(2),
          keys.f32(),
          values.f32(),
          nullptr,
          call.operand_f32(slot + 3),
          call.operand_i32(slot + 4)};
}

// Around an LSTM whose operands come first, and whose outputs do, what both ops have behind them, from output `slot` on.
inline AttentionForward attention_around(const LstmForward& lstm, const Call& call, int slot) noexcept {
  AttentionForward op = {};
  op.lstm = lstm;
  op.lstm.walk.cost.meetings += 1;
  // The copy that a plain LSTM makes of y would be one of what has attended.
  op.lstm.plain = lstm.plain && !lstm.unprojected;
  op.attention = attention_of(call, kSlotsAfterOptions);
  op.unattended = call.output(slot).f32(), op.queries = call.output(slot + 1).f32();
  op.alphas = call.output(slot + 2).f32();
  return op;
}

inline size_t attention_forward_memory(const AttentionForward& op, int team_size) noexcept {
  Carver carver{nullptr};
  AttentionForwardMemory(op, carver, team_size - 1, team_size);
  return carver.used;
}

inline void attention_run(AttentionForward op, const Call& call, Team& team) noexcept {
  lstm_read_packs(op.lstm, call);
  op.attention.packed_query = call.packs[4];
  const int64_t work = lstm_work(op.lstm) + op.attention.slots * (op.attention.size + op.attention.hidden_size);
  on_step_team(team, op.lstm.walk, work, [&](Team& own) { attention_forward(op, call.workspace, own); });
}

// attention_lstm
// Computes  c_t and h̃_t as lstm from h_{t-1}; α_t = softmax over s of score(h̃_t, k_s); h_t = h̃_t + Σ_s α_ts v_s; the score is
//           h̃ · k_s or, with weight_score v, v · tanh(q + k_s), q = weight_query h̃ (outputs queries: h̃ or q, attention: α)
//           With the options of lstm; with shares k of zoneout h_t = k h_{t-1} + (1 - k) (h̃_t + ...), and U sees mask h_{t-1}
// Shapes    the operands of lstm but lengths, keys [B,S,A], values [B,S,P], weight_query? [A,P], weight_score? [A] (without
//           them A = P), memory_lengths?, lengths? int32 [B]
//           -> the outputs of lstm, unattended [T,B,P], queries [T,B,A], attention [T,B,S], when planned
// Layout    weights as lstm, weight_query packed as columns
// Aliasing  no output overlaps an operand
// Accuracy  the cell as lstm; q one FMA chain over P; a score in 16 virtual lanes over A, its tanh within 1.6e-7, in a row's
//           step as additive_score.h says; h one FMA chain from h̃ over S
// Source    Luong, Pham & Manning 2015 (general); Bahdanau, Cho & Bengio 2015 (additive)
inline AttentionForward attention_lstm_of(const Call& call) noexcept {
  return attention_around(lstm_forward_of(call, kSlotsAfterOptions + 5), call, 13);
}

size_t attention_lstm_workspace(const Call& call, int team_size) noexcept {
  return attention_forward_memory(attention_lstm_of(call), team_size);
}

void attention_lstm(const Call& call, Team& team) noexcept { attention_run(attention_lstm_of(call), call, team); }

// attention_lstm_step
// Computes  one step of attention_lstm
// Shapes    the operands of lstm_step, the rest as attention_lstm without T -> the outputs of lstm_step, unattended [B,P],
//           queries [B,A] and attention [B,S] when planned
// Layout    as attention_lstm
// Aliasing  as attention_lstm
// Accuracy  the bits of attention_lstm
// Source    as attention_lstm
inline AttentionForward attention_lstm_step_of(const Call& call) noexcept {
  return attention_around(lstm_step_of(call), call, 10);
}

size_t attention_lstm_step_workspace(const Call& call, int team_size) noexcept {
  return attention_forward_memory(attention_lstm_step_of(call), team_size);
}

void attention_lstm_step(const Call& call, Team& team) noexcept {
  attention_run(attention_lstm_step_of(call), call, team);
}

}  // namespace lstm::LSTM_ISA
