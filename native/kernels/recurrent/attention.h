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

}  // namespace lstm::LSTM_ISA
