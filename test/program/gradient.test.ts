import { add, multiply } from '../../lib/ops/elementwise/arithmetic';
import { tanh } from '../../lib/ops/elementwise/activations';
import { linear } from '../../lib/ops/linear';
import { float32 } from '../../lib/ops/op';
import { slice } from '../../lib/ops/layout/slice';
import { ProgramBuilder } from '../../lib/program/builder';
import { gradient } from '../../lib/program/gradient';
import { run } from '../support/evaluate';
import { floats } from '../support/random';

test('the gradients of several uses of a variable add up', () => {
  const builder = new ProgramBuilder();
  const x = builder.input('x', float32(2));
  // y = x³ + x, so dy/dx = 3x² + 1.
  const square = builder.emit(multiply, { a: x, b: x }, {}).y;
  const cube = builder.emit(multiply, { a: square, b: x }, {}).y;
  const y = builder.emit(add, { a: cube, b: x }, {}).y;
  const [dx] = gradient(builder, [{ variable: y, cotangent: builder.input('dy', float32(2)) }], [x]);
  builder.output('dx', dx!);
  const outputs = run(builder.finish(), { x: floats([2], [2, -3]), dy: floats([2], [1, 10]) });
  expect(Array.from(outputs.dx!.data)).toEqual([13, 280]);
});

test('several seeds add up', () => {
  const builder = new ProgramBuilder();
  const x = builder.input('x', float32(1));
  const cotangent = builder.input('dy', float32(1));
  const y = builder.emit(multiply, { a: x, b: x }, {}).y;
  const [dx] = gradient(
    builder,
    [
      { variable: y, cotangent },
      { variable: x, cotangent },
    ],
    [x],
  );
  builder.output('dx', dx!);
  expect(run(builder.finish(), { x: floats([1], [4]), dy: floats([1], [1]) }).dx!.data[0]).toBe(9);
});

test('only gradients that are wanted are written', () => {
  const builder = new ProgramBuilder();
  const x = builder.input('x', float32('B', 3));
  const [weight, bias] = [builder.state('weight', float32(2, 3)), builder.state('bias', float32(2))];
  const y = builder.emit(linear, { x, weight, bias }, {}).y;
  const forward = builder.records.length;
  const [db] = gradient(builder, [{ variable: y, cotangent: builder.input('dy', y.type) }], [bias]);
  expect(db).not.toBeNull();
  expect(builder.records.slice(forward).map(({ op }) => op.name)).toEqual(['linear_backward_bias']);
});

test('a target without a part in any seed has no gradient', () => {
  const builder = new ProgramBuilder();
  const [x, other] = [builder.input('x', float32(2)), builder.input('other', float32(2))];
  const y = builder.emit(tanh, { x }, {}).y;
  builder.emit(tanh, { x: other }, {});
  const seed = { variable: y, cotangent: builder.input('dy', float32(2)) };
  const [dx, none] = gradient(builder, [seed], [x, other]);
  expect([dx === null, none]).toEqual([false, null]);
});

test('an output that receives nothing gives nothing, and the others their part', () => {
  const builder = new ProgramBuilder();
  const x = builder.input('x', float32(4));
  const y = builder.emit(slice, { x }, { axis: 0, begin: 1, end: 3 }).y;
  const [dx] = gradient(builder, [{ variable: y, cotangent: builder.input('dy', float32(2)) }], [x]);
  builder.output('dx', dx!);
  const outputs = run(builder.finish(), { x: floats([4], [1, 2, 3, 4]), dy: floats([2], [5, 6]) });
  expect(Array.from(outputs.dx!.data)).toEqual([0, 5, 6, 0]);
});

test('backward equations bear the path of the layer that they belong to', () => {
  const builder = new ProgramBuilder();
  const x = builder.input('x', float32('B', 3));
  const y = builder.scope('head', () => builder.emit(tanh, { x }, {}).y);
  gradient(builder, [{ variable: y, cotangent: builder.input('dy', y.type) }], [x]);
  expect(builder.records.map(({ op, path }) => `${path}: ${op.name}`)).toEqual(['head: tanh', 'head: tanh_backward']);
});
