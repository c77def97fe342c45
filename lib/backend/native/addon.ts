/** The one description of the addon's exports (native/addon/). Nothing else in lib knows them. */
import type { NumberArray } from '../backend';

/** Grows with every change of the exports or of the encoding; native/addon/addon.cc has the same number. */
export const addonInterface = 8;

export interface SlotDescription {
  readonly name: string;
  readonly dtype: string;
  readonly arity: string;
  readonly inPlace?: string;
}

/** An op as the native side knows it. Its opcode is its position in the list. */
export interface OpDescription {
  readonly name: string;
  readonly operands: readonly SlotDescription[];
  readonly outputs: readonly SlotDescription[];
  readonly attributes: readonly { readonly name: string; readonly kind: string }[];
  readonly hasKernel: boolean;
}

export interface AddonDescription {
  /** The instruction set in use; empty when `isaError` says why there is none. */
  readonly isa: string;
  readonly isaError: string;
  /** What this machine and build could use, slowest first. */
  readonly isas: readonly string[];
  /** Logical CPUs that the process may use. */
  readonly cpus: number;
  readonly ops: readonly OpDescription[];
}

export interface AddonStore {
  /** Dtypes as in `dtypeCodes`. */
  allocate(names: readonly string[], dtypes: readonly number[], elements: readonly number[]): void;
  /** Copied at the call. */
  write(name: string, data: NumberArray): void;
  /** A promise while a run that changes the store is queued. */
  read(name: string): NumberArray | Promise<NumberArray>;
  /** Copies of the named states, and zero-filled states as `allocate` takes them. */
  snapshot(
    copied: readonly string[],
    names: readonly string[],
    dtypes: readonly number[],
    elements: readonly number[],
  ): AddonStore;
  /** See `packBytes` in native.ts. */
  packBytes(): number;
  dispose(): void;
}

export interface AddonOutcome {
  readonly status: 'committed' | 'guard failed' | 'aborted';
  /** The guard that failed, or the equation after which the run stopped. */
  readonly index: number;
  /** Null for what was not made. */
  readonly outputs: readonly (NumberArray | null)[];
}

export interface AddonRun {
  readonly outcome: Promise<AddonOutcome>;
  /** Of a run that was said to be abortable. */
  abort?(): void;
}

export interface AddonExecutable {
  /**
   * The counts of T, B and S; one array for each input, in order, copied at the call. The outcome itself where the run took
   * place in the call: that was allowed (`atOnce`), it is brief, no weight has to be packed anew, nothing is queued that it
   * would have to wait for, nobody asked for a team, and if it is abortable it writes no state.
   */
  run(
    store: AddonStore,
    t: number,
    b: number,
    s: number,
    inputs: readonly NumberArray[],
    training: boolean,
    abortable: boolean,
    atOnce: boolean,
  ): AddonRun | AddonOutcome;
  runSync(store: AddonStore, t: number, b: number, s: number, inputs: readonly NumberArray[]): AddonOutcome;
  /**
   * As `runSync` of a program without guards, again and again: a function that reads these inputs and copies the outputs into
   * arrays of their sizes and dtypes. A call looks at no JavaScript object and makes none, so it may take place only while
   * every array has the elements that it had: none was detached or shrunk.
   */
  repeatSync(
    store: AddonStore,
    t: number,
    b: number,
    s: number,
    inputs: readonly NumberArray[],
    outputs: readonly NumberArray[],
  ): () => void;
  /** See `arenaBytes` in native.ts. */
  arenaBytes(): number;
  dispose(): void;
}

export interface Addon {
  readonly interface: number;
  describe(): AddonDescription;
  threads(): number;
  setThreads(threads: number): void;
  /** See `injectFault` in native.ts; opcode -1 ends it. */
  injectFault(opcode: number, relative: number): void;
  /** See `measurePeak` in native.ts. */
  measurePeak(): Promise<number>;
  /** See `measureBandwidth` in native.ts. */
  measureBandwidth(bytes: number): Promise<number>;
  readonly Store: new () => AddonStore;
  /** From what encode.ts wrote, and the names of the states. */
  readonly Executable: new (words: Int32Array, numbers: Float64Array, states: readonly string[]) => AddonExecutable;
}

/** As in native/kernels/call.h. */
export const dtypeCodes = { float32: 0, int32: 1, float64: 2 } as const;
