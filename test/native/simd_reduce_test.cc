// Sums and maxima over 16 virtual lanes: the same bits on every ISA, and the order that reduce.h promises.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>
#include <string>
#include <vector>

#include "support/guarded_memory.h"
#include "support/math_reference.h"

namespace lstm::test {
namespace {

constexpr size_t kSizes[] = {0, 1, 3, 7, 8, 9, 15, 16, 17, 31, 33, 64, 65, 1000};

// The definition: element i goes to lane i mod 16, then 8 onto 8, 4 onto 4, 2 onto 2, 1 onto 1.
template <class Number, class Term>
Number lane_sum(const float* x, size_t n, Term term) {
  std::array<Number, 16> lanes = {};
  for (size_t i = 0; i < n; ++i) lanes[i % 16] += term(x[i]);
  for (size_t width = 8; width > 0; width /= 2)
    for (size_t lane = 0; lane < width; ++lane) lanes[lane] += lanes[lane + width];
  return lanes[0];
}

class SimdReduce : public testing::TestWithParam<Isa> {
 protected:
  const Kernels& kernels = *kernels_for(GetParam());

  void expect_promised_order(const float* x, size_t n) {
    const auto itself = [](float value) { return value; };
    const auto square = [](float value) { return static_cast<double>(value) * value; };
    EXPECT_EQ(kernels.sum_array(x, n), lane_sum<float>(x, n, itself)) << n;
    EXPECT_EQ(kernels.square_sum_array(x, n), lane_sum<double>(x, n, square)) << n;
    EXPECT_EQ(kernels.max_array(x, n), n == 0 ? -kInfinity : *std::max_element(x, x + n)) << n;
  }
};

std::vector<float> random_floats(size_t n) {
  std::mt19937 random(4);
  std::normal_distribution<float> normal(-3, 1);
  std::vector<float> x(n);
  for (float& value : x) value = normal(random);
  return x;
}

TEST_P(SimdReduce, AddsInThePromisedOrderAtAnySizeAndAlignment) {
  const std::vector<float> x = random_floats(1003);
  for (const size_t n : kSizes)
    for (size_t offset = 0; offset < 3; ++offset) expect_promised_order(x.data() + offset, n);
}

#if defined(LSTM_GUARDED_MEMORY)
TEST_P(SimdReduce, ReadsNothingBeyondTheArray) {
  const GuardedMemory memory(4096);
  for (const size_t n : kSizes) {
    const std::vector<float> x = random_floats(n);
    for (float* place : {memory.first<float>(), memory.last<float>(n)}) {
      std::copy(x.begin(), x.end(), place);
      expect_promised_order(place, n);
    }
  }
}
#endif

TEST_P(SimdReduce, KeepsANaNInSumsAndPassesItOverInMaxima) {
  for (const size_t at : {0u, 5u, 16u, 20u}) {
    std::vector<float> x(21, 1.0f);
    x[at] = kNaN;
    EXPECT_TRUE(std::isnan(kernels.sum_array(x.data(), x.size()))) << at;
    EXPECT_TRUE(std::isnan(kernels.square_sum_array(x.data(), x.size()))) << at;
    EXPECT_EQ(kernels.max_array(x.data(), x.size()), 1.0f) << at;
  }
}

INSTANTIATE_TEST_SUITE_P(EveryIsa, SimdReduce, testing::ValuesIn(available_isas()),
                         [](const auto& info) { return std::string(isa_name(info.param)); });

}  // namespace
}  // namespace lstm::test
