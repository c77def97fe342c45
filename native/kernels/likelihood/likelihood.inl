// Negative log-likelihoods of single targets, forward beside backward, in float64 lanes.
#pragma once

#include "kernels/elementwise/map.h"
#include "simd/math.h"
// after math.h
#include "simd/gamma.h"

namespace lstm::LSTM_ISA {

// lgamma, digamma
// Computes  y = log Γ(x);  y = ψ(x), its derivative, so that the gradient of lgamma is multiply(dy, digamma(x))
// Shapes    x, y [...]
// Layout    dense
// Aliasing  y may be x
// Accuracy  simd/gamma.h
// Source    DLMF 5.11.1, 5.11.2
void lgamma(const Call& call, Team& team) noexcept {
  map_unary(call, team, [](Vector x) { return log_gamma(x); });
}

void digamma(const Call& call, Team& team) noexcept {
  map_unary(call, team, [](Vector x) { return digamma(x); });
}

// The K interleaved parameters of n targets, one vector for each. Lanes past n hold 1, which is a parameter.
template <int K>
struct Parameters {
  DoubleVector values[K];

  LSTM_INLINE Parameters(const float* interleaved, size_t n) {
    for (int k = 0; k < K; ++k) {
      float lanes[kLanes];
      for (size_t lane = 0; lane < kLanes; ++lane) lanes[lane] = lane < n ? interleaved[lane * K + k] : 1.0f;
      values[k] = widen(load(lanes));
    }
  }
  LSTM_INLINE DoubleVector operator[](int k) const { return values[k]; }
};

template <int K>
LSTM_INLINE void store_interleaved(float* to, const DoubleVector (&values)[K], DoubleVector scale, size_t n) {
  for (int k = 0; k < K; ++k) {
    float lanes[kLanes];
    store(lanes, narrow(multiply(values[k], scale)));
    for (size_t lane = 0; lane < n; ++lane) to[lane * K + k] = lanes[lane];
  }
}

// y = f(parameters, target) of each target.
template <int K, class Function>
LSTM_INLINE void map_likelihood(const Call& call, const Team& team, Function f) {
  const float *parameters = call.operand(0).f32(), *targets = call.operand(1).f32();
  float* y = call.output(0).f32();
  for_each_vector(team.split(call.output(0).size(), kGrain), [=](int64_t i, size_t n) {
    store_first(y + i, narrow(f(Parameters<K>(parameters + i * K, n), widen(load_first(targets + i, n)))), n);
  });
}

// dparameters = dy * f(parameters, target), f giving the K derivatives.
template <int K, class Function>
LSTM_INLINE void map_likelihood_backward(const Call& call, const Team& team, Function f) {
  const float *parameters = call.operand(0).f32(), *targets = call.operand(1).f32(), *dy = call.operand(2).f32();
  float* dparameters = call.output(0).f32();
  for_each_vector(team.split(call.operand(1).size(), kGrain), [=](int64_t i, size_t n) {
    DoubleVector derivatives[K];
    f(Parameters<K>(parameters + i * K, n), widen(load_first(targets + i, n)), derivatives);
    store_interleaved(dparameters + i * K, derivatives, widen(load_first(dy + i, n)), n);
  });
}

LSTM_INLINE DoubleVector square_of(DoubleVector x) { return multiply(x, x); }

// gaussian_nll, gaussian_nll_backward
// Computes  z = (t - μ) / σ;  y = z²/2 + log σ + log(2π)/2;  dμ = -dy z/σ,  dσ = dy (1 - z²)/σ
// Shapes    parameters, dparameters [...,2] of μ and σ, target, y, dy [...]
// Layout    dense
// Aliasing  none
// Accuracy  2^-23 of |y| + z²/2 + |log σ|; backward 2^-23 of |dy| (1 + z²)/σ
// Source    normal density; PyTorch nn.GaussianNLLLoss with full=True, of σ instead of σ²
void gaussian_nll(const Call& call, Team& team) noexcept {
  map_likelihood<2>(call, team, [](const Parameters<2>& p, DoubleVector t) {
    const DoubleVector z = divide(subtract(t, p[0]), p[1]);
    const DoubleVector half = multiply(broadcast_double(0.5), square_of(z));
    return add(half, add(log(p[1]), broadcast_double(0.91893853320467274178)));  // log(2π) / 2
  });
}

void gaussian_nll_backward(const Call& call, Team& team) noexcept {
  map_likelihood_backward<2>(call, team, [](const Parameters<2>& p, DoubleVector t, DoubleVector(&d)[2]) {
    const DoubleVector z = divide(subtract(t, p[0]), p[1]);
    d[0] = subtract(double_zero(), divide(z, p[1]));
    d[1] = divide(subtract(broadcast_double(1), square_of(z)), p[1]);
  });
}

// student_t_nll, student_t_nll_backward
// Computes  z = (t - μ) / σ;  y = log Γ(ν/2) - log Γ((ν+1)/2) + log(πν)/2 + log σ + (ν+1)/2 log(1 + z²/ν)
//           dμ = -dy (ν+1) z / (σ (ν + z²)),  dσ = dy ν (1 - z²) / (σ (ν + z²)),
//           dν = dy/2 (ψ(ν/2) - ψ((ν+1)/2) + 1/ν + log(1 + z²/ν) - (ν+1) z² / (ν (ν + z²)))
// Shapes    parameters, dparameters [...,3] of μ, σ and ν, target, y, dy [...]
// Layout    dense
// Aliasing  none
// Accuracy  2^-23 of |y| + |log σ| + 1 for ν in (0, 1e6]; backward 2^-23 of each, and 2^-45 |dy| of dν
// Source    density of Student's t, location and scale; torch.distributions.StudentT
void student_t_nll(const Call& call, Team& team) noexcept {
  map_likelihood<3>(call, team, [](const Parameters<3>& p, DoubleVector t) {
    const DoubleVector half = broadcast_double(0.5), one = broadcast_double(1), nu = p[2];
    const DoubleVector z = divide(subtract(t, p[0]), p[1]);
    const DoubleVector above = multiply(half, add(nu, one));
    const DoubleVector gammas = subtract(log_gamma(multiply(half, nu)), log_gamma(above));
    const DoubleVector spread = multiply(half, log(multiply(nu, broadcast_double(3.14159265358979323846))));
    const DoubleVector tail = multiply(above, log(add(one, divide(square_of(z), nu))));
    return add(add(gammas, spread), add(log(p[1]), tail));
  });
}

void student_t_nll_backward(const Call& call, Team& team) noexcept {
  map_likelihood_backward<3>(call, team, [](const Parameters<3>& p, DoubleVector t, DoubleVector(&d)[3]) {
    const DoubleVector half = broadcast_double(0.5), one = broadcast_double(1), nu = p[2];
    const DoubleVector z = divide(subtract(t, p[0]), p[1]), square = square_of(z);
    const DoubleVector sum = add(nu, square), unit = divide(one, multiply(p[1], sum)), above = add(nu, one);
    d[0] = subtract(double_zero(), multiply(multiply(above, z), unit));
    d[1] = multiply(multiply(nu, subtract(one, square)), unit);
    const DoubleVector gammas = subtract(digamma(multiply(half, nu)), digamma(multiply(half, above)));
    const DoubleVector tail =
        subtract(log(add(one, divide(square, nu))), divide(multiply(above, square), multiply(nu, sum)));
    d[2] = multiply(half, add(add(gammas, divide(one, nu)), tail));
  });
}

// negative_binomial_nll, negative_binomial_nll_backward
// Computes  r = 1/α;  y = log Γ(r) + log Γ(t+1) - log Γ(t+r) + (r + t) log(1 + αμ) - t (log α + log μ)
//           dμ = dy (μ - t) / (μ (1 + αμ)),  dα = dy (r² (ψ(t+r) - ψ(r) - log(1 + αμ)) + r (μ - t) / (1 + αμ))
// Shapes    parameters, dparameters [...,2] of the mean μ and the dispersion α, target t >= 0, y, dy [...]
// Layout    dense
// Aliasing  none
// Accuracy  2^-23 of |y| + 1 for α in [1e-4, 1e4], t and μ up to 1e6; backward 2^-23 of |dμ|, and 2^-20 |dy| (1 + |dα|) of dα
// Source    density of the negative binomial, variance μ + αμ²; torch.distributions.NegativeBinomial
void negative_binomial_nll(const Call& call, Team& team) noexcept {
  map_likelihood<2>(call, team, [](const Parameters<2>& p, DoubleVector t) {
    const DoubleVector one = broadcast_double(1), r = divide(one, p[1]), above = add(r, t);
    const DoubleVector gammas = add(subtract(log_gamma(r), log_gamma(above)), log_gamma(add(t, one)));
    const DoubleVector spread = multiply(above, log(add(one, multiply(p[1], p[0]))));
    return add(gammas, subtract(spread, multiply(t, add(log(p[1]), log(p[0])))));
  });
}

void negative_binomial_nll_backward(const Call& call, Team& team) noexcept {
  map_likelihood_backward<2>(call, team, [](const Parameters<2>& p, DoubleVector t, DoubleVector(&d)[2]) {
    const DoubleVector one = broadcast_double(1), r = divide(one, p[1]);
    const DoubleVector grown = add(one, multiply(p[1], p[0])), excess = divide(subtract(p[0], t), grown);
    d[0] = divide(excess, p[0]);
    const DoubleVector gammas = subtract(subtract(digamma(add(t, r)), digamma(r)), log(grown));
    d[1] = add(multiply(multiply(r, r), gammas), multiply(r, excess));
  });
}

}  // namespace lstm::LSTM_ISA
