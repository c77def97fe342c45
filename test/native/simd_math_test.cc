// exp, log, tanh, sigmoid and log_sigmoid on every ISA of this machine. Every float is tried in math_exhaustive.cc.
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "runtime/denormals.h"
#include "support/guarded_memory.h"
#include "support/math_reference.h"

namespace lstm::test {
namespace {

constexpr size_t kSizes[] = {0, 1, 3, 7, 8, 9, 15, 16, 17, 31, 33, 64, 65};

std::vector<float> apply(const MathFunction& f, Isa isa, const std::vector<float>& x) {
  std::vector<float> y(x.size());
  (kernels_for(isa)->*f.array)(x.data(), y.data(), x.size());
  return y;
}

float apply(const MathFunction& f, Isa isa, float x) { return apply(f, isa, std::vector<float>{x})[0]; }

// One float from each of 2^20 equal parts of all bit patterns, so every exponent and both signs are there.
std::vector<float> stratified_floats() {
  std::mt19937 random(1);
  std::vector<float> x(size_t{1} << 20);
  for (size_t i = 0; i < x.size(); ++i) x[i] = float_of(static_cast<uint32_t>(i << 12 | (random() & 4095)));
  return x;
}

// Where gates live, which a sample of bit patterns visits rarely.
std::vector<float> ordinary_floats() {
  std::mt19937 random(2);
  std::uniform_real_distribution<float> uniform(-20, 20);
  std::vector<float> x(size_t{1} << 18);
  for (float& value : x) value = uniform(random);
  return x;
}

class SimdMath : public testing::TestWithParam<Isa> {
 protected:
  void expect_within_bound(const std::vector<float>& x) {
    const FlushDenormals flush;
    for (const MathFunction& f : kMathFunctions) {
      const std::vector<float> y = apply(f, GetParam(), x);
      double worst = -1;
      size_t at = 0;
      for (size_t i = 0; i < x.size(); ++i) {
        const double error = ulp_error(f, x[i], y[i]);
        if (error > worst) worst = error, at = i;
      }
      EXPECT_LE(worst, kUlpBound) << f.name << "(" << x[at] << ") = " << y[at];
    }
  }
  float exp(float x) { return apply(kMathFunctions[0], GetParam(), x); }
  float log(float x) { return apply(kMathFunctions[1], GetParam(), x); }
  float tanh(float x) { return apply(kMathFunctions[2], GetParam(), x); }
  float sigmoid(float x) { return apply(kMathFunctions[3], GetParam(), x); }
  float log_sigmoid(float x) { return apply(kMathFunctions[4], GetParam(), x); }
};

TEST_P(SimdMath, StaysWithinThreeUlpOverAllBitPatterns) { expect_within_bound(stratified_floats()); }

TEST_P(SimdMath, StaysWithinThreeUlpWhereGatesLive) { expect_within_bound(ordinary_floats()); }

TEST_P(SimdMath, GivesTheBitsOfTheScalarUnit) {
  const FlushDenormals flush;
  const std::vector<float> x = stratified_floats();
  for (const MathFunction& f : kMathFunctions) {
    const std::vector<float> expected = apply(f, Isa::scalar, x), y = apply(f, GetParam(), x);
    for (size_t i = 0; i < x.size(); ++i)
      ASSERT_TRUE(same_bits(y[i], expected[i])) << f.name << "(" << x[i] << ") = " << y[i] << ", not " << expected[i];
  }
}

TEST_P(SimdMath, KeepsNaNWhateverItsPayloadAndSign) {
  for (const uint32_t bits : {0x7fc00000u, 0x7fc00001u, 0x7fffffffu, 0x7f800001u, 0xffc00000u, 0xffffffffu})
    for (const MathFunction& f : kMathFunctions)
      EXPECT_TRUE(std::isnan(apply(f, GetParam(), float_of(bits)))) << f.name;
}

TEST_P(SimdMath, IsExactAtInfinityAndZero) {
  EXPECT_EQ(exp(kInfinity), kInfinity);
  EXPECT_EQ(bits_of(exp(-kInfinity)), 0u);
  EXPECT_EQ(exp(0.0f), 1.0f);
  EXPECT_EQ(exp(-0.0f), 1.0f);
  EXPECT_EQ(log(kInfinity), kInfinity);
  EXPECT_TRUE(std::isnan(log(-kInfinity)));
  EXPECT_EQ(log(0.0f), -kInfinity);
  EXPECT_EQ(log(-0.0f), -kInfinity);
  EXPECT_EQ(bits_of(log(1.0f)), 0u);
  EXPECT_TRUE(std::isnan(log(-1.0f)));
  EXPECT_EQ(tanh(kInfinity), 1.0f);
  EXPECT_EQ(tanh(-kInfinity), -1.0f);
  EXPECT_EQ(bits_of(tanh(0.0f)), 0u);
  EXPECT_EQ(bits_of(tanh(-0.0f)), bits_of(-0.0f));
  EXPECT_EQ(sigmoid(kInfinity), 1.0f);
  EXPECT_EQ(bits_of(sigmoid(-kInfinity)), 0u);
  EXPECT_EQ(sigmoid(0.0f), 0.5f);
  EXPECT_EQ(log_sigmoid(kInfinity), 0.0f);
  EXPECT_EQ(log_sigmoid(-kInfinity), -kInfinity);
  EXPECT_EQ(log_sigmoid(0.0f), -0x1.62e430p-1f);
}

TEST_P(SimdMath, CountsSubnormalsAsZeros) {
  const FlushDenormals flush;
  for (const uint32_t bits : {0x00000001u, 0x007fffffu, 0x80000001u, 0x807fffffu}) {
    const float x = float_of(bits);
    EXPECT_EQ(exp(x), 1.0f);
    EXPECT_EQ(log(x), -kInfinity);
    EXPECT_EQ(bits_of(tanh(x)), bits & 0x80000000u);
    EXPECT_EQ(sigmoid(x), 0.5f);
    EXPECT_EQ(log_sigmoid(x), -0x1.62e430p-1f);
  }
  for (const float x : {-87.4f, -88.0f, -88.5f, -89.0f, -103.0f, -1e30f}) {
    EXPECT_EQ(bits_of(exp(x)), 0u) << x;
    EXPECT_EQ(bits_of(sigmoid(x)), 0u) << x;
    EXPECT_EQ(log_sigmoid(x), x) << x;
    EXPECT_EQ(log_sigmoid(-x), 0.0f) << x;
  }
}

TEST_P(SimdMath, TurnsFromFiniteToInfiniteAndToZeroAtTheRightFloat) {
  const float last_finite = 0x1.62e42ep+6f, last_normal = -0x1.5d589ep+6f;
  EXPECT_LT(exp(last_finite), kInfinity);
  EXPECT_EQ(exp(std::nextafter(last_finite, kInfinity)), kInfinity);
  EXPECT_GE(exp(last_normal), kSmallestNormal);
  EXPECT_EQ(exp(std::nextafter(last_normal, -kInfinity)), 0.0f);
}

TEST_P(SimdMath, GivesAnOddTanh) {
  const std::vector<float> x = stratified_floats();
  std::vector<float> negated = x;
  for (float& value : negated) value = -value;
  const MathFunction& tanh = kMathFunctions[2];
  const std::vector<float> y = apply(tanh, GetParam(), x), odd = apply(tanh, GetParam(), negated);
  for (size_t i = 0; i < x.size(); ++i) ASSERT_TRUE(same_bits(odd[i], -y[i])) << x[i];
}

#if defined(LSTM_GUARDED_MEMORY)
TEST_P(SimdMath, TouchesNothingBeyondTheArrays) {
  const GuardedMemory source(4096), target(4096);
  for (const MathFunction& f : kMathFunctions)
    for (const size_t n : kSizes)
      for (const bool at_end : {false, true}) {
        float* x = at_end ? source.last<float>(n) : source.first<float>();
        float* y = at_end ? target.last<float>(n) : target.first<float>();
        for (size_t i = 0; i < n; ++i) x[i] = 0.1f * static_cast<float>(i + 1);
        (kernels_for(GetParam())->*f.array)(x, y, n);
        for (size_t i = 0; i < n; ++i) ASSERT_EQ(y[i], apply(f, Isa::scalar, x[i])) << f.name << " of " << n;
      }
}
#endif

TEST_P(SimdMath, LeavesWhatFollowsTheArrayAsItWas) {
  for (const MathFunction& f : kMathFunctions)
    for (const size_t n : kSizes) {
      std::vector<float> x(n + 33, 0.5f), y(n + 33, 7.0f);
      (kernels_for(GetParam())->*f.array)(x.data() + 1, y.data() + 1, n);
      EXPECT_EQ(y[0], 7.0f);
      for (size_t i = n + 1; i < y.size(); ++i) ASSERT_EQ(y[i], 7.0f) << f.name << " of " << n;
    }
}

INSTANTIATE_TEST_SUITE_P(EveryIsa, SimdMath, testing::ValuesIn(available_isas()),
                         [](const auto& info) { return std::string(isa_name(info.param)); });

}  // namespace
}  // namespace lstm::test
