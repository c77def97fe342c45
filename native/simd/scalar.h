// The vector vocabulary with one lane: the plain reading of every operation, and the fallback of any machine.
// The vocabulary is described in README.md.
#pragma once

#include "simd/common.h"

namespace lstm::LSTM_ISA {

constexpr int kLanes = 1;
constexpr int kTileRows = 2;  // scalar registers: 2 x 4 accumulators leave half of 16 for operands
constexpr int kTileVectors = 4;

struct Vector {
  float value;
};
struct IntVector {
  int32_t value;
};
struct Mask {
  bool value;
};
struct DoubleVector {
  double value;
};

// The first n lanes.
LSTM_INLINE Mask first_lanes(size_t n) { return {n > 0}; }

// Memory
LSTM_INLINE Vector load(const float* p) { return {*p}; }
LSTM_INLINE void store(float* p, Vector v) { *p = v.value; }
LSTM_INLINE Vector load_partial(const float* p, size_t n) { return {n > 0 ? *p : 0.0f}; }
LSTM_INLINE void store_partial(float* p, Vector v, size_t n) {
  if (n > 0) *p = v.value;
}
LSTM_INLINE IntVector load(const int32_t* p) { return {*p}; }
LSTM_INLINE void store(int32_t* p, IntVector v) { *p = v.value; }
LSTM_INLINE IntVector load_partial(const int32_t* p, size_t n) { return {n > 0 ? *p : 0}; }
LSTM_INLINE void store_partial(int32_t* p, IntVector v, size_t n) {
  if (n > 0) *p = v.value;
}
LSTM_INLINE void store(double* p, DoubleVector v) { *p = v.value; }

// Constants
LSTM_INLINE Vector zero() { return {0.0f}; }
LSTM_INLINE Vector broadcast(float x) { return {x}; }
LSTM_INLINE IntVector broadcast_int(int32_t x) { return {x}; }
LSTM_INLINE IntVector lane_indices() { return {0}; }
LSTM_INLINE DoubleVector double_zero() { return {0.0}; }
LSTM_INLINE DoubleVector broadcast_double(double x) { return {x}; }

// Arithmetic
LSTM_INLINE Vector add(Vector a, Vector b) { return {a.value + b.value}; }
LSTM_INLINE Vector subtract(Vector a, Vector b) { return {a.value - b.value}; }
LSTM_INLINE Vector multiply(Vector a, Vector b) { return {a.value * b.value}; }
LSTM_INLINE Vector divide(Vector a, Vector b) { return {a.value / b.value}; }
LSTM_INLINE Vector fma(Vector a, Vector b, Vector c) { return {::fmaf(a.value, b.value, c.value)}; }
LSTM_INLINE Vector negative_fma(Vector a, Vector b, Vector c) { return {::fmaf(-a.value, b.value, c.value)}; }
LSTM_INLINE Vector sqrt(Vector v) { return {::sqrtf(v.value)}; }
LSTM_INLINE Vector min(Vector a, Vector b) { return {a.value < b.value ? a.value : b.value}; }
LSTM_INLINE Vector max(Vector a, Vector b) { return {a.value > b.value ? a.value : b.value}; }
LSTM_INLINE Vector round(Vector v) { return {::rintf(v.value)}; }

// Bits
LSTM_INLINE IntVector bits_of(Vector v) {
  IntVector bits;
  memcpy(&bits.value, &v.value, sizeof(float));
  return bits;
}
LSTM_INLINE Vector from_bits(IntVector v) {
  Vector result;
  memcpy(&result.value, &v.value, sizeof(float));
  return result;
}
LSTM_INLINE Vector abs(Vector v) { return from_bits({bits_of(v).value & INT32_MAX}); }
LSTM_INLINE Vector copysign(Vector magnitude, Vector sign) {
  return from_bits({(bits_of(magnitude).value & INT32_MAX) | (bits_of(sign).value & INT32_MIN)});
}

// Choice
LSTM_INLINE Mask less(Vector a, Vector b) { return {a.value < b.value}; }
LSTM_INLINE Mask less_equal(Vector a, Vector b) { return {a.value <= b.value}; }
LSTM_INLINE Mask greater(Vector a, Vector b) { return {a.value > b.value}; }
LSTM_INLINE Mask greater_equal(Vector a, Vector b) { return {a.value >= b.value}; }
LSTM_INLINE Mask equal(Vector a, Vector b) { return {a.value == b.value}; }
LSTM_INLINE Mask is_nan(Vector v) { return {v.value != v.value}; }
LSTM_INLINE Mask less(IntVector a, IntVector b) { return {a.value < b.value}; }
LSTM_INLINE Mask equal(IntVector a, IntVector b) { return {a.value == b.value}; }
LSTM_INLINE Mask both(Mask a, Mask b) { return {a.value && b.value}; }
LSTM_INLINE Mask either(Mask a, Mask b) { return {a.value || b.value}; }
LSTM_INLINE bool any(Mask m) { return m.value; }
LSTM_INLINE Vector select(Mask m, Vector yes, Vector no) { return m.value ? yes : no; }
LSTM_INLINE IntVector select(Mask m, IntVector yes, IntVector no) { return m.value ? yes : no; }

// Integers: sums and products wrap, so they are computed as unsigned
LSTM_INLINE IntVector add(IntVector a, IntVector b) {
  return {static_cast<int32_t>(static_cast<uint32_t>(a.value) + static_cast<uint32_t>(b.value))};
}
LSTM_INLINE IntVector subtract(IntVector a, IntVector b) {
  return {static_cast<int32_t>(static_cast<uint32_t>(a.value) - static_cast<uint32_t>(b.value))};
}
LSTM_INLINE IntVector multiply_low(IntVector a, IntVector b) {
  return {static_cast<int32_t>(static_cast<uint32_t>(a.value) * static_cast<uint32_t>(b.value))};
}
LSTM_INLINE IntVector multiply_high(IntVector a, IntVector b) {
  const uint64_t product = uint64_t{static_cast<uint32_t>(a.value)} * static_cast<uint32_t>(b.value);
  return {static_cast<int32_t>(static_cast<uint32_t>(product >> 32))};
}
LSTM_INLINE IntVector and_(IntVector a, IntVector b) { return {a.value & b.value}; }
LSTM_INLINE IntVector or_(IntVector a, IntVector b) { return {a.value | b.value}; }
LSTM_INLINE IntVector xor_(IntVector a, IntVector b) { return {a.value ^ b.value}; }
template <int bits>
LSTM_INLINE IntVector shift_left(IntVector v) {
  return {static_cast<int32_t>(static_cast<uint32_t>(v.value) << bits)};
}
template <int bits>
LSTM_INLINE IntVector shift_right(IntVector v) {
  return {static_cast<int32_t>(static_cast<uint32_t>(v.value) >> bits)};
}
template <int bits>
LSTM_INLINE IntVector shift_right_arithmetic(IntVector v) {
  return {v.value >> bits};
}

// Conversion
LSTM_INLINE Vector to_float(IntVector v) { return {static_cast<float>(v.value)}; }
LSTM_INLINE IntVector to_int(Vector v) { return {static_cast<int32_t>(::lrintf(v.value))}; }

// float64, one double for each float lane
LSTM_INLINE DoubleVector widen(Vector v) { return {static_cast<double>(v.value)}; }
LSTM_INLINE DoubleVector add(DoubleVector a, DoubleVector b) { return {a.value + b.value}; }
LSTM_INLINE DoubleVector subtract(DoubleVector a, DoubleVector b) { return {a.value - b.value}; }
LSTM_INLINE DoubleVector divide(DoubleVector a, DoubleVector b) { return {a.value / b.value}; }
LSTM_INLINE DoubleVector multiply(DoubleVector a, DoubleVector b) { return {a.value * b.value}; }
LSTM_INLINE Vector narrow(DoubleVector v) { return {static_cast<float>(v.value)}; }

}  // namespace lstm::LSTM_ISA
