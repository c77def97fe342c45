// The look-up table against plain loops.
#include "support/kernel_case.h"

namespace lstm::test {
namespace {

constexpr int64_t kVocabulary = 11;

TEST(Embedding, RowsAreLookedUp) {
  for (const int64_t features : kSizes) {
    const Array tokens = random_ints({5, 7}, 1, kVocabulary);
    const Array weight = random_floats({kVocabulary, features}, 2);
    const std::vector<float> y =
        run_for_floats({KernelId::embedding, {{tokens}, {weight}, {}}, {{empty({5, 7, features})}}});
    const size_t size = static_cast<size_t>(features);
    for (size_t i = 0; i < y.size(); ++i) {
      ASSERT_EQ(y[i], weight.floats()[static_cast<size_t>(tokens.as<int32_t>()[i / size]) * size + i % size]);
    }
  }
}

TEST(Embedding, GradientsOfRepeatedTokensAreAdded) {
  for (const int64_t features : kSizes) {
    const Array tokens = random_ints({300}, 3, kVocabulary - 1);  // one token never comes
    const Array dy = random_floats({300, features}, 4);
    const size_t size = static_cast<size_t>(features);
    std::vector<double> expected(size * kVocabulary, 0);
    for (size_t i = 0; i < dy.size(); ++i) {
      expected[static_cast<size_t>(tokens.as<int32_t>()[i / size]) * size + i % size] += dy.floats()[i];
    }
    const std::vector<float> dweight =
        run_for_floats({KernelId::embedding_backward, {{dy}, {tokens}, {}}, {{empty({kVocabulary, features})}}});
    expect_close(dweight, expected, 300, 2);
    for (size_t i = size * (kVocabulary - 1); i < dweight.size(); ++i) EXPECT_EQ(dweight[i], 0);
  }
}

TEST(Embedding, AScaleMultipliesTheRowsOfATokenAndTheirGradient) {
  for (const int64_t features : kSizes) {
    const Array tokens = random_ints({40}, 5, kVocabulary);
    const Array weight = random_floats({kVocabulary, features}, 6), dy = random_floats({40, features}, 7);
    std::vector<float> scales = random_floats({kVocabulary}, 8).floats();
    scales[3] = 0;
    const Array scale = floats({kVocabulary}, scales);
    const size_t size = static_cast<size_t>(features);
    std::vector<double> expected(size * kVocabulary, 0);
    const std::vector<float> y =
        run_for_floats({KernelId::embedding, {{tokens}, {weight}, {scale}}, {{empty(dy.dims)}}});
    for (size_t i = 0; i < y.size(); ++i) {
      const size_t token = static_cast<size_t>(tokens.as<int32_t>()[i / size]);
      ASSERT_EQ(y[i], scales[token] * weight.floats()[token * size + i % size]);
      expected[token * size + i % size] += double{scales[token]} * dy.floats()[i];
    }
    const std::vector<float> dweight =
        run_for_floats({KernelId::embedding_backward, {{dy}, {tokens}, {scale}}, {{empty(weight.dims)}}});
    expect_close(dweight, expected, 40, 2);
    for (size_t k = 0; k < size; ++k) EXPECT_EQ(dweight[3 * size + k], 0);
  }
}

TEST(Embedding, TokensOutsideTheTableReadAndWriteNothingOutsideIt) {
  const Array tokens = ints({3}, {-1, 1, 2});
  const std::vector<float> y =
      run_for_floats({KernelId::embedding, {{tokens}, {floats({2, 2}, {1, 2, 3, 4})}, {}}, {{empty({3, 2})}}});
  for (const size_t i : {0, 1, 4, 5}) EXPECT_TRUE(std::isnan(y[i]));
  EXPECT_EQ(y[2], 3);
  EXPECT_EQ(
      run_for_floats(
          {KernelId::embedding_backward, {{floats({3, 2}, {1, 2, 3, 4, 5, 6})}, {tokens}, {}}, {{empty({2, 2})}}}),
      (std::vector<float>{0, 0, 3, 4}));
}

}  // namespace
}  // namespace lstm::test
