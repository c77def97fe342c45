import { ShapeError } from '../../lib';
import { tanh } from '../../lib/ops/elementwise/activations';
import { add } from '../../lib/ops/elementwise/arithmetic';
import { embedding } from '../../lib/ops/embedding';
import { reshape } from '../../lib/ops/layout/reshape';
import { transpose } from '../../lib/ops/layout/transpose';
import { linear } from '../../lib/ops/linear';
import { float32, int32 } from '../../lib/ops/op';
import { ProgramBuilder } from '../../lib/program/builder';

test('the shapes of outputs follow from the operands, run-time sizes included', () => {
  const builder = new ProgramBuilder();
  const x = builder.input('x', float32('T', 'B', 3));
  const weight = builder.state('weight', float32(5, 3));
  const { y } = builder.emit(linear, { x, weight }, {});
  expect(y.type).toEqual(float32('T', 'B', 5));
  expect(builder.emit(reshape, { x: y }, { shape: ['T·B', 5] }).y.type).toEqual(float32('T·B', 5));
});

test('an error bears the path of the layer, the operand, and what was expected and received', () => {
  const builder = new ProgramBuilder();
  const x = builder.input('x', float32('B', 3));
  const weight = builder.state('weight', float32(5, 4));
  const write = () => builder.scope('encoder.head', () => builder.emit(linear, { x, weight }, {}));
  expect(write).toThrow(ShapeError);
  expect(write).toThrow('encoder.head: x: expected [B, 4], received [B, 3]');
});

test('an error in nested layers bears the innermost path, once', () => {
  const builder = new ProgramBuilder();
  const x = builder.input('x', float32('B', 3));
  const write = () =>
    builder.scope('outer', () =>
      builder.scope('outer.inner', () => builder.emit(add, { a: x, b: builder.input('z', float32('B', 4)) }, {})),
    );
  expect(write).toThrow(/^outer\.inner: (?!outer)/);
});

test('a missing operand is refused by name', () => {
  const builder = new ProgramBuilder();
  const x = builder.input('x', float32('B', 3));
  expect(() => builder.emit(linear, { x } as never, {})).toThrow('linear: weight: expected a variable, received none');
});

test('an operand of another dtype is refused', () => {
  const builder = new ProgramBuilder();
  const tokens = builder.input('tokens', float32('B'));
  const weight = builder.state('weight', float32(5, 4));
  expect(() => builder.emit(embedding, { tokens, weight }, {})).toThrow(
    'embedding: tokens: expected int32, received float32',
  );
});

test('a variable of another program is refused', () => {
  const x = new ProgramBuilder().input('x', float32('B'));
  expect(() => new ProgramBuilder().emit(tanh, { x }, {})).toThrow('tanh: x: the variable belongs to another program');
});

test('an input, an output and a next state have one maker each', () => {
  const builder = new ProgramBuilder();
  const x = builder.input('x', float32('B'));
  expect(() => builder.input('x', float32('B'))).toThrow("an input 'x' already");
  builder.output('y', x);
  expect(() => builder.output('y', x)).toThrow("an output 'y' already");
  builder.state('s', float32('B'));
  builder.setNext('s', x);
  expect(() => builder.setNext('s', x)).toThrow("'s' is written twice");
  expect(() => builder.setNext('unknown', x)).toThrow("no state 'unknown'");
});

test('a state is the same variable at each call, and keeps its shape', () => {
  const builder = new ProgramBuilder();
  expect(builder.state('weight', float32(2, 3))).toBe(builder.state('weight', float32(2, 3)));
  expect(() => builder.state('weight', float32(3, 2))).toThrow('weight: expected [2, 3] as before, received [3, 2]');
});

test('a finished program is frozen through and through', () => {
  const builder = new ProgramBuilder();
  builder.output('y', builder.emit(tanh, { x: builder.input('x', float32('B', 2)) }, {}).y);
  const program = builder.finish();
  const frozen = (value: unknown): boolean =>
    typeof value !== 'object' || value === null || (Object.isFrozen(value) && Object.values(value).every(frozen));
  expect(frozen(program)).toBe(true);
});

test('equations that nothing depends on are left out', () => {
  const builder = new ProgramBuilder();
  const x = builder.input('x', float32('B'));
  const kept = builder.emit(tanh, { x }, {}).y;
  builder.emit(add, { a: kept, b: x }, {});
  builder.output('y', kept);
  expect(builder.finish().compute.map(({ op }) => op)).toEqual(['tanh']);
});

test('what a guard, a commit or a next state depends on is kept', () => {
  const builder = new ProgramBuilder();
  const state = builder.state('s', float32('B'));
  builder.setNext('s', builder.emit(tanh, { x: state }, {}).y);
  const guarded = builder.emit(reshape, { x: builder.input('g', float32(1)) }, { shape: [] }).y;
  builder.guard('g', guarded);
  expect(builder.finish().compute.map(({ op }) => op)).toEqual(['tanh', 'reshape']);
});

test('a demand on integers reaches the input through layout ops, and demands add up', () => {
  const builder = new ProgramBuilder();
  const tokens = builder.input('tokens', int32('B', 'T'));
  const timeFirst = builder.emit(transpose, { x: tokens }, { permutation: [1, 0] }).y;
  builder.requireRange(timeFirst, { below: 9 });
  builder.requireRange(tokens, { below: 7, except: -100 });
  builder.requireRange(tokens, { below: 9 });
  builder.output('y', timeFirst);
  expect(builder.finish().inputs[0]!.ranges).toEqual([{ below: 9 }, { below: 7, except: -100 }]);
});
