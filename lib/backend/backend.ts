/**
 * What a backend does: it owns states and executes programs. Two implement it: `reference` (TypeScript, float64, the
 * definition of correct) and `native` (C++). A backend takes programs from above and knows no layer.
 */
import type { Dtype } from '../ops/op';
import type { Counts } from '../ops/shape';
import type { Program } from '../program/program';

export type NumberArray = Float32Array | Float64Array | Int32Array;

/** A row-major array that enters or leaves a run. */
export interface ArrayView {
  readonly data: NumberArray;
  readonly shape: readonly number[];
}

export interface StateSpec {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
}

/** The named states of one model: parameters, optimizer moments, carried state. Reads and writes take place between runs. */
export interface Store {
  readonly states: ReadonlyMap<string, StateSpec>;
  /** Adds zero-filled states, placed one after the other. Names that exist already are refused. */
  allocate(states: readonly StateSpec[]): void;
  /** Copies `data` at the call. */
  write(name: string, data: ArrayLike<number>): void;
  /** Float32Array from native, Float64Array from the reference; Int32Array for int32 states. */
  read(name: string): Promise<NumberArray>;
  /** As `read`, of a store on which no run is under way; with one, throws StateError. */
  readNow(name: string): NumberArray;
  /** A new store with copies of the named states (default: all) as they are after the runs queued so far, and zero-filled states beside them. */
  snapshot(names?: readonly string[], added?: readonly StateSpec[]): Store;
  dispose(): void;
}

export interface RunOptions {
  /** Abandons the run at the next equation; the commit is then not begun, and the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Inference runs ahead of queued training. Default `inference`. */
  readonly priority?: 'inference' | 'training';
}

export interface RunResult {
  readonly outputs: Readonly<Record<string, ArrayView>>;
  /** The first guard that was not finite: nothing was committed. Null when the commit took place. */
  readonly failedGuard: string | null;
}

/** A program prepared for capacities; runs with any counts up to them. */
export interface Executable {
  readonly program: Program;
  readonly capacities: Counts;
  /**
   * Inputs are checked and copied at the call. Runs of one store take place in the order of their calls, but for inference,
   * which overtakes queued training. Native runs are off the calling thread, except brief ones (about 0.1 ms at most) that
   * have nobody to wait for and no weight to pack anew: the first few of a turn of the event loop take place in the call.
   * Their promises, too, settle in a later turn.
   */
  run(store: Store, inputs: Readonly<Record<string, ArrayView>>, options?: RunOptions): Promise<RunResult>;
  /** On the calling thread, for steps of microseconds. */
  runSync(store: Store, inputs: Readonly<Record<string, ArrayView>>): RunResult;
  /**
   * A run on the calling thread that will be repeated, of a program without guards: each call reads what then stands in
   * these arrays. The outputs are views that are valid until the next call. Native makes no JavaScript object in a call.
   */
  repeatSync(store: Store, inputs: Readonly<Record<string, ArrayView>>): () => RunResult['outputs'];
  dispose(): void;
}

export interface Backend {
  readonly name: 'native' | 'reference';
  createStore(): Store;
  prepare(program: Program, capacities: Counts): Executable;
}
