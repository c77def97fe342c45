import { OptionError, ShapeError, StateError } from '../errors';
import { float32, int32, type ValueType, type Variable } from '../ops/op';
import { formatShape } from '../ops/shape';
import type { ProgramBuilder } from '../program/builder';
import type { Initializer } from './initializer';

export interface ParameterSpec {
  /** PyTorch's name, such as `encoder.weight_ih_l0`. */
  readonly path: string;
  readonly shape: readonly number[];
  readonly initializer: Initializer;
}

/**
 * Where recurrent layers begin when they are given no initial state: at `zero`; at `inputs` of the program, whose
 * gradients can then be asked for; or where the last run ended, in states under `carried`.
 */
export type RecurrentState = 'zero' | 'inputs' | { readonly carried: string };

export interface TraceMode {
  /** Dropout acts. */
  readonly training: boolean;
  readonly recurrentState: RecurrentState;
}

/** Inputs that hold initial states bear this prefix. */
export const initialStatePrefix = 'initial/';

/** The name of the input with the two 32-bit words that key random numbers: seed and run. */
export const randomKeyInput = 'random_key';

/** One writing of a program by the layers of a network. */
export class Trace {
  readonly parameters = new Map<string, ParameterSpec>();
  /** Names of the carried states. */
  readonly carried: string[] = [];
  /** Initial states that are inputs of the program. */
  readonly initialStates: Record<string, Variable> = {};
  private randomKey: Variable | null = null;

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

  /** The state in which a recurrent layer begins; null for zeros. */
  recurrentState(layer: object, name: string, type: ValueType): Variable | null {
    const { recurrentState } = this.mode;
    if (recurrentState === 'zero') return null;
    if (recurrentState === 'inputs') {
      const input = initialStatePrefix + this.join(layer, name);
      // A layer that is called twice begins both times from the same state.
      return (this.initialStates[input] ??= this.builder.input(input, type));
    }
    const path = this.carriedName(recurrentState.carried, layer, name);
    if (this.carried.includes(path)) {
      throw new OptionError('a recurrent layer that is called more than once cannot carry state or be stepped');
    }
    this.carried.push(path);
    return this.builder.state(path, type);
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
