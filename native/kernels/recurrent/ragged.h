// How the rows of a ragged batch are dealt to threads, and for how long they have steps.
#pragma once

#include "kernels/call.h"
#include "runtime/parallel.h"

namespace lstm::LSTM_ISA {

// This thread's rows: contiguous, with about as many steps in all as any other thread's. The cuts lie as close to even
// as rows allow, so a thread's steps differ from the mean by no more than one row's. Null lengths are equal ones.
inline Range split_by_length(const int32_t* lengths, int64_t batch, const Team& team) noexcept {
  if (!lengths) return team.split(batch);
  int64_t total = 0;
  for (int64_t row = 0; row < batch; ++row) total += lengths[row];
  // A row belongs to the first thread whose part reaches beyond the row's middle.
  const auto cut = [=](int64_t part) {
    if (part == team.size()) return batch;
    int64_t row = 0, before = 0;
    while (row < batch && (2 * before + lengths[row]) * team.size() < 2 * total * part) before += lengths[row++];
    return row;
  };
  return {cut(team.rank()), cut(team.rank() + 1)};
}

// The steps that the longest of the rows has.
inline int64_t longest_of(Range rows, const int32_t* lengths, int64_t steps) noexcept {
  if (!lengths) return steps;
  int64_t longest = 0;
  for (int64_t row = rows.begin; row < rows.end; ++row) longest = lengths[row] > longest ? lengths[row] : longest;
  return longest;
}

// The part of `work`, what a step costs for each row of a batch, that a step costs for those that have it, on average.
inline int64_t active_work(int64_t work, const int32_t* lengths, int64_t batch) noexcept {
  const int64_t longest = longest_of({0, batch}, lengths, 0);
  if (!lengths || longest == 0) return work;
  int64_t total = 0;
  for (int64_t row = 0; row < batch; ++row) total += lengths[row];
  return work * total / (longest * batch);
}

}  // namespace lstm::LSTM_ISA
