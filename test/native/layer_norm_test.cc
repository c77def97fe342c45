// Layer normalization against plain loops in float64.
#include "support/kernel_case.h"

namespace lstm::test {
namespace {

constexpr double kEps = 1e-5;
constexpr int64_t kSteps = 5, kBatch = 7;

struct NormCase {
  int64_t features;
  bool affine, ragged;

  Dims dims() const { return {kSteps, kBatch, features}; }
  Arrays parameter(uint32_t seed) const { return affine ? Arrays{random_floats({features}, seed)} : Arrays{}; }
  std::vector<int32_t> lengths() const {
    return ragged ? std::vector<int32_t>{5, 0, 3, 1, 5, 4, 2} : std::vector<int32_t>(kBatch, kSteps);
  }
  Arrays lengths_operand() const { return ragged ? Arrays{ints({kBatch}, lengths())} : Arrays{}; }
  bool within(size_t row) const { return static_cast<int32_t>(row / kBatch) < lengths()[row % kBatch]; }
};

std::vector<NormCase> norm_cases() {
  std::vector<NormCase> cases;
  for (const int64_t features : kSizes) {
    for (const bool affine : {false, true}) {
      for (const bool ragged : {false, true}) cases.push_back({features, affine, ragged});
    }
  }
  return cases;
}

// Values past a length are NaN, so that reading one is seen.
Array input_of(const NormCase& c, uint32_t seed, float mean) {
  Array x = random_floats(c.dims(), seed, 2);
  std::vector<float> values = x.floats();
  const size_t size = static_cast<size_t>(c.features);
  for (size_t i = 0; i < values.size(); ++i) values[i] = c.within(i / size) ? values[i] + mean : NAN;
  return floats(c.dims(), values);
}

struct Moments {
  double mean = 0, rstd = 0;
};
Moments moments_of(const float* x, size_t size) {
  Moments m;
  for (size_t k = 0; k < size; ++k) m.mean += x[k] / static_cast<double>(size);
  double variance = 0;
  for (size_t k = 0; k < size; ++k) variance += (x[k] - m.mean) * (x[k] - m.mean) / static_cast<double>(size);
  m.rstd = 1 / std::sqrt(variance + kEps);
  return m;
}

TEST(LayerNorm, RowsHaveMeanZeroAndVarianceOneBeforeTheAffineMap) {
  for (const NormCase& c : norm_cases()) {
    const Array x = input_of(c, 1, 0.5f);
    const Arrays weight = c.parameter(2), bias = c.parameter(3);
    const std::vector<float> values = x.floats();
    const size_t size = static_cast<size_t>(c.features);
    std::vector<double> expected(values.size(), 0), means(values.size() / size, 0), rstds(means.size(), 0);
    for (size_t row = 0; row < means.size(); ++row) {
      if (!c.within(row)) continue;
      const Moments m = moments_of(&values[row * size], size);
      means[row] = m.mean;
      rstds[row] = m.rstd;
      for (size_t k = 0; k < size; ++k) {
        expected[row * size + k] = (values[row * size + k] - m.mean) * m.rstd * (c.affine ? weight[0].floats()[k] : 1) +
                                   (c.affine ? bias[0].floats()[k] : 0);
      }
    }
    KernelCase test{KernelId::layer_norm,
                    {{x}, weight, bias, c.lengths_operand()},
                    {{empty(x.dims)}, {empty({kSteps, kBatch})}, {empty({kSteps, kBatch})}},
                    {{kEps}}};
    const auto result = run_everywhere(test);
    expect_close(result[0][0].floats(), expected, static_cast<double>(size));
    expect_close(result[1][0].floats(), means, static_cast<double>(size));
    expect_close(result[2][0].floats(), rstds, static_cast<double>(size));
    test.outputs[1][0].planned = test.outputs[2][0].planned = false;
    EXPECT_EQ(run_for_floats(test), result[0][0].floats());
  }
}

TEST(LayerNorm, BackwardMeetsTheDerivative) {
  for (const NormCase& c : norm_cases()) {
    const Array x = input_of(c, 4, 0.5f), dy = input_of(c, 5, 0);
    const Arrays weight = c.parameter(6);
    const std::vector<float> values = x.floats(), cotangents = dy.floats();
    const size_t size = static_cast<size_t>(c.features), rows = values.size() / size;
    const auto forward = run_everywhere({KernelId::layer_norm,
                                         {{x}, weight, {}, c.lengths_operand()},
                                         {{empty(x.dims)}, {empty({kSteps, kBatch})}, {empty({kSteps, kBatch})}},
                                         {{kEps}}});
    const std::vector<float> means = forward[1][0].floats(), rstds = forward[2][0].floats();
    std::vector<double> dx(values.size(), 0), dweight(size, 0), dbias(size, 0);
    double scale = 0;
    for (size_t row = 0; row < rows; ++row) {
      if (!c.within(row)) continue;
      std::vector<double> n(size), g(size);
      double mean = 0, projection = 0;
      for (size_t k = 0; k < size; ++k) {
        const size_t i = row * size + k;
        n[k] = (double{values[i]} - means[row]) * rstds[row];
        g[k] = cotangents[i] * (c.affine ? double{weight[0].floats()[k]} : 1);
        mean += g[k] / static_cast<double>(size);
        projection += g[k] * n[k] / static_cast<double>(size);
        dweight[k] += cotangents[i] * n[k];
        dbias[k] += cotangents[i];
      }
      for (size_t k = 0; k < size; ++k) {
        dx[row * size + k] = rstds[row] * (g[k] - mean - n[k] * projection);
        scale += std::pow(rstds[row] * g[k], 2);
      }
    }
    KernelCase test{KernelId::layer_norm_backward,
                    {{dy}, {x}, {forward[1][0]}, {forward[2][0]}, weight, c.lengths_operand()},
                    {{empty(x.dims)}, {empty({c.features})}, {empty({c.features})}}};
    const auto result = run_everywhere(test);
    double error = 0;  // g, its mean and its projection cancel, so the error is measured against what cancels
    const std::vector<float> received = result[0][0].floats();
    for (size_t i = 0; i < dx.size(); ++i) error += std::pow(received[i] - dx[i], 2);
    EXPECT_LE(std::sqrt(error / scale), 2 * (16 + std::sqrt(static_cast<double>(size))) * 0x1p-24);
    for (size_t i = 0; i < dx.size(); ++i) {
      if (c.within(i / size)) continue;
      ASSERT_EQ(received[i], 0);
    }
    expect_close(result[1][0].floats(), dweight, static_cast<double>(rows), 2);
    expect_close(result[2][0].floats(), dbias, static_cast<double>(rows), 2);
    for (const size_t asked : {0, 1, 2}) {
      for (size_t slot = 0; slot < 3; ++slot) test.outputs[slot][0].planned = slot == asked;
      EXPECT_EQ(run_everywhere(test)[asked][0].floats(), result[asked][0].floats());
    }
  }
}

TEST(LayerNorm, ALargeMeanCostsNoMoreThanItsRounding) {
  // 4096 ± 1 is exact in float32, and so are the mean and the distances.
  const std::vector<float> y = run_for_floats({KernelId::layer_norm,
                                               {{floats({1, 4}, {4095, 4097, 4097, 4095})}, {}, {}, {}},
                                               {{empty({1, 4})}, {empty({1})}, {empty({1})}},
                                               {{0.0}}});
  EXPECT_EQ(y, (std::vector<float>{-1, 1, 1, -1}));
}

}  // namespace
}  // namespace lstm::test
