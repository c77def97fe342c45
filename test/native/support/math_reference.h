// The functions of simd/math.h beside their float64 definitions, and the distance between the two.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include "isa/dispatch.h"

namespace lstm::test {

using ArrayFunction = void (*)(const float*, float*, size_t) noexcept;

struct MathFunction {
  const char* name;
  ArrayFunction Kernels::*array;
  double (*exact)(double);
  float lowest, highest;  // the range of its results
};

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kSmallestNormal = 0x1p-126f;
constexpr double kUlpBound = 3;

// Below this magnitude the next term of the series is beyond float64, and libm need not be asked: half of all floats.
constexpr double kTiny = 0x1p-30;

constexpr MathFunction kMathFunctions[] = {
    {"exp", &Kernels::exp_array, [](double x) { return std::fabs(x) < kTiny ? 1 + x : std::exp(x); }, 0.0f, kInfinity},
    {"log", &Kernels::log_array, [](double x) { return std::log(x); }, -kInfinity, kInfinity},
    {"tanh", &Kernels::tanh_array, [](double x) { return std::fabs(x) < kTiny ? x : std::tanh(x); }, -1.0f, 1.0f},
    {"sigmoid", &Kernels::sigmoid_array,
     [](double x) { return std::fabs(x) < kTiny ? 0.5 + x / 4 : 1 / (1 + std::exp(-x)); }, 0.0f, 1.0f},
    {"log_sigmoid", &Kernels::log_sigmoid_array,
     [](double x) { return std::fmin(x, 0) - std::log1p(std::exp(-std::fabs(x))); }, -kInfinity, 0.0f},
};

inline float float_of(uint32_t bits) {
  float x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

inline uint32_t bits_of(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits;
}

// NaNs are one value here: which payload survives an operation on two of them is the compiler's choice.
inline bool same_bits(float a, float b) { return bits_of(a) == bits_of(b) || (std::isnan(a) && std::isnan(b)); }

// |y - exact(x)| in units of the float32 spacing at exact(x); infinity where y is of the wrong kind. Subnormals count as
// zeros of their sign, in x and in the result.
inline double ulp_error(const MathFunction& f, float x, float y) {
  constexpr double kWrong = std::numeric_limits<double>::infinity();
  const double exact = f.exact(std::fabs(x) < kSmallestNormal ? std::copysign(0.0, x) : static_cast<double>(x));
  if (std::isnan(exact) || std::isnan(y)) return std::isnan(exact) && std::isnan(y) ? 0 : kWrong;
  if (!(y >= f.lowest && y <= f.highest)) return kWrong;
  if (static_cast<float>(exact) == y) return 0;
  if (std::isinf(y) || std::isinf(static_cast<float>(exact))) return kWrong;
  if (std::fabs(exact) < kSmallestNormal) return std::fabs(y) <= kSmallestNormal ? 0 : kWrong;
  const int exponent = std::ilogb(exact);
  return std::fabs(y - exact) / std::ldexp(1.0, exponent - 23);
}

}  // namespace lstm::test
