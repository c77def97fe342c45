// Steps of [T,B,...,F] within the lengths of the sequences, for kernels that know no recurrence.
#pragma once

#include "kernels/elementwise/map.h"

namespace lstm::LSTM_ISA {

// The rows of the last axis: row r stands at step r / inner / B of sequence r / inner % B.
struct StepRows {
  const int32_t* lengths;  // null: every sequence has all steps
  int64_t batch = 1, inner = 1;

  StepRows(const Tensor& x, const int32_t* given) : lengths(given) {
    if (lengths == nullptr) return;
    batch = x.dims[1];
    for (int axis = 2; axis + 1 < x.rank; ++axis) inner *= x.dims[axis];
  }
  bool within(int64_t row) const {
    const int64_t step = row / inner;
    return lengths == nullptr || step / batch < lengths[step % batch];
  }
};

inline void clear_row(float* row, int64_t size) noexcept { memset(row, 0, static_cast<size_t>(size) * sizeof(float)); }

// [T,B,F] and its lengths.
struct Sequences {
  int64_t steps, batch, size;
  const int32_t* lengths;  // null: every sequence has all steps

  Sequences(const Tensor& x, const int32_t* given)
      : steps(x.dims[0]), batch(x.dims[1]), size(x.rank < 3 ? 1 : x.dims[2]), lengths(given) {}

  int64_t length(int64_t b) const { return lengths ? lengths[b] : steps; }
  int64_t offset(int64_t t, int64_t b) const { return (t * batch + b) * size; }

  // body(b, columns) for this thread's part of [B,F]: pieces of rows.
  template <class Body>
  void for_each_piece(const Team& team, Body body) const {
    const Range range = team.split(batch * size, kGrain);
    for (int64_t i = range.begin; i < range.end;) {
      const int64_t begin = i % size, left = range.end - i;
      const int64_t end = size - begin < left ? size : begin + left;
      body(i / size, Range{begin, end});
      i += end - begin;
    }
  }

  // body(t, b, offset) for this thread's part of the rows [T,B].
  template <class Body>
  void for_each_row(const Team& team, Body body) const {
    const Range rows = team.split(steps * batch);
    for (int64_t row = rows.begin; row < rows.end; ++row) body(row / batch, row % batch, row * size);
  }
};

LSTM_INLINE IntVector load_first(const int32_t* p, size_t n) { return n == kLanes ? load(p) : load_partial(p, n); }
LSTM_INLINE void store_first(int32_t* p, IntVector v, size_t n) {
  if (n == kLanes) {
    store(p, v);
  } else {
    store_partial(p, v, n);
  }
}

}  // namespace lstm::LSTM_ISA
