import { ShapeError, StateError } from '../../lib';
import { reference } from '../../lib/backend/reference/reference';
import { add } from '../../lib/ops/elementwise/arithmetic';
import { exp } from '../../lib/ops/elementwise/exponential';
import { sum } from '../../lib/ops/functions';
import { float32 } from '../../lib/ops/op';
import { ProgramBuilder } from '../../lib/program/builder';
import { floats } from '../support/random';

const capacities = { T: 1, B: 4, S: 1 };

/** y = exp(x) + s; s becomes y in the commit, which a guard on Σ y lets happen. */
function counting() {
  const builder = new ProgramBuilder();
  const [x, state] = [builder.input('x', float32('B')), builder.state('s', float32('B'))];
  const y = builder.emit(add, { a: builder.emit(exp, { x }, {}).y, b: state }, {}).y;
  builder.guard('sum', sum(y));
  builder.output('y', y);
  builder.setNext('s', y);
  const store = reference.createStore();
  store.allocate([{ name: 's', dtype: 'float32', shape: [4] }]);
  return { executable: reference.prepare(builder.finish(), capacities), store };
}

const zeros = (size: number) => floats([size], new Float64Array(size));

test('one program serves every count up to its capacities, and no larger one', () => {
  const { executable, store } = counting();
  expect(Array.from(executable.runSync(store, { x: zeros(2) }).outputs.y!.data)).toEqual([1, 1]);
  expect(Array.from(executable.runSync(store, { x: zeros(4) }).outputs.y!.data)).toEqual([2, 2, 1, 1]);
  expect(() => executable.runSync(store, { x: zeros(5) })).toThrow(ShapeError);
});

test('a guard that is not finite is named, and nothing is committed', async () => {
  const { executable, store } = counting();
  executable.runSync(store, { x: zeros(4) });
  const { failedGuard, outputs } = await executable.run(store, { x: floats([4], [0, 1000, 0, 0]) });
  expect(failedGuard).toBe('sum');
  expect(outputs.y!.data[1]).toBe(Infinity);
  expect(Array.from(await store.read('s'))).toEqual([1, 1, 1, 1]);
  expect(executable.runSync(store, { x: zeros(4) }).failedGuard).toBeNull();
});

test('an aborted run rejects with its reason, and nothing is committed', async () => {
  const { executable, store } = counting();
  const reason = new Error('enough');
  const run = executable.run(store, { x: zeros(4) }, { signal: AbortSignal.abort(reason) });
  await expect(run).rejects.toBe(reason);
  expect(Array.from(await store.read('s'))).toEqual([0, 0, 0, 0]);
});

test('runs in a row leave room for timers', async () => {
  const { executable, store } = counting();
  let rang = false;
  setTimeout(() => (rang = true), 0);
  const deadline = performance.now() + 10_000;
  while (!rang && performance.now() < deadline) await executable.run(store, { x: zeros(4) });
  expect(rang).toBe(true);
});

test('a store copies what enters and leaves it', async () => {
  const store = reference.createStore();
  store.allocate([{ name: 's', dtype: 'float32', shape: [2] }]);
  const data = Float64Array.of(1, 2);
  store.write('s', data);
  data.fill(9);
  const copy = store.snapshot();
  (await store.read('s')).fill(8);
  store.write('s', [3, 4]);
  expect([Array.from(await copy.read('s')), Array.from(await store.read('s'))]).toEqual([
    [1, 2],
    [3, 4],
  ]);
});

test('a store refuses names that it has or lacks, and other sizes', () => {
  const store = reference.createStore();
  const state = { name: 's', dtype: 'float32', shape: [2] } as const;
  store.allocate([state]);
  expect(() => store.allocate([state])).toThrow(StateError);
  expect(() => store.write('t', [1])).toThrow("no state 't'");
  expect(() => store.write('s', [1])).toThrow('s: expected 2 elements, received 1');
});
