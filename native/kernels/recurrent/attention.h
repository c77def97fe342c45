// Attention of one row of a batch to its memory: scores, weights and what is found. Keys and values of a row stand
// together, slot after slot, so every loop here reads them as one stream, forward and backward.
#pragma once

#include "kernels/recurrent/sequence.h"
#include "kernels/softmax/rows.h"

namespace lstm::LSTM_ISA {

struct Attention {
  int64_t slots, size, hidden_size;    // S, A, H; A is the size of keys and queries
  const float *keys, *values;          // [B,S,A], [B,S,H]
  const float *packed_query, *weight;  // W_q and v of the additive score; null for the multiplicative, where A is H
  const int32_t* lengths;              // null: every row has all slots

  bool additive() const { return weight != nullptr; }
  // Slots of a row; nothing past them is read.
  int64_t count(int64_t row) const { return lengths ? lengths[row] : slots; }
  const float* keys_of(int64_t row) const { return keys + row * slots * size; }
  const float* values_of(int64_t row) const { return values + row * slots * hidden_size; }
};

// sums[r] = Σ over k of what `take` adds for each r: element k goes to virtual lane k mod 16, each lane is one chain, and
// the tree of simd/reduce.h folds them. take(r, k, count, sum) returns the lanes of `sum` with `count` elements added.
template <int kRows, class Take>
LSTM_INLINE void reduce_rows(int64_t width, Take take, float* sums) noexcept {
  Vector parts[kRows][kParts];
  LSTM_UNROLL
  for (int r = 0; r < kRows; ++r) {
    LSTM_UNROLL
    for (int part = 0; part < kParts; ++part) parts[r][part] = zero();
  }
  int64_t k = 0;
  for (; k + kVirtualLanes <= width; k += kVirtualLanes) {
    LSTM_UNROLL
    for (int part = 0; part < kParts; ++part) {
      LSTM_UNROLL
      for (int r = 0; r < kRows; ++r) parts[r][part] = take(r, k + part * kLanes, int64_t{kLanes}, parts[r][part]);
    }
  }
  LSTM_UNROLL
  for (int part = 0; part < kParts; ++part) {
    const int64_t at = k + part * kLanes, count = width - at < kLanes ? width - at : kLanes;
    if (count <= 0) continue;
    const Mask within = first_lanes(static_cast<size_t>(count));
    LSTM_UNROLL
    for (int r = 0; r < kRows; ++r) parts[r][part] = select(within, take(r, at, count, parts[r][part]), parts[r][part]);
  }
  LSTM_UNROLL
  for (int r = 0; r < kRows; ++r) {
    LSTM_UNROLL
    for (int width_left = kParts / 2; width_left > 0; width_left /= 2) {
      LSTM_UNROLL
      for (int part = 0; part < width_left; ++part) parts[r][part] = add(parts[r][part], parts[r][part + width_left]);
    }
    float lanes[kLanes];
    store(lanes, parts[r][0]);
    for (int width_left = kLanes / 2; width_left > 0; width_left /= 2) {
      for (int lane = 0; lane < width_left; ++lane) lanes[lane] = lanes[lane] + lanes[lane + width_left];
    }
    sums[r] = lanes[0];
  }
}

// Rows of a matrix that a loop takes at once: with 8 lanes, 4 rows x 2 parts are the 8 chains that two FMAs a cycle of
// latency 4 want.
constexpr int kRowsAtOnce = 4;

// sums[s] = v · rows[s].
inline void dot_rows(const float* v, const float* rows, int64_t count, int64_t width, float* sums) noexcept {
  const auto take = [=](const float* first) {
    return [=](int r, int64_t k, int64_t n, Vector sum) {
      return fma(load_first(v + k, n), load_first(first + r * width + k, n), sum);
    };
  };
  int64_t s = 0;
  for (; s + kRowsAtOnce <= count; s += kRowsAtOnce) reduce_rows<kRowsAtOnce>(width, take(rows + s * width), sums + s);
  for (; s < count; ++s) reduce_rows<1>(width, take(rows + s * width), sums + s);
}

// out += weights[s] * rows[s] for kRows rows, in increasing s.
template <int kRows>
LSTM_INLINE void add_scaled_rows(const float* weights, const float* rows, int64_t width, float* out) noexcept {
  Vector weight[kRows];
  LSTM_UNROLL
  for (int r = 0; r < kRows; ++r) weight[r] = broadcast(weights[r]);
  for (int64_t k = 0; k < width; k += kLanes) {
    Vector sum = load_first(out + k, width - k);
    LSTM_UNROLL
    for (int r = 0; r < kRows; ++r) sum = fma(weight[r], load_first(rows + r * width + k, width - k), sum);
    store_first(out + k, sum, width - k);
  }
}

// out = start + Σ over s of weights[s] * rows[s]: one FMA chain in increasing s. `start` null stands for zeros.
inline void add_weighted_rows(const float* start, const float* weights, const float* rows, int64_t count, int64_t width,
                              float* out) noexcept {
  if (start) {
    memcpy(out, start, sizeof(float) * static_cast<size_t>(width));
  } else {
    clear(out, width);
  }
  int64_t s = 0;
  for (; s + kRowsAtOnce <= count; s += kRowsAtOnce) {
    add_scaled_rows<kRowsAtOnce>(weights + s, rows + s * width, width, out);
  }
  for (; s < count; ++s) add_scaled_rows<1>(weights + s, rows + s * width, width, out);
}

// scores[s] = Σ over a of v_a * tanh(q_a + k_sa).
inline void additive_scores(const Attention& attention, int64_t row, const float* query, float* scores) noexcept {
  const float *keys = attention.keys_of(row), *weight = attention.weight;
  const int64_t width = attention.size, count = attention.count(row);
  const auto take = [=](const float* first) {
    return [=](int r, int64_t k, int64_t n, Vector sum) {
      const Vector key = load_first(first + r * width + k, n);
      return fma(load_first(weight + k, n), tanh(add(load_first(query + k, n), key)), sum);
    };
  };
  int64_t s = 0;
  for (; s + kRowsAtOnce <= count; s += kRowsAtOnce) {
    reduce_rows<kRowsAtOnce>(width, take(keys + s * width), scores + s);
  }
  for (; s < count; ++s) reduce_rows<1>(width, take(keys + s * width), scores + s);
}

// alphas [S] = softmax of the scores, 0 past the row's slots;  h = unattended + Σ alphas[s] * value[s].
inline void attend(const Attention& attention, int64_t row, const float* unattended, const float* query, float* alphas,
                   float* h) noexcept {
  const int64_t count = attention.count(row), H = attention.hidden_size;
  if (attention.additive()) {
    additive_scores(attention, row, query, alphas);
  } else {
    dot_rows(query, attention.keys_of(row), count, H, alphas);
  }
  softmax_row(alphas, alphas, count);
  clear(alphas + count, attention.slots - count);
  add_weighted_rows(unattended, alphas, attention.values_of(row), count, H, h);
}

// Part of additive_scores_backward: kVectors vectors of A from k, each of min(kLanes, columns) elements; more than one are whole.
template <int kVectors>
LSTM_INLINE void additive_columns_backward(const Attention& attention, int64_t row, int64_t k, int64_t columns,
                                           const float* query, const float* dscores, float* dquery, float* dweight,
                                           float* dkeys) noexcept {
  const float* keys = attention.keys_of(row);
  const int64_t width = attention.size, count = attention.count(row);
  const Vector one = broadcast(1.0f);
  Vector q[kVectors], dq[kVectors], dv[kVectors];
  LSTM_UNROLL
  for (int v = 0; v < kVectors; ++v) {
    q[v] = load_first(query + k + v * kLanes, columns);
    dq[v] = zero();
    dv[v] = load_first(dweight + k + v * kLanes, columns);
  }
  for (int64_t s = 0; s < count; ++s) {
    const Vector dscore = broadcast(dscores[s]);
    LSTM_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      const int64_t at = s * width + k + v * kLanes;
      const Vector t = tanh(add(q[v], load_first(keys + at, columns)));
      const Vector through = multiply(dscore, negative_fma(t, t, one));
      dq[v] = add(dq[v], through);
      dv[v] = fma(dscore, t, dv[v]);
      if (dkeys) store_first(dkeys + at, add(load_first(dkeys + at, columns), through), columns);
    }
  }
  LSTM_UNROLL
  for (int v = 0; v < kVectors; ++v) {
    const int64_t at = k + v * kLanes;
    store_first(dquery + at, multiply(dq[v], load_first(attention.weight + at, columns)), columns);
    store_first(dweight + at, dv[v], columns);
  }
}

// From the gradients of the scores: that of the query, and what this step adds to those of v and, but for the factor v, of
// the keys (dkeys may be null). With t = tanh(q + k_s):  dq = v * Σ ds * (1 - t²),  dv += Σ ds * t,  dk_s += ds * (1 - t²).
inline void additive_scores_backward(const Attention& attention, int64_t row, const float* query, const float* dscores,
                                     float* dquery, float* dweight, float* dkeys) noexcept {
  // With 8 lanes a cache line of keys: one vector at a time took a fifth longer at A 512, S 32.
  constexpr int kVectors = 2;
  const int64_t width = attention.size;
  int64_t k = 0;
  for (; k + kVectors * kLanes <= width; k += kVectors * kLanes) {
    additive_columns_backward<kVectors>(attention, row, k, kLanes, query, dscores, dquery, dweight, dkeys);
  }
  for (; k < width; k += kLanes) {
    additive_columns_backward<1>(attention, row, k, width - k, query, dscores, dquery, dweight, dkeys);
  }
}

}  // namespace lstm::LSTM_ISA
