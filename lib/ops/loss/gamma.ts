import { multiply } from '../elementwise/arithmetic';
import { defineOp, one } from '../op';

/** Arguments below are moved up to it, where the series of Stirling's formula have converged. */
const seriesFrom = 10;

/** B_2k / (2k (2k − 1)) and B_2k / 2k for k = 1, 2, ... */
const logGammaSeries = [1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156];
const digammaSeries = [1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12];

const polynomial = (x: number, coefficients: readonly number[]) =>
  coefficients.reduceRight((sum, coefficient) => sum * x + coefficient, 0);

/** log Γ(x) for x > 0: Stirling's series from 10 on, below through Γ(x + 1) = x Γ(x). Source: DLMF 5.11.1. */
export function logGamma(x: number): number {
  if (!(x > 0)) return x === 0 ? Infinity : NaN;
  if (x === Infinity) return x;
  let [z, product] = [x, 1];
  for (; z < seriesFrom; z++) product *= z;
  const series = polynomial(1 / (z * z), logGammaSeries) / z;
  return (z - 0.5) * Math.log(z) - z + Math.log(2 * Math.PI) / 2 + series - Math.log(product);
}

/** ψ(x) = d log Γ(x) / dx for x > 0. Source: DLMF 5.11.2. */
export function digammaOf(x: number): number {
  if (!(x > 0)) return x === 0 ? -Infinity : NaN;
  let [z, sum] = [x, 0];
  for (; z < seriesFrom; z++) sum += 1 / z;
  const square = 1 / (z * z);
  return Math.log(z) - 0.5 / z - square * polynomial(square, digammaSeries) - sum;
}

/** y = ψ(x), the derivative of log Γ. */
export const digamma = defineOp({
  name: 'digamma',
  operands: { x: one('float32') },
  outputs: { y: one('float32') },
  attributes: {},
  infer({ x }) {
    return { y: x };
  },
  gradient: 'none',
  reference({ operands: { x }, outputs: { y } }) {
    for (let k = 0; k < y.data.length; k++) y.data[k] = digammaOf(x.data[k]!);
  },
});

/** y = log Γ(x), x > 0. */
export const lgamma = defineOp({
  name: 'lgamma',
  operands: { x: one('float32') },
  outputs: { y: one('float32') },
  attributes: {},
  infer({ x }) {
    return { y: x };
  },
  gradient: ({ operands: { x }, cotangents, emit }) => ({
    x: emit(multiply, { a: cotangents.y!, b: emit(digamma, { x }, {}).y }, {}).y,
  }),
  reference({ operands: { x }, outputs: { y } }) {
    for (let k = 0; k < y.data.length; k++) y.data[k] = logGamma(x.data[k]!);
  },
});
