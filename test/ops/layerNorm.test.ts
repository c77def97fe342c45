import { layerNorm, layerNormBackward } from '../../lib/ops/layerNorm';
import { float32, int32 } from '../../lib/ops/op';
import { checkGradient } from '../support/checkGradient';
import { evaluate, writeOp } from '../support/evaluate';
import { floats, integers, Random, withDims } from '../support/random';

const eps = 1e-5;
const write = writeOp(layerNorm, { eps });
const random = new Random(5);
const affine = (size: number) => ({ weight: random.normal(size), bias: random.normal(size) });
/** One row with no steps, one with a single step, one with all. */
const ragged = integers([3], [0, 1, 4]);

test('a row is what the formula gives by hand', () => {
  const x = [1, 2, 4];
  const mean = 7 / 3;
  const variance = x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 3;
  const values = { x: floats([3], x), weight: floats([3], [2, -1, 0.5]), bias: floats([3], [0.1, 0.2, 0.3]) };
  const result = evaluate(values, write);
  x.forEach((value, k) => {
    const expected = ((value - mean) / Math.sqrt(variance + eps)) * values.weight.data[k]! + values.bias.data[k]!;
    expect(result.y!.data[k]).toBeCloseTo(expected, 14);
  });
  expect(result.mean!.data[0]).toBeCloseTo(mean, 14);
  expect(result.rstd!.data[0]).toBeCloseTo(1 / Math.sqrt(variance + eps), 12);
  expect(result.mean!.shape).toEqual([]);
});

test('a constant row gives the bias, without NaN', () => {
  const { y } = evaluate({ x: floats([2, 2], [3, 3, -7, -7]), bias: floats([2], [1, 2]) }, write);
  expect([...y!.data]).toEqual([1, 2, 1, 2]);
});

describe('gradients meet finite differences', () => {
  test.each([[[3]], [[4, 3]], [[2, 3, 5]], [[2, 2, 2, 4]]])('for shape %j', (shape) => {
    checkGradient({ x: random.normal(...shape), ...affine(shape.at(-1)!) }, write, { on: ['y'] });
  });

  test.each([
    ['weight', { weight: random.normal(3) }],
    ['bias', { bias: random.normal(3) }],
    ['neither', {}],
  ])('with %s alone', (_, parameters) => {
    checkGradient({ x: random.normal(4, 3, 3), ...parameters, lengths: ragged }, write, { on: ['y'] });
  });

  test.each([[[4, 3, 3]], [[4, 3, 2, 3]]])('with lengths 0, 1 and T for shape %j', (shape) => {
    checkGradient({ x: random.normal(...shape), ...affine(3), lengths: ragged }, write, { on: ['y'] });
  });

  test('with sizes known only at run time', () => {
    const x = withDims(random.normal(4, 3, 5), ['T', 'B', 5]);
    checkGradient({ x, ...affine(5), lengths: withDims(ragged, ['B']) }, write, { on: ['y'] });
  });

  test('along random directions at a larger size', () => {
    const lengths = integers([5], [9, 0, 4, 1, 8]);
    checkGradient({ x: random.normal(9, 5, 33), ...affine(33), lengths }, write, { on: ['y'], directions: true });
  });
});

test('nothing past a length is read, and y, mean and rstd are 0 there', () => {
  const x = random.normal(4, 3, 3);
  const past = (row: number) => Math.floor(row / 3) >= ragged.data[row % 3]!;
  const spoilt = floats(
    [4, 3, 3],
    Array.from(x.data, (value, k) => (past(Math.floor(k / 3)) ? 1e6 : value)),
  );
  const parameters = affine(3);
  const clean = evaluate({ x, ...parameters, lengths: ragged }, write);
  expect(evaluate({ x: spoilt, ...parameters, lengths: ragged }, write)).toEqual(clean);
  for (let row = 0; row < 12; row++) {
    expect([...clean.y!.data.slice(row * 3, row * 3 + 3)].every((value) => value === 0)).toBe(past(row));
    expect(clean.rstd!.data[row] === 0).toBe(past(row));
  }
});

test.each([
  ['weight', float32(4), 'weight: expected [3], received [4]'],
  ['bias', float32(3, 1), 'bias: expected [3], received [3, 1]'],
  ['lengths', int32('T'), 'lengths: expected [B], received [T]'],
  ['x', float32(), 'x: expected at least one axis, received a scalar'],
  ['x', float32('B', 3), 'x: expected [T, B, ..., F] where there are lengths, received [B, 3]'],
])('a wrong %s is refused by name', (slot, type, message) => {
  const types = { x: float32('T', 'B', 3), weight: float32(3), bias: float32(3), lengths: int32('B'), [slot]: type };
  expect(() => layerNorm.infer(types, { eps })).toThrow(message);
});

test('a negative or missing eps is refused', () => {
  const types = { x: float32(3), weight: null, bias: null, lengths: null };
  for (const wrong of [-1, NaN]) expect(() => layerNorm.infer(types, { eps: wrong })).toThrow('eps: expected a number');
});

test('no gradient flows through the statistics', () => {
  const values = { x: random.normal(2, 3) };
  for (const slot of ['mean', 'rstd'])
    expect(() => checkGradient(values, write, { on: [slot] })).toThrow(`${slot}: no gradient`);
});

test('the backward op carries run-time sizes', () => {
  const [x, perRow] = [float32('T', 'B', 3), float32('T', 'B')];
  const operands = { dy: x, x, mean: perRow, rstd: perRow, weight: float32(3), lengths: int32('B') };
  expect(layerNormBackward.infer(operands, {})).toEqual({ dx: x, dweight: float32(3), dbias: float32(3) });
});
