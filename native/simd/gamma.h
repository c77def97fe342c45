// The gamma function's logarithm and its derivative, in float64 lanes: likelihoods take differences of them that cancel, so
// that float32 would lose all digits where the distributions come near their limits. Include after math.h.
#pragma once

namespace lstm::LSTM_ISA {

// Σ coefficients[k] * x^k; the first of `n` is that of x^0.
template <int n>
LSTM_INLINE DoubleVector polynomial(DoubleVector x, const double (&coefficients)[n]) {
  DoubleVector y = broadcast_double(coefficients[n - 1]);
  for (int k = n - 2; k >= 0; --k) y = add(multiply(y, x), broadcast_double(coefficients[k]));
  return y;
}

// Natural logarithm for x in [2^-126, 2^126]; absolute error at most 2^-52 * (1 + |log x|).
LSTM_INLINE DoubleVector log(DoubleVector x) {
  // As in log(Vector): x = 2^n * m, m in [sqrt(1/2), sqrt(2)], n by the float nearest to x; scaling by 2^-n is exact.
  constexpr int32_t kSqrtHalf = 0x3f3504f3, kOne = 0x3f800000;
  const IntVector carried = add(bits_of(narrow(x)), broadcast_int(kOne - kSqrtHalf));
  const IntVector n = subtract(shift_right_arithmetic<23>(carried), broadcast_int(127));
  const Vector scale = from_bits(shift_left<23>(subtract(broadcast_int(127), n)));
  const DoubleVector m = multiply(x, widen(scale)), one = broadcast_double(1);
  // log m = 2 artanh s, s = (m - 1) / (m + 1), |s| < 0.1716: the series to s^19 leaves 3e-17.
  constexpr double kSeries[] = {2.0,      2.0 / 3,  2.0 / 5,  2.0 / 7,  2.0 / 9,
                                2.0 / 11, 2.0 / 13, 2.0 / 15, 2.0 / 17, 2.0 / 19};
  const DoubleVector s = divide(subtract(m, one), add(m, one));
  const DoubleVector of_m = multiply(s, polynomial(multiply(s, s), kSeries));
  return add(multiply(widen(to_float(n)), broadcast_double(0x1.62e42fefa39efp-1)), of_m);
}

// x moved up by 8 where it is below 8, and what that changes: product = x (x + 1) ... (x + 7), quotient = Σ 1 / (x + k),
// each where x was moved, else 1 and 0.
struct MovedUp {
  DoubleVector z, product, quotient;

  LSTM_INLINE explicit MovedUp(DoubleVector x) {
    const Mask moves = less(narrow(x), broadcast(8.0f));
    const DoubleVector moved = widen(select(moves, broadcast(1.0f), zero())), one = broadcast_double(1);
    z = add(x, multiply(moved, broadcast_double(8)));
    // x where it moves, 1 elsewhere: the product then stays finite.
    const DoubleVector stays = subtract(one, moved), base = add(multiply(moved, x), stays);
    DoubleVector all = one, slope = double_zero();
    for (int k = 0; k < 8; ++k) {
      const DoubleVector factor = add(base, broadcast_double(k));
      slope = add(multiply(slope, factor), all);
      all = multiply(all, factor);
    }
    product = add(multiply(moved, all), stays);
    quotient = multiply(moved, divide(slope, all));
  }
};

// log Γ(x) for x in [2^-120, 2^100]; absolute error at most 2^-50 * (1 + |log Γ(x)|). Source: Stirling's series, DLMF 5.11.1.
LSTM_INLINE DoubleVector log_gamma(DoubleVector x) {
  const MovedUp up(x);
  // B_2k / (2k (2k - 1)) for k = 1 ... 7: the next term is below 1e-15 from z = 8 on.
  constexpr double kSeries[] = {1.0 / 12, -1.0 / 360, 1.0 / 1260, -1.0 / 1680, 1.0 / 1188, -691.0 / 360360, 1.0 / 156};
  const DoubleVector inverse = divide(broadcast_double(1), up.z);
  const DoubleVector tail = multiply(inverse, polynomial(multiply(inverse, inverse), kSeries));
  DoubleVector y = multiply(subtract(up.z, broadcast_double(0.5)), log(up.z));
  y = add(subtract(y, up.z), add(broadcast_double(0.91893853320467274178), tail));  // log(2π) / 2
  return subtract(y, log(up.product));
}

// ψ(x) = d log Γ(x) / dx for x in [2^-120, 2^100]; absolute error at most 2^-50 * (1 + |ψ(x)|). Source: DLMF 5.11.2.
LSTM_INLINE DoubleVector digamma(DoubleVector x) {
  const MovedUp up(x);
  // B_2k / 2k for k = 1 ... 7.
  constexpr double kSeries[] = {1.0 / 12, -1.0 / 120, 1.0 / 252, -1.0 / 240, 1.0 / 132, -691.0 / 32760, 1.0 / 12};
  const DoubleVector inverse = divide(broadcast_double(1), up.z), square = multiply(inverse, inverse);
  const DoubleVector tail =
      add(multiply(inverse, broadcast_double(0.5)), multiply(square, polynomial(square, kSeries)));
  return subtract(subtract(log(up.z), tail), up.quotient);
}

// What f(x) is for x in (0, highest), the limits at 0 and from there on; NaN for what is less than 0.
template <class Function>
LSTM_INLINE Vector of_positive(Vector x, Vector at_zero, Vector beyond, Function f) {
  const Vector smallest = broadcast(0x1p-120f), highest = broadcast(0x1p100f);
  const Vector inside = min(highest, max(smallest, x));  // keeps a NaN in x
  Vector y = narrow(f(widen(inside)));
  y = select(greater(x, highest), beyond, y);
  y = select(less(x, smallest), at_zero, y);
  return select(less(x, zero()), broadcast(NAN), y);
}

// log Γ(x) for x >= 0; at most 0.51 ULP from 2^-120 to 2^100, infinity below and beyond. Exactly 0 at 1 and 2, where what
// float64 leaves of the terms that cancel would be all there is.
LSTM_INLINE Vector log_gamma(Vector x) {
  const Vector infinity = broadcast(INFINITY);
  const Vector y = of_positive(x, infinity, infinity, [](DoubleVector wide) { return log_gamma(wide); });
  return select(either(equal(x, broadcast(1.0f)), equal(x, broadcast(2.0f))), zero(), y);
}

// ψ(x) for x >= 0; at most 0.51 ULP from 2^-120 to 2^100, -infinity below, log x beyond.
LSTM_INLINE Vector digamma(Vector x) {
  return of_positive(x, broadcast(-INFINITY), log(x), [](DoubleVector wide) { return digamma(wide); });
}

}  // namespace lstm::LSTM_ISA
