// Single kernels by Google Benchmark: activations in ns per number, packs and memory in GB/s, multiplies in GFLOP/s. One thread
// unless LSTM_NATIVE_THREADS says more; LSTM_NATIVE_ISA chooses the kernels; --benchmark_filter=REGEX some of them.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>

#include "equation.h"
#include "runtime/denormals.h"

namespace lstm {
namespace {

int team_size() {
  const char* threads = std::getenv("LSTM_NATIVE_THREADS");
  return threads ? std::max(std::atoi(threads), 1) : 1;
}

void in_team(const std::function<void(Team&)>& work) {
  run_team(team_size(), [&](Team& team) {
    const FlushDenormals guard;
    work(team);
  });
}

using ArrayFunction = void (*)(const float*, float*, size_t) noexcept;

void activation(benchmark::State& state, ArrayFunction function) {
  const int64_t count = state.range(0);
  const Array x(count, 4), y(count);
  for (auto _ : state) {
    function(x.data, y.data, static_cast<size_t>(count));
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * count);
}

// y [M, O] = x [M, I] . W^T.
void linear(benchmark::State& state) {
  const int64_t M = state.range(0), I = state.range(1), O = state.range(2);
  const Array x(M * I, 1), weight(O * I, 1), y(M * O);
  const Tensor w = tensor(weight.data, {O, I});
  const Kernels& kernels = Equation::kernels();
  const Array packed(static_cast<int64_t>(kernels.pack_bytes(PackKind::columns, w) / sizeof(float)));
  in_team([&](Team& team) { kernels.pack(PackKind::columns, w, packed.data, team); });
  const Tensor none = {};
  const Equation equation(KernelId::linear, {tensor(x.data, {M, I}), w, none, none}, {tensor(y.data, {M, O})},
                          {packed.data}, team_size());
  for (auto _ : state) in_team([&](Team& team) { equation.run(team); });
  state.counters["GFLOP/s"] =
      benchmark::Counter(2e-9 * static_cast<double>(M * I * O * state.iterations()), benchmark::Counter::kIsRate);
}

void pack(benchmark::State& state, PackKind kind) {
  const int64_t H = state.range(0);
  const Array weight(4 * H * H, 1);
  const Tensor w = tensor(weight.data, {4 * H, H});
  const Kernels& kernels = Equation::kernels();
  const size_t bytes = kernels.pack_bytes(kind, w);
  const Array packed(static_cast<int64_t>(bytes / sizeof(float)));
  for (auto _ : state) in_team([&](Team& team) { kernels.pack(kind, w, packed.data, team); });
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(bytes));
}

void register_all() {
  const Kernels& kernels = Equation::kernels();
  const std::pair<const char*, ArrayFunction> activations[] = {{"exp", kernels.exp_array},
                                                               {"log", kernels.log_array},
                                                               {"tanh", kernels.tanh_array},
                                                               {"sigmoid", kernels.sigmoid_array},
                                                               {"log_sigmoid", kernels.log_sigmoid_array}};
  for (const auto& [name, function] : activations) {
    benchmark::RegisterBenchmark((std::string(name) + "_array").c_str(), activation, function)->Arg(1 << 10);
  }
  benchmark::RegisterBenchmark("linear (M, I, O)", linear)
      ->Args({32, 64, 256})
      ->Args({32, 256, 1024})
      ->Args({1600, 128, 512})
      ->Args({1600, 512, 2048})
      ->Args({2048, 256, 96})
      ->Unit(benchmark::kMicrosecond);
  const std::pair<const char*, PackKind> packs[] = {{"pack columns (H)", PackKind::columns},
                                                    {"pack rows (H)", PackKind::rows},
                                                    {"pack gates4 (H)", PackKind::gates4}};
  for (const auto& [name, kind] : packs) {
    benchmark::RegisterBenchmark(name, pack, kind)->Arg(128)->Arg(512)->Unit(benchmark::kMicrosecond);
  }
}

}  // namespace
}  // namespace lstm

int main(int count, char** arguments) {
  if (lstm::active_isa().kernels == nullptr) return std::fprintf(stderr, "%s\n", lstm::active_isa().error.c_str()), 1;
  lstm::register_all();
  benchmark::AddCustomContext("isa", lstm::active_isa().kernels->isa);
  benchmark::Initialize(&count, arguments);
  if (benchmark::ReportUnrecognizedArguments(count, arguments)) return 1;
  benchmark::RunSpecifiedBenchmarks();
}
