// Update kernels against plain loops in float64, over several steps.
#include "support/kernel_case.h"

namespace lstm::test {
namespace {

// Two groups of parameters, of sizes below, at and above the vector widths.
Arrays parameter_list(uint32_t seed, float scale = 1) {
  Arrays arrays;
  for (const int64_t size : {1, 16, 0, 33, 500}) arrays.push_back(random_floats({size}, seed++, scale));
  return arrays;
}
const std::vector<double> kGroups = {0, 1, 0, 1, 0};
const std::vector<double> kRates = {0.1, 0.02};
const std::vector<double> kDecays = {0.01, 0.3};
constexpr double kScale = 0.75;

Arrays zeros_like(const Arrays& arrays) {
  Arrays zeros;
  for (const Array& array : arrays) zeros.push_back(floats(array.dims, std::vector<float>(array.size(), 0.0f)));
  return zeros;
}

std::vector<std::vector<double>> widened(const Arrays& arrays) {
  std::vector<std::vector<double>> result;
  for (const Array& array : arrays) {
    const std::vector<float> values = array.floats();
    result.emplace_back(values.begin(), values.end());
  }
  return result;
}

void expect_lists_close(const Arrays& actual, const std::vector<std::vector<double>>& expected, double steps) {
  for (size_t k = 0; k < actual.size(); ++k) expect_close(actual[k].floats(), expected[k], steps, 2);
}

TEST(GradientNorm, IsTheLengthOfAllGradientsTogether) {
  const Arrays gradients = {random_floats({3, 5}, 1),    random_floats({4096}, 2),
                            random_floats({4097}, 3),    empty({0}),
                            random_floats({65, 130}, 4), random_floats({5, 9001}, 5, 100)};
  double sum = 0;
  for (const auto& values : widened(gradients)) {
    for (const double value : values) sum += value * value;
  }
  const auto results = run_everywhere({KernelId::gradient_norm, {gradients}, {{empty({}, Dtype::float64)}}});
  EXPECT_NEAR(results[0][0].as<double>()[0] / std::sqrt(sum), 1, 1e-12);
}

TEST(ClipScale, ShrinksOnlyWhatIsLonger) {
  const auto scale = [](double norm, double max_norm) {
    return run_everywhere(
               {KernelId::clip_scale, {{doubles({norm})}, {doubles({max_norm})}}, {{empty({}, Dtype::float64)}}})[0][0]
        .as<double>()[0];
  };
  EXPECT_EQ(scale(0.5, 1), 1);
  EXPECT_EQ(scale(0, 1), 1);
  EXPECT_DOUBLE_EQ(scale(4, 1), 1 / (4 + 1e-6));
  EXPECT_TRUE(std::isnan(scale(NAN, 1)));
}

void check_sgd(double momentum, double dampening, bool nesterov) {
  Arrays parameters = parameter_list(1), buffers = momentum == 0 ? Arrays{} : zeros_like(parameters);
  auto p = widened(parameters), m = widened(zeros_like(parameters));
  constexpr int kSteps = 4;
  for (int step = 0; step < kSteps; ++step) {
    const Arrays gradients = parameter_list(static_cast<uint32_t>(100 * (step + 1)));
    const auto g = widened(gradients);
    for (size_t k = 0; k < p.size(); ++k) {
      const size_t group = static_cast<size_t>(kGroups[k]);
      for (size_t i = 0; i < p[k].size(); ++i) {
        const double gradient = kScale * g[k][i] + kDecays[group] * p[k][i];
        m[k][i] = momentum * m[k][i] + (1 - dampening) * gradient;
        const double update = momentum == 0 ? gradient : nesterov ? gradient + momentum * m[k][i] : m[k][i];
        p[k][i] -= kRates[group] * update;
      }
    }
    const auto results =
        run_everywhere({KernelId::sgd,
                        {parameters, gradients, buffers, {doubles(kRates)}, {doubles(kDecays)}, {doubles({kScale})}},
                        {parameters, buffers},
                        {{momentum}, {dampening}, {nesterov ? 1.0 : 0.0}, kGroups},
                        {{0, 0}, {1, 2}}});
    parameters = results[0];
    buffers = results[1];
  }
  expect_lists_close(parameters, p, kSteps);
  if (momentum != 0) expect_lists_close(buffers, m, kSteps);
}

TEST(Sgd, FollowsPlainSteps) { check_sgd(0, 0, false); }
TEST(Sgd, FollowsMomentum) { check_sgd(0.9, 0, false); }
TEST(Sgd, FollowsDampening) { check_sgd(0.9, 0.3, false); }
TEST(Sgd, FollowsNesterov) { check_sgd(0.9, 0, true); }

TEST(Sgd, WithoutAScaleTakesTheGradientAsItIs) {
  const std::vector<float> p =
      run_for_floats({KernelId::sgd,
                      {{floats({1}, {3})}, {floats({1}, {2})}, {}, {doubles({0.5})}, {doubles({0})}, {}},
                      {{floats({1}, {3})}, {}},
                      {{0}, {0}, {0}, {0}},
                      {{0, 0}}});
  EXPECT_EQ(p[0], 2);
}

void check_adam(bool decoupled) {
  constexpr double kBeta1 = 0.9, kBeta2 = 0.99, kEps = 1e-8;
  Arrays parameters = parameter_list(1), first = zeros_like(parameters), second = first;
  Array powers = doubles({1, 1});
  auto p = widened(parameters), m = widened(first), v = m;
  constexpr int kSteps = 4;
  for (int step = 1; step <= kSteps; ++step) {
    const Arrays gradients = parameter_list(static_cast<uint32_t>(100 * step));
    const auto g = widened(gradients);
    for (size_t k = 0; k < p.size(); ++k) {
      const double rate = kRates[static_cast<size_t>(kGroups[k])], decay = kDecays[static_cast<size_t>(kGroups[k])];
      for (size_t i = 0; i < p[k].size(); ++i) {
        double gradient = kScale * g[k][i];
        if (decoupled) {
          p[k][i] *= 1 - rate * decay;
        } else {
          gradient += decay * p[k][i];
        }
        m[k][i] = kBeta1 * m[k][i] + (1 - kBeta1) * gradient;
        v[k][i] = kBeta2 * v[k][i] + (1 - kBeta2) * gradient * gradient;
        const double root = std::sqrt(v[k][i] / (1 - std::pow(kBeta2, step)));
        p[k][i] -= rate * (m[k][i] / (1 - std::pow(kBeta1, step))) / (root + kEps);
      }
    }
    const auto results = run_everywhere(
        {KernelId::adam,
         {parameters, gradients, first, second, {powers}, {doubles(kRates)}, {doubles(kDecays)}, {doubles({kScale})}},
         {parameters, first, second, {powers}},
         {{kBeta1}, {kBeta2}, {kEps}, {decoupled ? 1.0 : 0.0}, kGroups},
         {{0, 0}, {1, 2}, {2, 3}, {3, 4}}});
    parameters = results[0];
    first = results[1];
    second = results[2];
    powers = results[3][0];
    EXPECT_DOUBLE_EQ(powers.as<double>()[0], std::pow(kBeta1, step));
    EXPECT_DOUBLE_EQ(powers.as<double>()[1], std::pow(kBeta2, step));
  }
  expect_lists_close(parameters, p, kSteps);
  expect_lists_close(first, m, kSteps);
  expect_lists_close(second, v, kSteps);
}

TEST(Adam, AddsWeightDecayToTheGradient) { check_adam(false); }
TEST(Adam, ShrinksParametersWhenDecoupled) { check_adam(true); }

}  // namespace
}  // namespace lstm::test
