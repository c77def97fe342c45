/** Runs that take place in the call that asks for them, since they are brief and nobody is in their way. */
import type { Executable, Store } from '../../lib/backend/backend';
import { getThreads, native, nativeInfo, setThreads } from '../../lib/backend/native/native';
import { lstm, sequential } from '../../lib';
import { BackendError, StateError } from '../../lib/errors';
import { add, multiply } from '../../lib/ops/elementwise/arithmetic';
import { linear } from '../../lib/ops/linear';
import { float32 } from '../../lib/ops/op';
import { ProgramBuilder } from '../../lib/program/builder';
import { allCounts, committed, doublingProgram, doublingStore, slow, slowProgram } from './nativePrograms';

// What adds one to so many numbers is brief; to do it for so long takes some milliseconds.
const [size, long] = nativeInfo().isa === 'scalar' ? [1 << 11, 24_000] : [1 << 14, 4_000];
/** Takes 10 ms or more of the compute thread. */
const lengthy = () => slow(1 << 16, 2000);
const one = { data: Float32Array.of(1), shape: [1] };
const x = { x: { data: Float32Array.of(1, 2, 3), shape: [1, 1, 3] } };
const doubling = native.prepare(doublingProgram(), allCounts(5));

/** One equation, y = state · one, that writes no state. */
function reader(): Executable {
  const builder = new ProgramBuilder();
  const [state, ones] = ['state', 'one'].map((name) => builder.state(name, float32(size)));
  builder.output('y', builder.emit(multiply, { a: state!, b: ones! }, {}).y);
  return native.prepare(builder.finish(), allCounts(1));
}
const read = reader();
/** Adds one to the state. */
const increment = native.prepare(slowProgram(size, 1), allCounts(1));

/** x to an odd power, by one equation after another. */
function power(): Executable {
  const builder = new ProgramBuilder();
  const base = builder.input('x', float32('T'));
  let y = base;
  for (let index = 0; index < long; index++) y = builder.emit(multiply, { a: y, b: base }, {}).y;
  builder.output('y', y);
  return native.prepare(builder.finish(), { T: size, B: 1, S: 1 });
}

/** Whether a run that writes states was over when the call returned: otherwise a state cannot be read at once. */
function isOver(store: Store, state: string): boolean {
  try {
    store.readNow(state);
    return true;
  } catch (error) {
    expect(error).toBeInstanceOf(StateError);
    return false;
  }
}

/** Other tests of this process may have asked for teams; whoever asks for one thread gets what is the default. */
const before = getThreads();
beforeEach(() => setThreads(1));
afterAll(() => setThreads(before));

test('a brief run is over when the call returns, and gives the bits of a team of the compute thread', async () => {
  const here = doublingStore();
  const running = doubling.run(here, x);
  expect(here.readNow('weight')[11]).toBe(22);
  setThreads(2);
  const there = doublingStore();
  expect((await running).outputs).toEqual((await doubling.run(there, x)).outputs);
  expect(here.readNow('weight')).toEqual(there.readNow('weight'));

  const model = sequential([lstm(33)], { seed: 3 });
  const batch = { inputs: { data: Float32Array.from({ length: 35 }, (_, k) => Math.sin(k)), shape: [1, 7, 5] } };
  const shared = await model.predict(batch);
  setThreads(1);
  expect(await model.predict(batch)).toEqual(shared);
});

test('a run with more to do leaves the calling thread alone', async () => {
  const { run, store } = lengthy();
  const running = run();
  expect(isOver(store, 'state')).toBe(false);
  await running;
});

test('a brief run of its own store waits for nobody; with a team that was asked for, or a signal, it queues', async () => {
  const { run } = lengthy();
  const { signal } = new AbortController();
  for (const { threads, options, queues } of [
    { threads: 1, options: {}, queues: false },
    { threads: 1, options: { priority: 'training' }, queues: false },
    { threads: 2, options: {}, queues: true },
    // What it writes could not be undone.
    { threads: 1, options: { signal }, queues: true },
  ] as const) {
    const { store } = slow(size, 1);
    setThreads(threads);
    // The compute thread has this to do before what queues.
    const running = run();
    const adding = increment.run(store, { x: one }, options);
    expect(isOver(store, 'state')).toBe(!queues);
    await Promise.all([adding, running]);
    expect(await committed(store)).toBe(1);
  }
});

test('timers and immediates have their turns between brief runs that are awaited one after another', async () => {
  const store = doublingStore();
  let turns = 0;
  const turn = () => {
    turns++;
    next = setImmediate(turn);
  };
  let next = setImmediate(turn);
  const runs = 200;
  for (let index = 0; index < runs; index++) await doubling.run(store, x);
  clearImmediate(next);
  expect(turns).toBeGreaterThanOrEqual(runs - 1);
});

test('only the first few of one turn take place in their calls', async () => {
  const { run } = lengthy();
  await new Promise((resolve) => setImmediate(resolve));
  const running = run();
  const stores = Array.from({ length: 20 }, () => slow(size, 1).store);
  const adding = stores.map((store) => increment.run(store, { x: one }));
  const over = stores.map((store) => isOver(store, 'state'));
  // One and the same executable: what follows one that queued, queues.
  expect(over.slice(0, 4)).toEqual([true, true, true, true]);
  expect(over.at(-1)).toBe(false);
  await Promise.all([running, ...adding]);
  for (const store of stores) expect(await committed(store)).toBe(1);
  const { store } = slow(size, 1);
  const next = increment.run(store, { x: one });
  expect(isOver(store, 'state')).toBe(true);
  await next;
});

test('a run that has a weight to pack anew queues, the next does not', async () => {
  const builder = new ProgramBuilder();
  const [weight, count] = [builder.state('weight', float32(4, 3)), builder.state('count', float32(1))];
  const ones = builder.input('one', float32(1));
  builder.output('y', builder.emit(linear, { x: builder.input('x', float32('T', 'B', 3)), weight }, {}).y);
  builder.setNext('count', builder.emit(add, { a: count, b: ones }, {}).y);
  const executable = native.prepare(builder.finish(), allCounts(5));
  const store = native.createStore();
  store.allocate([
    { name: 'weight', dtype: 'float32', shape: [4, 3] },
    { name: 'count', dtype: 'float32', shape: [1] },
  ]);
  const { run } = lengthy();
  /** Whether it took place in the call. */
  const atOnce = async () => {
    const running = run();
    const counting = executable.run(store, { ...x, one });
    const over = isOver(store, 'count');
    await Promise.all([running, counting]);
    return over;
  };
  /** The compute thread lets go of a run some microseconds after it has settled. */
  const soonAtOnce = async () => {
    for (let tries = 0; tries < 100; tries++) if (await atOnce()) return true;
    return false;
  };
  expect(await atOnce()).toBe(false);
  expect(await soonAtOnce()).toBe(true);
  store.write('weight', new Float32Array(12).fill(2));
  expect(await atOnce()).toBe(false);
  expect(await soonAtOnce()).toBe(true);
});

test('a promise is never settled within the call, nor before the turn is over', async () => {
  const order: string[] = [];
  const run = doubling.run(doublingStore(), x).then(() => order.push('run'));
  await Promise.resolve().then(() => order.push('microtask'));
  await new Promise<void>((resolve) => process.nextTick(resolve)).then(() => order.push('tick'));
  await run;
  expect(order).toEqual(['microtask', 'tick', 'run']);
});

test('brief runs settle in the order of the calls, and see what those before them wrote', async () => {
  const { store } = slow(size, 1);
  const order: number[] = [];
  const outputs = await Promise.all(
    Array.from({ length: 6 }, async (_, index) => {
      const result = await (index % 2 ? read.run(store, {}) : increment.run(store, { x: one }));
      order.push(index);
      return result.outputs.y?.data[size - 1] ?? null;
    }),
  );
  expect(order).toEqual([0, 1, 2, 3, 4, 5]);
  expect(outputs).toEqual([null, 1, null, 2, null, 3]);
});

test('a brief run waits for a long one of the same store: it sees all of what that writes, and settles after it', async () => {
  const { run, store } = slow(size, long);
  const order: string[] = [];
  const before = await read.run(store, {});
  const running = run().then(() => order.push('long'));
  const reading = read.run(store, {}).then(({ outputs }) => {
    order.push('brief');
    return outputs;
  });
  const adding = increment.run(store, { x: one }).then(() => order.push('brief, too'));
  expect(isOver(store, 'state')).toBe(false);
  expect(before.outputs.y!.data).toEqual(new Float32Array(size));
  expect((await reading).y!.data).toEqual(new Float32Array(size).fill(1));
  await Promise.all([running, adding]);
  expect(order).toEqual(['long', 'brief', 'brief, too']);
  expect(await committed(store)).toBe(2);
});

test('a brief run waits for a long one of the same executable, whatever their stores', async () => {
  const executable = power();
  const order: string[] = [];
  const input = (x: number, T: number) => ({ x: { data: new Float32Array(T).fill(x), shape: [T] } });
  const running = executable.run(native.createStore(), input(1, size)).then(({ outputs }) => {
    order.push('long');
    return outputs;
  });
  const brief = await executable.run(native.createStore(), input(-1, 1));
  order.push('brief');
  expect((await running).y!.data).toEqual(new Float32Array(size).fill(1));
  expect(brief.outputs.y!.data).toEqual(Float32Array.of(-1));
  expect(order).toEqual(['long', 'brief']);
});

test('inputs are copied, and what is disposed right after the call does not matter', async () => {
  const store = doublingStore();
  const executable = native.prepare(doublingProgram(), allCounts(5));
  const data = Float32Array.of(1, 2, 3);
  const right = (await executable.run(doublingStore(), x)).outputs.y!;
  const running = executable.run(store, { x: { data, shape: [1, 1, 3] } });
  data.fill(99);
  store.dispose();
  executable.dispose();
  expect((await running).outputs.y).toEqual(right);
  await expect(executable.run(store, x)).rejects.toThrow(StateError);
});

test('errors are rejections, also of what is found when the run begins', async () => {
  const call = () => doubling.run(native.createStore(), x);
  const running = call();
  await expect(running).rejects.toThrow("the store has no state 'weight'");
  await expect(call()).rejects.toThrow(BackendError);
  const store = doublingStore();
  store.write('bias', [1, NaN, 1, 1]);
  expect((await doubling.run(store, x)).failedGuard).toBe('total');
  expect(store.readNow('weight')[11]).toBe(11);
});

test('a brief run may be aborted until it settles; one that writes states then has written none', async () => {
  const reason = new Error('no longer needed');
  const { store } = slow(size, 1);
  const reading = new AbortController();
  const running = read.run(store, {}, { signal: reading.signal });
  reading.abort(reason);
  await expect(running).rejects.toBe(reason);

  // It must not be begun before it is known whether it is wanted: behind a long one, it is not.
  const { run, store: busy } = slow(size, long);
  const writing = new AbortController();
  const first = run();
  const adding = increment.run(busy, { x: one }, { signal: writing.signal });
  writing.abort(reason);
  await expect(adding).rejects.toBe(reason);
  await first;
  expect(await committed(busy)).toBe(1);
});

test('counts that change from run to run are weighed anew', async () => {
  const model = sequential([lstm(64)], { seed: 1 });
  const batch = (T: number) => ({
    inputs: { data: Float32Array.from({ length: T * 64 }, (_, k) => Math.sin(k)), shape: [1, T, 64] },
  });
  const first = async (T: number) => (await model.predict(batch(T))).data.slice(0, 64);
  const expected = await first(600);
  for (const T of [1, 600, 3]) expect(await first(T)).toEqual(expected);
});
