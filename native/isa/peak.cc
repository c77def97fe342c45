#include "isa/peak.h"

#include <chrono>
#include <cstdint>
#include <vector>

#include "isa/dispatch.h"
#include "runtime/parallel.h"

namespace lstm {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

}  // namespace

double measure_peak(int threads) {
  constexpr int64_t kRounds = 50000;
  const Kernels& kernels = *active_isa().kernels;
  struct alignas(64) Thread {
    float sink = 1e-3f;
    double operations = 0;
  };
  std::vector<Thread> team_threads(static_cast<size_t>(threads));
  const Clock::time_point start = Clock::now();
  run_team(threads, [&](Team& team) {
    Thread& own = team_threads[static_cast<size_t>(team.rank())];
    while (seconds_since(start) < 0.02) own.operations += static_cast<double>(kernels.peak(kRounds, &own.sink));
  });
  const double seconds = seconds_since(start);
  double operations = 0;
  for (const Thread& thread : team_threads) operations += thread.operations;
  return operations / seconds;
}

}  // namespace lstm
