#include "isa/peak.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <new>
#include <vector>

#include "isa/dispatch.h"
#include "runtime/arena.h"
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

double measure_bandwidth(int threads, int64_t bytes) try {
  constexpr int64_t kChunk = 256;  // what read_all takes a multiple of
  constexpr int64_t kBetweenClocks = 1 << 18;
  const int64_t count = std::max(bytes / static_cast<int64_t>(sizeof(float)) / kChunk, int64_t{1}) * kChunk;
  const Kernels& kernels = *active_isa().kernels;
  std::vector<Memory> arrays;
  for (int thread = 0; thread < threads; ++thread) arrays.emplace_back(static_cast<size_t>(count) * sizeof(float));
  std::vector<double> rates(static_cast<size_t>(threads));
  run_team(threads, [&](Team& team) {
    const auto rank = static_cast<size_t>(team.rank());
    auto* own = reinterpret_cast<float*>(arrays[rank].data());
    std::fill(own, own + count, 0.0f);
    float sink = 0;
    kernels.read_all(own, count, &sink);
    team.barrier();
    const Clock::time_point start = Clock::now();
    double seconds = 0, read = 0;
    // The clock is asked every 2^18 numbers or less often, so that small arrays are not measured by it.
    const int64_t repeats = (kBetweenClocks + count - 1) / count;
    do {
      for (int64_t repeat = 0; repeat < repeats; ++repeat) kernels.read_all(own, count, &sink);
      read += static_cast<double>(repeats * count);
      seconds = seconds_since(start);
    } while (seconds < 0.02);
    rates[rank] = read * sizeof(float) / seconds;
  });
  double total = 0;
  for (const double rate : rates) total += rate;
  return total;
} catch (const std::bad_alloc&) {
  return 0;
}

}  // namespace lstm
