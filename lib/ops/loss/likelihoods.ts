/** Negative log-likelihoods of single targets under distributions whose K parameters stand along the last axis. */
import { defineOp, expectShape, one, refuseGradient, type ValueType } from '../op';
import { digammaOf, logGamma } from './gamma';

interface Likelihood {
  /** −log p(target). */
  readonly value: (parameters: readonly number[], target: number) => number;
  /** Its derivative with respect to each parameter. */
  readonly derivatives: (parameters: readonly number[], target: number) => readonly number[];
}

function likelihood<const N extends string>(name: N, size: number, { value, derivatives }: Likelihood) {
  const expectPairs = (parameters: ValueType, target: ValueType) =>
    expectShape('parameters', parameters, [...target.shape, size]);
  const of = (data: ArrayLike<number>, k: number) => Array.from({ length: size }, (_, j) => data[k * size + j]!);
  const backward = defineOp({
    name: `${name}_backward`,
    operands: { parameters: one('float32'), target: one('float32'), dy: one('float32') },
    outputs: { dparameters: one('float32') },
    attributes: {},
    infer({ parameters, target, dy }) {
      expectPairs(parameters, target);
      expectShape('dy', dy, target.shape);
      return { dparameters: parameters };
    },
    gradient: 'none',
    reference({ operands: { parameters, target, dy }, outputs: { dparameters } }) {
      for (let k = 0; k < target.data.length; k++)
        derivatives(of(parameters.data, k), target.data[k]!).forEach(
          (derivative, j) => (dparameters.data[k * size + j] = dy.data[k]! * derivative),
        );
    },
  });
  const forward = defineOp({
    name,
    operands: { parameters: one('float32'), target: one('float32') },
    outputs: { y: one('float32') },
    attributes: {},
    infer({ parameters, target }) {
      expectPairs(parameters, target);
      return { y: target };
    },
    gradient({ operands: { parameters, target }, cotangents, wants, emit }) {
      refuseGradient('target', wants('target'));
      return { parameters: emit(backward, { parameters, target, dy: cotangents.y! }, {}).dparameters };
    },
    reference({ operands: { parameters, target }, outputs: { y } }) {
      for (let k = 0; k < y.data.length; k++) y.data[k] = value(of(parameters.data, k), target.data[k]!);
    },
  });
  return { forward, backward };
}

const gaussian = likelihood('gaussian_nll', 2, {
  value([mean, scale], target) {
    const z = (target - mean!) / scale!;
    return (z * z + Math.log(2 * Math.PI)) / 2 + Math.log(scale!);
  },
  derivatives([mean, scale], target) {
    const z = (target - mean!) / scale!;
    return [-z / scale!, (1 - z * z) / scale!];
  },
});
/** y = z²/2 + log σ + log(2π)/2, z = (target − μ)/σ, of parameters μ, σ. */
export const gaussianNll = gaussian.forward;
/** dμ = −dy z/σ; dσ = dy (1 − z²)/σ. */
export const gaussianNllBackward = gaussian.backward;

const studentT = likelihood('student_t_nll', 3, {
  value([location, scale, nu], target) {
    const z = (target - location!) / scale!;
    const normalizer = logGamma(nu! / 2) - logGamma((nu! + 1) / 2) + Math.log(Math.PI * nu!) / 2 + Math.log(scale!);
    return normalizer + ((nu! + 1) / 2) * Math.log1p((z * z) / nu!);
  },
  derivatives([location, scale, nu], target) {
    const z = (target - location!) / scale!;
    const [square, sum] = [z * z, nu! + z * z];
    const gammas = digammaOf(nu! / 2) - digammaOf((nu! + 1) / 2);
    return [
      (-(nu! + 1) * z) / (scale! * sum),
      (nu! * (1 - square)) / (scale! * sum),
      (gammas + 1 / nu! + Math.log1p(square / nu!) - ((nu! + 1) * square) / (nu! * sum)) / 2,
    ];
  },
});
/** y = log Γ(ν/2) − log Γ((ν+1)/2) + log(πν)/2 + log σ + (ν+1)/2 log(1 + z²/ν), z = (target − μ)/σ, of μ, σ, ν. */
export const studentTNll = studentT.forward;
/** See native/kernels/likelihood for the formulas. */
export const studentTNllBackward = studentT.backward;

const negativeBinomial = likelihood('negative_binomial_nll', 2, {
  value([mean, dispersion], target) {
    const r = 1 / dispersion!;
    const gammas = logGamma(r) + logGamma(target + 1) - logGamma(target + r);
    const spread = (r + target) * Math.log1p(dispersion! * mean!);
    return gammas + spread - target * (Math.log(dispersion!) + Math.log(mean!));
  },
  derivatives([mean, dispersion], target) {
    const r = 1 / dispersion!;
    const grown = 1 + dispersion! * mean!;
    const gammas = digammaOf(target + r) - digammaOf(r) - Math.log1p(dispersion! * mean!);
    return [(mean! - target) / (mean! * grown), r * r * gammas + (r * (mean! - target)) / grown];
  },
});
/**
 * y = log Γ(r) + log Γ(t+1) − log Γ(t+r) + (r + t) log(1 + αμ) − t (log α + log μ), r = 1/α, of the mean μ and the
 * dispersion α: the variance is μ + αμ².
 */
export const negativeBinomialNll = negativeBinomial.forward;
/** See native/kernels/likelihood for the formulas. */
export const negativeBinomialNllBackward = negativeBinomial.backward;
