/** Programs for the tests of the native backend. */
import type { Executable, Store } from '../../lib/backend/backend';
import { native } from '../../lib/backend/native/native';
import { add, multiply } from '../../lib/ops/elementwise/arithmetic';
import { sum } from '../../lib/ops/layout/broadcast';
import { linear } from '../../lib/ops/linear';
import { float32 } from '../../lib/ops/op';
import { ProgramBuilder } from '../../lib/program/builder';
import type { Program } from '../../lib/program/program';

export const allCounts = (size: number) => ({ T: size, B: size, S: 1 });

/** y = linear(x, weight, bias); the weight becomes weight + weight if the sum of y is finite. */
export function doublingProgram(): Program {
  const builder = new ProgramBuilder();
  const x = builder.input('x', float32('T', 'B', 3));
  const weight = builder.state('weight', float32(4, 3));
  const { y } = builder.emit(linear, { x, weight, bias: builder.state('bias', float32(4)) }, {});
  builder.output('y', y);
  builder.guard('total', builder.emit(sum, { x: y }, { axes: [0, 1, 2], keep_dims: false }).y);
  builder.setNext(
    'weight',
    builder.commit(() => builder.emit(add, { a: weight, b: weight }, {}).y),
  );
  return builder.finish();
}

export function doublingStore(): Store {
  const store = native.createStore();
  store.allocate([
    { name: 'weight', dtype: 'float32', shape: [4, 3] },
    { name: 'bias', dtype: 'float32', shape: [4] },
  ]);
  store.write(
    'weight',
    Float32Array.from({ length: 12 }, (_, index) => index),
  );
  store.write('bias', [1, 2, 3, 4]);
  return store;
}

/** Adds x to the state, by way of hundreds of equations over the state's elements. */
export function slowProgram(size: number, equations: number): Program {
  const builder = new ProgramBuilder();
  const x = builder.input('x', float32(1));
  const state = builder.state('state', float32(size));
  const one = builder.state('one', float32(size));
  let y = state;
  for (let index = 0; index < equations; index++) y = builder.emit(multiply, { a: y, b: one }, {}).y;
  builder.setNext('state', builder.emit(add, { a: y, b: one }, {}).y);
  builder.output('x', builder.emit(add, { a: x, b: x }, {}).y);
  return builder.finish();
}

export function slow(size = 1 << 20, equations = 500): { executable: Executable; store: Store; run: Runner } {
  const executable = native.prepare(slowProgram(size, equations), allCounts(1));
  const store = native.createStore();
  store.allocate([
    { name: 'state', dtype: 'float32', shape: [size] },
    { name: 'one', dtype: 'float32', shape: [size] },
  ]);
  store.write('one', new Float32Array(size).fill(1));
  const x = { data: new Float32Array(1), shape: [1] };
  return { executable, store, run: (options) => executable.run(store, { x }, options) };
}
type Runner = (options?: Parameters<Executable['run']>[2]) => ReturnType<Executable['run']>;

/** The first element of the state of `slow`: how many runs were committed. */
export async function committed(store: Store): Promise<number> {
  return (await store.read('state'))[0]!;
}
