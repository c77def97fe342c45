// Elementwise kernels against the formulas in float64.
#include "support/kernel_case.h"

namespace lstm::test {
namespace {

using Formula = double (*)(double, double);

struct Operation {
  KernelId kernel;
  Formula formula;
};

double logistic(double x) { return 1 / (1 + std::exp(-x)); }

// |actual - expected| within `ulps` float32 units of expected.
void expect_within_ulps(const std::vector<float>& actual, const std::vector<double>& expected, double ulps) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i) {
    EXPECT_LE(std::fabs(actual[i] - expected[i]), ulps * 0x1p-23 * std::fabs(expected[i])) << "element " << i;
  }
}

TEST(Elementwise, ArithmeticIsCorrectlyRounded) {
  const Operation operations[] = {
      {KernelId::add, [](double a, double b) { return a + b; }},
      {KernelId::subtract, [](double a, double b) { return a - b; }},
      {KernelId::multiply, [](double a, double b) { return a * b; }},
      {KernelId::divide, [](double a, double b) { return a / b; }},
  };
  for (const Operation& operation : operations) {
    for (const int64_t size : kSizes) {
      const Array a = random_floats({size}, 1), b = random_floats({size}, 2);
      const std::vector<float> y = run_for_floats({operation.kernel, {{a}, {b}}, {{empty({size})}}});
      for (size_t i = 0; i < y.size(); ++i) {
        // Rounding twice, to float64 and to float32, is innocuous for one operation on floats.
        EXPECT_EQ(y[i], static_cast<float>(operation.formula(a.floats()[i], b.floats()[i])));
      }
    }
  }
}

TEST(Elementwise, ActivationsMeetTheirDefinitions) {
  const Operation operations[] = {
      {KernelId::sigmoid, [](double x, double) { return logistic(x); }},
      {KernelId::tanh, [](double x, double) { return std::tanh(x); }},
      {KernelId::relu, [](double x, double) { return x > 0 ? x : 0; }},
      {KernelId::exp, [](double x, double) { return std::exp(x); }},
  };
  for (const Operation& operation : operations) {
    for (const int64_t size : kSizes) {
      const Array x = random_floats({size}, 3, 4);
      std::vector<double> expected;
      for (const float value : x.floats()) expected.push_back(operation.formula(value, 0));
      expect_within_ulps(run_for_floats({operation.kernel, {{x}}, {{empty({size})}}}), expected, 3);
    }
  }
  for (const int64_t size : kSizes) {
    std::vector<float> positive;
    std::vector<double> expected;
    for (const float value : random_floats({size}, 4, 4).floats()) {
      positive.push_back(std::fabs(value));
      expected.push_back(std::log(static_cast<double>(positive.back())));
    }
    expect_within_ulps(run_for_floats({KernelId::log, {{floats({size}, positive)}}, {{empty({size})}}}), expected, 3);
  }
}

TEST(Elementwise, BackwardReadsTheOutputOfForward) {
  const Operation operations[] = {
      {KernelId::sigmoid_backward, [](double y, double dy) { return dy * y * (1 - y); }},
      {KernelId::tanh_backward, [](double y, double dy) { return dy * (1 - y * y); }},
      {KernelId::relu_backward, [](double y, double dy) { return y > 0 ? dy : 0; }},
  };
  for (const Operation& operation : operations) {
    for (const int64_t size : kSizes) {
      std::vector<float> y;
      for (const float value : random_floats({size}, 5).floats()) y.push_back(static_cast<float>(std::tanh(value)));
      const Array dy = random_floats({size}, 6);
      std::vector<double> expected;
      for (size_t i = 0; i < y.size(); ++i) expected.push_back(operation.formula(y[i], dy.floats()[i]));
      expect_within_ulps(run_for_floats({operation.kernel, {{floats({size}, y)}, {dy}}, {{empty({size})}}}), expected,
                         3);
    }
  }
}

TEST(Elementwise, ReluKeepsNotANumberAndItsDerivativeAtZeroIsZero) {
  const std::vector<float> y =
      run_for_floats({KernelId::relu, {{floats({3}, {NAN, -INFINITY, INFINITY})}}, {{empty({3})}}});
  EXPECT_TRUE(std::isnan(y[0]));
  EXPECT_EQ(y[1], 0);
  EXPECT_EQ(y[2], INFINITY);
  EXPECT_EQ(run_for_floats({KernelId::relu_backward, {{floats({1}, {0})}, {floats({1}, {5})}}, {{empty({1})}}})[0], 0);
}

TEST(Elementwise, FillRepeatsItsValue) {
  for (const int64_t size : kSizes) {
    const std::vector<float> y = run_for_floats({KernelId::fill, {}, {{empty({size})}}, {{0.1}}});
    EXPECT_EQ(y, std::vector<float>(static_cast<size_t>(size), 0.1f));
  }
}

TEST(Elementwise, NothingIsDoneForNoElements) {
  EXPECT_TRUE(run_for_floats({KernelId::add, {{empty({0, 3})}, {empty({0, 3})}}, {{empty({0, 3})}}}).empty());
}

}  // namespace
}  // namespace lstm::test
