// Update kernels against plain loops in float64, over several steps.
#include <algorithm>
#include <functional>

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

// Holds the scaled gradient, which reaches 0.75, within ± this.
constexpr double kClip = 0.5;
double clipped(float gradient) { return std::min(kClip, std::max(-kClip, kScale * static_cast<double>(gradient))); }

// What every update begins with.
std::vector<Arrays> update_operands(const Arrays& parameters, const Arrays& gradients) {
  return {parameters, gradients, {doubles(kRates)}, {doubles(kDecays)}, {doubles({kScale})}, {doubles({kClip})}};
}

constexpr int kSteps = 4;

// One element under an optimizer: the next p from p, the clipped gradient and the group's rate and decay.
using Rule = std::function<double(size_t list, size_t i, double p, double g, double rate, double decay)>;

// Runs a kernel for several steps beside `rule` and compares the parameters. `states` are its own operands, all in place.
// A rule is told of each step by `begin`.
void check_update(
    KernelId id, std::vector<Arrays> states, std::vector<std::vector<double>> attributes, const Rule& rule,
    const std::function<void()>& begin = [] {}) {
  Arrays parameters = parameter_list(1);
  auto p = widened(parameters);
  attributes.insert(attributes.begin(), kGroups);
  std::vector<std::pair<int, int>> in_place = {{0, 0}};
  for (int k = 0; k < static_cast<int>(states.size()); ++k) in_place.push_back({k + 1, k + 6});
  for (int step = 1; step <= kSteps; ++step) {
    const Arrays gradients = parameter_list(static_cast<uint32_t>(100 * step));
    begin();
    for (size_t k = 0; k < p.size(); ++k) {
      const size_t group = static_cast<size_t>(kGroups[k]);
      const std::vector<float> g = gradients[k].floats();
      for (size_t i = 0; i < p[k].size(); ++i)
        p[k][i] = rule(k, i, p[k][i], clipped(g[i]), kRates[group], kDecays[group]);
    }
    std::vector<Arrays> operands = update_operands(parameters, gradients), outputs = {parameters};
    operands.insert(operands.end(), states.begin(), states.end());
    outputs.insert(outputs.end(), states.begin(), states.end());
    const auto results = run_everywhere({id, operands, outputs, attributes, in_place});
    parameters = results[0];
    states.assign(results.begin() + 1, results.end());
  }
  expect_lists_close(parameters, p, kSteps);
}

double flag(bool value) { return value ? 1.0 : 0.0; }

using Numbers = std::vector<std::vector<double>>;
Numbers zero_numbers() { return widened(zeros_like(parameter_list(1))); }

void check_sgd(double momentum, double dampening, bool nesterov) {
  const Arrays buffers = momentum == 0 ? Arrays{} : zeros_like(parameter_list(1));
  const Arrays begun = dampening == 0 ? Arrays{} : Arrays{doubles({0})};
  Numbers m = zero_numbers();
  int t = 0;
  check_update(
      KernelId::sgd, {buffers, begun}, {{momentum}, {dampening}, {flag(nesterov)}},
      [&](size_t k, size_t i, double p, double g, double rate, double decay) {
        g += decay * p;
        m[k][i] = momentum * m[k][i] + (t == 1 ? 1 : 1 - dampening) * g;
        return p - rate * (momentum == 0 ? g : nesterov ? g + momentum * m[k][i] : m[k][i]);
      },
      [&] { ++t; });
}

TEST(Sgd, FollowsPlainSteps) { check_sgd(0, 0, false); }
TEST(Sgd, FollowsMomentum) { check_sgd(0.9, 0, false); }
TEST(Sgd, DampensAfterTheFirstStep) { check_sgd(0.9, 0.3, false); }
TEST(Sgd, FollowsNesterov) { check_sgd(0.9, 0, true); }

TEST(Sgd, WithoutScaleAndBoundTakesTheGradientAsItIs) {
  const std::vector<float> p =
      run_for_floats({KernelId::sgd,
                      {{floats({1}, {3})}, {floats({1}, {2})}, {doubles({0.5})}, {doubles({0})}, {}, {}, {}, {}},
                      {{floats({1}, {3})}, {}, {}},
                      {{0}, {0}, {0}, {0}},
                      {{0, 0}}});
  EXPECT_EQ(p[0], 2);
}

TEST(Sgd, KeepsAGradientThatIsNoNumberUnderABound) {
  const std::vector<float> p = run_for_floats({KernelId::sgd,
                                               {{floats({2}, {3, 3})},
                                                {floats({2}, {NAN, -INFINITY})},
                                                {doubles({0.5})},
                                                {doubles({0})},
                                                {},
                                                {doubles({2})},
                                                {},
                                                {}},
                                               {{floats({2}, {3, 3})}, {}, {}},
                                               {{0}, {0}, {0}, {0}},
                                               {{0, 0}}});
  EXPECT_TRUE(std::isnan(p[0]));
  EXPECT_EQ(p[1], 4);
}

TEST(Adagrad, DividesByTheRootOfTheSumOfSquares) {
  constexpr double kLrDecay = 0.1, kEps = 1e-10;
  Numbers s = zero_numbers();
  int t = 0;
  check_update(
      KernelId::adagrad, {zeros_like(parameter_list(1)), {doubles({0})}}, {{kLrDecay}, {kEps}},
      [&](size_t k, size_t i, double p, double g, double rate, double decay) {
        g += decay * p;
        s[k][i] += g * g;
        return p - rate / (1 + (t - 1) * kLrDecay) * g / (std::sqrt(s[k][i]) + kEps);
      },
      [&] { ++t; });
}

void check_rmsprop(double momentum, bool centered) {
  constexpr double kAlpha = 0.9, kEps = 1e-8;
  const Arrays zeros = zeros_like(parameter_list(1));
  Numbers square = zero_numbers(), average = square, m = square;
  check_update(KernelId::rmsprop, {zeros, centered ? zeros : Arrays{}, momentum == 0 ? Arrays{} : zeros},
               {{kAlpha}, {kEps}, {momentum}, {flag(centered)}},
               [&](size_t k, size_t i, double p, double g, double rate, double decay) {
                 g += decay * p;
                 square[k][i] = kAlpha * square[k][i] + (1 - kAlpha) * g * g;
                 if (centered) average[k][i] = kAlpha * average[k][i] + (1 - kAlpha) * g;
                 const double variance = square[k][i] - average[k][i] * average[k][i];
                 m[k][i] = momentum * m[k][i] + g / (std::sqrt(variance) + kEps);
                 return p - rate * m[k][i];
               });
}

TEST(Rmsprop, DividesByTheRootMeanSquare) { check_rmsprop(0, false); }
TEST(Rmsprop, FollowsMomentum) { check_rmsprop(0.9, false); }
TEST(Rmsprop, DividesByTheDeviationWhenCentred) { check_rmsprop(0, true); }
TEST(Rmsprop, FollowsMomentumWhenCentred) { check_rmsprop(0.9, true); }

TEST(Rmsprop, LosesNothingOfTheVarianceOfGradientsThatHardlyChange) {
  // Gradients 1000 and 1000.5 in turn: their mean square is 2e7 times their variance.
  constexpr double kAlpha = 0.5;
  Arrays state = {floats({1}, {0})}, average = {floats({1}, {0})};
  double square = 0, mean = 0;
  for (int step = 0; step < 60; ++step) {
    const double g = step % 2 ? 1000.5 : 1000;
    const auto results = run_everywhere({KernelId::rmsprop,
                                         {{floats({1}, {0})},
                                          {floats({1}, {static_cast<float>(g)})},
                                          {doubles({0.1})},
                                          {doubles({0})},
                                          {},
                                          {},
                                          state,
                                          average,
                                          {}},
                                         {{floats({1}, {0})}, state, average, {}},
                                         {{0}, {kAlpha}, {1e-8}, {0}, {1}},
                                         {{0, 0}, {1, 6}, {2, 7}}});
    state = results[1];
    average = results[2];
    square = kAlpha * square + (1 - kAlpha) * g * g;
    mean = kAlpha * mean + (1 - kAlpha) * g;
  }
  EXPECT_NEAR(static_cast<double>(state[0].floats()[0]) / (square - mean * mean), 1, 1e-3);
}

void check_adam(bool decoupled, bool amsgrad) {
  constexpr double kBeta1 = 0.9, kBeta2 = 0.99, kEps = 1e-8;
  const Arrays zeros = zeros_like(parameter_list(1));
  Numbers m = zero_numbers(), v = m, largest = m;
  int t = 0;
  check_update(
      KernelId::adam, {zeros, zeros, amsgrad ? zeros : Arrays{}, {doubles({1, 1})}},
      {{kBeta1}, {kBeta2}, {kEps}, {flag(decoupled)}, {flag(amsgrad)}},
      [&](size_t k, size_t i, double p, double g, double rate, double decay) {
        if (decoupled) {
          p *= 1 - rate * decay;
        } else {
          g += decay * p;
        }
        m[k][i] = kBeta1 * m[k][i] + (1 - kBeta1) * g;
        v[k][i] = kBeta2 * v[k][i] + (1 - kBeta2) * g * g;
        largest[k][i] = amsgrad ? std::max(largest[k][i], v[k][i]) : v[k][i];
        const double root = std::sqrt(largest[k][i] / (1 - std::pow(kBeta2, t)));
        return p - rate * (m[k][i] / (1 - std::pow(kBeta1, t))) / (root + kEps);
      },
      [&] { ++t; });
}

TEST(Adam, AddsWeightDecayToTheGradient) { check_adam(false, false); }
TEST(Adam, ShrinksParametersWhenDecoupled) { check_adam(true, false); }
TEST(Adam, DividesByTheLargestSecondMomentWithAmsgrad) { check_adam(false, true); }
TEST(Adam, KeepsTheLargestSecondMomentWhenDecoupled) { check_adam(true, true); }

TEST(Adam, KeepsPowersAndTheLargestMoment) {
  const auto results = run_everywhere({KernelId::adam,
                                       {{floats({2}, {0, 0})},
                                        {floats({2}, {1, 1})},
                                        {doubles({0.1})},
                                        {doubles({0})},
                                        {},
                                        {},
                                        {floats({2}, {0, 0})},
                                        {floats({2}, {4, 0})},
                                        {floats({2}, {5, 0.25f})},
                                        {doubles({0.5, 0.25})}},
                                       {{floats({2}, {0, 0})},
                                        {floats({2}, {0, 0})},
                                        {floats({2}, {4, 0})},
                                        {floats({2}, {5, 0.25f})},
                                        {doubles({0.5, 0.25})}},
                                       {{0}, {0.5}, {0.5}, {0}, {0}, {1}},
                                       {{0, 0}, {1, 6}, {2, 7}, {3, 8}, {4, 9}}});
  EXPECT_EQ(results[2][0].floats(), (std::vector<float>{2.5f, 0.5f}));
  EXPECT_EQ(results[3][0].floats(), (std::vector<float>{5, 0.5f}));
  EXPECT_EQ(results[4][0].as<double>(), (std::vector<double>{0.25, 0.125}));
}

TEST(GradientSum, AddsBatchesWithTheirWeights) {
  Arrays sums = parameter_list(7);
  Array total = doubles({NAN});
  auto expected = zero_numbers();
  double expected_total = 0;
  for (const float weight : {0.5f, 3.0f, 0.0f}) {
    const Arrays gradients = parameter_list(static_cast<uint32_t>(weight * 10 + 20));
    const auto g = widened(gradients);
    for (size_t k = 0; k < g.size(); ++k) {
      for (size_t i = 0; i < g[k].size(); ++i) expected[k][i] += static_cast<double>(weight) * g[k][i];
    }
    const double keep = expected_total > 0 ? 1 : 0;
    expected_total += static_cast<double>(weight);
    const auto results = run_everywhere({KernelId::gradient_sum,
                                         {gradients, sums, {floats({}, {weight})}, {total}, {doubles({keep})}},
                                         {sums, {total}},
                                         {},
                                         {{0, 1}, {1, 3}}});
    sums = results[0];
    total = results[1][0];
    EXPECT_EQ(total.as<double>()[0], expected_total);
  }
  expect_lists_close(sums, expected, 3);
}

TEST(GradientMean, DividesByTheTotalWeight) {
  const Arrays sums = parameter_list(7), blank = {empty({1}), empty({16}), empty({0}), empty({33}), empty({500})};
  for (const double total : {2.5, 0.0}) {
    auto expected = widened(sums);
    for (auto& values : expected) {
      for (double& value : values) value = total == 0 ? 0 : value / total;
    }
    expect_lists_close(run_everywhere({KernelId::gradient_mean, {sums, {doubles({total})}}, {blank}})[0], expected, 1);
  }
}

}  // namespace
}  // namespace lstm::test
