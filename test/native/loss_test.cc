// What losses are made of, and likelihoods, against the formulas in float64 and long double.
#include "support/kernel_case.h"

namespace lstm::test {
namespace {

std::vector<float> unary(KernelId kernel, const std::vector<float>& x,
                         std::vector<std::vector<double>> attributes = {}) {
  const Array array = floats({static_cast<int64_t>(x.size())}, x);
  return run_for_floats({kernel, {{array}}, {{empty(array.dims)}}, std::move(attributes)});
}

// |y - expected| <= ulps * 2^-23 * |expected| + floor.
void expect_relative(const std::vector<float>& y, const std::vector<float>& x, const std::vector<double>& expected,
                     double ulps, double floor = 0) {
  ASSERT_EQ(y.size(), expected.size());
  for (size_t i = 0; i < y.size(); ++i)
    EXPECT_LE(std::fabs(y[i] - expected[i]), ulps * 0x1p-23 * std::fabs(expected[i]) + floor)
        << "f(" << x[i] << ") = " << y[i] << ", not " << expected[i];
}

TEST(Penalties, MeetTheirDefinitions) {
  for (const int64_t size : kSizes) {
    const std::vector<float> x = random_floats({size}, 1, 3).floats(), dy = random_floats({size}, 2).floats();
    constexpr double kDelta = 1.25;
    std::vector<double> magnitude, slope, huber, bounded, softplus, logistic;
    for (size_t i = 0; i < x.size(); ++i) {
      const double v = x[i], a = std::fabs(v);
      magnitude.push_back(a);
      slope.push_back(v > 0 ? dy[i] : -dy[i]);
      huber.push_back(a <= kDelta ? v * v / 2 : kDelta * (a - kDelta / 2));
      bounded.push_back(dy[i] * std::fmax(-kDelta, std::fmin(kDelta, v)));
      softplus.push_back(std::log1p(std::exp(-a)) + std::fmax(v, 0));
      logistic.push_back(dy[i] / (1 + std::exp(-v)));
    }
    const Array xs = floats({size}, x), dys = floats({size}, dy);
    const auto backward = [&](KernelId kernel, std::vector<std::vector<double>> attributes = {}) {
      return run_for_floats({kernel, {{xs}, {dys}}, {{empty({size})}}, std::move(attributes)});
    };
    expect_relative(unary(KernelId::abs, x), x, magnitude, 0);
    expect_relative(backward(KernelId::abs_backward), x, slope, 0);
    expect_relative(unary(KernelId::huber, x, {{kDelta}}), x, huber, 2.5);
    expect_relative(backward(KernelId::huber_backward, {{kDelta}}), x, bounded, 0.5);
    expect_relative(unary(KernelId::softplus, x), x, softplus, 2);
    expect_relative(backward(KernelId::softplus_backward), x, logistic, 3);
  }
}

TEST(Penalties, TakeTheMiddleOfTheSlopesAtZeroAndKeepNaN) {
  const std::vector<float> x = {0, -0.0f, NAN};
  const Array xs = floats({3}, x), ones = floats({3}, {1, 1, 1}), level = floats({3}, {0.25f, 0.25f, 0.25f});
  const std::vector<float> slope = run_for_floats({KernelId::abs_backward, {{xs}, {ones}}, {{empty({3})}}});
  EXPECT_EQ(slope[0], 0);
  EXPECT_EQ(slope[1], 0);
  EXPECT_TRUE(std::isnan(slope[2]));
  EXPECT_TRUE(std::isnan(run_for_floats({KernelId::huber_backward, {{xs}, {ones}}, {{empty({3})}}, {{1}}})[2]));
  EXPECT_TRUE(std::isnan(unary(KernelId::huber, x, {{1}})[2]));
  EXPECT_TRUE(std::isnan(unary(KernelId::softplus, x)[2]));
  EXPECT_EQ(run_for_floats({KernelId::pinball_backward, {{xs}, {level}, {ones}}, {{empty({3})}}})[0], -0.25f);
}

TEST(Pinball, TiltsTheMagnitudeOfTheError) {
  for (const int64_t size : kSizes) {
    const Array error = random_floats({size}, 3, 2), dy = random_floats({size}, 4);
    std::vector<float> level = random_floats({size}, 5).floats();
    for (float& q : level) q = 1 / (1 + std::exp(-q));
    const std::vector<float> e = error.floats();
    std::vector<double> expected, slope;
    for (size_t i = 0; i < e.size(); ++i) {
      const double tilt = e[i] < 0 ? level[i] - 1.0 : double{level[i]};
      expected.push_back(tilt * e[i]);
      slope.push_back(tilt * dy.floats()[i]);
    }
    const Array levels = floats({size}, level);
    expect_relative(run_for_floats({KernelId::pinball, {{error}, {levels}}, {{empty({size})}}}), e, expected, 1.5);
    expect_relative(run_for_floats({KernelId::pinball_backward, {{error}, {levels}, {dy}}, {{empty({size})}}}), e,
                    slope, 1.5);
  }
}

TEST(WeightedMean, IsTheMeanOfRowsByWeightAndSharesItsGradient) {
  for (const int64_t features : kSizes) {
    for (const bool weighted : {false, true}) {
      const Array x = random_floats({3, 7, features}, 6);
      std::vector<float> values = x.floats(), weights = random_floats({3, 7}, 7).floats();
      for (float& w : weights) w = std::fabs(w);
      weights[4] = 0;
      const size_t n = static_cast<size_t>(features);
      if (weighted) values[4 * n] = NAN;  // counts nothing
      double sum = 0, total = 0, scale = 0;
      for (size_t row = 0; row < 21; ++row) {
        const double w = weighted ? weights[row] : 1;
        total += w;
        for (size_t k = row * n; w > 0 && k < (row + 1) * n; ++k)
          sum += w * values[k], scale += std::fabs(w * values[k]);
      }
      const Arrays operand = weighted ? Arrays{floats({3, 7}, weights)} : Arrays{};
      const auto forward = run_everywhere(
          {KernelId::weighted_mean, {{floats(x.dims, values)}, operand}, {{empty({})}, {empty({})}}, {{2}}});
      const double unit = static_cast<double>(n) * total;
      EXPECT_NEAR(forward[0][0].floats()[0], sum / unit, 0x1p-23 * scale / unit);
      EXPECT_NEAR(forward[1][0].floats()[0], total, 0x1p-23 * total);
      std::vector<double> expected;
      for (size_t i = 0; i < values.size(); ++i) expected.push_back(1.75 * (weighted ? weights[i / n] : 1) / unit);
      const std::vector<float> dx = run_for_floats(
          {KernelId::weighted_mean_backward, {{floats({}, {1.75f})}, operand, {forward[1][0]}}, {{empty(x.dims)}}});
      expect_close(dx, expected, 1);
    }
  }
}

TEST(LastSteps, StandInOrderBeforeTheLength) {
  constexpr int64_t kSteps = 6, kBatch = 5;
  const std::vector<int32_t> lengths = {6, 0, 1, 4, 2};
  for (const int64_t size : kSizes) {
    for (const int64_t count : {1, 3, 8}) {
      for (const bool ragged : {false, true}) {
        const Array x = random_floats({kSteps, kBatch, size}, 8), dy = random_floats({kBatch, count, size}, 9);
        const Arrays operand = ragged ? Arrays{ints({kBatch}, lengths)} : Arrays{};
        std::vector<float> y(dy.size()), dx(x.size());
        for (int64_t b = 0; b < kBatch; ++b)
          for (int64_t j = 0; j < count; ++j)
            for (int64_t k = 0; k < size; ++k) {
              const int64_t t = (ragged ? lengths[static_cast<size_t>(b)] : kSteps) - count + j;
              if (t < 0) continue;
              const size_t from = static_cast<size_t>((t * kBatch + b) * size + k);
              const size_t to = static_cast<size_t>((b * count + j) * size + k);
              y[to] = x.floats()[from];
              dx[from] = dy.floats()[to];
            }
        const std::vector<std::vector<double>> attributes = {{static_cast<double>(count)}};
        EXPECT_EQ(run_for_floats({KernelId::last_steps, {{x}, operand}, {{empty(dy.dims)}}, attributes}), y);
        EXPECT_EQ(run_for_floats({KernelId::last_steps_backward, {{dy}, operand}, {{empty(x.dims)}}, attributes}), dx);
      }
    }
  }
}

// ψ by moving up to 40, where five terms leave less than long double shows.
long double digamma(long double x) {
  long double sum = 0;
  for (; x < 40; ++x) sum -= 1 / x;
  const long double s = 1 / (x * x);
  return sum + std::log(x) - 0.5L / x -
         s * (1.0L / 12 - s * (1.0L / 120 - s * (1.0L / 252 - s * (1.0L / 240 - s * (1.0L / 132)))));
}

// From 2^-120 to 1e6 and beyond in even steps of the exponent, and near the zeros.
std::vector<float> gamma_arguments() {
  std::vector<float> x;
  for (float v = 0x1p-100f; v < 1e7f; v *= 1.0137f) x.push_back(v);
  for (float v = 0.5f; v < 12; v += 0.0037f) x.push_back(v);
  for (const float zero : {1.0f, 2.0f, 1.4616321f})
    for (int step = -3; step <= 3; ++step) x.push_back(zero * (1 + static_cast<float>(step) * 0x1p-23f));
  return x;
}

TEST(Gamma, StaysWithinOneUlpOverTheWholeRange) {
  const std::vector<float> x = gamma_arguments();
  std::vector<double> logs, slopes;
  for (const float v : x) {
    logs.push_back(static_cast<double>(std::lgamma(static_cast<long double>(v))));
    slopes.push_back(static_cast<double>(digamma(v)));
  }
  expect_relative(unary(KernelId::lgamma, x), x, logs, 1);
  expect_relative(unary(KernelId::digamma, x), x, slopes, 1);
}

TEST(Gamma, HasItsLimits) {
  const std::vector<float> x = {0, INFINITY, -1, NAN, 0x1p101f};
  const std::vector<float> logs = unary(KernelId::lgamma, x), slopes = unary(KernelId::digamma, x);
  EXPECT_EQ(logs[0], INFINITY);
  EXPECT_EQ(logs[1], INFINITY);
  EXPECT_TRUE(std::isnan(logs[2]));
  EXPECT_TRUE(std::isnan(logs[3]));
  EXPECT_EQ(slopes[0], -INFINITY);
  EXPECT_EQ(slopes[1], INFINITY);
  EXPECT_TRUE(std::isnan(slopes[2]));
  EXPECT_TRUE(std::isnan(slopes[3]));
  EXPECT_NEAR(slopes[4], 101 * std::log(2.0), 1e-5);
}

using Parameters = std::vector<double>;
struct Likelihood {
  KernelId forward, backward;
  int64_t size;
  Parameters (*draw)(std::mt19937&);
  double (*target)(std::mt19937&);
  long double (*value)(const Parameters&, long double t);
};

double uniform(std::mt19937& random, double low, double high) {
  return static_cast<float>(std::uniform_real_distribution<double>(low, high)(random));
}
double power(std::mt19937& random, double low, double high) {
  return static_cast<float>(std::exp(uniform(random, std::log(low), std::log(high))));
}

const Likelihood kLikelihoods[] = {
    {KernelId::gaussian_nll, KernelId::gaussian_nll_backward, 2,
     [](std::mt19937& r) {
       return Parameters{uniform(r, -2, 2), power(r, 0.01, 10)};
     },
     [](std::mt19937& r) { return uniform(r, -3, 3); },
     [](const Parameters& p, long double t) {
       const long double z = (t - p[0]) / p[1];
       return z * z / 2 + std::log(static_cast<long double>(p[1])) + std::log(2 * M_PIl) / 2;
     }},
    {KernelId::student_t_nll, KernelId::student_t_nll_backward, 3,
     [](std::mt19937& r) {
       return Parameters{uniform(r, -2, 2), power(r, 0.01, 10), power(r, 0.5, 1e6)};
     },
     [](std::mt19937& r) { return uniform(r, -3, 3); },
     [](const Parameters& p, long double t) {
       const long double z = (t - p[0]) / p[1], nu = p[2];
       return std::lgamma(nu / 2) - std::lgamma((nu + 1) / 2) + std::log(M_PIl * nu) / 2 +
              std::log(static_cast<long double>(p[1])) + (nu + 1) / 2 * std::log1p(z * z / nu);
     }},
    {KernelId::negative_binomial_nll, KernelId::negative_binomial_nll_backward, 2,
     [](std::mt19937& r) {
       return Parameters{power(r, 0.01, 1e6), power(r, 1e-4, 1e4)};
     },
     [](std::mt19937& r) { return std::floor(power(r, 0.5, 1e6)); },
     [](const Parameters& p, long double t) {
       const long double mean = p[0], alpha = p[1], r = 1 / alpha;
       return std::lgamma(r) + std::lgamma(t + 1) - std::lgamma(t + r) + (r + t) * std::log1p(alpha * mean) -
              t * (std::log(alpha) + std::log(mean));
     }},
};

TEST(Likelihoods, AndTheirDerivativesMeetTheirDefinitionsAlsoNearTheirLimits) {
  for (const Likelihood& likelihood : kLikelihoods) {
    for (const int64_t size : kSizes) {
      std::mt19937 random(static_cast<uint32_t>(size));
      std::vector<float> parameters, targets, dy;
      std::vector<double> values, scales;
      std::vector<long double> slopes, slope_scales;
      for (int64_t i = 0; i < size; ++i) {
        const Parameters p = likelihood.draw(random);
        const double t = likelihood.target(random);
        targets.push_back(static_cast<float>(t));
        dy.push_back(1.5f);
        for (const double one : p) parameters.push_back(static_cast<float>(one));
        values.push_back(static_cast<double>(likelihood.value(p, t)));
        for (size_t k = 0; k < p.size(); ++k) {
          // Central differences in long double, at 1e-6 of the parameter: their own error is 1e-10 of what they difference.
          const double step = 1e-6 * std::fmax(std::fabs(p[k]), 1e-3);
          Parameters above = p, below = p;
          above[k] += step, below[k] -= step;
          const long double high = likelihood.value(above, t), low = likelihood.value(below, t);
          slopes.push_back(1.5L * (high - low) / static_cast<long double>(above[k] - below[k]));
          slope_scales.push_back((std::fabs(high) + 1) * 1e-12L / static_cast<long double>(step));
        }
      }
      Dims dims = {size, likelihood.size};
      const Array p = floats(dims, parameters), t = floats({size}, targets);
      const std::vector<float> y = run_for_floats({likelihood.forward, {{p}, {t}}, {{empty({size})}}});
      for (size_t i = 0; i < y.size(); ++i)
        EXPECT_LE(std::fabs(y[i] - values[i]), 0x1p-22 * (std::fabs(values[i]) + 1)) << y[i] << " not " << values[i];
      const std::vector<float> dp =
          run_for_floats({likelihood.backward, {{p}, {t}, {floats({size}, dy)}}, {{empty(dims)}}});
      for (size_t i = 0; i < dp.size(); ++i)
        EXPECT_LE(std::fabs(dp[i] - slopes[i]), 1e-5L * std::fabs(slopes[i]) + slope_scales[i] + 1e-6L)
            << "parameter " << i << ": " << dp[i] << " not " << static_cast<double>(slopes[i]);
    }
  }
}

}  // namespace
}  // namespace lstm::test
