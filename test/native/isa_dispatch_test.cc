// Which kernels run: detection, the wish of the environment, and the floating-point mode they run in.
#include <gtest/gtest.h>

#include <string>

#include "isa/dispatch.h"
#include "runtime/denormals.h"

namespace lstm {
namespace {

TEST(IsaDispatch, AlwaysHasTheScalarKernelsAndOffersTheFastestByDefault) {
  EXPECT_EQ(available_isas().front(), Isa::scalar);
  for (const char* no_wish : {static_cast<const char*>(nullptr), ""}) {
    EXPECT_EQ(choose_isa(no_wish).kernels, kernels_for(available_isas().back()));
    EXPECT_EQ(choose_isa(no_wish).error, "");
  }
}

TEST(IsaDispatch, GivesTheKernelsOfAnAvailableNameWithItsWholeTable) {
  for (const Isa isa : available_isas()) {
    const IsaChoice choice = choose_isa(isa_name(isa));
    ASSERT_NE(choice.kernels, nullptr) << choice.error;
    EXPECT_EQ(std::string(choice.kernels->isa), isa_name(isa));
    EXPECT_EQ(16 % choice.kernels->lanes, 0);
    for (int id = 0; id < kKernelCount; ++id) EXPECT_NE(choice.kernels->kernels[id], nullptr) << kKernelNames[id];
    EXPECT_EQ(choice.kernels->kernels[kKernelCount], nullptr);
  }
}

TEST(IsaDispatch, RefusesAnUnknownNameAndSaysWhatThereIs) {
  for (const char* name : {"avx", "AVX2", "avx512 ", "neon2"}) {
    const IsaChoice choice = choose_isa(name);
    EXPECT_EQ(choice.kernels, nullptr);
    EXPECT_NE(choice.error.find(name), std::string::npos);
    EXPECT_NE(choice.error.find("scalar"), std::string::npos);
  }
}

TEST(FlushDenormals, TreatsSubnormalsAsZeroAndRestoresWhatWasThere) {
#if !defined(__x86_64__) && !defined(_M_X64) && !defined(__aarch64__)
  GTEST_SKIP() << "no such mode here";
#endif
  volatile float subnormal = 1e-40f, smallest_normal = 0x1p-126f;
  const auto doubled = [&] { return subnormal * 2.0f; };
  const auto halved = [&] { return smallest_normal * 0.5f; };
  EXPECT_GT(doubled(), 0.0f);
  {
    const FlushDenormals outer;
    EXPECT_EQ(doubled(), 0.0f);
    EXPECT_EQ(halved(), 0.0f);
    { const FlushDenormals inner; }
    EXPECT_EQ(doubled(), 0.0f);
  }
  EXPECT_GT(doubled(), 0.0f);
  EXPECT_GT(halved(), 0.0f);
}

}  // namespace
}  // namespace lstm
