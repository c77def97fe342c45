// Every float32 through exp, log, tanh, sigmoid and log_sigmoid on the widest ISA of this machine, and 2^26 of them, one from each 64
// neighbouring bit patterns, on the others. Takes a minute on two cores: not part of the ordinary tests.
#include <gtest/gtest.h>

#include <cstdio>
#include <vector>

#include "runtime/denormals.h"
#include "support/math_reference.h"

namespace lstm::test {
namespace {

struct Worst {
  double ulp = -1;
  float x = 0, y = 0;
};

constexpr int64_t kBlock = int64_t{1} << 16;
constexpr int64_t kPatterns = int64_t{1} << 32;

// A fixed scramble of the stratum's number: which of its 64 patterns is tried.
uint32_t choice_within(uint32_t stratum) { return (stratum * 0x9e3779b1u) >> 26; }

// The worst of `count` floats, the i-th being pattern(i).
template <class Pattern>
Worst worst_of(const MathFunction& f, const Kernels& kernels, int64_t count, Pattern pattern) {
  Worst worst;
#pragma omp parallel
  {
    const FlushDenormals flush;
    std::vector<float> x(kBlock), y(kBlock);
    Worst mine;
#pragma omp for schedule(dynamic, 16)
    for (int64_t begin = 0; begin < count; begin += kBlock) {
      for (int64_t i = 0; i < kBlock; ++i) x[i] = float_of(pattern(static_cast<uint32_t>(begin + i)));
      (kernels.*f.array)(x.data(), y.data(), kBlock);
      for (int64_t i = 0; i < kBlock; ++i) {
        const double error = ulp_error(f, x[i], y[i]);
        if (error > mine.ulp) mine = {error, x[i], y[i]};
      }
    }
#pragma omp critical
    if (mine.ulp > worst.ulp) worst = mine;
  }
  return worst;
}

void expect_within_bound(const MathFunction& f, const Kernels& kernels, const Worst& worst) {
  std::printf("%-8s %-7s worst %.3f ULP at %a\n", f.name, kernels.isa, worst.ulp, worst.x);
  EXPECT_LE(worst.ulp, kUlpBound) << f.name << "(" << worst.x << ") = " << worst.y << " on " << kernels.isa;
}

TEST(MathExhaustive, StaysWithinThreeUlpForEveryFloatOnTheWidestIsa) {
  const Kernels& kernels = *kernels_for(available_isas().back());
  for (const MathFunction& f : kMathFunctions)
    expect_within_bound(f, kernels, worst_of(f, kernels, kPatterns, [](uint32_t i) { return i; }));
}

TEST(MathExhaustive, StaysWithinThreeUlpForAFloatOfEveryStratumOnTheOthers) {
  const auto pattern = [](uint32_t i) { return i << 6 | choice_within(i); };
  for (const Isa isa : available_isas()) {
    if (isa == available_isas().back()) continue;
    const Kernels& kernels = *kernels_for(isa);
    for (const MathFunction& f : kMathFunctions)
      expect_within_bound(f, kernels, worst_of(f, kernels, kPatterns >> 6, pattern));
  }
}

}  // namespace
}  // namespace lstm::test
