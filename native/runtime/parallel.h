// The team of threads that runs a program. Only this header and its source say OpenMP.
#pragma once

#include <stdint.h>

#include "runtime/inline.h"

namespace lstm {

struct Range {
  int64_t begin;
  int64_t end;
  LSTM_INLINE int64_t size() const { return end - begin; }
};

// Shared by the threads of one run: arrives, spins briefly, then sleeps; never spins when the team is larger than the
// CPUs it may use.
class Barrier;

// One thread's view of the team. Every thread walks the same equations; `split` says which part is its own.
// Between equations the executor puts a barrier; inside a kernel, the kernel does.
class Team {
 public:
  // `inner` is for the members that meet within a kernel, where those are fewer.
  LSTM_INLINE Team(int rank, int size, Barrier* barrier, Barrier* inner = nullptr)
      : rank_(rank), size_(size), barrier_(barrier), inner_(inner), meeting_size_(size) {}

  LSTM_INLINE int rank() const { return rank_; }
  LSTM_INLINE int size() const { return size_; }

  // This thread's part of [0, count), in multiples of `grain` (the last part may end earlier). Contiguous, balanced.
  LSTM_INLINE Range split(int64_t count, int64_t grain = 1) const {
    const int64_t blocks = (count + grain - 1) / grain;
    const int64_t begin = blocks * rank_ / size_ * grain;
    const int64_t end = blocks * (rank_ + 1) / size_ * grain;
    return {begin < count ? begin : count, end < count ? end : count};
  }

  // Whether a kernel may leave members idle where meeting would cost more than it gives: when nobody asked for a number
  // of threads.
  LSTM_INLINE bool adapts() const { return adapts_; }

  // How many of the members, from rank 0 on, should take part in what meets again and again: no more than there are
  // CPUs, since whoever waits for a CPU is waited for by all. As many as there are outside a run.
  LSTM_INLINE int meeting_size() const { return meeting_size_; }
  // Those members, as a team.
  LSTM_INLINE Team meeting() const {
    Team team = *this;
    if (meeting_size_ < size_) {
      team.size_ = meeting_size_;
      team.barrier_ = inner_;
    }
    return team;
  }

  // The team as a run uses it.
  Team in_run(bool adapts) const noexcept;

  // Waits for the whole team; what was written before is seen by all after.
  void barrier() noexcept;

 private:
  int rank_;
  int size_;
  Barrier* barrier_;
  Barrier* inner_;
  int meeting_size_;
  bool adapts_ = false;
};

// Calls body(team, context) on each thread of a team, the calling thread being rank 0, and returns when all are done.
// The team has `size` threads, fewer when OpenMP has a lower limit, and one in a build without OpenMP.
void run_team(int size, void (*body)(Team& team, const void* context) noexcept, const void* context);

// Calls leader(context), and keeps a team of `size` threads together meanwhile: each run_team of that size on this
// thread finds them waiting (one of another size gets a team of one, since OpenMP does not nest). They spin briefly
// between runs, then sleep. OpenMP's own threads would spin for milliseconds (libgomp) or a fifth of a second (LLVM),
// at the cost of whoever else wants the CPU.
void keep_team(int size, void (*leader)(const void* context) noexcept, const void* context);

// The same for callables, which must not throw.
template <typename Body>
void run_team(int size, const Body& body) {
  run_team(
      size, [](Team& team, const void* context) noexcept { (*static_cast<const Body*>(context))(team); }, &body);
}
template <typename Leader>
void keep_team(int size, const Leader& leader) {
  keep_team(
      size, [](const void* context) noexcept { (*static_cast<const Leader*>(context))(); }, &leader);
}

}  // namespace lstm
