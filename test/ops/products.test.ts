import { embedding } from '../../lib/ops/embedding';
import { linear } from '../../lib/ops/linear';
import { matmul } from '../../lib/ops/matmul';
import { checkGradient } from '../support/checkGradient';
import { evaluate, writeOp } from '../support/evaluate';
import { floats, integers, Random, withDims } from '../support/random';

const random = new Random(17);

describe('linear', () => {
  test('is x·weightᵀ + bias', () => {
    const values = {
      x: floats([2], [1, 2]),
      weight: floats([3, 2], [1, 0, 0, 1, 1, 1]),
      bias: floats([3], [10, 20, 30]),
    };
    expect([...evaluate(values, writeOp(linear, {})).y!.data]).toEqual([11, 22, 33]);
  });

  test.each([[[3]], [[2, 3]], [[2, 2, 3]]])('its gradients meet finite differences for x of shape %j', (shape) => {
    const values = { x: random.normal(...shape), weight: random.normal(4, 3) };
    checkGradient(values, writeOp(linear, {}));
    checkGradient({ ...values, bias: random.normal(4) }, writeOp(linear, {}));
  });

  test('a weight or bias of another size is refused by name', () => {
    const x = withDims(random.normal(2, 3), ['B', 3]);
    const weight = random.normal(4, 3);
    expect(() => evaluate({ x, weight: random.normal(4, 2) }, writeOp(linear, {}))).toThrow(
      'x: expected [B, 2], received [B, 3]',
    );
    expect(() => evaluate({ x, weight, bias: random.normal(3) }, writeOp(linear, {}))).toThrow('bias: expected [4]');
    expect(() => evaluate({ x, weight: random.normal(3) }, writeOp(linear, {}))).toThrow('weight: expected [O, I]');
  });
});

describe('matmul', () => {
  const cases = [[], [2]].flatMap((batch) =>
    [true, false].flatMap((transpose_a) => [true, false].map((transpose_b) => ({ batch, transpose_a, transpose_b }))),
  );
  const operands = ({ batch, transpose_a, transpose_b }: (typeof cases)[number]) => ({
    a: random.normal(...batch, ...(transpose_a ? [4, 3] : [3, 4])),
    b: random.normal(...batch, ...(transpose_b ? [2, 4] : [4, 2])),
  });

  test('is the product of two matrices', () => {
    const values = { a: floats([2, 2], [1, 2, 3, 4]), b: floats([2, 1], [10, 1]) };
    expect(evaluate(values, writeOp(matmul, { transpose_a: false, transpose_b: false })).y).toEqual({
      data: Float64Array.of(12, 34),
      shape: [2, 1],
    });
  });

  test.each(cases)('the element at row 1, column 1 is right for %j', (options) => {
    const { batch, transpose_a, transpose_b } = options;
    const { a, b } = operands(options);
    const { y } = evaluate({ a, b }, writeOp(matmul, { transpose_a, transpose_b }));
    const last = batch.length; // The second product of a batch.
    let expected = 0;
    for (let k = 0; k < 4; k++) {
      expected +=
        a.data[last * 12 + (transpose_a ? k * 3 + 1 : 4 + k)]! * b.data[last * 8 + (transpose_b ? 4 + k : k * 2 + 1)]!;
    }
    expect(y!.data[last * 6 + 3]).toBeCloseTo(expected, 13);
  });

  test.each(cases)('its gradients meet finite differences for %j', (options) => {
    const { transpose_a, transpose_b } = options;
    checkGradient(operands(options), writeOp(matmul, { transpose_a, transpose_b }));
  });

  test('sizes that do not fit are refused by name', () => {
    const write = writeOp(matmul, { transpose_a: false, transpose_b: false });
    expect(() => evaluate({ a: random.normal(2, 3), b: random.normal(4, 2) }, write)).toThrow(
      'b: expected [3, 2], received [4, 2]',
    );
    expect(() => evaluate({ a: random.normal(3), b: random.normal(3, 2) }, write)).toThrow('a: expected two axes');
    expect(() => evaluate({ a: random.normal(2, 2, 3), b: random.normal(3, 2) }, write)).toThrow(
      'b: expected [2, 3, 2]',
    );
  });
});

describe('embedding', () => {
  const tokens = integers([2, 3], [4, 0, 0, 1, 4, 4]);

  test('takes the row of each token', () => {
    const weight = floats([3, 2], [0, 1, 10, 11, 20, 21]);
    expect(evaluate({ tokens: integers([2], [2, 0]), weight }, writeOp(embedding, {})).y).toEqual({
      data: Float64Array.of(20, 21, 0, 1),
      shape: [2, 2],
    });
  });

  test('its gradient adds up the rows of repeated tokens and meets finite differences', () => {
    checkGradient({ tokens, weight: random.normal(5, 2) }, writeOp(embedding, {}));
  });

  test('a scale multiplies the rows of its token, and their gradient', () => {
    const values = { tokens, weight: random.normal(5, 2), scale: floats([5], [2, 0, 1, 1, -0.5]) };
    const scaled = evaluate(values, writeOp(embedding, {})).y!;
    const plain = evaluate({ tokens, weight: values.weight }, writeOp(embedding, {})).y!;
    scaled.data.forEach((value, k) => {
      expect(value).toBe(values.scale.data[tokens.data[Math.floor(k / 2)]!]! * plain.data[k]!);
    });
    checkGradient(values, writeOp(embedding, {}), { constants: ['scale'] });
    expect(() => checkGradient(values, writeOp(embedding, {}))).toThrow('scale: no gradient flows through it');
    expect(() => evaluate({ ...values, scale: floats([2], [1, 1]) }, writeOp(embedding, {}))).toThrow(
      'scale: expected [5], received [2]',
    );
  });

  test('tokens must be integers, and the weight a matrix', () => {
    const weight = random.normal(5, 2);
    expect(() => evaluate({ tokens: floats([1], [0]), weight }, writeOp(embedding, {}))).toThrow(
      'tokens: expected int32',
    );
    expect(() => evaluate({ tokens, weight: random.normal(5) }, writeOp(embedding, {}))).toThrow(
      'weight: expected [V, E]',
    );
  });
});
