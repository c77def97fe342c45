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

void relax() noexcept {
#if defined(__x86_64__) || defined(_M_X64)
  _mm_pause();
#elif defined(__aarch64__) && !defined(_MSC_VER)
  asm volatile("yield");
#endif
}

// About 50 microseconds of pauses on Zen 4: longer than the imbalance between two steps of a recurrence, shorter than
// a scheduler's time slice.
constexpr int kSpins = 4000;

}  // namespace

class Barrier {
 public:
  void reset(int size) {
    size_ = size;
    spins_ = size <= available_cpus() ? kSpins : 0;
  }

  void wait() noexcept {
    const uint32_t epoch = epoch_.load(std::memory_order_acquire);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == size_) {
      arrived_.store(0, std::memory_order_relaxed);
      epoch_.store(epoch + 1, std::memory_order_release);
      epoch_.notify_all();
      return;
    }
    for (int spin = 0; spin < spins_; ++spin) {
      if (epoch_.load(std::memory_order_acquire) != epoch) return;
      relax();
    }
    epoch_.wait(epoch, std::memory_order_acquire);
  }

 private:
  // On lines of their own: arrivals would otherwise disturb those who spin on the epoch.
  alignas(64) std::atomic<uint32_t> epoch_{0};
  alignas(64) std::atomic<int> arrived_{0};
  int size_ = 1;
  int spins_ = 0;
};

void Team::barrier() noexcept {
  if (size_ > 1) barrier_->wait();
}

void run_team(int size, void (*body)(Team& team, const void* context) noexcept, const void* context) {
#ifdef _OPENMP
  if (size > 1) {
    Barrier barrier;
#pragma omp parallel num_threads(size)
    {
      // OpenMP may grant fewer threads than asked for; the barrier must know how many there are.
#pragma omp single
      barrier.reset(omp_get_num_threads());
      Team team(omp_get_thread_num(), omp_get_num_threads(), &barrier);
      body(team, context);
    }
    return;
  }
#endif
  (void)size;
  Team alone(0, 1, nullptr);
  body(alone, context);
}

}  // namespace lstm
