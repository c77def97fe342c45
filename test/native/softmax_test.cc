// Softmax and the losses against plain loops in float64.
#include "support/kernel_case.h"

namespace lstm::test {
namespace {

constexpr int64_t kRows = 21;
constexpr int32_t kIgnored = -100;

double log_sum_exp(const float* x, size_t n) {
  double max = -INFINITY, sum = 0;
  for (size_t i = 0; i < n; ++i) max = std::max(max, double{x[i]});
  for (size_t i = 0; i < n; ++i) sum += std::exp(x[i] - max);
  return max + std::log(sum);
}

TEST(Softmax, RowsAreProbabilitiesAndBackwardIsTheirJacobian) {
  for (const int64_t classes : kSizes) {
    const size_t n = static_cast<size_t>(classes);
    const Array x = random_floats({3, 7, classes}, 1, 3), dy = random_floats({3, 7, classes}, 2);
    const std::vector<float> logits = x.floats(), cotangents = dy.floats();
    std::vector<double> expected(logits.size());
    for (size_t i = 0; i < expected.size(); ++i) {
      expected[i] = std::exp(logits[i] - log_sum_exp(&logits[i / n * n], n));
    }
    const Array y = run_everywhere({KernelId::softmax, {{x}}, {{empty(x.dims)}}})[0][0];
    expect_close(y.floats(), expected, static_cast<double>(n));

    const std::vector<float> outputs = y.floats();
    std::vector<double> gradient(outputs.size());
    double scale = 0;
    for (size_t row = 0; row < outputs.size(); row += n) {
      double dot = 0;
      for (size_t i = row; i < row + n; ++i) dot += double{outputs[i]} * cotangents[i];
      for (size_t i = row; i < row + n; ++i) {
        gradient[i] = outputs[i] * (cotangents[i] - dot);
        scale += std::pow(outputs[i] * cotangents[i], 2);
      }
    }
    const std::vector<float> dx = run_for_floats({KernelId::softmax_backward, {{y}, {dy}}, {{empty(x.dims)}}});
    double error = 0;  // dy and the mean of dy cancel, so the error is measured against what cancels
    for (size_t i = 0; i < dx.size(); ++i) error += std::pow(dx[i] - gradient[i], 2);
    EXPECT_LE(std::sqrt(error / scale), 2 * (16 + std::sqrt(static_cast<double>(n))) * 0x1p-24);
  }
}

TEST(Softmax, MinusInfinityIsProbabilityZero) {
  const std::vector<float> y =
      run_for_floats({KernelId::softmax, {{floats({1, 3}, {-INFINITY, 1000, 1000})}}, {{empty({1, 3})}}});
  EXPECT_EQ(y, (std::vector<float>{0, 0.5f, 0.5f}));
}

struct ClassCase {
  Array logits, targets;
  Arrays weights;  // none or one
};

// Some targets are ignored, some rows weigh nothing.
ClassCase class_case(int64_t classes, bool weighted) {
  std::vector<int32_t> targets = random_ints({kRows}, 3, static_cast<int32_t>(classes)).as<int32_t>();
  targets[2] = targets[20] = kIgnored;
  std::vector<float> weights = random_floats({kRows}, 4).floats();
  for (float& w : weights) w = std::fabs(w);
  weights[5] = 0;
  ClassCase result{random_floats({kRows, classes}, 5, 2), ints({kRows}, targets), {}};
  if (weighted) result.weights.push_back(floats({kRows}, weights));
  return result;
}

double weight_of(const ClassCase& c, size_t row) {
  if (c.targets.as<int32_t>()[row] == kIgnored) return 0;
  return c.weights.empty() ? 1 : c.weights[0].floats()[row];
}

TEST(CrossEntropy, LossAndGradientMeetTheirDefinitions) {
  for (const int64_t classes : kSizes) {
    for (const bool weighted : {false, true}) {
      const ClassCase c = class_case(classes, weighted);
      const std::vector<float> x = c.logits.floats();
      const std::vector<int32_t> targets = c.targets.as<int32_t>();
      const size_t n = static_cast<size_t>(classes);
      double sum = 0, total = 0;
      std::vector<double> lse(kRows);
      for (size_t row = 0; row < lse.size(); ++row) {
        lse[row] = log_sum_exp(&x[row * n], n);
        const double w = weight_of(c, row);
        total += w;
        if (w > 0) sum += w * (lse[row] - x[row * n + static_cast<size_t>(targets[row])]);
      }
      const auto forward = run_everywhere({KernelId::cross_entropy,
                                           {{c.logits}, {c.targets}, c.weights, {}},
                                           {{empty({})}, {empty({})}, {empty({kRows})}},
                                           {{kIgnored}, {0}}});
      // A single class has loss 0 in float64 and must have it in float32.
      expect_close(forward[0][0].floats(), {sum / total}, static_cast<double>(n));
      expect_close(forward[1][0].floats(), {total}, 1);
      expect_close(forward[2][0].floats(), lse, static_cast<double>(n));

      constexpr float kDloss = 1.75f;
      std::vector<double> expected(x.size());
      for (size_t i = 0; i < x.size(); ++i) {
        const size_t row = i / n;
        const double onehot = targets[row] == static_cast<int32_t>(i % n) ? 1 : 0;
        const double probability = std::exp(x[i] - double{forward[2][0].floats()[row]});
        expected[i] = kDloss * weight_of(c, row) / total * (probability - onehot);
      }
      const std::vector<float> dlogits = run_for_floats(
          {KernelId::cross_entropy_backward,
           {{floats({}, {kDloss})}, {c.logits}, {c.targets}, c.weights, {}, {forward[2][0]}, {forward[1][0]}},
           {{empty(c.logits.dims)}},
           {{kIgnored}, {0}}});
      expect_close(dlogits, expected, static_cast<double>(n), 2);
      for (size_t i = 0; i < n; ++i) EXPECT_EQ(dlogits[2 * n + i], 0);
    }
  }
}

TEST(CrossEntropy, KeepsTheDigitsOfASmallLossAndItsGradient) {
  for (const float lead : {1.0f, 8.0f, 12.0f, 16.0f, 30.0f, 80.0f}) {
    const std::vector<float> x = {-0.5f, lead, 0.25f};
    const double others = std::exp(double{x[0]} - lead) + std::exp(double{x[2]} - lead);
    const auto forward = run_everywhere({KernelId::cross_entropy,
                                         {{floats({1, 3}, x)}, {ints({1}, {1})}, {}, {}},
                                         {{empty({})}, {empty({})}, {empty({1})}},
                                         {{kIgnored}, {0}}});
    expect_close(forward[0][0].floats(), {std::log1p(others)}, 1);
    const double lse = forward[2][0].floats()[0], first = std::exp(x[0] - lse), third = std::exp(x[2] - lse);
    const std::vector<float> dlogits = run_for_floats(
        {KernelId::cross_entropy_backward,
         {{floats({}, {1})}, {floats({1, 3}, x)}, {ints({1}, {1})}, {}, {}, {forward[2][0]}, {forward[1][0]}},
         {{empty({1, 3})}},
         {{kIgnored}, {0}}});
    expect_close(dlogits, {first, -(first + third), third}, 3, 2);
  }
}

TEST(CrossEntropy, SmoothedAndWeightedLabelsMeetTheirDefinitions) {
  constexpr double kSmoothing = 0.125;
  for (const int64_t classes : kSizes) {
    for (const bool classed : {false, true}) {
      const ClassCase c = class_case(classes, true);
      const std::vector<float> x = c.logits.floats();
      const std::vector<int32_t> targets = c.targets.as<int32_t>();
      const size_t n = static_cast<size_t>(classes);
      std::vector<float> class_weights = random_floats({classes}, 7).floats();
      for (float& w : class_weights) w = std::fabs(w) + 0.25f;
      const auto of_class = [&](size_t k) { return classed ? double{class_weights[k]} : 1.0; };
      const auto label = [&](size_t row, size_t k) {
        const double own = targets[row] == static_cast<int32_t>(k) ? 1 - kSmoothing : 0;
        return (own + kSmoothing / static_cast<double>(n)) * of_class(k);
      };
      const Arrays weights = classed ? Arrays{floats({classes}, class_weights)} : Arrays{};
      double sum = 0, total = 0;
      for (size_t row = 0; row < kRows; ++row) {
        const double w = weight_of(c, row), lse = log_sum_exp(&x[row * n], n);
        if (w == 0) continue;
        total += w * of_class(static_cast<size_t>(targets[row]));
        for (size_t k = 0; k < n; ++k) sum += w * label(row, k) * (lse - x[row * n + k]);
      }
      const auto forward = run_everywhere({KernelId::cross_entropy,
                                           {{c.logits}, {c.targets}, c.weights, weights},
                                           {{empty({})}, {empty({})}, {empty({kRows})}},
                                           {{kIgnored}, {kSmoothing}}});
      expect_close(forward[0][0].floats(), {sum / total}, static_cast<double>(n));
      expect_close(forward[1][0].floats(), {total}, 1);
      std::vector<double> expected(x.size());
      for (size_t row = 0; row < kRows; ++row) {
        double whole = 0;
        for (size_t k = 0; k < n; ++k) whole += label(row, k);
        for (size_t k = 0; k < n; ++k) {
          const double probability = std::exp(x[row * n + k] - double{forward[2][0].floats()[row]});
          expected[row * n + k] = weight_of(c, row) / total * (probability * whole - label(row, k));
        }
      }
      const std::vector<float> dlogits = run_for_floats(
          {KernelId::cross_entropy_backward,
           {{floats({}, {1})}, {c.logits}, {c.targets}, c.weights, weights, {forward[2][0]}, {forward[1][0]}},
           {{empty(c.logits.dims)}},
           {{kIgnored}, {kSmoothing}}});
      // What is left of a single class, nothing, is measured by the label that cancels.
      if (n > 1) expect_close(dlogits, expected, static_cast<double>(n), 2);
    }
  }
}

TEST(CrossEntropy, TheLossIsTheSameWhenNobodyReadsTheLogSum) {
  const ClassCase c = class_case(17, true);
  KernelCase test{KernelId::cross_entropy,
                  {{c.logits}, {c.targets}, c.weights, {}},
                  {{empty({})}, {empty({})}, {empty({kRows})}},
                  {{kIgnored}, {0}}};
  const std::vector<float> loss = run_for_floats(test);
  test.outputs[2][0].planned = false;
  EXPECT_EQ(run_for_floats(test), loss);
}

TEST(CrossEntropy, NothingThatCountsGivesZeroLossAndZeroGradient) {
  const Array logits = random_floats({2, 3}, 6), targets = ints({2}, {kIgnored, kIgnored});
  const auto forward = run_everywhere({KernelId::cross_entropy,
                                       {{logits}, {targets}, {}, {}},
                                       {{empty({})}, {empty({})}, {empty({2})}},
                                       {{kIgnored}, {0}}});
  EXPECT_EQ(forward[0][0].floats()[0], 0);
  EXPECT_EQ(forward[1][0].floats()[0], 0);
  EXPECT_EQ(run_for_floats({KernelId::cross_entropy_backward,
                            {{floats({}, {1})}, {logits}, {targets}, {}, {}, {forward[2][0]}, {forward[1][0]}},
                            {{empty({2, 3})}},
                            {{kIgnored}, {0}}}),
            std::vector<float>(6, 0.0f));
}

TEST(CrossEntropy, LargeLogitsKeepSmallLosses) {
  const std::vector<float> loss = run_for_floats({KernelId::cross_entropy,
                                                  {{floats({1, 2}, {10000, 9990})}, {ints({1}, {0})}, {}, {}},
                                                  {{empty({})}, {empty({})}, {empty({1})}},
                                                  {{kIgnored}, {0}}});
  EXPECT_NEAR(loss[0], std::log1p(std::exp(-10.0)), 0x1p-23);  // the float32 sum 1 + e^-10 holds no more
}

TEST(CrossEntropy, MinusInfinityIsNoClassAndAWildTargetIsNotANumber) {
  const std::vector<float> loss = run_for_floats({KernelId::cross_entropy,
                                                  {{floats({1, 3}, {-INFINITY, 1, 1})}, {ints({1}, {1})}, {}, {}},
                                                  {{empty({})}, {empty({})}, {empty({1})}},
                                                  {{kIgnored}, {0}}});
  EXPECT_NEAR(loss[0], std::log(2.0), 0x1p-23);
  const std::vector<float> wild = run_once({KernelId::cross_entropy,
                                            {{floats({1, 2}, {1, 1})}, {ints({1}, {2})}, {}, {}},
                                            {{empty({})}, {empty({})}, {empty({1})}},
                                            {{kIgnored}, {0}}},
                                           *kernels_for(Isa::scalar), 1)[0][0]
                                      .floats();
  EXPECT_TRUE(std::isnan(wild[0]));
}

TEST(Accuracy, CountsFirstMaximaByWeight) {
  for (const int64_t classes : kSizes) {
    const ClassCase c = class_case(classes, true);
    std::vector<float> x = c.logits.floats();
    for (float& value : x) value = std::round(value);  // many equal maxima
    const size_t n = static_cast<size_t>(classes);
    double hits = 0, total = 0;
    for (size_t row = 0; row < kRows; ++row) {
      size_t best = 0;
      for (size_t i = 1; i < n; ++i) {
        if (x[row * n + i] > x[row * n + best]) best = i;
      }
      total += weight_of(c, row);
      if (c.targets.as<int32_t>()[row] == static_cast<int32_t>(best)) hits += weight_of(c, row);
    }
    const std::vector<float> accuracy = run_for_floats({KernelId::accuracy,
                                                        {{floats(c.logits.dims, x)}, {c.targets}, c.weights},
                                                        {{empty({})}, {empty({})}},
                                                        {{kIgnored}}});
    EXPECT_EQ(accuracy[0], static_cast<float>(hits / total));
  }
}

TEST(MeanSquaredError, LossAndGradientMeetTheirDefinitions) {
  for (const int64_t features : kSizes) {
    for (const bool weighted : {false, true}) {
      const Array p = random_floats({3, 7, features}, 7), t = random_floats({3, 7, features}, 8);
      const ClassCase c = class_case(2, true);
      const Arrays weights = weighted ? Arrays{floats({3, 7}, c.weights[0].floats())} : Arrays{};
      const size_t n = static_cast<size_t>(features);
      double sum = 0, total = 0;
      std::vector<double> expected(p.size());
      for (size_t i = 0; i < p.size(); ++i) {
        const double w = weighted ? weights[0].floats()[i / n] : 1;
        const double difference = double{p.floats()[i]} - t.floats()[i];
        sum += w * difference * difference;
        total += w / static_cast<double>(n);
        expected[i] = w * difference;
      }
      const auto forward =
          run_everywhere({KernelId::mean_squared_error, {{p}, {t}, weights}, {{empty({})}, {empty({})}}});
      expect_close(forward[0][0].floats(), {sum / (static_cast<double>(n) * total)}, 1);
      expect_close(forward[1][0].floats(), {total}, 1);
      for (double& value : expected) value *= 0.5 * 2 / (static_cast<double>(n) * total);
      expect_close(run_for_floats({KernelId::mean_squared_error_backward,
                                   {{floats({}, {0.5f})}, {p}, {t}, weights, {forward[1][0]}},
                                   {{empty(p.dims)}}}),
                   expected, 1, 2);
    }
  }
}

TEST(MeanSquaredError, WeightsOfZeroGiveZeroLossAndZeroGradient) {
  const Array p = random_floats({2, 3}, 9), t = random_floats({2, 3}, 10), weights = floats({2}, {0, 0});
  const auto forward =
      run_everywhere({KernelId::mean_squared_error, {{p}, {t}, {weights}}, {{empty({})}, {empty({})}}});
  EXPECT_EQ(forward[0][0].floats()[0], 0);
  for (const float value : run_for_floats({KernelId::mean_squared_error_backward,
                                           {{floats({}, {1})}, {p}, {t}, {weights}, {forward[1][0]}},
                                           {{empty({2, 3})}}})) {
    EXPECT_EQ(value, 0);
  }
}

}  // namespace
}  // namespace lstm::test
