import { relu, sigmoid, tanh } from '../../lib/ops/elementwise/activations';
import { add, divide, multiply, subtract } from '../../lib/ops/elementwise/arithmetic';
import { bernoulli } from '../../lib/ops/elementwise/bernoulli';
import { dropout } from '../../lib/ops/elementwise/dropout';
import { exp, log } from '../../lib/ops/elementwise/exponential';
import { fill } from '../../lib/ops/elementwise/fill';
import { philox } from '../../lib/ops/philox';
import { checkGradient } from '../support/checkGradient';
import { evaluate, writeOp } from '../support/evaluate';
import { floats, integers, Random } from '../support/random';

const random = new Random(7);

describe('arithmetic on two operands', () => {
  test.each([
    [add, [5, 3]],
    [subtract, [3, -5]],
    [multiply, [4, -4]],
    [divide, [4, -0.25]],
  ] as const)('%# computes its formula', (op, expected) => {
    const { y } = evaluate({ a: floats([2], [4, -1]), b: floats([2], [1, 4]) }, writeOp(op, {}));
    expect([...y!.data]).toEqual(expected);
  });

  test.each([add, subtract, multiply, divide].map((op) => [op.name, op] as const))(
    'the gradient of %s meets finite differences',
    (_, op) => {
      checkGradient({ a: random.normal(2, 3), b: random.uniform(0.5, 2, 2, 3) }, writeOp(op, {}));
    },
  );

  test('an operand used on both sides receives both gradients', () => {
    checkGradient({ x: random.uniform(0.5, 2, 3) }, ({ x }, emit) =>
      emit(divide, { a: emit(multiply, { a: x!, b: x! }, {}).y, b: x! }, {}),
    );
  });

  test('shapes that differ are refused by name', () => {
    expect(() => evaluate({ a: floats([2], [1, 2]), b: floats([1], [1]) }, writeOp(add, {}))).toThrow(
      'b: expected [2], received [1]',
    );
  });
});

describe('activations', () => {
  test.each([
    ['sigmoid', sigmoid, 1 / (1 + Math.exp(-2))],
    ['tanh', tanh, Math.tanh(2)],
    ['relu', relu, 2],
    ['exp', exp, Math.exp(2)],
    ['log', log, Math.log(2)],
  ] as const)('%s of 2 is its formula', (_, op, expected) => {
    expect(evaluate({ x: floats([1], [2]) }, writeOp(op, {})).y!.data[0]).toBeCloseTo(expected, 14);
  });

  test.each([sigmoid, tanh, relu, exp].map((op) => [op.name, op] as const))(
    'the gradient of %s meets finite differences on both sides of 0',
    (_, op) => {
      checkGradient({ x: floats([2, 3], [-3, -0.7, -0.1, 0.1, 0.9, 4]) }, writeOp(op, {}));
    },
  );

  test('the gradient of log meets finite differences where it is defined', () => {
    checkGradient({ x: floats([3], [0.2, 1, 5]) }, writeOp(log, {}));
  });

  test('sigmoid stays within its range far out, without NaN', () => {
    const { y } = evaluate({ x: floats([2], [-800, 800]) }, writeOp(sigmoid, {}));
    expect([...y!.data]).toEqual([0, 1]);
  });
});

test('fill gives its value everywhere, in a shape with run-time sizes', () => {
  const { y } = evaluate({ x: { ...floats([2, 1], [0, 0]), dims: ['B', 1] } }, ({ x }, emit) =>
    emit(add, { a: x!, b: emit(fill, {}, { value: 2.5, shape: ['B', 1] }).y }, {}),
  );
  expect(y).toEqual({ data: Float64Array.of(2.5, 2.5), shape: [2, 1] });
});

test('bernoulli is 1 where dropout of the same probability, key and stream drops', () => {
  const words = integers([2], [3, -4]);
  const shape = [3, 2, 9];
  const ones = floats(shape, Array<number>(54).fill(1));
  const drawn = evaluate({ key: words }, writeOp(bernoulli, { p: 0.3, stream: 2, shape })).y!;
  const kept = evaluate({ x: ones, key: words }, writeOp(dropout, { p: 0.3, stream: 2 })).y!;
  expect(drawn.shape).toEqual(shape);
  expect([...drawn.data]).toEqual(Array.from(kept.data, (value) => (value === 0 ? 1 : 0)));
  expect(new Set(drawn.data).size).toBe(2);
});

describe('dropout', () => {
  const key = integers([2], [3, -4]);
  const ones = (...shape: number[]) => floats(shape, Array<number>(shape.reduce((a, b) => a * b)).fill(1));
  const masked = (shape: number[], p: number, stream = 0, words = key) => [
    ...evaluate({ x: ones(...shape), key: words }, writeOp(dropout, { p, stream })).y!.data,
  ];

  test('the mask of an element is the Philox word at its step, row and unit', () => {
    const [steps, batch, units] = [2, 3, 5];
    const mask = masked([steps, batch, units], 0.4, 9);
    for (let k = 0; k < mask.length; k++) {
      const [t, b, unit] = [Math.floor(k / (batch * units)), Math.floor(k / units) % batch, k % units];
      const word = philox([3, 0xfffffffc], [unit >> 2, b, t, 9])[unit % 4]!;
      expect(mask[k]).toBe(word >= Math.floor(0.4 * 2 ** 32) ? Math.fround(1 / 0.6) : 0);
    }
  });

  test('nothing is dropped when p is 0', () => {
    expect(masked([4, 8], 0)).toEqual(Array(32).fill(1));
  });

  test('the share that is dropped is near p', () => {
    // Five standard deviations of a binomial of 8192 draws.
    const dropped = masked([64, 128], 0.3).filter((value) => value === 0).length / 8192;
    expect(Math.abs(dropped - 0.3)).toBeLessThan(5 * Math.sqrt((0.3 * 0.7) / 8192));
  });

  test('streams and keys give different masks, the same ones the same mask', () => {
    const mask = masked([8, 8], 0.5);
    expect(masked([8, 8], 0.5)).toEqual(mask);
    expect(masked([8, 8], 0.5, 1)).not.toEqual(mask);
    expect(masked([8, 8], 0.5, 0, integers([2], [3, -5]))).not.toEqual(mask);
  });

  test.each([[[6]], [[2, 5]], [[2, 3, 5]], [[2, 2, 2, 3]]])(
    'the gradient meets finite differences for shape %j',
    (shape) => {
      checkGradient({ x: random.normal(...shape), key }, writeOp(dropout, { p: 0.5, stream: 1 }));
    },
  );

  test.each([-0.1, 1, NaN])('a probability of %p is refused', (p) => {
    expect(() => masked([2], p)).toThrow('p: expected a probability in [0, 1)');
  });
});
