import type { NumberArray } from '../../lib/backend/backend';
import { loadAddon } from '../../lib/backend/native/load';
import { getThreads, injectFault, native, setThreads } from '../../lib/backend/native/native';
import { reference } from '../../lib/backend/reference/reference';
import { BackendError, DataError, OptionError, ShapeError, StateError } from '../../lib/errors';
import { allCounts, committed, doublingProgram, doublingStore, slow } from './nativePrograms';

const program = doublingProgram();
const executable = native.prepare(program, allCounts(5));
const ramp = (length: number) => Float32Array.from({ length }, (_, index) => index - 2);
const input = (data: NumberArray, ...shape: number[]) => ({ x: { data, shape } });

/** What the reference computes in the first run. */
async function expected(data: Float32Array, shape: number[]): Promise<number[]> {
  const store = reference.createStore();
  store.allocate([...doublingStore().states.values()]);
  store.write(
    'weight',
    Float32Array.from({ length: 12 }, (_, index) => index),
  );
  store.write('bias', [1, 2, 3, 4]);
  const { outputs } = await reference.prepare(program, allCounts(5)).run(store, input(data, ...shape));
  return Array.from(outputs.y!.data);
}

test('every op has a kernel', () => {
  expect(loadAddon().description.ops.filter(({ hasKernel }) => !hasKernel)).toEqual([]);
});

test('a run computes what the reference computes, at any counts up to the capacities, and commits', async () => {
  for (const [steps, batch] of [
    [2, 1],
    [5, 5],
    [1, 3],
  ] as const) {
    const store = doublingStore();
    const data = ramp(steps * batch * 3);
    const { outputs, failedGuard } = await executable.run(store, input(data, steps, batch, 3));
    expect(failedGuard).toBeNull();
    expect(outputs.y!.shape).toEqual([steps, batch, 4]);
    expect(Array.from(outputs.y!.data)).toEqual(await expected(data, [steps, batch, 3]));
    expect(Array.from(await store.read('weight'))).toEqual(Array.from({ length: 12 }, (_, index) => 2 * index));
  }
});

test('a packed weight follows its state: after a commit, a write, and on the calling thread', async () => {
  const store = doublingStore();
  const x = input(Float32Array.of(1, 0, 0), 1, 1, 3);
  const first = async () => (await executable.run(store, x)).outputs.y!.data[3]! - 4;
  expect([await first(), await first()]).toEqual([9, 18]);
  expect(executable.runSync(store, x).outputs.y!.data[3]! - 4).toBe(36);
  store.write('weight', new Float32Array(12).fill(5));
  expect([await first(), await first()]).toEqual([5, 10]);
});

test('an array may begin at any offset, be shared between threads, or hold doubles', async () => {
  const data = ramp(3);
  const result = await expected(data, [1, 1, 3]);
  const shared = new Float32Array(new SharedArrayBuffer(20), 4, 3);
  shared.set(data);
  const offset = new Float32Array(new ArrayBuffer(28), 12, 3);
  offset.set(data);
  for (const array of [shared, offset, Float64Array.from(data)]) {
    const { outputs } = await executable.run(doublingStore(), input(array, 1, 1, 3));
    expect(Array.from(outputs.y!.data)).toEqual(result);
  }
});

test('inputs are copied at the call', async () => {
  const data = ramp(3);
  const result = await expected(data, [1, 1, 3]);
  const run = executable.run(doublingStore(), input(data, 1, 1, 3));
  data.fill(99);
  expect(Array.from((await run).outputs.y!.data)).toEqual(result);
});

test('bad inputs are refused before anything runs', async () => {
  const store = doublingStore();
  const detached = ramp(3);
  structuredClone(detached.buffer, { transfer: [detached.buffer] });
  await expect(executable.run(store, input(detached, 1, 1, 3))).rejects.toThrow(DataError);
  await expect(executable.run(store, input(ramp(18), 6, 1, 3))).rejects.toThrow(ShapeError);
  await expect(executable.run(reference.createStore(), input(ramp(3), 1, 1, 3))).rejects.toThrow(BackendError);
  await expect(executable.run(native.createStore(), input(ramp(3), 1, 1, 3))).rejects.toThrow(
    "the store has no state 'weight'",
  );
  expect(() => executable.runSync(native.createStore(), input(ramp(3), 1, 1, 3))).toThrow(BackendError);
  expect(Array.from(await store.read('weight'))[11]).toBe(11);
});

test('a guard that is not finite keeps every state and is named', async () => {
  const store = doublingStore();
  store.write('bias', [1, NaN, 1, 1]);
  for (const result of [
    await executable.run(store, input(ramp(3), 1, 1, 3)),
    executable.runSync(store, input(ramp(3), 1, 1, 3)),
  ]) {
    expect(result.failedGuard).toBe('total');
    expect(result.outputs.y!.data[1]).toBeNaN();
  }
  expect((await store.read('weight'))[11]).toBe(11);
});

test('an aborted run rejects with the reason of its signal and commits nothing', async () => {
  const { run, store } = slow();
  const controller = new AbortController();
  const running = run({ signal: controller.signal });
  const queued = run({ signal: controller.signal });
  const reason = new Error('no longer needed');
  controller.abort(reason);
  await expect(running).rejects.toBe(reason);
  await expect(queued).rejects.toBe(reason);
  await expect(run({ signal: controller.signal })).rejects.toBe(reason);
  expect(await committed(store)).toBe(0);
  await run();
  expect(await committed(store)).toBe(1);
});

test('a repeated run reads its inputs anew, waits for queued runs, and gives the same views', async () => {
  const { executable: sums, run, store } = slow(1 << 18, 50);
  const x = new Float32Array(1);
  const repeat = sums.repeatSync(store, { x: { data: x, shape: [1] } });
  const queued = run();
  const first = repeat();
  expect(await committed(store)).toBe(2);
  x[0] = 21;
  expect(repeat()).toBe(first);
  expect(first.x!.data[0]).toBe(42);
  x[0] = NaN;
  expect(() => repeat()).toThrow('x: expected finite numbers');
  expect(await committed(store)).toBe(3);
  structuredClone(x.buffer, { transfer: [x.buffer] });
  expect(() => repeat()).toThrow('expected 1 elements, received 0 (is its buffer detached?)');
  await queued;
});

test('a repeated run refuses an input whose buffer shrank, and gives new views for an output that went away', async () => {
  const { executable: sums, store } = slow(1, 1);
  const Resizable = ArrayBuffer as unknown as new (
    bytes: number,
    options: object,
  ) => ArrayBuffer & { resize(bytes: number): void };
  const buffer = new Resizable(4, { maxByteLength: 4 });
  const repeat = sums.repeatSync(store, { x: { data: new Float32Array(buffer, 0, 1).fill(3), shape: [1] } });
  const first = repeat().x!.data;
  const moved = structuredClone(first, { transfer: [first.buffer as ArrayBuffer] });
  const second = repeat().x!.data;
  expect([first.length, moved[0], second[0], repeat().x!.data]).toEqual([0, 6, 6, second]);
  buffer.resize(0);
  expect(() => repeat()).toThrow('expected 1 elements, received 0 (is its buffer detached?)');
  buffer.resize(4);
  expect(repeat().x!.data[0]).toBe(0);
  expect(await committed(store)).toBe(4);
});

test('a repeated run is refused with a guard, and after its store or its executable was disposed', () => {
  expect(() => executable.repeatSync(doublingStore(), input(ramp(3), 1, 1, 3))).toThrow('a program without guards');
  for (const part of ['store', 'executable'] as const) {
    const parts = slow(1, 1);
    const repeat = parts.executable.repeatSync(parts.store, { x: { data: ramp(1), shape: [1] } });
    parts[part].dispose();
    expect(() => repeat()).toThrow(StateError);
    expect(() => repeat()).toThrow(`the ${part} was disposed`);
  }
});

test('reads, writes and snapshots keep their place between queued runs', async () => {
  const { run, store } = slow(1 << 18, 50);
  const runs = [run({ priority: 'training' }), run({ priority: 'training' })];
  const afterTwo = committed(store);
  const snapshot = store.snapshot(['state']);
  store.write('state', new Float32Array(1 << 18).fill(10));
  runs.push(run());
  const afterWrite = committed(store);
  expect(await committed(snapshot)).toBe(2);
  expect(await afterTwo).toBe(2);
  expect(await afterWrite).toBe(11);
  await Promise.all(runs);
});

test('a run on the calling thread waits for the runs that were queued before it', async () => {
  const { executable: sums, run, store } = slow(1 << 18, 50);
  const queued = run();
  sums.runSync(store, { x: { data: new Float32Array(1), shape: [1] } });
  expect(await committed(store)).toBe(2);
  await queued;
});

test('the number of threads changes no bit, also when it is more than the machine has', async () => {
  const before = getThreads();
  const data = Float32Array.from({ length: 75 }, (_, index) => Math.fround(Math.sin(index)));
  try {
    const results = [];
    for (const threads of [1, 2, 3, 8]) {
      setThreads(threads);
      expect(getThreads()).toBe(threads);
      results.push((await executable.run(doublingStore(), input(data, 5, 5, 3))).outputs.y!.data);
    }
    for (const result of results) expect(result).toEqual(results[0]);
  } finally {
    setThreads(before);
  }
  expect(() => setThreads(0)).toThrow(OptionError);
  expect(() => setThreads(1.5)).toThrow(OptionError);
  expect(() => setThreads(257)).toThrow(OptionError);
});

test('an injected fault changes the first element of one op', async () => {
  const data = ramp(3);
  const right = await expected(data, [1, 1, 3]);
  injectFault('linear', 0.5);
  const { outputs } = await executable.run(doublingStore(), input(data, 1, 1, 3));
  injectFault(null);
  expect(Array.from(outputs.y!.data)).toEqual([1.5 * right[0]!, ...right.slice(1)]);
  expect(Array.from((await executable.run(doublingStore(), input(data, 1, 1, 3))).outputs.y!.data)).toEqual(right);
});

test('a store refuses names that exist, names that do not, and other sizes', async () => {
  const store = doublingStore();
  expect(() => store.allocate([{ name: 'bias', dtype: 'float32', shape: [1] }])).toThrow(StateError);
  expect(() => store.write('nothing', [1])).toThrow(StateError);
  expect(() => store.write('bias', [1])).toThrow('bias: expected 4 elements, received 1');
  await expect(store.read('nothing')).rejects.toThrow(StateError);
});

test('states keep their dtype', async () => {
  const store = native.createStore();
  store.allocate([
    { name: 'double', dtype: 'float64', shape: [] },
    { name: 'integers', dtype: 'int32', shape: [2] },
    { name: 'empty', dtype: 'float32', shape: [0] },
  ]);
  store.write('double', [0.1]);
  store.write('integers', [-1, 2 ** 31 - 1]);
  expect(await store.read('double')).toEqual(Float64Array.of(0.1));
  expect(await store.read('integers')).toEqual(Int32Array.of(-1, 2 ** 31 - 1));
  expect(await store.read('empty')).toEqual(new Float32Array(0));
});

test('what was disposed says so, and a run that was queued before still ends', async () => {
  const { executable: sums, run, store } = slow(1 << 18, 50);
  const queued = run();
  store.dispose();
  sums.dispose();
  await expect(queued).resolves.toMatchObject({ failedGuard: null });
  await expect(run()).rejects.toThrow(StateError);
  expect(() => store.write('one', [1])).toThrow('the store was disposed');
});
