// Which rows of a ragged batch a multiply takes: those of [T,B,·] within the lengths.
#pragma once

#include "kernels/multiply/tile.h"

namespace lstm::LSTM_ISA {

// Rows of a matrix by number, in increasing order: all of them, or those of a list. Two types, because asking for a list
// at each row cost dx 13 % at H 512.
struct AllRows {
  int64_t count;

  int64_t operator[](int64_t index) const { return index; }
  bool contiguous(Range) const { return true; }
};
struct RowList {
  int64_t count;
  const int64_t* rows;

  int64_t operator[](int64_t index) const { return rows[index]; }
  bool contiguous(Range range) const { return rows[range.end - 1] - rows[range.begin] == range.size() - 1; }
};

// How many rows of a batch are within their length before a time.
inline int64_t active_before(int64_t time, const int32_t* lengths, int64_t batch) noexcept {
  int64_t active = 0;
  for (int64_t row = 0; row < batch; ++row) active += lengths[row] < time ? lengths[row] : time;
  return active;
}

// What with_active_rows needs for a sequence [T,B,·], in bytes; a multiple of 64.
inline size_t row_list_bytes(const Tensor& sequence, bool ragged) noexcept {
  return ragged ? (sizeof(int64_t) * static_cast<size_t>(sequence.rows()) + 63) / 64 * 64 : 0;
}

// Calls body(rows): those of a sequence [T,B,·] within the lengths, listed in `memory`, or all rows where lengths are null.
// Each thread lists its part of the steps, then all meet.
template <class Body>
inline void with_active_rows(const Tensor& sequence, const int32_t* lengths, void* memory, Team& team,
                             const Body& body) noexcept {
  if (!lengths) return body(AllRows{sequence.rows()});
  const int64_t steps = sequence.dim(0), batch = sequence.dim(1);
  const Range times = team.split(steps);
  int64_t* const rows = static_cast<int64_t*>(memory);
  int64_t* next = rows + active_before(times.begin, lengths, batch);
  for (int64_t time = times.begin; time < times.end; ++time) {
    for (int64_t row = 0; row < batch; ++row) {
      if (time < lengths[row]) *next++ = time * batch + row;
    }
  }
  if (team.size() > 1) team.barrier();
  body(RowList{active_before(steps, lengths, batch), rows});
}

// Zeros in the other rows, for this thread's part of a sequence; nothing where lengths are null.
inline void clear_inactive_rows(const Tensor& sequence, const int32_t* lengths, const Team& team) noexcept {
  if (!lengths) return;
  const int64_t batch = sequence.dim(1), width = sequence.dim(2);
  const Range times = team.split(sequence.dim(0));
  for (int64_t time = times.begin; time < times.end; ++time) {
    for (int64_t row = 0; row < batch; ++row) {
      if (time < lengths[row]) continue;
      memset(sequence.f32() + (time * batch + row) * width, 0, sizeof(float) * static_cast<size_t>(width));
    }
  }
}

}  // namespace lstm::LSTM_ISA
