// The LSTM's kernels beside the FMA peak of the same threads, in GFLOP/s: the contenders alternate, medians are printed.
//   lstm_benchmark [threads] [rounds] [T B I H]          LSTM_NATIVE_ISA chooses the kernels
// Inference is lstm with its packs. Training adds lstm_backward and the gradients of x, both weights and the bias, with
// every pack made once a step. They count 2 * T * B * 4H * (I + H) operations, and three times as many.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "equation.h"
#include "isa/peak.h"
#include "runtime/denormals.h"
#include "runtime/threads.h"

namespace lstm {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<long>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

struct Shape {
  int64_t T, B, I, H;
};

class LstmBenchmark {
 public:
  LstmBenchmark(Shape shape, int threads) : shape_(shape), threads_(threads) {
    const auto [T, B, I, H] = shape;
    const Tensor none = {};
    const auto planned = [&](std::initializer_list<int64_t> dims, float scale = 0) {
      Tensor result = tensor(nullptr, dims);
      arrays_.push_back(std::make_unique<Array>(result.size(), scale));
      result.data = arrays_.back()->data;
      return result;
    };
    const float scale = 0.1f;
    const Tensor x = planned({T, B, I}, 1), weight_ih = planned({4 * H, I}, scale),
                 weight_hh = planned({4 * H, H}, scale);
    const Tensor bias = planned({4 * H}, scale), dy = planned({T, B, H}, scale);
    const Tensor y = planned({T, B, H}), h_n = planned({B, H}), c_n = planned({B, H});
    const Tensor gates = planned({T, B, 4 * H}), cells = planned({T, B, H}), dgates = planned({T, B, 4 * H});
    const float *ih = pack(PackKind::gates4, weight_ih), *hh = pack(PackKind::gates4, weight_hh);
    const float *hh_rows = pack(PackKind::rows, weight_hh), *ih_rows = pack(PackKind::rows, weight_ih);
    std::vector<Tensor> forward = {x, none, none, weight_ih, weight_hh, bias, bias};
    forward.resize(19, none);
    std::vector<Tensor> backward = {dy, none, none, gates, cells, none, weight_hh};
    backward.resize(24, none);
    Tensor no_gates = gates, no_cells = cells;
    no_gates.data = no_cells.data = nullptr;
    // Outputs of options that nobody reads.
    const auto with_unread = [](std::vector<Tensor> outputs, size_t count) {
      outputs.resize(count, Tensor{});
      return outputs;
    };
    const auto add = [&](auto& list, KernelId id, std::vector<Tensor> operands, std::vector<Tensor> outputs,
                         std::vector<const float*> packs = {}) {
      list.push_back(std::make_unique<Equation>(id, operands, outputs, packs, threads));
    };
    add(inference_, KernelId::lstm, forward, with_unread({y, h_n, c_n, no_gates, no_cells, no_cells}, 13),
        {ih, hh, nullptr, nullptr});
    add(training_, KernelId::lstm, forward, with_unread({y, h_n, c_n, gates, cells, no_cells}, 13),
        {ih, hh, nullptr, nullptr});
    add(training_, KernelId::lstm_backward, backward,
        with_unread({dgates, planned({B, H}), planned({B, H}), no_cells}, 10), {hh_rows, nullptr, nullptr});
    add(training_, KernelId::linear_backward_input, {dgates, weight_ih, none}, {planned({T, B, I})}, {ih_rows});
    add(training_, KernelId::linear_backward_weight, {dgates, x, none}, {planned({4 * H, I})});
    add(training_, KernelId::lstm_backward_weight, {dgates, y, none, none}, {planned({4 * H, H})});
    add(training_, KernelId::linear_backward_bias, {dgates, none}, {planned({4 * H})});
  }

  double operations() const {
    return 2.0 * static_cast<double>(shape_.T * shape_.B * 4 * shape_.H * (shape_.I + shape_.H));
  }
  double inference() { return time(inference_, 2, nullptr); }
  double training(std::vector<double>* phases) { return time(training_, packs_.size(), phases); }
  std::vector<std::string> phase_names() const {
    std::vector<std::string> names = {"packs"};
    for (const auto& equation : training_) names.push_back(equation->name());
    return names;
  }

 private:
  struct Pack {
    PackKind kind;
    Tensor weight;
    float* packed;
  };

  const float* pack(PackKind kind, const Tensor& weight) {
    const size_t bytes = Equation::kernels().pack_bytes(kind, weight);
    arrays_.push_back(std::make_unique<Array>(static_cast<int64_t>(bytes / sizeof(float))));
    packs_.push_back({kind, weight, arrays_.back()->data});
    return arrays_.back()->data;
  }

  double time(const std::vector<std::unique_ptr<Equation>>& equations, size_t packs, std::vector<double>* phases) {
    const Clock::time_point start = Clock::now();
    run_team(threads_, [&](Team& team) {
      const FlushDenormals guard;
      Clock::time_point phase = Clock::now();
      const auto end_phase = [&] {
        team.barrier();
        if (phases && team.rank() == 0) phases->push_back(seconds_since(phase)), phase = Clock::now();
      };
      for (size_t i = 0; i < packs; ++i) {
        Equation::kernels().pack(packs_[i].kind, packs_[i].weight, packs_[i].packed, team);
      }
      end_phase();
      for (const auto& equation : equations) equation->run(team), end_phase();
    });
    return seconds_since(start);
  }

  Shape shape_;
  int threads_;
  std::vector<std::unique_ptr<Array>> arrays_;
  std::vector<Pack> packs_;
  std::vector<std::unique_ptr<Equation>> inference_, training_;
};

void measure(Shape shape, int threads, int rounds) {
  LstmBenchmark benchmark(shape, threads);
  benchmark.inference(), benchmark.training(nullptr);
  std::vector<double> peaks, inference, training;
  std::vector<std::vector<double>> phases;
  for (int round = 0; round < rounds; ++round) {
    peaks.push_back(measure_peak(threads));
    inference.push_back(benchmark.operations() / benchmark.inference());
    phases.emplace_back();
    training.push_back(3 * benchmark.operations() / benchmark.training(&phases.back()));
  }
  const double top = median(peaks);
  std::printf("T %3lld B %3lld I %4lld H %4lld   peak %6.1f   inference %6.1f (%3.0f %%)   training %6.1f (%3.0f %%)\n",
              static_cast<long long>(shape.T), static_cast<long long>(shape.B), static_cast<long long>(shape.I),
              static_cast<long long>(shape.H), top * 1e-9, median(inference) * 1e-9, 100 * median(inference) / top,
              median(training) * 1e-9, 100 * median(training) / top);
  const std::vector<std::string> names = benchmark.phase_names();
  for (size_t i = 0; i < names.size(); ++i) {
    std::vector<double> times;
    for (const auto& round : phases) times.push_back(round[i]);
    // A multiply of the training step is a sixth of its operations, the forward pass two of them.
    const double share = i == 1 ? 1 : i == 0 || i == names.size() - 1 ? 0 : 0.5;
    std::printf("    %-24s %8.3f ms   %5.1f GFLOP/s\n", names[i].c_str(), median(times) * 1e3,
                share * benchmark.operations() / median(times) * 1e-9);
  }
}

}  // namespace
}  // namespace lstm

int main(int count, char** arguments) {
  using namespace lstm;
  if (active_isa().kernels == nullptr) return std::fprintf(stderr, "%s\n", active_isa().error.c_str()), 1;
  const int threads = count > 1 ? std::atoi(arguments[1]) : default_threads();
  const int rounds = count > 2 ? std::atoi(arguments[2]) : 15;
  std::printf("%s, %d threads, medians of %d, GFLOP/s\n", active_isa().kernels->isa, threads, rounds);
  if (count > 6) {
    const auto size = [&](int at) { return static_cast<int64_t>(std::atoi(arguments[at])); };
    return measure({size(3), size(4), size(5), size(6)}, threads, rounds), 0;
  }
  for (const Shape shape : {Shape{50, 64, 128, 128}, Shape{25, 64, 512, 512}}) measure(shape, threads, rounds);
  return 0;
}
