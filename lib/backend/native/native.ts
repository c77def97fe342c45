/** The native backend: C++ kernels, one call for each run, off the event loop unless it is brief. */
import { BackendError, OptionError, StateError } from '../../errors';
import type { OpName } from '../../ops/registry';
import { elementCount, evaluateShape, type Counts } from '../../ops/shape';
import { describe } from '../../options';
import type { Program } from '../../program/program';
import type { ArrayView, Backend, Executable, NumberArray, RunOptions, RunResult, StateSpec, Store } from '../backend';
import { bindInputs, checkContents } from '../bind';
import { dtypeCodes, type AddonExecutable, type AddonOutcome, type AddonStore } from './addon';
import { areWhole, isShared, transferable, unshared } from './arrays';
import { encode } from './encode';
import { loadAddon } from './load';
import { mayRunAtOnce, turnAfterRun } from './turns';

export const native: Backend = {
  name: 'native',
  createStore: () => new NativeStore(reporting(() => new (loadAddon().addon.Store)())),
  prepare: (program, capacities) => new NativeExecutable(program, capacities),
};

/** The instruction set in use, those that could be, and the logical CPUs that the process may use. */
export function nativeInfo(): { readonly isa: string; readonly isas: readonly string[]; readonly cpus: number } {
  const { isa, isas, cpus } = loadAddon().description;
  return { isa, isas, cpus };
}

/** The size of the team that runs programs. */
export function getThreads(): number {
  return loadAddon().addon.threads();
}

/**
 * From the next run on, in the whole process: 1 to 256 threads for every run. Without it, and without
 * LSTM_NATIVE_THREADS, runs too small to be shared take one thread, and brief ones no thread but the calling one; so they
 * do with 1. Results do not depend on it.
 */
export function setThreads(threads: number): void {
  if (!Number.isInteger(threads) || threads < 1 || threads > 256) {
    throw new OptionError(`setThreads: threads: expected an integer in 1..256, received ${describe(threads)}`);
  }
  loadAddon().addon.setThreads(threads);
}

/**
 * A wrong kernel on purpose, to test those who look for one: after each equation of this op, the first element of its
 * first planned output is multiplied by 1 + relative. Null ends it.
 */
export function injectFault(op: OpName | null, relative = 0): void {
  const { addon, opcodes } = loadAddon();
  addon.injectFault(op === null ? -1 : opcodes.get(op)!, relative);
}

/**
 * FMA operations a second, counting two for each FMA, that the team reaches when it touches no memory: what kernels are
 * measured against. Takes its place in the queue of runs, and 20 ms.
 */
export function measurePeak(): Promise<number> {
  return loadAddon().addon.measurePeak();
}

/**
 * Bytes a second that the team reads, each member its own `bytes` over and over: of a cache where they fit into it, of
 * memory where they are many. Takes its place in the queue of runs, and 20 ms or more.
 */
export function measureBandwidth(bytes: number): Promise<number> {
  return loadAddon().addon.measureBandwidth(bytes);
}

/** For tests: bytes of the packed weights that a native store holds from run to run, once the runs queued so far are over. */
export const packBytes = (store: Store): number => (store as NativeStore).handle.packBytes();

/** For tests: bytes that runs of a native executable take of the arena: values, weights packed for one run, workspace of the last. */
export const arenaBytes = (executable: Executable): number => (executable as NativeExecutable).handle.arenaBytes();

/** What the addon throws becomes a BackendError. */
function reporting<T>(body: () => T): T {
  try {
    return body();
  } catch (cause) {
    throw reported(cause);
  }
}

const reported = (cause: unknown): Error =>
  cause instanceof BackendError ? cause : new BackendError((cause as Error).message, { cause });

class NativeStore implements Store {
  private readonly specs = new Map<string, StateSpec>();
  private disposed = false;

  constructor(private readonly store: AddonStore) {}

  get states(): ReadonlyMap<string, StateSpec> {
    return this.specs;
  }

  /** The addon's store. */
  get handle(): AddonStore {
    this.expectUsable();
    return this.store;
  }

  expectUsable(): void {
    if (this.disposed) throw new StateError('the store was disposed');
  }

  allocate(states: readonly StateSpec[]): void {
    // Allocation waits for the runs under way.
    if (states.length === 0) return;
    for (const { name } of states) {
      if (this.specs.has(name)) throw new StateError(`the store has a state '${name}' already`);
    }
    reporting(() => this.handle.allocate(...columns(states)));
    for (const state of states) this.specs.set(state.name, state);
  }

  write(name: string, data: ArrayLike<number>): void {
    const { dtype, shape } = this.spec(name);
    if (data.length !== elementCount(shape)) {
      throw new StateError(`${name}: expected ${elementCount(shape)} elements, received ${data.length}`);
    }
    this.handle.write(name, transferable(data, dtype === 'int32'));
  }

  async read(name: string): Promise<NumberArray> {
    this.spec(name);
    return this.handle.read(name);
  }

  readNow(name: string): NumberArray {
    this.spec(name);
    const data = this.handle.read(name);
    if (!ArrayBuffer.isView(data)) throw new StateError(`${name}: a run that changes it is under way`);
    return data;
  }

  snapshot(names: readonly string[] = [...this.specs.keys()], added: readonly StateSpec[] = []): Store {
    const specs = [...names.map((name) => this.spec(name)), ...added];
    const copy = new NativeStore(reporting(() => this.handle.snapshot(names, ...columns(added))));
    for (const spec of specs) copy.specs.set(spec.name, spec);
    return copy;
  }

  dispose(): void {
    this.disposed = true;
    this.specs.clear();
    this.store.dispose();
  }

  private spec(name: string): StateSpec {
    const spec = this.specs.get(name);
    if (!spec) throw new StateError(this.disposed ? 'the store was disposed' : `the store has no state '${name}'`);
    return spec;
  }
}

/** Names, dtypes and sizes of states, as the addon takes them. */
function columns(states: readonly StateSpec[]): [names: string[], dtypes: number[], elements: number[]] {
  return [
    states.map(({ name }) => name),
    states.map(({ dtype }) => dtypeCodes[dtype]),
    states.map(({ shape }) => elementCount(shape)),
  ];
}

class NativeExecutable implements Executable {
  /** The addon's executable. */
  readonly handle: AddonExecutable;
  private disposed = false;

  constructor(
    readonly program: Program,
    readonly capacities: Counts,
  ) {
    const { addon, opcodes } = loadAddon();
    const { words, numbers, states } = encode(program, capacities, opcodes);
    this.handle = reporting(() => new addon.Executable(words, numbers, states));
  }

  async run(
    store: Store,
    inputs: Readonly<Record<string, ArrayView>>,
    { signal, priority = 'inference' }: RunOptions = {},
  ): Promise<RunResult> {
    signal?.throwIfAborted();
    const { counts, arrays, states } = this.bind(store, inputs);
    const { T, B, S } = counts;
    const run = reporting(() =>
      this.handle.run(
        states,
        T,
        B,
        S,
        arrays,
        priority === 'training',
        signal !== undefined,
        mayRunAtOnce(),
      ),
    );
    if ('status' in run) {
      // What is awaited lets timers and input have their turn, as it does when another thread runs it.
      await turnAfterRun();
      signal?.throwIfAborted();
      return this.result(run, counts);
    }
    const abort = () => run.abort?.();
    signal?.addEventListener('abort', abort, { once: true });
    try {
      const outcome = await run.outcome;
      if (outcome.status === 'aborted') throw signal?.reason ?? new BackendError('the run was abandoned');
      return this.result(outcome, counts);
    } catch (cause) {
      throw cause === signal?.reason ? cause : new BackendError((cause as Error).message, { cause });
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  runSync(store: Store, inputs: Readonly<Record<string, ArrayView>>): RunResult {
    const { counts, arrays, states } = this.bind(store, inputs);
    const { T, B, S } = counts;
    return this.result(
      reporting(() => this.handle.runSync(states, T, B, S, arrays)),
      counts,
    );
  }

  repeatSync(store: Store, inputs: Readonly<Record<string, ArrayView>>): () => RunResult['outputs'] {
    const own = this.ownStore(store);
    const binding = bindInputs(this.program, this.capacities, inputs);
    const { counts } = binding;
    const given = binding.arrays.map(({ data }) => data);
    const sizes = given.map(({ length }) => length);
    const bind = () => {
      const targets = this.newOutputs(counts);
      const { T, B, S } = counts;
      const run = reporting(() => this.handle.repeatSync(own.handle, T, B, S, given, targets));
      const { outputs } = this.result({ status: 'committed', index: 0, outputs: targets }, counts);
      return { run, targets, sizes: targets.map(({ length }) => length), outputs };
    };
    let bound = bind();
    return () => {
      if (this.disposed) throw new StateError('the executable was disposed');
      own.expectUsable();
      checkContents(this.program, binding);
      // An input that is gone is an error of the binding.
      if (!areWhole(given, sizes) || !areWhole(bound.targets, bound.sizes)) bound = bind();
      try {
        bound.run();
      } catch (cause) {
        throw reported(cause);
      }
      return bound.outputs;
    };
  }

  dispose(): void {
    this.disposed = true;
    this.handle.dispose();
  }

  private bind(store: Store, inputs: Readonly<Record<string, ArrayView>>) {
    const { handle: states } = this.ownStore(store);
    const own = Object.values(inputs).some(isShared)
      ? Object.fromEntries(Object.entries(inputs).map(([name, array]) => [name, unshared(array)]))
      : inputs;
    const { counts, arrays } = bindInputs(this.program, this.capacities, own);
    return { counts, arrays: arrays.map(({ data }) => data), states };
  }

  private ownStore(store: Store): NativeStore {
    if (this.disposed) throw new StateError('the executable was disposed');
    if (!(store instanceof NativeStore)) throw new BackendError('expected a store of the native backend');
    return store;
  }

  private newOutputs(counts: Counts): NumberArray[] {
    return this.program.outputs.map(({ value }) => {
      const { dtype, shape } = this.program.values[value]!;
      return new arrayClasses[dtype](elementCount(evaluateShape(shape, counts)));
    });
  }

  private result({ status, index, outputs }: AddonOutcome, counts: Counts): RunResult {
    const views = this.program.outputs.flatMap(({ name, value }, position) => {
      const data = outputs[position];
      if (!data) return [];
      return [[name, { data, shape: evaluateShape(this.program.values[value]!.shape, counts) }] as const];
    });
    return {
      outputs: Object.fromEntries(views),
      failedGuard: status === 'guard failed' ? this.program.guards[index]!.name : null,
    };
  }
}

const arrayClasses = { float32: Float32Array, int32: Int32Array, float64: Float64Array } as const;
