// Pooling over time against plain loops in float64; what lies past a length is NaN, so that reading it is seen.
#include <functional>

#include "support/kernel_case.h"

namespace lstm::test {
namespace {

constexpr int64_t kSteps = 6, kBatch = 5;

struct PoolCase {
  int64_t features;
  bool ragged;

  size_t size() const { return static_cast<size_t>(features); }
  std::vector<int32_t> lengths() const {
    return ragged ? std::vector<int32_t>{6, 0, 1, 4, 2} : std::vector<int32_t>(kBatch, kSteps);
  }
  Arrays lengths_operand() const { return ragged ? Arrays{ints({kBatch}, lengths())} : Arrays{}; }
  bool within(size_t row) const { return static_cast<int32_t>(row / kBatch) < lengths()[row % kBatch]; }
  // [T,B,F], or [T,B] for `width` 1 without the axis.
  Array masked(Dims dims, uint32_t seed) const {
    std::vector<float> values = random_floats(dims, seed).floats();
    const size_t width = values.size() / (kSteps * kBatch);
    for (size_t i = 0; i < values.size(); ++i) {
      if (!within(i / width)) values[i] = NAN;
    }
    return floats(dims, values);
  }
  Array sequence(uint32_t seed) const { return masked({kSteps, kBatch, features}, seed); }
  Array scores(uint32_t seed) const { return masked({kSteps, kBatch}, seed); }
  // Calls visit(row of [T,B], b) within the lengths.
  void each(const std::function<void(size_t, size_t)>& visit) const {
    for (size_t row = 0; row < kSteps * kBatch; ++row) {
      if (within(row)) visit(row, row % kBatch);
    }
  }
};

std::vector<PoolCase> pool_cases() {
  std::vector<PoolCase> cases;
  for (const int64_t features : kSizes) {
    for (const bool ragged : {false, true}) cases.push_back({features, ragged});
  }
  return cases;
}

TEST(MeanPooling, IsTheMeanOfTheStepsAndSharesItsGradient) {
  for (const PoolCase& c : pool_cases()) {
    const Array x = c.sequence(1), dy = random_floats({kBatch, c.features}, 2);
    const size_t n = c.size();
    std::vector<double> y(kBatch * n, 0), dx(kSteps * kBatch * n, 0);
    c.each([&](size_t row, size_t b) {
      for (size_t k = 0; k < n; ++k) {
        y[b * n + k] += x.floats()[row * n + k] / static_cast<double>(c.lengths()[b]);
        dx[row * n + k] = dy.floats()[b * n + k] / static_cast<double>(c.lengths()[b]);
      }
    });
    const Arrays lengths = c.lengths_operand();
    expect_close(run_for_floats({KernelId::mean_pooling, {{x}, lengths}, {{empty(dy.dims)}}}), y, kSteps);
    expect_close(run_for_floats({KernelId::mean_pooling_backward, {{dy}, lengths}, {{empty(x.dims)}}}), dx, 1, 2);
  }
}

TEST(MaxPooling, IsTheFirstLargestStepWhichTakesTheGradient) {
  for (const PoolCase& c : pool_cases()) {
    std::vector<float> values = c.sequence(3).floats();
    for (float& value : values) value = std::round(value);  // many equal maxima
    const Array x = floats({kSteps, kBatch, c.features}, values), dy = random_floats({kBatch, c.features}, 4);
    const size_t n = c.size();
    std::vector<float> y(kBatch * n, 0), dx(values.size(), 0);
    std::vector<int32_t> index(kBatch * n, -1);
    c.each([&](size_t row, size_t b) {
      for (size_t k = 0; k < n; ++k) {
        const size_t column = b * n + k;
        if (index[column] >= 0 && values[row * n + k] <= y[column]) continue;
        y[column] = values[row * n + k];
        index[column] = static_cast<int32_t>(row / kBatch);
      }
    });
    for (size_t column = 0; column < index.size(); ++column) {
      if (index[column] < 0) continue;
      const size_t row = static_cast<size_t>(index[column]) * kBatch + column / n;
      dx[row * n + column % n] = dy.floats()[column];
    }
    KernelCase test{
        KernelId::max_pooling, {{x}, c.lengths_operand()}, {{empty(dy.dims)}, {empty(dy.dims, Dtype::int32)}}};
    const auto result = run_everywhere(test);
    EXPECT_EQ(result[0][0].floats(), y);
    EXPECT_EQ(result[1][0].as<int32_t>(), index);
    test.outputs[1][0].planned = false;
    EXPECT_EQ(run_for_floats(test), y);
    EXPECT_EQ(run_for_floats({KernelId::max_pooling_backward, {{dy}, {result[1][0]}}, {{empty(x.dims)}}}), dx);
  }
}

TEST(MaxPooling, ANaNWithinTheLengthIsTheLargest) {
  const Array x = floats({3, 1, 3}, {1, NAN, -INFINITY, NAN, 2, -INFINITY, 3, 3, -INFINITY});
  const auto result =
      run_everywhere({KernelId::max_pooling, {{x}, {}}, {{empty({1, 3})}, {empty({1, 3}, Dtype::int32)}}});
  const std::vector<float> y = result[0][0].floats();
  EXPECT_TRUE(std::isnan(y[0]) && std::isnan(y[1]));
  EXPECT_EQ(y[2], -INFINITY);
  EXPECT_EQ(result[1][0].as<int32_t>(), (std::vector<int32_t>{1, 0, 0}));
}

TEST(WeightedPooling, IsTheSumOfWeightedStepsAndBackwardItsTranspose) {
  for (const PoolCase& c : pool_cases()) {
    const Array x = c.sequence(5), weights = c.scores(6), dy = random_floats({kBatch, c.features}, 7);
    const size_t n = c.size();
    std::vector<double> y(kBatch * n, 0), dx(kSteps * kBatch * n, 0), dweights(kSteps * kBatch, 0);
    double scale = 0;
    c.each([&](size_t row, size_t b) {
      double products = 0;
      for (size_t k = 0; k < n; ++k) {
        const double value = x.floats()[row * n + k], cotangent = dy.floats()[b * n + k];
        y[b * n + k] += weights.floats()[row] * value;
        dx[row * n + k] = weights.floats()[row] * cotangent;
        dweights[row] += cotangent * value;
        products += std::pow(cotangent * value, 2);
      }
      scale += products;
    });
    const Arrays lengths = c.lengths_operand();
    expect_close(run_for_floats({KernelId::weighted_pooling, {{x}, {weights}, lengths}, {{empty(dy.dims)}}}), y,
                 kSteps);
    KernelCase test{
        KernelId::weighted_pooling_backward, {{dy}, {x}, {weights}, lengths}, {{empty(x.dims)}, {empty(weights.dims)}}};
    const auto result = run_everywhere(test);
    expect_close(result[0][0].floats(), dx, 1, 2);
    expect_close(result[1][0].floats(), dweights, static_cast<double>(n), 2);
    for (const size_t asked : {0, 1}) {
      for (size_t slot = 0; slot < 2; ++slot) test.outputs[slot][0].planned = slot == asked;
      EXPECT_EQ(run_everywhere(test)[asked][0].floats(), result[asked][0].floats());
    }
  }
}

TEST(MaskedSoftmax, IsSoftmaxOverTheStepsOfEachSequenceAndBackwardItsJacobian) {
  for (const int64_t batch : kSizes) {
    for (const bool ragged : {false, true}) {
      const size_t rows = static_cast<size_t>(batch), steps = 7;
      std::vector<int32_t> lengths(rows, 7);
      if (ragged) lengths = random_ints({batch}, 8, 8).as<int32_t>();
      if (ragged) lengths[0] = 0;
      std::vector<float> x = random_floats({7, batch}, 9, 3).floats(), dy = random_floats({7, batch}, 10).floats();
      std::vector<double> expected(x.size(), 0), dx(x.size(), 0);
      for (size_t b = 0; b < rows; ++b) {
        double sum = 0;
        for (size_t t = 0; t < steps; ++t) {
          const size_t at = t * rows + b;
          const bool within = static_cast<int32_t>(t) < lengths[b];
          if (!within) x[at] = dy[at] = NAN;
          if (within) sum += expected[at] = std::exp(double{x[at]});
        }
        for (size_t t = 0; t < steps; ++t) expected[t * rows + b] /= sum > 0 ? sum : 1;
      }
      const Arrays operand = ragged ? Arrays{ints({batch}, lengths)} : Arrays{};
      const Array y =
          run_everywhere({KernelId::masked_softmax, {{floats({7, batch}, x)}, operand}, {{empty({7, batch})}}})[0][0];
      expect_close(y.floats(), expected, steps);
      double scale = 0;
      for (size_t b = 0; b < rows; ++b) {
        const auto part = [&](size_t t) { return double{y.floats()[t * rows + b]} * dy[t * rows + b]; };
        double dot = 0;
        for (int32_t t = 0; t < lengths[b]; ++t) dot += part(static_cast<size_t>(t));
        for (int32_t t = 0; t < lengths[b]; ++t) {
          const size_t at = static_cast<size_t>(t) * rows + b;
          dx[at] = part(static_cast<size_t>(t)) - y.floats()[at] * dot;
          scale += std::pow(part(static_cast<size_t>(t)), 2);
        }
      }
      const std::vector<float> received = run_for_floats(
          {KernelId::masked_softmax_backward, {{y}, {floats({7, batch}, dy)}, operand}, {{empty({7, batch})}}});
      double error = 0;  // dy and the mean of dy cancel, so the error is measured against what cancels
      for (size_t i = 0; i < dx.size(); ++i) error += std::pow(received[i] - dx[i], 2);
      EXPECT_LE(std::sqrt(error), 2 * (16 + std::sqrt(7.0)) * 0x1p-24 * std::sqrt(scale));
      for (size_t i = 0; i < x.size(); ++i) {
        if (!std::isnan(x[i])) continue;
        ASSERT_EQ(y.floats()[i], 0);
        ASSERT_EQ(received[i], 0);
      }
    }
  }
}

TEST(MaskedSoftmax, LargeScoresDoNotOverflow) {
  const std::vector<float> y =
      run_for_floats({KernelId::masked_softmax, {{floats({3, 1}, {-INFINITY, 1000, 1000})}, {}}, {{empty({3, 1})}}});
  EXPECT_EQ(y, (std::vector<float>{0, 0.5f, 0.5f}));
}

TEST(MaskSteps, KeepsWhatLiesWithinTheLengthsOverAllFurtherAxes) {
  for (const PoolCase& c : pool_cases()) {
    const Array x = c.masked({kSteps, kBatch, 2, c.features}, 11);
    std::vector<float> expected = x.floats();
    for (float& value : expected) value = std::isnan(value) ? 0 : value;
    EXPECT_EQ(run_for_floats({KernelId::mask_steps, {{x}, {ints({kBatch}, c.lengths())}}, {{empty(x.dims)}}}),
              expected);
  }
}

}  // namespace
}  // namespace lstm::test
