// Dropout against a scalar Philox4x32-10.
#include <array>

#include "support/kernel_case.h"

namespace lstm::test {
namespace {

using Words = std::array<uint32_t, 4>;

Words philox(std::array<uint32_t, 2> key, Words counter) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t{0xD2511F53u} * counter[0], b = uint64_t{0xCD9E8D57u} * counter[2];
    counter = {static_cast<uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(b),
               static_cast<uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(a)};
    key[0] += 0x9E3779B9u;
    key[1] += 0xBB67AE85u;
  }
  return counter;
}

// The published known answers of Random123, so that the scalar form itself is checked.
TEST(Dropout, TheScalarPhiloxGivesThePublishedWords) {
  EXPECT_EQ(philox({0, 0}, {0, 0, 0, 0}), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox({0xa4093822, 0x299f31d0}, {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

std::vector<float> expected_dropout(const Array& x, std::array<int32_t, 2> key, double p, uint32_t stream) {
  const size_t rank = x.dims.size();
  const uint32_t units = rank == 0 ? 1 : static_cast<uint32_t>(x.dims[rank - 1]);
  const uint32_t batch = rank < 2 ? 1 : static_cast<uint32_t>(x.dims[rank - 2]);
  const uint32_t threshold = static_cast<uint32_t>(std::floor(p * 0x1p32));
  std::vector<float> y = x.floats();
  for (uint32_t i = 0; i < y.size(); ++i) {
    const uint32_t unit = i % units, row = i / units;
    const uint32_t word = philox({static_cast<uint32_t>(key[0]), static_cast<uint32_t>(key[1])},
                                 {unit >> 2, row % batch, row / batch, stream})[unit & 3];
    y[i] = word >= threshold ? y[i] * static_cast<float>(1 / (1 - p)) : 0;
  }
  return y;
}

std::vector<float> dropout(const Array& x, std::array<int32_t, 2> key, double p, uint32_t stream) {
  return run_for_floats({KernelId::dropout,
                         {{x}, {ints({2}, {key[0], key[1]})}},
                         {{empty(x.dims)}},
                         {{p}, {static_cast<double>(stream)}}});
}

TEST(Dropout, MasksArePhiloxAtTheCoordinatesOfTheElement) {
  for (const int64_t units : kSizes) {
    for (const Dims& dims : {Dims{units}, Dims{3, units}, Dims{2, 3, units}, Dims{2, 2, 3, units}}) {
      const Array x = random_floats(dims, 1);
      EXPECT_EQ(dropout(x, {7, -9}, 0.3, 5), expected_dropout(x, {7, -9}, 0.3, 5));
    }
  }
}

TEST(Bernoulli, IsOneWhereDropoutDrops) {
  for (const int64_t units : {int64_t{1}, int64_t{33}, int64_t{2500}}) {
    const Dims dims = {2, 3, units};
    const Array ones = floats(dims, std::vector<float>(static_cast<size_t>(6 * units), 1.0f));
    std::vector<float> expected = dropout(ones, {7, -9}, 0.3, 5);
    for (float& value : expected) value = value == 0 ? 1.0f : 0.0f;
    EXPECT_EQ(run_for_floats({KernelId::bernoulli, {{ints({2}, {7, -9})}}, {{empty(dims)}}, {{0.3}, {5}}}), expected);
  }
}

TEST(Dropout, LongRowsAreTheSameInPieces) {
  const Array x = random_floats({2, 2500}, 2);
  EXPECT_EQ(dropout(x, {1, 2}, 0.5, 0), expected_dropout(x, {1, 2}, 0.5, 0));
}

TEST(Dropout, ProbabilityZeroIsTheIdentity) {
  const Array x = random_floats({4, 33}, 3);
  EXPECT_EQ(dropout(x, {1, 2}, 0, 0), x.floats());
}

TEST(Dropout, DropsTheShareThatWasAskedFor) {
  constexpr double kCount = 100000, kProbability = 0.25;
  double dropped = 0;
  for (const float y : dropout(floats({100000}, std::vector<float>(100000, 1.0f)), {3, 4}, kProbability, 1)) {
    dropped += y == 0;
  }
  // Five standard deviations; the draw is fixed, so this never fails by chance.
  EXPECT_NEAR(dropped / kCount, kProbability, 5 * std::sqrt(kProbability * (1 - kProbability) / kCount));
}

TEST(Dropout, DroppedElementsAreZeroWhateverTheyWere) {
  for (const float y : dropout(floats({64}, std::vector<float>(64, NAN)), {3, 4}, 0.99999, 1)) EXPECT_EQ(y, 0);
}

}  // namespace
}  // namespace lstm::test
