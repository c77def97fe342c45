// Exponential, logarithm and the gate activations, written once over the vocabulary.
//
// All of them: float32 lanes; at most 3 ULP wherever input and exact result are normal numbers (measured maxima stand at
// each function; test/native/math_exhaustive.cc tries every float). Subnormals count as zeros of their sign, NaN stays
// NaN, infinities give the exact limit, and no result leaves the function's range. Only IEEE operations and explicit FMAs,
// so an input gives the same bits on every ISA and in every lane.
// Include after one of the ISA headers.
#pragma once

namespace lstm::LSTM_ISA {

// e^x = scale * e^remainder, with scale = 2^n and |remainder| <= ln(2) / 2, for n in [-127, 128] (at the ends the scale is
// 0 and infinity).
struct ExponentialParts {
  Vector scale, remainder;
};

// 1.5 * 2^23 pushes the fraction out of the mantissa, so adding it rounds to an integer; 127 more and the low bits are
// the biased exponent of 2^n, one shift away from being it.
constexpr float kRoundToExponent = 12582912.0f + 127.0f;

LSTM_INLINE ExponentialParts split_exponential(Vector x) {
  const Vector shifted = fma(x, broadcast(0x1.715476p+0f), broadcast(kRoundToExponent));  // log2(e)
  const Vector n = subtract(shifted, broadcast(kRoundToExponent));
  // ln(2) in two floats: the first product is exact in an FMA and so is the difference.
  Vector remainder = negative_fma(n, broadcast(0x1.62e430p-1f), x);
  remainder = negative_fma(n, broadcast(-0x1.05c610p-29f), remainder);
  return {from_bits(shift_left<23>(bits_of(shifted))), remainder};
}

// e^r for |r| <= ln(2) / 2: 1 + r + r^2 * P(r), P minimax of degree 4, error 0.03 ULP before rounding.
LSTM_INLINE Vector exponential_of_remainder(Vector r) {
  Vector p = broadcast(0x1.6a2256p-10f);
  p = fma(p, r, broadcast(0x1.123b02p-7f));
  p = fma(p, r, broadcast(0x1.5558f8p-5f));
  p = fma(p, r, broadcast(0x1.555490p-3f));
  p = fma(p, r, broadcast(0x1.fffffcp-2f));
  p = fma(p, r, broadcast(1.0f));
  return fma(p, r, broadcast(1.0f));
}

// e^x, any x; at most 0.91 ULP. Results below 2^-126 are zero.
LSTM_INLINE Vector exp(Vector x) {
  const Vector highest = broadcast(0x1.62e42ep+6f);  // the largest x with a finite result
  const Vector lowest = broadcast(-0x1.5d589ep+6f);  // the smallest x with a normal result
  const ExponentialParts parts = split_exponential(x);
  // For n = 128 the scale is no float although the product is: multiply the exponent field instead.
  const IntVector exponent = subtract(bits_of(parts.scale), broadcast_int(127 << 23));
  Vector y = from_bits(add(bits_of(exponential_of_remainder(parts.remainder)), exponent));
  y = select(less(x, lowest), zero(), y);
  // Infinity for what is too large, NaN for NaN.
  return select(less_equal(x, highest), y, multiply(x, broadcast(INFINITY)));
}

// 1 / (1 + e^-x), any x; at most 2.49 ULP; in [0, 1]; one division. Results below 2^-126 are zero under FTZ.
LSTM_INLINE Vector sigmoid(Vector x) {
  // The bounds give exactly 1 and, by an infinite scale, exactly 0. They stand first: min and max then keep a NaN in x.
  const Vector clamped = min(broadcast(20.0f), max(broadcast(-89.0f), x));
  const ExponentialParts parts = split_exponential(subtract(zero(), clamped));
  const Vector one = broadcast(1.0f);
  return divide(one, fma(parts.scale, exponential_of_remainder(parts.remainder), one));
}

// tanh(x), any x; at most 2.57 ULP; in [-1, 1], odd, tanh(-0) = -0; one division.
// With h = (e^2|x| - 1) / 2, tanh|x| = h / (h + 1); h is computed without cancellation, so small x keep their accuracy.
LSTM_INLINE Vector tanh(Vector x) {
  // From 9.02 on the result rounds to 1; at 10, h + 1 == h gives exactly that.
  const Vector a = min(broadcast(10.0f), abs(x));
  const Vector shifted = fma(a, broadcast(0x1.715476p+1f), broadcast(kRoundToExponent));  // 2 log2(e)
  const Vector n = subtract(shifted, broadcast(kRoundToExponent));
  const Vector scale = from_bits(shift_left<23>(bits_of(shifted)));
  // One float of ln(2) / 2 is enough: what it lacks grows with n, but its weight in the result falls with 2^n.
  const Vector r = negative_fma(n, broadcast(0x1.62e430p-2f), a);
  // (e^2r - 1) / 2 = r + r^2 * P(r), P minimax of degree 4 for |r| <= ln(2) / 4, relative error 0.1 ULP before rounding.
  Vector p = broadcast(0x1.6bebdap-5f);
  p = fma(p, r, broadcast(0x1.122886p-3f));
  p = fma(p, r, broadcast(0x1.555676p-2f));
  p = fma(p, r, broadcast(0x1.5554aep-1f));
  p = fma(p, r, broadcast(0x1.fffffep-1f));
  p = fma(multiply(r, r), p, r);
  const Vector half = broadcast(0.5f);
  const Vector h = fma(scale, p, fma(scale, half, broadcast(-0.5f)));
  return copysign(divide(h, add(h, broadcast(1.0f))), x);
}

// log(2^n * (1 + f)) for 1 + f in [sqrt(1/2), sqrt(2)].
LSTM_INLINE Vector log_of_parts(Vector n, Vector f) {
  // log(1 + f) = f - f^2 / 2 + f^3 * P(f), P minimax of degree 7, relative error 0.05 ULP before rounding.
  Vector p = broadcast(-0x1.38b590p-4f);
  p = fma(p, f, broadcast(0x1.055b6cp-3f));
  p = fma(p, f, broadcast(-0x1.0d8540p-3f));
  p = fma(p, f, broadcast(0x1.22da1cp-3f));
  p = fma(p, f, broadcast(-0x1.547244p-3f));
  p = fma(p, f, broadcast(0x1.99a008p-3f));
  p = fma(p, f, broadcast(-0x1.000226p-2f));
  p = fma(p, f, broadcast(0x1.555554p-2f));
  const Vector square = multiply(f, f);
  // Smallest terms first: the last two additions carry the rounding errors.
  Vector y = fma(multiply(p, f), square, multiply(n, broadcast(-0x1.05c610p-29f)));
  y = fma(square, broadcast(-0.5f), y);
  y = add(y, f);
  return fma(n, broadcast(0x1.62e430p-1f), y);
}

// Natural logarithm; at most 0.87 ULP. log(0) = -infinity, log of a negative number is NaN.
LSTM_INLINE Vector log(Vector x) {
  // x = 2^n * (1 + f), 1 + f in [sqrt(1/2), sqrt(2)): adding the distance from sqrt(1/2) to 1 carries into the exponent.
  constexpr int32_t kSqrtHalf = 0x3f3504f3, kOne = 0x3f800000;
  const IntVector carried = add(bits_of(x), broadcast_int(kOne - kSqrtHalf));
  const Vector n = to_float(subtract(shift_right_arithmetic<23>(carried), broadcast_int(127)));
  const IntVector mantissa = add(and_(carried, broadcast_int(0x007fffff)), broadcast_int(kSqrtHalf));
  const Vector f = subtract(from_bits(mantissa), broadcast(1.0f));
  Vector y = log_of_parts(n, f);

  const Vector smallest = broadcast(0x1p-126f), infinity = broadcast(INFINITY);
  const Vector below = select(less_equal(x, subtract(zero(), smallest)), broadcast(NAN), subtract(zero(), infinity));
  y = select(less(x, smallest), below, y);
  return select(less(x, infinity), y, x);  // infinity and NaN are their own logarithms
}

// log σ(x) = -log(1 + e^-x), any x; at most 1.88 ULP; in [-infinity, 0].
// = min(x, 0) - log(1 + e^-|x|), whose terms have one sign, so that nothing cancels on either side of 0.
LSTM_INLINE Vector log_sigmoid(Vector x) {
  const Vector u = exp(subtract(zero(), abs(x)));
  // 1 + u = 2 * (1 + (u - 1) / 2) from sqrt(2) on. Neither way is 1 + u itself rounded.
  const Mask upper = greater(u, broadcast(0x1.a8279ap-2f));
  const Vector f = select(upper, fma(u, broadcast(0.5f), broadcast(-0.5f)), u);
  const Vector log_of_sum = log_of_parts(select(upper, broadcast(1.0f), zero()), f);
  return subtract(min(zero(), x), log_of_sum);  // min keeps a NaN in x
}

}  // namespace lstm::LSTM_ISA
