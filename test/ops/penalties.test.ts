import { abs, heaviside, huber, pinball, softplus } from '../../lib/ops/elementwise/penalties';
import { constant } from '../../lib/ops/elementwise/constant';
import { lgamma } from '../../lib/ops/loss/gamma';
import { gaussianNll, negativeBinomialNll, studentTNll } from '../../lib/ops/loss/likelihoods';
import { classCounts } from '../../lib/ops/loss/accuracy';
import { weightedMean } from '../../lib/ops/loss/weightedMean';
import { lastSteps } from '../../lib/ops/pooling/lastSteps';
import { checkGradient } from '../support/checkGradient';
import { evaluate, writeOp } from '../support/evaluate';
import { floats, integers, Random } from '../support/random';

const random = new Random(17);
const positive = (...shape: number[]) => {
  const { data } = random.normal(...shape);
  return floats(
    shape,
    data.map((value) => Math.abs(value) + 0.3),
  );
};

test.each([
  ['abs', writeOp(abs, {})],
  ['huber', writeOp(huber, { delta: 0.8 })],
  ['softplus', writeOp(softplus, {})],
] as const)('the gradient of %s meets finite differences', (_, write) => {
  checkGradient({ x: random.normal(4, 5) }, write);
});

test('the gradient of lgamma meets finite differences', () => {
  checkGradient({ x: positive(3, 4) }, writeOp(lgamma, {}));
});

test('the gradient of pinball meets finite differences, at no error too', () => {
  const level = floats([2, 3], [0.1, 0.5, 0.9, 0.1, 0.5, 0.9]);
  checkGradient({ error: random.normal(2, 3), level }, writeOp(pinball, {}), { constants: ['level'] });
  checkGradient({ error: floats([2, 3], Array<number>(6).fill(0)), level }, writeOp(pinball, {}), {
    constants: ['level'],
  });
});

test('penalties are what they are called', () => {
  const x = floats([4], [-3, -0.5, 0, 2]);
  const of = (write: Parameters<typeof evaluate>[1]) => Array.from(evaluate({ x }, write).y!.data);
  expect(of(writeOp(abs, {}))).toEqual([3, 0.5, 0, 2]);
  expect(of(writeOp(huber, { delta: 1 }))).toEqual([2.5, 0.125, 0, 1.5]);
  expect(of(writeOp(heaviside, {}))).toEqual([0, 0, 0, 1]);
  expect(of(writeOp(softplus, {}))[2]).toBeCloseTo(Math.LN2, 15);
  const large = evaluate({ x: floats([2], [-800, 800]) }, writeOp(softplus, {})).y!;
  expect(Array.from(large.data)).toEqual([0, 800]);
});

test.each([
  ['gaussian', gaussianNll, 2],
  ['student t', studentTNll, 3],
] as const)('the gradient of the %s likelihood meets finite differences', (_, op, K) => {
  const parameters = positive(2, 3, K);
  checkGradient({ parameters, target: random.normal(2, 3) }, writeOp(op as typeof gaussianNll, {}), {
    constants: ['target'],
  });
});

test('the gradient of the negative binomial likelihood meets finite differences', () => {
  const target = floats([2, 3], [0, 1, 4, 0, 12, 2]);
  checkGradient({ parameters: positive(2, 3, 2), target }, writeOp(negativeBinomialNll, {}), { constants: ['target'] });
});

describe('weighted_mean', () => {
  const write = writeOp(weightedMean, { row_axes: 2 });
  const x = random.normal(2, 3, 4);
  const weights = floats([2, 3], [1, 0.5, 0, 2, 0.25, 3]);

  test('weighs rows, and its gradient meets finite differences', () => {
    checkGradient({ x }, write, { on: ['mean'] });
    checkGradient({ x, weights }, write, { on: ['mean'], constants: ['weights'] });
    const { mean, total_weight } = evaluate({ x, weights }, write);
    const expected = x.data.reduce((sum, value, k) => sum + value * weights.data[Math.floor(k / 4)]!, 0) / (4 * 6.75);
    expect(mean!.data[0]).toBeCloseTo(expected, 13);
    expect(total_weight!.data[0]).toBe(6.75);
    expect(evaluate({ x }, write).total_weight!.data[0]).toBe(6);
  });

  test('weights of another shape than the rows are refused', () => {
    expect(() => evaluate({ x, weights: floats([2], [1, 1]) }, write)).toThrow(
      'weights: expected [2, 3], received [2]',
    );
    expect(() => evaluate({ x }, writeOp(weightedMean, { row_axes: 4 }))).toThrow('x: expected at least 4 axes');
  });
});

test.each([1, 2, 5])('the last %i steps stand in their order before each length, with their gradient', (count) => {
  const x = random.normal(4, 3, 2);
  const lengths = integers([3], [4, 0, 1]);
  const write = writeOp(lastSteps, { count });
  checkGradient({ x }, write);
  checkGradient({ x, lengths }, write);
  const { y } = evaluate({ x, lengths }, write);
  expect(y!.shape).toEqual([3, count, 2]);
  const at = (b: number, j: number) => y!.data[(b * count + j) * 2]!;
  expect(at(0, count - 1)).toBe(x.data[3 * 6]);
  expect(at(1, count - 1)).toBe(0);
  expect(at(2, count - 1)).toBe(x.data[4]);
  if (count > 1) expect([at(0, count - 2), at(2, count - 2)]).toEqual([x.data[2 * 6], 0]);
});

test('classes are counted by weight: met, predicted, actual', () => {
  const values = {
    logits: floats([4, 3], [1, 0, 0, 0, 2, 2, 0, 0, 1, 5, 0, 0]),
    targets: integers([4], [0, 2, 2, -1]),
    weights: floats([4], [1, 2, 4, 8]),
  };
  const { met, predicted, actual } = evaluate(values, writeOp(classCounts, { ignore_index: -1 }));
  expect([met, predicted, actual].map((counts) => Array.from(counts!.data))).toEqual([
    [1, 0, 4],
    [1, 2, 4],
    [1, 0, 6],
  ]);
});

test('a constant has as many values as its shape has elements', () => {
  const { y } = evaluate({}, (_, emit) => ({ y: emit(constant, {}, { values: [1, 2, 3, 4], shape: [2, 2] }).y }));
  expect(y).toEqual({ data: Float64Array.of(1, 2, 3, 4), shape: [2, 2] });
  expect(() => evaluate({}, (_, emit) => ({ y: emit(constant, {}, { values: [1, 2, 3], shape: [2, 2] }).y }))).toThrow(
    'values: expected as many as [2, 2] has elements, received 3',
  );
});
