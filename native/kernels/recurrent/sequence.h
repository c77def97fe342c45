// How a recurrent op walks the rows of a batch: their lengths, their direction, and the threads' parts of them.
#pragma once

#include "kernels/multiply/tile.h"
#include "kernels/recurrent/ragged.h"

namespace lstm::LSTM_ISA {

// What a step takes, by which threads share it: multiply-adds for each row, panels of columns, and how often threads that
// share columns wait for each other.
struct StepCost {
  int64_t weights = 0, panels = 1;
  int meetings = 1;
};

// Step s of a row is time s, or time length - 1 - s when reversed. Rows past their length take no part in a step.
struct SequenceWalk {
  int64_t steps, batch;
  const int32_t* lengths;  // null: every row has all steps
  bool reverse;
  StepCost cost = {};  // of a kernel whose threads never wait for each other, none

  int64_t length(int64_t row) const { return lengths ? lengths[row] : steps; }
  int64_t time(int64_t row, int64_t step) const { return reverse ? length(row) - 1 - step : step; }
  // The row of [T,B,...] where a batch row stands at a step.
  int64_t position(int64_t row, int64_t step) const { return time(row, step) * batch + row; }
  // The step at which a row is at a time within its length.
  int64_t step(int64_t row, int64_t time) const { return reverse ? length(row) - 1 - time : time; }
};

// What a meeting of two threads costs, in multiply-adds: about 1.3 µs of one AVX2 core.
constexpr int64_t kMeeting = 1 << 17;

// More weights than this, 16 MB, do not stay in the L3: the memory then gives each thread one for 24 multiply-adds or so.
constexpr int64_t kFarWeights = 1 << 22;
constexpr int64_t kFarCost = 24;

// Whether threads have rows of the batch, rather than columns of every row. Tiles are as high as they are, so that 8 rows
// are 3 tiles for all, or 2 for each of two threads; but sharing columns, in whole panels, costs meetings, and sharing rows
// has each thread read all weights.
inline bool splits_rows(const SequenceWalk& walk, int size) noexcept {
  const int64_t batch = walk.batch, own = (batch + size - 1) / size;
  const StepCost& step = walk.cost;
  if (batch < kTileRows * size) return false;
  const auto time = [&](int64_t rows, int64_t panels) {
    const int64_t weights = step.weights * panels / step.panels;
    const int64_t multiply = (rows + kTileRows - 1) / kTileRows * kTileRows * weights;
    const int64_t read = step.weights > kFarWeights ? kFarCost * weights : 0;
    return multiply > read ? multiply : read;
  };
  const int64_t meetings = size > 1 ? step.meetings * kMeeting : 0;
  return time(own, step.panels) <= time(batch, (step.panels + size - 1) / size) + meetings;
}

// A thread's part of a step: rows of the batch and panels of columns. With enough rows the batch is split, and no thread
// waits for another between steps; otherwise the columns are, every thread reads what all wrote, and each step ends with
// a barrier. Split by rows, a thread may read what the steps wrote of its own rows only; they are not those of
// Team::split.
struct Share {
  bool by_rows;
  Range rows, panels;
  int64_t steps;  // after which none of the rows has any

  Share(const SequenceWalk& walk, int64_t panel_total, const Team& team)
      : by_rows(splits_rows(walk, team.size())),
        rows(by_rows ? split_by_length(walk.lengths, walk.batch, team) : Range{0, walk.batch}),
        panels(by_rows ? Range{0, panel_total} : team.split(panel_total)),
        steps(longest_of(rows, walk.lengths, walk.steps)) {}

  void end_step(Team& team) const noexcept {
    if (!by_rows && team.size() > 1) team.barrier();
  }
};

// Multiply-adds of a step below which threads had better not meet for it: about 2 µs of one AVX2 core. At B 1, H 64,
// T 3000, beside other processes, two threads took 37 ms and one 1.7 ms.
constexpr int64_t kSharedStep = 1 << 17;

// Calls body(team); where its members would meet after each step, with no more of them than there are CPUs, or with rank
// 0 alone where the team adapts and the steps are too small. `work` counts the multiply-adds of a step for each row.
template <class Body>
inline void on_step_team(Team& team, const SequenceWalk& walk, int64_t work, const Body& body) noexcept {
  const bool meets = team.size() > 1 && !splits_rows(walk, team.size());
  if (!meets) return body(team);
  // Rows that may end early count for what they have.
  const int64_t step = walk.batch * active_work(work, walk.lengths, walk.batch);
  const bool alone = team.adapts() && step < kSharedStep;
  if (team.rank() >= (alone ? 1 : team.meeting_size())) return;
  Team own = alone ? Team(0, 1, nullptr) : team.meeting();
  body(own);
}

// Hands out 64-byte aligned pieces of a workspace; over a null base it only counts.
struct Carver {
  char* base;
  size_t used = 0;

  template <class T>
  T* take(int64_t count) noexcept {
    T* piece = base ? reinterpret_cast<T*>(base + used) : nullptr;
    used += (sizeof(T) * static_cast<size_t>(count) + 63) / 64 * 64;
    return piece;
  }
  // A piece for each thread of a team: that of one.
  template <class T>
  T* take_own(int64_t count, int thread, int team_size) noexcept {
    T* all = take<T>(count * team_size);
    return base ? all + count * thread : nullptr;
  }
};

// Row `row` of an optional [.., width] matrix: `otherwise` when it is missing.
inline const float* row_or(const float* matrix, int64_t row, int64_t width, const float* otherwise) noexcept {
  return matrix ? matrix + row * width : otherwise;
}

// The hidden state from which each row of [T,B,·] started its step: h_{t-1}, or h0; null for zeros and past a length.
struct StartStates {
  SequenceWalk walk;
  const float *y, *h0;  // h0 may be null
  int64_t hidden_size;

  const float* operator()(int64_t position) const {
    const int64_t time = position / walk.batch, row = position % walk.batch;
    if (time >= walk.length(row)) return nullptr;
    const int64_t step = walk.step(row, time);
    return step > 0 ? y + walk.position(row, step - 1) * hidden_size : row_or(h0, row, hidden_size, nullptr);
  }
};

inline void clear(float* p, int64_t count) noexcept { memset(p, 0, sizeof(float) * static_cast<size_t>(count)); }

// Zeros in [T,B,width] past the lengths of the given rows; nothing for a null matrix.
inline void clear_past_lengths(const SequenceWalk& walk, Range rows, float* matrix, int64_t width) noexcept {
  if (!matrix || !walk.lengths) return;
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    for (int64_t time = walk.length(row); time < walk.steps; ++time) {
      clear(matrix + (time * walk.batch + row) * width, width);
    }
  }
}

}  // namespace lstm::LSTM_ISA
