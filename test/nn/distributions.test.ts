import {
  GaussianHead,
  NegativeBinomialHead,
  OptionError,
  PointHead,
  QuantileHead,
  StudentTHead,
  type Distribution,
} from '../../lib';
import { digammaOf, logGamma } from '../../lib/ops/loss/gamma';
import { incompleteBeta, normalQuantile, studentTQuantile } from '../../lib/nn/heads/special';
import { Random } from '../support/random';

const relative = (received: number, expected: number) => Math.abs(received - expected) / Math.abs(expected);
const levels = [1e-9, 1e-3, 0.025, 0.1, 0.4, 0.6, 0.9, 0.975, 0.999];

test('log Γ and ψ are exact where they are known, and keep their recurrences', () => {
  let factorial = 0;
  for (let n = 1; n <= 60; factorial += Math.log(n++))
    expect(Math.abs(logGamma(n) - factorial)).toBeLessThan(1e-14 * Math.max(1, factorial));
  expect(logGamma(0.5)).toBeCloseTo(Math.log(Math.PI) / 2, 14);
  const euler = 0.57721566490153286;
  expect(digammaOf(1)).toBeCloseTo(-euler, 14);
  expect(digammaOf(0.5)).toBeCloseTo(-euler - 2 * Math.LN2, 14);
  for (const x of [1e-6, 0.3, 2.7, 9.99, 10.01, 500, 1e6]) {
    expect(Math.abs(digammaOf(x + 1) - digammaOf(x) - 1 / x)).toBeLessThan(1e-14 * (1 + 1 / x + Math.log(1 + x)));
    const size = 1 + Math.abs(logGamma(x));
    expect(Math.abs(logGamma(x + 1) - logGamma(x) - Math.log(x))).toBeLessThan(1e-14 * size);
  }
});

test('quantiles of the normal distribution are those of the tables', () => {
  const known: [number, number][] = [
    [0.5, 0],
    [0.975, 1.959963984540054],
    [0.9, 1.2815515655446004],
    [0.001, -3.090232306167813],
    [1e-9, -5.997807015007686],
  ];
  for (const [p, quantile] of known) expect(normalQuantile(p)).toBeCloseTo(quantile, 12);
});

test("quantiles of Student's t are the closed forms of 1 and 2 degrees of freedom, and normal with very many", () => {
  for (const p of levels) {
    expect(relative(studentTQuantile(p, 1), Math.tan(Math.PI * (p - 0.5)))).toBeLessThan(1e-7);
    expect(relative(studentTQuantile(p, 2), (2 * p - 1) / Math.sqrt(2 * p * (1 - p)))).toBeLessThan(1e-7);
    expect(relative(studentTQuantile(p, 1e8), normalQuantile(p))).toBeLessThan(1e-6);
  }
  expect(studentTQuantile(0.5, 3)).toBe(0);
});

test('the incomplete beta function keeps its symmetry and its closed forms', () => {
  for (const x of [0.01, 0.3, 0.5, 0.9]) {
    expect(incompleteBeta(x, 3, 1)).toBeCloseTo(x ** 3, 13);
    expect(incompleteBeta(x, 1, 4)).toBeCloseTo(1 - (1 - x) ** 4, 13);
    expect(incompleteBeta(x, 2.5, 40) + incompleteBeta(1 - x, 40, 2.5)).toBeCloseTo(1, 12);
  }
});

test('quantiles of the negative binomial are the first counts that reach the probability', () => {
  const { distribution } = new NegativeBinomialHead();
  for (const [mean, dispersion] of [
    [0.3, 0.5],
    [7, 0.25],
    [120, 1e-4],
    [40, 3],
  ] as const) {
    const r = 1 / dispersion;
    const success = r / (r + mean);
    const below: number[] = [];
    for (let k = 0, mass = success ** r, sum = 0; k < 3000; mass *= ((k + r) / (k + 1)) * (1 - success), k++)
      below.push((sum += mass));
    // Nearly Poisson with a large mean, e^-mean would underflow in the first mass only far beyond these cases.
    for (const p of [0.001, 0.1, 0.5, 0.9, 0.999])
      expect(distribution.quantile([mean, dispersion], p)).toBe(below.findIndex((sum) => sum >= p));
  }
});

const parameters: [Distribution, readonly number[], number, number][] = [
  [new GaussianHead().distribution, [3, 2], 3, 2],
  [new StudentTHead().distribution, [3, 2, 6], 3, 2 * Math.sqrt(6 / 4)],
  [new NegativeBinomialHead().distribution, [8, 0.25], 8, Math.sqrt(8 + 0.25 * 64)],
];

test.each(parameters)('draws of %o have its mean and deviation', (distribution, values, mean, deviation) => {
  expect(distribution.mean(values)).toBe(mean);
  const count = 4000;
  const uniform = () => (index += 1) / (count + 1);
  let index = 0;
  const draws = Array.from({ length: count }, () => distribution.quantile(values, uniform()));
  const average = draws.reduce((a, b) => a + b, 0) / count;
  const spread = Math.sqrt(draws.reduce((a, b) => a + (b - average) ** 2, 0) / count);
  expect(Math.abs(average - mean)).toBeLessThan(0.01 * deviation);
  expect(Math.abs(spread / deviation - 1)).toBeLessThan(0.02);
});

test('quantiles that cross are put in order, and read between their levels', () => {
  const { distribution } = new QuantileHead([0.1, 0.5, 0.9]);
  for (const values of [
    [1, 2, 4],
    [4, 1, 2],
  ]) {
    expect(distribution.quantile(values, 0.1)).toBe(1);
    expect(distribution.quantile(values, 0.9)).toBe(4);
    expect(distribution.quantile(values, 0.3)).toBeCloseTo(1.5, 12);
    expect(distribution.quantile(values, 0.8)).toBeCloseTo(3.5, 12);
    expect(distribution.quantile(values, 0.01)).toBe(1);
    expect(distribution.mean(values)).toBe(2);
  }
  const random = new Random(7);
  const pinballOf = (values: readonly number[], t: number) =>
    values.reduce((sum, v, k) => sum + Math.max((t - v) * [0.1, 0.5, 0.9][k]!, (t - v) * ([0.1, 0.5, 0.9][k]! - 1)), 0);
  for (let draw = 0; draw < 200; draw++) {
    const [a, b, c, t] = Array.from(random.normal(4).data) as [number, number, number, number];
    const ordered = [0.1, 0.5, 0.9].map((p) => distribution.quantile([a, b, c], p));
    expect(pinballOf(ordered, t)).toBeLessThanOrEqual(pinballOf([a, b, c], t) + 1e-12);
  }
});

test('a point says nothing of other quantiles, and no probability lies outside (0, 1)', () => {
  const { distribution } = new PointHead();
  expect(distribution.quantile([5], 0.5)).toBe(5);
  expect(() => distribution.quantile([5], 0.9)).toThrow(
    'pointHead: quantile: it predicts one number and no distribution, so there is no quantile 0.9',
  );
  const ofHead = new GaussianHead().distribution;
  for (const p of [0, 1, -0.1, NaN, 'median']) expect(() => ofHead.quantile([0, 1], p as number)).toThrow(OptionError);
});
