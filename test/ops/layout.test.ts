import { broadcast, sum } from '../../lib/ops/layout/broadcast';
import { concat } from '../../lib/ops/layout/concat';
import { mean } from '../../lib/ops/layout/mean';
import { reshape } from '../../lib/ops/layout/reshape';
import { slice } from '../../lib/ops/layout/slice';
import { transpose } from '../../lib/ops/layout/transpose';
import type { Shape } from '../../lib/ops/shape';
import { checkGradient } from '../support/checkGradient';
import { evaluate, writeOp } from '../support/evaluate';
import { floats, integers, Random, withDims } from '../support/random';

const random = new Random(11);
const count = (...shape: number[]) =>
  floats(
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, k) => k),
  );
const valuesOf = (...args: Parameters<typeof evaluate>) => [...evaluate(...args).y!.data];

describe('broadcast', () => {
  test('repeats along axes of size 1 and new leading axes', () => {
    const y = valuesOf({ x: count(2, 1) }, writeOp(broadcast, { shape: [2, 2, 3] }));
    expect(y).toEqual([0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1]);
  });

  test.each([
    [[], [2, 3]],
    [[3], [2, 3]],
    [
      [2, 1],
      [2, 3],
    ],
    [
      [1, 3],
      [4, 1, 3],
    ],
    [
      [2, 1, 3],
      [2, 2, 3],
    ],
    [
      [2, 3],
      [2, 3],
    ],
  ])('its gradient meets finite differences from %j to %j', (from, to) => {
    checkGradient({ x: random.normal(...from) }, writeOp(broadcast, { shape: to }));
  });

  test.each([[[2]], [[3, 1]], [[1, 2, 3]]])('%j does not broadcast to [2, 3]', (shape) => {
    expect(() => evaluate({ x: random.normal(...shape) }, writeOp(broadcast, { shape: [2, 3] }))).toThrow(
      'x: expected a shape that broadcasts to [2, 3]',
    );
  });

  test('run-time sizes broadcast', () => {
    const x = withDims(random.normal(2, 1), ['B', 1]);
    const steps = withDims(random.normal(3, 2, 4), ['T', 'B', 4]);
    checkGradient({ x, steps }, ({ x: row }, emit) => emit(broadcast, { x: row! }, { shape: ['T', 'B', 4] }));
  });
});

describe('reshape', () => {
  test('keeps the order of the elements', () => {
    expect(evaluate({ x: count(2, 3) }, writeOp(reshape, { shape: [3, 2] })).y).toEqual({
      data: count(2, 3).data,
      shape: [3, 2],
    });
  });

  test('its gradient meets finite differences', () => {
    checkGradient({ x: random.normal(2, 3) }, writeOp(reshape, { shape: [1, 6] }));
  });

  test.each<[Shape, boolean]>([
    [['T·B', 6], true],
    [['B', 'T', 2, 3], true],
    [['2·T', 'B', 3], true],
    [['T', 6], false],
    [['T', 'B', 5], false],
  ])('from [T, B, 6] to %j is allowed: %p', (shape, allowed) => {
    const infer = () => reshape.infer({ x: { dtype: 'int32', shape: ['T', 'B', 6] } }, { shape });
    if (allowed) expect(infer().y).toEqual({ dtype: 'int32', shape });
    else expect(infer).toThrow('x: expected');
  });
});

describe('transpose', () => {
  test('puts the axes in the given order', () => {
    expect(evaluate({ x: count(2, 3) }, writeOp(transpose, { permutation: [1, 0] })).y).toEqual({
      data: Float64Array.of(0, 3, 1, 4, 2, 5),
      shape: [3, 2],
    });
  });

  test('moves integers too', () => {
    const { y } = evaluate({ x: integers([2, 2], [1, 2, 3, 4]) }, writeOp(transpose, { permutation: [1, 0] }));
    expect(y!.data).toEqual(Int32Array.of(1, 3, 2, 4));
  });

  test.each([[[0, 1, 2]], [[2, 0, 1]], [[1, 2, 0]], [[2, 1, 0]]])(
    'its gradient meets finite differences for the permutation %j',
    (permutation) => {
      checkGradient({ x: random.normal(2, 3, 4) }, writeOp(transpose, { permutation }));
    },
  );

  test.each([[[0]], [[0, 0]], [[0, 2]], [[1, 0, 2]]])('the permutation %j of two axes is refused', (permutation) => {
    expect(() => evaluate({ x: count(2, 3) }, writeOp(transpose, { permutation }))).toThrow('permutation: expected');
  });
});

describe('concat and slice', () => {
  test('concat joins along an axis, and slice takes the parts back', () => {
    const values = { 'x.0': count(2, 1, 2), 'x.1': count(2, 3, 2) };
    const joined = writeOp(concat, { axis: 1 });
    expect(valuesOf(values, joined)).toEqual([0, 1, 0, 1, 2, 3, 4, 5, 2, 3, 6, 7, 8, 9, 10, 11]);
    const second = evaluate(values, (variables, emit) =>
      emit(slice, { x: joined(variables, emit).y! }, { axis: 1, begin: 1, end: 4 }),
    );
    expect(second.y).toEqual({ data: count(2, 3, 2).data, shape: [2, 3, 2] });
  });

  test.each([0, 1, 2])('the gradient of concat along axis %i meets finite differences', (axis) => {
    const sized = (size: number) => random.normal(...[2, 2, 2].map((dim, k) => (k === axis ? size : dim)));
    checkGradient({ 'x.0': sized(1), 'x.1': sized(3), 'x.2': sized(2) }, writeOp(concat, { axis }));
  });

  test.each([0, 1, 2])('the gradient of slice along axis %i meets finite differences', (axis) => {
    checkGradient({ x: random.normal(3, 3, 3) }, writeOp(slice, { axis, begin: 1, end: 3 }));
  });

  test('a value joined with itself receives the sum of the gradients', () => {
    checkGradient({ x: random.normal(2, 2) }, ({ x }, emit) => emit(concat, { x: [x!, x!] }, { axis: 0 }));
  });

  test('concat refuses other sizes beside the axis, other dtypes and run-time sizes along it', () => {
    const type = (...shape: Shape) => ({ dtype: 'float32', shape }) as const;
    const infer = (a: Shape, b: Shape, axis: number) => () => concat.infer({ x: [type(...a), type(...b)] }, { axis });
    expect(infer([2, 3], [4, 2], 0)).toThrow('x[1]: expected [4, 3], received [4, 2]');
    expect(infer(['T', 3], ['T', 3], 0)).toThrow('x[0]: expected a fixed size at axis 0');
    expect(infer([2, 3], [2, 3], 2)).toThrow('x[0]: expected an axis of [2, 3], received 2');
    expect(() => concat.infer({ x: [type(1), { dtype: 'int32', shape: [1] }] }, { axis: 0 })).toThrow(
      'expected float32',
    );
    expect(() => concat.infer({ x: [] }, { axis: 0 })).toThrow('at least one value');
    expect(infer(['T', 'B', 3], ['T', 'B', 5], 2)()).toEqual({ y: type('T', 'B', 8) });
  });

  test.each([
    [-1, 2],
    [2, 2],
    [0, 4],
    [0.5, 2],
  ])('slice refuses the range [%p, %p) of an axis of size 3', (begin, end) => {
    expect(() => evaluate({ x: count(3) }, writeOp(slice, { axis: 0, begin, end }))).toThrow('x: expected a range');
  });
});

describe('sum and mean', () => {
  test('sum adds over its axes, and keeps them when asked', () => {
    expect(evaluate({ x: count(2, 3) }, writeOp(sum, { axes: [0], keep_dims: false })).y).toEqual({
      data: Float64Array.of(3, 5, 7),
      shape: [3],
    });
    expect(evaluate({ x: count(2, 3) }, writeOp(sum, { axes: [1], keep_dims: true })).y).toEqual({
      data: Float64Array.of(3, 12),
      shape: [2, 1],
    });
  });

  test('mean divides by the number of elements that the run has', () => {
    const x = withDims(count(4, 3), ['B', 3]);
    expect(valuesOf({ x }, writeOp(mean, { axes: [0], keep_dims: false }))).toEqual([4.5, 5.5, 6.5]);
    expect(valuesOf({ x }, writeOp(mean, { axes: [0, 1], keep_dims: false }))).toEqual([5.5]);
  });

  const reductions = [sum, mean].flatMap((op) =>
    [[], [0], [1], [2], [0, 2], [2, 1], [0, 1, 2]].flatMap((axes) =>
      [true, false].map((keep) => [op.name, axes, keep, op] as const),
    ),
  );
  test.each(reductions)(
    'the gradient of %s over %j, keeping axes %p, meets finite differences',
    (_, axes, keep_dims, op) => {
      checkGradient({ x: withDims(random.normal(2, 3, 2), ['T', 'B', 2]) }, writeOp(op, { axes, keep_dims }));
    },
  );

  test.each([sum, mean])('an axis that is missing or named twice is refused', (op) => {
    const infer = (axes: number[]) => () =>
      op.infer({ x: { dtype: 'float32', shape: [2, 3] } }, { axes, keep_dims: true });
    expect(infer([2])).toThrow('x: expected an axis of [2, 3], received 2');
    expect(infer([1, 1])).toThrow('axes: expected each axis once');
  });
});
