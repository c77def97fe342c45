#include "runtime/parallel.h"

#include <atomic>

#include "runtime/threads.h"

#ifdef _OPENMP
#include <omp.h>
#endif
#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#endif

namespace lstm {
namespace {

// About 9 microseconds of pauses on Zen 5, what it costs to fall asleep and be woken. On idle cores 400 is as fast as
// 4000; beside other processes, who would wait for the end of the spinning, it is up to ten times faster.
constexpr int kSpins = 400;

void relax() noexcept {
#if defined(__x86_64__) || defined(_M_X64)
  _mm_pause();
#elif defined(__aarch64__) && !defined(_MSC_VER)
  asm volatile("yield");
#endif
}

// Spins only where every thread of the team can have a CPU: otherwise it would keep from its work whom it waits for.
void wait_while(const std::atomic<uint32_t>& word, uint32_t value, int team_size) noexcept {
  const int spins = team_size <= available_cpus() ? kSpins : 0;
  for (int spin = 0; spin < spins; ++spin) {
    if (word.load(std::memory_order_acquire) != value) return;
    relax();
  }
  word.wait(value, std::memory_order_acquire);
}

}  // namespace

class Barrier {
 public:
  // Every thread of a team of `size` calls it.
  void wait(int size) noexcept {
    const uint32_t epoch = epoch_.load(std::memory_order_acquire);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == size) {
      arrived_.store(0, std::memory_order_relaxed);
      // Sequentially consistent: libstdc++ reads the number of sleepers next, and a plain store could still be on its way
      // while one of them reads the old epoch and falls asleep for good.
      epoch_.store(epoch + 1, std::memory_order_seq_cst);
      epoch_.notify_all();
    } else {
      wait_while(epoch_, epoch, size);
    }
  }

 private:
  // On lines of their own: arrivals would otherwise disturb those who spin on the epoch.
  alignas(64) std::atomic<uint32_t> epoch_{0};
  alignas(64) std::atomic<int> arrived_{0};
};

void Team::barrier() noexcept {
  if (size_ > 1) barrier_->wait(size_);
}

Team Team::in_run(bool adapts) const noexcept {
  Team team = *this;
  team.adapts_ = adapts;
  if (inner_ && available_cpus() < size_) team.meeting_size_ = available_cpus();
  return team;
}

namespace {

using Body = void (*)(Team& team, const void* context) noexcept;

// The threads of one OpenMP region. All but rank 0 wait for bodies to run, until they are dismissed.
class Crew {
 public:
  void serve(int rank, int size) noexcept {
    for (uint32_t call = 0;; ++call) {
      wait_while(calls_, call, size);
      if (!body_) return;
      take_part(rank, size);
    }
  }

  // By rank 0.
  void lead(int size, Body body, const void* context) noexcept {
    call(body, context);
    take_part(0, size);
  }
  void dismiss() noexcept { call(nullptr, nullptr); }

 private:
  void call(Body body, const void* context) noexcept {
    body_ = body;
    context_ = context;
    calls_.fetch_add(1, std::memory_order_seq_cst);
    calls_.notify_all();
  }
  // The barrier at the end lets nobody miss a call: the next one comes after all have taken part in this one.
  void take_part(int rank, int size) noexcept {
    Team team(rank, size, &barrier_, &inner_);
    body_(team, context_);
    team.barrier();
  }

  alignas(64) std::atomic<uint32_t> calls_{0};
  Body body_ = nullptr;
  const void* context_ = nullptr;
  Barrier barrier_, inner_;
};

// The crew that this thread leads, if any.
struct Led {
  Crew* crew = nullptr;
  int wanted = 0;  // the size that was asked for
  int size = 0;    // and the one that was granted
};
thread_local Led led;

}  // namespace

void keep_team(int size, void (*leader)(const void* context) noexcept, const void* context) {
  const Led before = led;
  Crew crew;
#ifdef _OPENMP
#pragma omp parallel num_threads(size) if (size > 1)
  {
    if (omp_get_thread_num() > 0) {
      crew.serve(omp_get_thread_num(), omp_get_num_threads());
    } else {
      led = {&crew, size, omp_get_num_threads()};
      leader(context);
      crew.dismiss();
    }
  }
#else
  led = {&crew, size, 1};
  leader(context);
#endif
  led = before;
}

void run_team(int size, Body body, const void* context) {
  if (size <= 1) {
    Team alone(0, 1, nullptr);
    body(alone, context);
  } else if (led.crew && led.wanted == size) {
    led.crew->lead(led.size, body, context);
  } else {
    keep_team(size, [&]() noexcept { led.crew->lead(led.size, body, context); });
  }
}

}  // namespace lstm
