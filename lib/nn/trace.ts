import { OptionError, ShapeError, StateError } from '../errors';
import { float32, int32, type ValueType, type Variable } from '../ops/op';
import { formatShape } from '../ops/shape';
import type { ProgramBuilder } from '../program/builder';
import type { Initializer } from './initializer';
import type { LayerRecord } from './records';

export interface ParameterSpec {
  /** PyTorch's name, such as `encoder.weight_ih_l0`. */
  readonly path: string;
  readonly shape: readonly number[];
  readonly initializer: Initializer;
}

/**
 * Where recurrent layers begin when they are given no initial state: at `zero`; at `inputs` of the program, whose
 * gradients can then be asked for; or where the last run ended, in states under `carried`. Learned initial states take the
 * place of zeros and of inputs; into carried ones they enter where the input `streamBeginsInput` says, in a program that
 * is `told`.
 */
export type RecurrentState = 'zero' | 'inputs' | { readonly carried: string; readonly told?: boolean };

export interface TraceMode {
  /** Dropout acts. */
  readonly training: boolean;
  readonly recurrentState: RecurrentState;
}

/** A state that a program carries from run to run. */
export interface CarriedState {
  readonly name: string;
  /** The kind of the layer whose state it is. */
  readonly kind: string;
  /** The path of the parameter that holds the learned initial state; null where a stream begins at zeros. */
  readonly learned: string | null;
}

/** Inputs that hold initial states bear this prefix. */
export const initialStatePrefix = 'initial/';

/** The name of the input with the two 32-bit words that key random numbers: seed and run. */
export const randomKeyInput = 'random_key';

/** The name of the input that is 1 in the first run of a stream, and 0 in those that carry its state on. */
export const streamBeginsInput = 'stream_begins';

/** One writing of a program by the layers of a network. */
export class Trace {
  readonly parameters = new Map<string, ParameterSpec>();
  readonly carried: CarriedState[] = [];
  /** Initial states that are inputs of the program. */
  readonly initialStates: Record<string, Variable> = {};
  /** What recurrent layers show of their steps, by path, layer and direction: `encoder_l0`. */
  readonly recurrentRecords = new Map<string, LayerRecord>();
  private randomKey: Variable | null = null;
  private begins: Variable | null = null;

  constructor(
    readonly builder: ProgramBuilder,
    readonly mode: TraceMode,
    private readonly pathOf: (layer: object) => string,
  ) {}

  enter<T>(layer: object, body: () => T): T {
    return this.builder.scope(this.pathOf(layer), body);
  }

  parameter(layer: object, name: string, shape: readonly number[], initializer: Initializer): Variable {
    const path = this.join(layer, name);
    const known = this.parameters.get(path);
    if (known && formatShape(known.shape) !== formatShape(shape)) {
      throw new ShapeError(
        `${path}: expected ${formatShape(known.shape)} as at its first use, received ${formatShape(shape)}`,
      );
    }
    this.parameters.set(path, { path, shape, initializer });
    return this.builder.state(path, float32(...shape));
  }

  /** The state in which a recurrent layer of this kind begins; null for zeros, or the state `learned` under that name. */
  recurrentState(layer: object, name: string, type: ValueType, kind: string, learned: string | null): Variable | null {
    const { recurrentState } = this.mode;
    if (recurrentState === 'zero') return null;
    if (recurrentState === 'inputs') {
      if (learned) return null;
      const input = initialStatePrefix + this.join(layer, name);
      // A layer that is called twice begins both times from the same state.
      return (this.initialStates[input] ??= this.builder.input(input, type));
    }
    const path = this.carriedName(recurrentState.carried, layer, name);
    if (this.carried.some((state) => state.name === path)) {
      throw new OptionError('a recurrent layer that is called more than once cannot carry state or be stepped');
    }
    this.carried.push({ name: path, kind, learned: learned && this.join(layer, learned) });
    return this.builder.state(path, type);
  }

  /** float32 [1]: whether carried states begin in this run; null in a program that is not told. */
  streamBegins(): Variable | null {
    const { recurrentState } = this.mode;
    if (typeof recurrentState !== 'object' || !recurrentState.told) return null;
    this.begins ??= this.builder.input(streamBeginsInput, float32(1));
    return this.begins;
  }

  /** Keeps what one layer and direction of a recurrent layer shows; a second call of it is told apart by number. */
  noteRecurrent(layer: object, suffix: string, record: LayerRecord): void {
    const place = `${this.pathOf(layer)}_${suffix}`;
    const isTaken = (path: string) => this.recurrentRecords.has(path);
    let path = place;
    for (let call = 2; isTaken(path); call++) path = `${place} (call ${call})`;
    this.recurrentRecords.set(path, record);
  }

  /** Whether final states go on to the next run. */
  get carries(): boolean {
    return typeof this.mode.recurrentState === 'object';
  }

  /** Keeps the state in which a recurrent layer ends, where the program carries it. */
  carryState(layer: object, name: string, next: Variable): void {
    const { recurrentState } = this.mode;
    if (typeof recurrentState === 'object')
      this.builder.setNext(this.carriedName(recurrentState.carried, layer, name), next);
  }

  /** int32 [2]: the seed and the number of the run. */
  key(): Variable {
    this.randomKey ??= this.builder.input(randomKeyInput, int32(2));
    return this.randomKey;
  }

  private carriedName(namespace: string, layer: object, name: string): string {
    return `${namespace}/${this.join(layer, name)}`;
  }

  private join(layer: object, name: string): string {
    const path = this.pathOf(layer);
    return path ? `${path}.${name}` : name;
  }
}

let active: Trace | null = null;

/** The program that layers are writing now. Tracing is synchronous, so one is enough. */
export function activeTrace(): Trace {
  if (!active) throw new StateError('a layer was called outside forward(); use model.predict(batch) to run a network');
  return active;
}

export function traced<T>(trace: Trace, body: () => T): T {
  const outer = active;
  active = trace;
  try {
    return body();
  } finally {
    active = outer;
  }
}
