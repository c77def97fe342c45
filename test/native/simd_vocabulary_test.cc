// Every operation of the vector vocabulary, on every ISA of this machine, against plain C++.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "isa/dispatch.h"
#include "simd/common.h"
#include "support/math_reference.h"

namespace lstm::test {

struct ProbeInputs {
  const float *a, *b, *c;
  const int32_t *i, *j;
  size_t n;  // a multiple of 16
};

struct VocabularyProbe {
  int lanes;
  void (*operations)(const ProbeInputs& in, int32_t* out);
  void (*partial_integers)(int32_t* out);
};

}  // namespace lstm::test

namespace lstm {
using test::ProbeInputs;
using test::VocabularyProbe;
}  // namespace lstm

// The headers again, in namespaces of the test's own. The pragmas stand for the flags of the ISA units.
#define LSTM_ISA probe_scalar
#include "simd/scalar.h"
#include "support/vocabulary_probe.inl"
#undef LSTM_ISA

#if defined(__x86_64__) && defined(__GNUC__)
#define LSTM_PROBE_X86 1

#define LSTM_ISA probe_avx2
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif
#include "simd/avx2.h"
#include "support/vocabulary_probe.inl"
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#undef LSTM_ISA

#define LSTM_ISA probe_avx512
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,fma")
#endif
#include "simd/avx512.h"
#include "support/vocabulary_probe.inl"
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#undef LSTM_ISA
#endif

namespace lstm::test {
namespace {

const VocabularyProbe& probe_for(Isa isa) {
#if defined(LSTM_PROBE_X86)
  if (isa == Isa::avx2) return probe_avx2::vocabulary_probe;
  if (isa == Isa::avx512) return probe_avx512::vocabulary_probe;
#endif
  (void)isa;
  return probe_scalar::vocabulary_probe;
}

// The operands of one lane, and what each operation makes of them.
struct Lane {
  float a, b, c;
  int32_t i, j;
  uint32_t ui() const { return static_cast<uint32_t>(i); }
  uint32_t uj() const { return static_cast<uint32_t>(j); }
};

struct Expectation {
  const char* name;
  bool is_float;  // then all NaNs are one value
  std::function<uint32_t(const Lane&)> bits;
};

Expectation of_float(const char* name, float (*f)(const Lane&)) {
  return {name, true, [f](const Lane& lane) { return bits_of(f(lane)); }};
}
Expectation of_bits(const char* name, uint32_t (*f)(const Lane&)) { return {name, false, f}; }

// In the order of support/vocabulary_probe.inl.
const std::vector<Expectation>& expectations() {
  using L = const Lane&;
  static const std::vector<Expectation> all = {
      of_float("add", [](L l) { return l.a + l.b; }),
      of_float("subtract", [](L l) { return l.a - l.b; }),
      of_float("multiply", [](L l) { return l.a * l.b; }),
      of_float("divide", [](L l) { return l.a / l.b; }),
      of_float("fma", [](L l) { return std::fma(l.a, l.b, l.c); }),
      of_float("negative_fma", [](L l) { return std::fma(-l.a, l.b, l.c); }),
      of_float("sqrt", [](L l) { return std::sqrt(l.a); }),
      of_float("min", [](L l) { return l.a < l.b ? l.a : l.b; }),
      of_float("max", [](L l) { return l.a > l.b ? l.a : l.b; }),
      of_float("round", [](L l) { return std::nearbyint(l.a); }),
      of_float("abs", [](L l) { return std::fabs(l.a); }),
      of_float("copysign", [](L l) { return std::copysign(l.a, l.b); }),
      of_bits("less", [](L l) { return uint32_t{l.a < l.b}; }),
      of_bits("less_equal", [](L l) { return uint32_t{l.a <= l.b}; }),
      of_bits("greater", [](L l) { return uint32_t{l.a > l.b}; }),
      of_bits("greater_equal", [](L l) { return uint32_t{l.a >= l.b}; }),
      of_bits("equal", [](L l) { return uint32_t{l.a == l.b}; }),
      of_bits("is_nan", [](L l) { return uint32_t{std::isnan(l.a)}; }),
      of_bits("less of integers", [](L l) { return uint32_t{l.i < l.j}; }),
      of_bits("equal of integers", [](L l) { return uint32_t{l.i == l.j}; }),
      of_bits("both", [](L l) { return uint32_t{l.a < l.b && l.i < l.j}; }),
      of_bits("either", [](L l) { return uint32_t{l.a < l.b || l.i < l.j}; }),
      of_float("select", [](L l) { return l.a < l.b ? l.c : l.a; }),
      of_bits("select of integers", [](L l) { return l.i < l.j ? l.uj() : l.ui(); }),
      of_bits("add of integers", [](L l) { return l.ui() + l.uj(); }),
      of_bits("subtract of integers", [](L l) { return l.ui() - l.uj(); }),
      of_bits("multiply_low", [](L l) { return l.ui() * l.uj(); }),
      of_bits("multiply_high", [](L l) { return static_cast<uint32_t>((uint64_t{l.ui()} * l.uj()) >> 32); }),
      of_bits("and_", [](L l) { return l.ui() & l.uj(); }),
      of_bits("or_", [](L l) { return l.ui() | l.uj(); }),
      of_bits("xor_", [](L l) { return l.ui() ^ l.uj(); }),
      of_bits("shift_left", [](L l) { return l.ui() << 5; }),
      of_bits("shift_right", [](L l) { return l.ui() >> 5; }),
      of_bits("shift_right_arithmetic", [](L l) { return static_cast<uint32_t>(l.i >> 5); }),
      of_float("to_float", [](L l) { return static_cast<float>(l.i); }),
      of_bits("to_int", [](L l) { return static_cast<uint32_t>(std::lrint(static_cast<float>(l.i) * 0x1p-8f)); }),
      of_float("widen, multiply, add, narrow", [](L l) { return static_cast<float>(l.a + double{l.b} * l.c); }),
  };
  return all;
}

struct Lanes {
  std::vector<float> a, b, c;
  std::vector<int32_t> i, j;
  size_t size() const { return a.size(); }
  ProbeInputs inputs() const { return {a.data(), b.data(), c.data(), i.data(), j.data(), size()}; }
  Lane operator[](size_t at) const { return {a[at], b[at], c[at], i[at], j[at]}; }
};

// Every pair of special values, then random ones; c is drawn from both.
Lanes make_lanes() {
  const std::vector<float> floats = {0.0f,       -0.0f, 1.0f,   -1.0f,           0.5f,  1.5f,      2.5f,       -2.5f,
                                     8388609.0f, 3e38f, -3e38f, kSmallestNormal, 1e-3f, kInfinity, -kInfinity, kNaN};
  const std::vector<int32_t> integers = {0,    1,    -1,    2,     31,         127,       128,       384,
                                         -128, -384, 65535, 65536, 0x01000001, INT32_MAX, INT32_MIN, INT32_MIN + 1};
  std::mt19937 random(3);
  std::uniform_real_distribution<float> uniform(-100, 100);
  Lanes lanes;
  const auto append = [&](float a, float b, float c, int32_t i, int32_t j) {
    lanes.a.push_back(a), lanes.b.push_back(b), lanes.c.push_back(c), lanes.i.push_back(i), lanes.j.push_back(j);
  };
  for (size_t first = 0; first < floats.size(); ++first)
    for (size_t second = 0; second < floats.size(); ++second)
      append(floats[first], floats[second], floats[random() % floats.size()], integers[first], integers[second]);
  for (int count = 0; count < 4096; ++count)
    append(uniform(random), uniform(random), uniform(random), static_cast<int32_t>(random()),
           static_cast<int32_t>(random()));
  return lanes;
}

class SimdVocabulary : public testing::TestWithParam<Isa> {
 protected:
  const VocabularyProbe& probe = probe_for(GetParam());
};

TEST_P(SimdVocabulary, MeansTheSameAsPlainCpp) {
  const Lanes lanes = make_lanes();
  const size_t n = lanes.size();
  std::vector<int32_t> out(expectations().size() * n);
  probe.operations(lanes.inputs(), out.data());
  for (size_t row = 0; row < expectations().size(); ++row) {
    const Expectation& expectation = expectations()[row];
    for (size_t at = 0; at < n; ++at) {
      const uint32_t expected = expectation.bits(lanes[at]), bits = static_cast<uint32_t>(out[row * n + at]);
      const bool same = expectation.is_float ? same_bits(float_of(bits), float_of(expected)) : bits == expected;
      ASSERT_TRUE(same) << expectation.name << " of " << lanes.a[at] << ", " << lanes.b[at] << ", " << lanes.c[at]
                        << "; " << lanes.i[at] << ", " << lanes.j[at] << ": " << std::hex << bits << ", not "
                        << expected;
    }
  }
}

TEST_P(SimdVocabulary, LoadsAndStoresTheFirstIntegersOnly) {
  const int lanes = probe.lanes;
  std::vector<int32_t> out(static_cast<size_t>((lanes + 1) * lanes));
  probe.partial_integers(out.data());
  for (int count = 0; count <= lanes; ++count)
    for (int lane = 0; lane < lanes; ++lane)
      EXPECT_EQ(out[static_cast<size_t>(count * lanes + lane)], lane < count ? lane + 1 : -1)
          << count << " of " << lanes;
}

INSTANTIATE_TEST_SUITE_P(EveryIsa, SimdVocabulary, testing::ValuesIn(available_isas()),
                         [](const auto& info) { return std::string(isa_name(info.param)); });

}  // namespace
}  // namespace lstm::test
