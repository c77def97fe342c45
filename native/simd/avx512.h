// The vector vocabulary with 16 lanes, for AVX-512 F, BW, DQ and VL. Described in README.md.
#pragma once

#if defined(__GNUC__) && !defined(__clang__)
// GCC 12 takes its own _mm512_undefined_ps() for a mistake (GCC bug 105593), and says so at every intrinsic. The pragma
// has to come before the intrinsics are included.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

#include "simd/common.h"

namespace lstm::LSTM_ISA {

constexpr int kLanes = 16;
constexpr int kTileRows = 6;  // 6 x 4 accumulators, 4 columns, 1 row: 29 of 32 registers
constexpr int kTileVectors = 4;

struct Vector {
  __m512 value;
};
struct IntVector {
  __m512i value;
};
struct Mask {
  __mmask16 value;
};
struct DoubleVector {
  __m512d low, high;
};

// The first n lanes.
LSTM_INLINE Mask first_lanes(size_t n) { return {static_cast<__mmask16>((uint32_t{1} << n) - 1)}; }

// Memory
LSTM_INLINE Vector load(const float* p) { return {_mm512_loadu_ps(p)}; }
LSTM_INLINE void store(float* p, Vector v) { _mm512_storeu_ps(p, v.value); }
LSTM_INLINE Vector load_partial(const float* p, size_t n) { return {_mm512_maskz_loadu_ps(first_lanes(n).value, p)}; }
LSTM_INLINE void store_partial(float* p, Vector v, size_t n) {
  _mm512_mask_storeu_ps(p, first_lanes(n).value, v.value);
}
LSTM_INLINE IntVector load(const int32_t* p) { return {_mm512_loadu_si512(p)}; }
LSTM_INLINE void store(int32_t* p, IntVector v) { _mm512_storeu_si512(p, v.value); }
LSTM_INLINE IntVector load_partial(const int32_t* p, size_t n) {
  return {_mm512_maskz_loadu_epi32(first_lanes(n).value, p)};
}
LSTM_INLINE void store_partial(int32_t* p, IntVector v, size_t n) {
  _mm512_mask_storeu_epi32(p, first_lanes(n).value, v.value);
}
LSTM_INLINE void store(double* p, DoubleVector v) {
  _mm512_storeu_pd(p, v.low);
  _mm512_storeu_pd(p + 8, v.high);
}

// Constants
LSTM_INLINE Vector zero() { return {_mm512_setzero_ps()}; }
LSTM_INLINE Vector broadcast(float x) { return {_mm512_set1_ps(x)}; }
LSTM_INLINE IntVector broadcast_int(int32_t x) { return {_mm512_set1_epi32(x)}; }
LSTM_INLINE IntVector lane_indices() {
  return {_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)};
}
LSTM_INLINE DoubleVector double_zero() { return {_mm512_setzero_pd(), _mm512_setzero_pd()}; }
LSTM_INLINE DoubleVector broadcast_double(double x) { return {_mm512_set1_pd(x), _mm512_set1_pd(x)}; }

// Arithmetic
LSTM_INLINE Vector add(Vector a, Vector b) { return {_mm512_add_ps(a.value, b.value)}; }
LSTM_INLINE Vector subtract(Vector a, Vector b) { return {_mm512_sub_ps(a.value, b.value)}; }
LSTM_INLINE Vector multiply(Vector a, Vector b) { return {_mm512_mul_ps(a.value, b.value)}; }
LSTM_INLINE Vector divide(Vector a, Vector b) { return {_mm512_div_ps(a.value, b.value)}; }
LSTM_INLINE Vector fma(Vector a, Vector b, Vector c) { return {_mm512_fmadd_ps(a.value, b.value, c.value)}; }
LSTM_INLINE Vector negative_fma(Vector a, Vector b, Vector c) { return {_mm512_fnmadd_ps(a.value, b.value, c.value)}; }
LSTM_INLINE Vector sqrt(Vector v) { return {_mm512_sqrt_ps(v.value)}; }
LSTM_INLINE Vector min(Vector a, Vector b) { return {_mm512_min_ps(a.value, b.value)}; }
LSTM_INLINE Vector max(Vector a, Vector b) { return {_mm512_max_ps(a.value, b.value)}; }
LSTM_INLINE Vector round(Vector v) {
  return {_mm512_roundscale_ps(v.value, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}

// Bits
LSTM_INLINE IntVector bits_of(Vector v) { return {_mm512_castps_si512(v.value)}; }
LSTM_INLINE Vector from_bits(IntVector v) { return {_mm512_castsi512_ps(v.value)}; }
LSTM_INLINE Vector abs(Vector v) { return {_mm512_andnot_ps(_mm512_set1_ps(-0.0f), v.value)}; }
LSTM_INLINE Vector copysign(Vector magnitude, Vector sign) {
  // 0xE4: each bit of the third operand chooses the first operand (1) or the second (0).
  return from_bits(
      {_mm512_ternarylogic_epi32(bits_of(sign).value, bits_of(magnitude).value, _mm512_set1_epi32(INT32_MIN), 0xE4)});
}

// Choice
LSTM_INLINE Mask less(Vector a, Vector b) { return {_mm512_cmp_ps_mask(a.value, b.value, _CMP_LT_OQ)}; }
LSTM_INLINE Mask less_equal(Vector a, Vector b) { return {_mm512_cmp_ps_mask(a.value, b.value, _CMP_LE_OQ)}; }
LSTM_INLINE Mask greater(Vector a, Vector b) { return {_mm512_cmp_ps_mask(a.value, b.value, _CMP_GT_OQ)}; }
LSTM_INLINE Mask greater_equal(Vector a, Vector b) { return {_mm512_cmp_ps_mask(a.value, b.value, _CMP_GE_OQ)}; }
LSTM_INLINE Mask equal(Vector a, Vector b) { return {_mm512_cmp_ps_mask(a.value, b.value, _CMP_EQ_OQ)}; }
LSTM_INLINE Mask is_nan(Vector v) { return {_mm512_cmp_ps_mask(v.value, v.value, _CMP_UNORD_Q)}; }
LSTM_INLINE Mask less(IntVector a, IntVector b) { return {_mm512_cmplt_epi32_mask(a.value, b.value)}; }
LSTM_INLINE Mask equal(IntVector a, IntVector b) { return {_mm512_cmpeq_epi32_mask(a.value, b.value)}; }
LSTM_INLINE Mask both(Mask a, Mask b) { return {static_cast<__mmask16>(a.value & b.value)}; }
LSTM_INLINE Mask either(Mask a, Mask b) { return {static_cast<__mmask16>(a.value | b.value)}; }
LSTM_INLINE bool any(Mask m) { return m.value != 0; }
LSTM_INLINE Vector select(Mask m, Vector yes, Vector no) {
  return {_mm512_mask_blend_ps(m.value, no.value, yes.value)};
}
LSTM_INLINE IntVector select(Mask m, IntVector yes, IntVector no) {
  return {_mm512_mask_blend_epi32(m.value, no.value, yes.value)};
}

// Integers
LSTM_INLINE IntVector add(IntVector a, IntVector b) { return {_mm512_add_epi32(a.value, b.value)}; }
LSTM_INLINE IntVector subtract(IntVector a, IntVector b) { return {_mm512_sub_epi32(a.value, b.value)}; }
LSTM_INLINE IntVector multiply_low(IntVector a, IntVector b) { return {_mm512_mullo_epi32(a.value, b.value)}; }
LSTM_INLINE IntVector multiply_high(IntVector a, IntVector b) {
  const __m512i even = _mm512_mul_epu32(a.value, b.value);
  const __m512i odd = _mm512_mul_epu32(_mm512_srli_epi64(a.value, 32), _mm512_srli_epi64(b.value, 32));
  return {_mm512_mask_blend_epi32(0xAAAA, _mm512_srli_epi64(even, 32), odd)};
}
LSTM_INLINE IntVector and_(IntVector a, IntVector b) { return {_mm512_and_si512(a.value, b.value)}; }
LSTM_INLINE IntVector or_(IntVector a, IntVector b) { return {_mm512_or_si512(a.value, b.value)}; }
LSTM_INLINE IntVector xor_(IntVector a, IntVector b) { return {_mm512_xor_si512(a.value, b.value)}; }
template <int bits>
LSTM_INLINE IntVector shift_left(IntVector v) {
  return {_mm512_slli_epi32(v.value, bits)};
}
template <int bits>
LSTM_INLINE IntVector shift_right(IntVector v) {
  return {_mm512_srli_epi32(v.value, bits)};
}
template <int bits>
LSTM_INLINE IntVector shift_right_arithmetic(IntVector v) {
  return {_mm512_srai_epi32(v.value, bits)};
}

// Conversion
LSTM_INLINE Vector to_float(IntVector v) { return {_mm512_cvtepi32_ps(v.value)}; }
LSTM_INLINE IntVector to_int(Vector v) { return {_mm512_cvtps_epi32(v.value)}; }

// float64, one double for each float lane
LSTM_INLINE DoubleVector widen(Vector v) {
  return {_mm512_cvtps_pd(_mm512_castps512_ps256(v.value)), _mm512_cvtps_pd(_mm512_extractf32x8_ps(v.value, 1))};
}
LSTM_INLINE DoubleVector add(DoubleVector a, DoubleVector b) {
  return {_mm512_add_pd(a.low, b.low), _mm512_add_pd(a.high, b.high)};
}
LSTM_INLINE DoubleVector subtract(DoubleVector a, DoubleVector b) {
  return {_mm512_sub_pd(a.low, b.low), _mm512_sub_pd(a.high, b.high)};
}
LSTM_INLINE DoubleVector divide(DoubleVector a, DoubleVector b) {
  return {_mm512_div_pd(a.low, b.low), _mm512_div_pd(a.high, b.high)};
}
LSTM_INLINE DoubleVector multiply(DoubleVector a, DoubleVector b) {
  return {_mm512_mul_pd(a.low, b.low), _mm512_mul_pd(a.high, b.high)};
}
LSTM_INLINE Vector narrow(DoubleVector v) {
  return {_mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps(v.low)), _mm512_cvtpd_ps(v.high), 1)};
}

}  // namespace lstm::LSTM_ISA
