// The vector vocabulary with 8 lanes, for AVX2 with FMA. Described in README.md.
#pragma once

#include "simd/common.h"

namespace lstm::LSTM_ISA {

constexpr int kLanes = 8;
constexpr int kTileRows = 3;  // 3 x 4 accumulators, 4 operands: all 16 registers
constexpr int kTileVectors = 4;

struct Vector {
  __m256 value;
};
struct IntVector {
  __m256i value;
};
struct Mask {
  __m256 value;
};
struct DoubleVector {
  __m256d low, high;
};

// The first n lanes. Compared, not loaded from a table, so that a constant n costs one register.
LSTM_INLINE Mask first_lanes(size_t n) {
  const __m256i indices = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return {_mm256_castsi256_ps(_mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int32_t>(n)), indices))};
}
LSTM_INLINE __m256i memory_mask(size_t n) { return _mm256_castps_si256(first_lanes(n).value); }

// Memory
LSTM_INLINE Vector load(const float* p) { return {_mm256_loadu_ps(p)}; }
LSTM_INLINE void store(float* p, Vector v) { _mm256_storeu_ps(p, v.value); }
LSTM_INLINE Vector load_partial(const float* p, size_t n) { return {_mm256_maskload_ps(p, memory_mask(n))}; }
LSTM_INLINE void store_partial(float* p, Vector v, size_t n) { _mm256_maskstore_ps(p, memory_mask(n), v.value); }
LSTM_INLINE IntVector load(const int32_t* p) { return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))}; }
LSTM_INLINE void store(int32_t* p, IntVector v) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), v.value); }
LSTM_INLINE IntVector load_partial(const int32_t* p, size_t n) { return {_mm256_maskload_epi32(p, memory_mask(n))}; }
LSTM_INLINE void store_partial(int32_t* p, IntVector v, size_t n) {
  _mm256_maskstore_epi32(p, memory_mask(n), v.value);
}
LSTM_INLINE void store(double* p, DoubleVector v) {
  _mm256_storeu_pd(p, v.low);
  _mm256_storeu_pd(p + 4, v.high);
}

// Constants
LSTM_INLINE Vector zero() { return {_mm256_setzero_ps()}; }
LSTM_INLINE Vector broadcast(float x) { return {_mm256_set1_ps(x)}; }
LSTM_INLINE IntVector broadcast_int(int32_t x) { return {_mm256_set1_epi32(x)}; }
LSTM_INLINE IntVector lane_indices() { return {_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)}; }
LSTM_INLINE DoubleVector double_zero() { return {_mm256_setzero_pd(), _mm256_setzero_pd()}; }
LSTM_INLINE DoubleVector broadcast_double(double x) { return {_mm256_set1_pd(x), _mm256_set1_pd(x)}; }

// Arithmetic
LSTM_INLINE Vector add(Vector a, Vector b) { return {_mm256_add_ps(a.value, b.value)}; }
LSTM_INLINE Vector subtract(Vector a, Vector b) { return {_mm256_sub_ps(a.value, b.value)}; }
LSTM_INLINE Vector multiply(Vector a, Vector b) { return {_mm256_mul_ps(a.value, b.value)}; }
LSTM_INLINE Vector divide(Vector a, Vector b) { return {_mm256_div_ps(a.value, b.value)}; }
LSTM_INLINE Vector fma(Vector a, Vector b, Vector c) { return {_mm256_fmadd_ps(a.value, b.value, c.value)}; }
LSTM_INLINE Vector negative_fma(Vector a, Vector b, Vector c) { return {_mm256_fnmadd_ps(a.value, b.value, c.value)}; }
LSTM_INLINE Vector sqrt(Vector v) { return {_mm256_sqrt_ps(v.value)}; }
LSTM_INLINE Vector min(Vector a, Vector b) { return {_mm256_min_ps(a.value, b.value)}; }
LSTM_INLINE Vector max(Vector a, Vector b) { return {_mm256_max_ps(a.value, b.value)}; }
LSTM_INLINE Vector round(Vector v) { return {_mm256_round_ps(v.value, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }

// Bits
LSTM_INLINE IntVector bits_of(Vector v) { return {_mm256_castps_si256(v.value)}; }
LSTM_INLINE Vector from_bits(IntVector v) { return {_mm256_castsi256_ps(v.value)}; }
LSTM_INLINE Vector abs(Vector v) { return {_mm256_andnot_ps(_mm256_set1_ps(-0.0f), v.value)}; }
LSTM_INLINE Vector copysign(Vector magnitude, Vector sign) {
  const __m256 sign_bit = _mm256_set1_ps(-0.0f);
  return {_mm256_or_ps(_mm256_andnot_ps(sign_bit, magnitude.value), _mm256_and_ps(sign_bit, sign.value))};
}

// Choice
LSTM_INLINE Mask less(Vector a, Vector b) { return {_mm256_cmp_ps(a.value, b.value, _CMP_LT_OQ)}; }
LSTM_INLINE Mask less_equal(Vector a, Vector b) { return {_mm256_cmp_ps(a.value, b.value, _CMP_LE_OQ)}; }
LSTM_INLINE Mask greater(Vector a, Vector b) { return {_mm256_cmp_ps(a.value, b.value, _CMP_GT_OQ)}; }
LSTM_INLINE Mask greater_equal(Vector a, Vector b) { return {_mm256_cmp_ps(a.value, b.value, _CMP_GE_OQ)}; }
LSTM_INLINE Mask equal(Vector a, Vector b) { return {_mm256_cmp_ps(a.value, b.value, _CMP_EQ_OQ)}; }
LSTM_INLINE Mask is_nan(Vector v) { return {_mm256_cmp_ps(v.value, v.value, _CMP_UNORD_Q)}; }
LSTM_INLINE Mask less(IntVector a, IntVector b) { return {_mm256_castsi256_ps(_mm256_cmpgt_epi32(b.value, a.value))}; }
LSTM_INLINE Mask equal(IntVector a, IntVector b) { return {_mm256_castsi256_ps(_mm256_cmpeq_epi32(a.value, b.value))}; }
LSTM_INLINE Mask both(Mask a, Mask b) { return {_mm256_and_ps(a.value, b.value)}; }
LSTM_INLINE Mask either(Mask a, Mask b) { return {_mm256_or_ps(a.value, b.value)}; }
LSTM_INLINE bool any(Mask m) { return _mm256_movemask_ps(m.value) != 0; }
LSTM_INLINE Vector select(Mask m, Vector yes, Vector no) { return {_mm256_blendv_ps(no.value, yes.value, m.value)}; }
LSTM_INLINE IntVector select(Mask m, IntVector yes, IntVector no) {
  return {_mm256_blendv_epi8(no.value, yes.value, _mm256_castps_si256(m.value))};
}

// Integers
LSTM_INLINE IntVector add(IntVector a, IntVector b) { return {_mm256_add_epi32(a.value, b.value)}; }
LSTM_INLINE IntVector subtract(IntVector a, IntVector b) { return {_mm256_sub_epi32(a.value, b.value)}; }
LSTM_INLINE IntVector multiply_low(IntVector a, IntVector b) { return {_mm256_mullo_epi32(a.value, b.value)}; }
LSTM_INLINE IntVector multiply_high(IntVector a, IntVector b) {
  const __m256i even = _mm256_mul_epu32(a.value, b.value);
  const __m256i odd = _mm256_mul_epu32(_mm256_srli_epi64(a.value, 32), _mm256_srli_epi64(b.value, 32));
  return {_mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xAA)};
}
LSTM_INLINE IntVector and_(IntVector a, IntVector b) { return {_mm256_and_si256(a.value, b.value)}; }
LSTM_INLINE IntVector or_(IntVector a, IntVector b) { return {_mm256_or_si256(a.value, b.value)}; }
LSTM_INLINE IntVector xor_(IntVector a, IntVector b) { return {_mm256_xor_si256(a.value, b.value)}; }
template <int bits>
LSTM_INLINE IntVector shift_left(IntVector v) {
  return {_mm256_slli_epi32(v.value, bits)};
}
template <int bits>
LSTM_INLINE IntVector shift_right(IntVector v) {
  return {_mm256_srli_epi32(v.value, bits)};
}
template <int bits>
LSTM_INLINE IntVector shift_right_arithmetic(IntVector v) {
  return {_mm256_srai_epi32(v.value, bits)};
}

// Conversion
LSTM_INLINE Vector to_float(IntVector v) { return {_mm256_cvtepi32_ps(v.value)}; }
LSTM_INLINE IntVector to_int(Vector v) { return {_mm256_cvtps_epi32(v.value)}; }

// float64, one double for each float lane
LSTM_INLINE DoubleVector widen(Vector v) {
  return {_mm256_cvtps_pd(_mm256_castps256_ps128(v.value)), _mm256_cvtps_pd(_mm256_extractf128_ps(v.value, 1))};
}
LSTM_INLINE DoubleVector add(DoubleVector a, DoubleVector b) {
  return {_mm256_add_pd(a.low, b.low), _mm256_add_pd(a.high, b.high)};
}
LSTM_INLINE DoubleVector subtract(DoubleVector a, DoubleVector b) {
  return {_mm256_sub_pd(a.low, b.low), _mm256_sub_pd(a.high, b.high)};
}
LSTM_INLINE DoubleVector divide(DoubleVector a, DoubleVector b) {
  return {_mm256_div_pd(a.low, b.low), _mm256_div_pd(a.high, b.high)};
}
LSTM_INLINE DoubleVector multiply(DoubleVector a, DoubleVector b) {
  return {_mm256_mul_pd(a.low, b.low), _mm256_mul_pd(a.high, b.high)};
}
LSTM_INLINE Vector narrow(DoubleVector v) { return {_mm256_set_m128(_mm256_cvtpd_ps(v.high), _mm256_cvtpd_ps(v.low))}; }

}  // namespace lstm::LSTM_ISA
