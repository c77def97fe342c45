// Linear layers and matrix products against plain loops in float64.
#include "support/kernel_case.h"

namespace lstm::test {
namespace {

const std::vector<int64_t> kRowCounts = {1, 2, 3, 5, 6, 7, 17};
const std::vector<int> kThreads = {1, 2, 3, 4, 8};

// A matrix in float64, by rows.
struct Matrix {
  int64_t rows, columns;
  std::vector<double> data;

  Matrix(int64_t r, int64_t c) : rows(r), columns(c), data(static_cast<size_t>(r * c)) {}
  Matrix(int64_t r, int64_t c, const std::vector<float>& values) : Matrix(r, c) {
    for (size_t i = 0; i < data.size(); ++i) data[i] = values[i];
  }
  double& at(int64_t r, int64_t c) { return data[static_cast<size_t>(r * columns + c)]; }
  double at(int64_t r, int64_t c) const { return data[static_cast<size_t>(r * columns + c)]; }
  Matrix transposed() const {
    Matrix result(columns, rows);
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t c = 0; c < columns; ++c) result.at(c, r) = at(r, c);
    return result;
  }
};

Matrix product(const Matrix& a, const Matrix& b) {
  Matrix result(a.rows, b.columns);
  for (int64_t r = 0; r < a.rows; ++r)
    for (int64_t k = 0; k < a.columns; ++k)
      for (int64_t c = 0; c < b.columns; ++c) result.at(r, c) += a.at(r, k) * b.at(k, c);
  return result;
}

Matrix matrix(const Array& array) { return Matrix(array.dims[0], array.dims[1], array.floats()); }

void check_linear(int64_t rows, int64_t inputs, int64_t outputs, bool biased,
                  const std::vector<int>& threads = {1, 2, 3}) {
  SCOPED_TRACE(testing::Message() << rows << " rows, " << inputs << " -> " << outputs);
  const Array x = random_floats({rows, inputs}, 1), weight = random_floats({outputs, inputs}, 2);
  const Array bias = random_floats({outputs}, 3), dy = random_floats({rows, outputs}, 4);

  Matrix y = product(matrix(x), matrix(weight).transposed());
  if (biased)
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t o = 0; o < outputs; ++o) y.at(r, o) += bias.floats()[static_cast<size_t>(o)];
  expect_close(run_for_floats({KernelId::linear,
                               {{x}, {weight}, biased ? Arrays{bias} : Arrays{}, {}},
                               {{empty(dy.dims)}},
                               {},
                               {},
                               {{1, PackKind::columns}},
                               threads}),
               y.data, static_cast<double>(inputs));

  expect_close(run_for_floats({KernelId::linear_backward_input,
                               {{dy}, {weight}, {}},
                               {{empty(x.dims)}},
                               {},
                               {},
                               {{1, PackKind::rows}},
                               threads}),
               product(matrix(dy), matrix(weight)).data, static_cast<double>(outputs), 2);

  expect_close(
      run_for_floats({KernelId::linear_backward_weight, {{dy}, {x}, {}}, {{empty(weight.dims)}}, {}, {}, {}, threads}),
      product(matrix(dy).transposed(), matrix(x)).data, static_cast<double>(rows), 2);

  Matrix ones(1, rows);
  for (double& one : ones.data) one = 1;
  expect_close(run_for_floats({KernelId::linear_backward_bias, {{dy}, {}}, {{empty(bias.dims)}}, {}, {}, {}, threads}),
               product(ones, matrix(dy)).data, static_cast<double>(rows), 2);
}

TEST(Linear, MatchesPlainLoopsWhereSizesStraddleTiles) {
  // Every size as inputs and as outputs, each with several row counts.
  for (size_t i = 0; i < kSizes.size(); ++i) {
    for (const size_t step : {0, 2, 5}) {
      const int64_t rows = kRowCounts[(i + step) % kRowCounts.size()];
      check_linear(rows, kSizes[(i + step) % kSizes.size()], kSizes[i], step != 2);
    }
  }
}

TEST(Linear, MatchesPlainLoopsBeyondEveryBlock) {
  check_linear(7, 1100, 3, true, kThreads);   // depth of the forward product
  check_linear(5, 3, 1030, false, kThreads);  // depth of the input gradient
  check_linear(520, 5, 9, true, kThreads);    // depth of the weight gradient, twice
  check_linear(300, 270, 4, true, kThreads);  // its panels
}

TEST(Linear, ARowHasTheSameBitsAloneAndInABatch) {
  const int64_t rows = 17, inputs = 33, outputs = 65;
  const Array x = random_floats({rows, inputs}, 1), weight = random_floats({outputs, inputs}, 2);
  const auto run = [&](const Array& input) {
    return run_for_floats({KernelId::linear,
                           {{input}, {weight}, {}, {}},
                           {{empty({input.dims[0], outputs})}},
                           {},
                           {},
                           {{1, PackKind::columns}}});
  };
  const std::vector<float> together = run(x), values = x.floats();
  for (int64_t row = 0; row < rows; ++row) {
    const auto begin = values.begin() + row * inputs;
    const std::vector<float> alone = run(floats({1, inputs}, {begin, begin + inputs}));
    EXPECT_EQ(0,
              std::memcmp(alone.data(), &together[static_cast<size_t>(row * outputs)], alone.size() * sizeof(float)));
  }
}

TEST(Linear, NoRowsGiveZeroGradients) {
  const Array dy = empty({0, 3}), x = empty({0, 5});
  EXPECT_EQ(run_for_floats({KernelId::linear_backward_weight, {{dy}, {x}, {}}, {{empty({3, 5})}}}),
            std::vector<float>(15));
  EXPECT_EQ(run_for_floats({KernelId::linear_backward_bias, {{dy}, {}}, {{empty({3})}}}), std::vector<float>(3));
}

void check_matmul(int64_t count, int64_t m, int64_t k, int64_t n) {
  for (const bool transpose_a : {false, true}) {
    for (const bool transpose_b : {false, true}) {
      SCOPED_TRACE(testing::Message() << count << " of " << m << "x" << k << "x" << n << (transpose_a ? " aT" : "")
                                      << (transpose_b ? " bT" : ""));
      Dims a = transpose_a ? Dims{k, m} : Dims{m, k}, b = transpose_b ? Dims{n, k} : Dims{k, n}, y = {m, n};
      std::vector<double> expected;
      std::vector<float> a_values, b_values;
      for (int64_t i = 0; i < count; ++i) {
        const Array a_one = random_floats(a, static_cast<uint32_t>(2 * i));
        const Array b_one = random_floats(b, static_cast<uint32_t>(2 * i + 1));
        const Matrix one = product(transpose_a ? matrix(a_one).transposed() : matrix(a_one),
                                   transpose_b ? matrix(b_one).transposed() : matrix(b_one));
        expected.insert(expected.end(), one.data.begin(), one.data.end());
        for (const float value : a_one.floats()) a_values.push_back(value);
        for (const float value : b_one.floats()) b_values.push_back(value);
      }
      if (count > 1)
        for (Dims* dims : {&a, &b, &y}) dims->insert(dims->begin(), count);
      expect_close(run_for_floats({KernelId::matmul,
                                   {{floats(a, a_values)}, {floats(b, b_values)}},
                                   {{empty(y)}},
                                   {{transpose_a ? 1.0 : 0.0}, {transpose_b ? 1.0 : 0.0}},
                                   {},
                                   {},
                                   kThreads}),
                   expected, static_cast<double>(k));
    }
  }
}

TEST(Matmul, MatchesPlainLoopsWithEitherOperandTransposed) {
  check_matmul(1, 1, 1, 1);
  check_matmul(1, 7, 17, 9);
  check_matmul(1, 17, 65, 33);
  check_matmul(1, 6, 3, 300);
  check_matmul(1, 3, 300, 70);
}

TEST(Matmul, MultipliesStacksOfMatrices) {
  check_matmul(2, 5, 9, 17);   // fewer matrices than some teams have threads
  check_matmul(9, 7, 16, 65);  // more
}

}  // namespace
}  // namespace lstm::test
