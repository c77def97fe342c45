import * as f from '../../lib/ops/functions';
import type { Variable } from '../../lib/ops/op';
import { ProgramBuilder } from '../../lib/program/builder';
import { checkGradient } from '../support/checkGradient';
import { evaluate, type Values, type Variables } from '../support/evaluate';
import { floats, integers, Random, withDims } from '../support/random';

const random = new Random(29);
const valueOf = (values: Values, write: (variables: Record<string, Variable>) => Variable) =>
  evaluate(values, (variables) => ({ y: write(variables) })).y!;

describe('arithmetic', () => {
  const a = floats([2, 1], [6, -8]);
  const b = floats([3], [1, 2, 4]);

  test.each([
    ['add', f.add, [7, 8, 10, -7, -6, -4]],
    ['subtract', f.subtract, [5, 4, 2, -9, -10, -12]],
    ['multiply', f.multiply, [6, 12, 24, -8, -16, -32]],
    ['divide', f.divide, [6, 3, 1.5, -8, -4, -2]],
  ] as const)('%s broadcasts its operands', (_, apply, expected) => {
    const y = valueOf({ a, b }, (v) => apply(v.a!, v.b!));
    expect(y).toEqual({ data: Float64Array.from(expected), shape: [2, 3] });
  });

  test.each([
    ['add', f.add, [8, -6], [8, -6]],
    ['subtract', f.subtract, [4, -10], [-4, 10]],
    ['multiply', f.multiply, [12, -16], [12, -16]],
    ['divide', f.divide, [3, -4], [1 / 3, -0.25]],
  ] as const)('%s takes a number on either side', (_, apply, right, left) => {
    expect([...valueOf({ a }, (v) => apply(v.a!, 2)).data]).toEqual(right);
    expect([...valueOf({ a }, (v) => apply(2, v.a!)).data]).toEqual(left);
  });

  test.each(Object.entries({ add: f.add, subtract: f.subtract, multiply: f.multiply, divide: f.divide }))(
    'the gradient of a broadcasting %s meets finite differences',
    (_, apply) => {
      const values = {
        a: withDims(random.normal(2, 1, 3), ['T', 1, 3]),
        b: withDims(random.uniform(0.5, 2, 4, 1), ['B', 1]),
      };
      checkGradient(values, (v) => ({ y: apply(v.a!, v.b!), z: apply(1.5, v.b!) }));
    },
  );

  test('equal shapes cost one equation', () => {
    const builder = new ProgramBuilder();
    const x = builder.input('x', { dtype: 'float32', shape: ['B', 2] });
    builder.output('y', f.add(x, x));
    expect(builder.finish().compute.map(({ op }) => op)).toEqual(['add']);
  });

  test('negate and square are what they say', () => {
    expect([...valueOf({ a }, (v) => f.negate(v.a!)).data]).toEqual([-6, 8]);
    expect([...valueOf({ a }, (v) => f.square(v.a!)).data]).toEqual([36, 64]);
  });

  test('two numbers, and shapes that do not broadcast, are refused', () => {
    expect(() => f.divide(1, 2)).toThrow('divide: expected a variable among the operands, received 1 and 2');
    expect(() => valueOf({ a: b, b: floats([2], [1, 2]) }, (v) => f.add(v.a!, v.b!))).toThrow(
      'b: expected a shape that broadcasts with [3], received [2]',
    );
  });
});

describe('functions of one variable', () => {
  test.each([
    ['sigmoid', f.sigmoid, 1 / (1 + Math.exp(-0.5))],
    ['tanh', f.tanh, Math.tanh(0.5)],
    ['relu', f.relu, 0.5],
    ['exp', f.exp, Math.exp(0.5)],
    ['log', f.log, Math.log(0.5)],
  ] as const)('%s emits its op', (_, apply, expected) => {
    expect(valueOf({ x: floats([], [0.5]) }, (v) => apply(v.x!)).data[0]).toBeCloseTo(expected, 14);
  });

  test.each([0, 1, 2, -2])('softmax sums to 1 along axis %i', (axis) => {
    const y = valueOf({ x: random.normal(2, 3, 4) }, (v) => f.sum(f.softmax(v.x!, axis), axis));
    for (const total of y.data) expect(total).toBeCloseTo(1, 14);
  });

  test('the gradient of softmax along a middle axis meets finite differences', () => {
    checkGradient({ x: random.normal(2, 3, 2) }, (v) => ({ y: f.softmax(v.x!, 1) }));
  });
});

describe('reductions', () => {
  const x = floats([2, 3], [0, 1, 2, 3, 4, 5]);

  test.each([
    ['all axes', undefined, {}, [15], []],
    ['the last axis', -1, {}, [3, 12], [2]],
    ['an axis that is kept', 0, { keepDims: true }, [3, 5, 7], [1, 3]],
    ['two axes', [0, -1], { keepDims: true }, [15], [1, 1]],
  ] as const)('sum and mean over %s', (_, axis, options, expected, shape) => {
    const sum = valueOf({ x }, (v) => f.sum(v.x!, axis, options));
    expect(sum).toEqual({ data: Float64Array.from(expected), shape });
    const count = 6 / expected.length;
    const mean = valueOf({ x }, (v) => f.mean(v.x!, axis, options));
    expect(mean).toEqual({ data: Float64Array.from(expected, (value) => value / count), shape });
  });

  test('an axis that is missing is refused as it was written', () => {
    expect(() => valueOf({ x }, (v) => f.sum(v.x!, -3))).toThrow('x: expected an axis of [2, 3], received -3');
  });
});

describe('products and layout', () => {
  const x = floats([2, 3], [0, 1, 2, 3, 4, 5]);

  test('matmul transposes when asked', () => {
    expect(valueOf({ x }, (v) => f.matmul(v.x!, v.x!, { transposeB: true }))).toEqual({
      data: Float64Array.of(5, 14, 14, 50),
      shape: [2, 2],
    });
    expect(valueOf({ x }, (v) => f.matmul(v.x!, v.x!, { transposeA: true })).shape).toEqual([3, 3]);
  });

  test('concat and slice count axes and indices from either end', () => {
    const y = valueOf({ x }, (v) => f.concat([f.slice(v.x!, -1, -1), f.slice(v.x!, 1, 0, -1)], -1));
    expect(y).toEqual({ data: Float64Array.of(2, 0, 1, 5, 3, 4), shape: [2, 3] });
    expect(() => f.concat([])).toThrow('concat: expected at least one variable');
  });

  test('transpose reverses the axes unless told otherwise', () => {
    expect([...valueOf({ x }, (v) => f.transpose(v.x!)).data]).toEqual([0, 3, 1, 4, 2, 5]);
    expect(valueOf({ x: random.normal(2, 3, 4) }, (v) => f.transpose(v.x!, [1, 0, -1])).shape).toEqual([3, 2, 4]);
  });

  test('reshape and transpose move integers', () => {
    const tokens = integers([2, 2], [1, 2, 3, 4]);
    const y = valueOf({ tokens }, (v) => f.reshape(f.transpose(v.tokens!), [4]));
    expect(y.data).toEqual(Int32Array.of(1, 3, 2, 4));
  });
});

test('a loss written by hand has the gradients that finite differences give', () => {
  const values = {
    prediction: withDims(random.normal(3, 2, 4), ['T', 'B', 4]),
    target: withDims(random.normal(3, 2, 4), ['T', 'B', 4]),
    scale: random.uniform(0.5, 1.5, 4),
  };
  const loss = ({ prediction, target, scale }: Variables) => {
    const error = f.divide(f.subtract(prediction!, target!), scale!);
    const smooth = f.log(f.add(f.exp(error), f.exp(f.negate(error))));
    return { loss: f.add(f.mean(f.sum(smooth, -1)), f.multiply(0.1, f.sum(f.square(scale!)))) };
  };
  checkGradient(values, loss);
});
