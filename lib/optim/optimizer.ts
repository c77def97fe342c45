import { OptionError } from '../errors';
import type { StateSpec } from '../backend/backend';
import type { Variable } from '../ops/op';
import { describe } from '../options';
import type { ProgramBuilder } from '../program/builder';
import type { Schedule } from './schedule';

/** A parameter and its gradient, under construction of an update. */
export interface Trainable {
  readonly path: string;
  readonly shape: readonly number[];
  readonly parameter: Variable;
  readonly gradient: Variable;
}

/** Run-time scalars of an update: float64, one entry per parameter group. */
export interface UpdateScalars {
  readonly learning_rate: Variable;
  readonly weight_decay: Variable;
  /** Factor on all gradients, from clipping; null for 1. */
  readonly scale: Variable | null;
}

/** An optimizer: states per parameter, and the equations that update them. */
export interface Optimizer {
  readonly name: string;
  readonly learningRate: Schedule;
  readonly weightDecay: number;
  /** States beside the parameters, with their first values (zeros where not given). */
  states(
    parameters: readonly { path: string; shape: readonly number[] }[],
  ): (StateSpec & { readonly initial?: readonly number[] })[];
  /** Writes the update into the commit of a program. */
  emit(builder: ProgramBuilder, trainables: readonly Trainable[], scalars: UpdateScalars): void;
}

/** The state `kind` of each parameter, as a variable. */
export function stateVariables(builder: ProgramBuilder, kind: string, trainables: readonly Trainable[]): Variable[] {
  return trainables.map(({ path, shape }) => builder.state(`${kind}.${path}`, { dtype: 'float32', shape }));
}

export function stateSpecs(
  kind: string,
  parameters: readonly { path: string; shape: readonly number[] }[],
): StateSpec[] {
  return parameters.map(({ path, shape }) => ({ name: `${kind}.${path}`, dtype: 'float32', shape }));
}

export function setNexts(builder: ProgramBuilder, names: readonly string[], values: readonly Variable[]): void {
  names.forEach((name, index) => builder.setNext(name, values[index]!));
}

export function inRange(optimizer: string, name: string, value: number, low: number, below: number): void {
  if (typeof value !== 'number' || !(value >= low && value < below)) {
    throw new OptionError(
      `${optimizer}: ${name}: expected a number in [${low}, ${below}), received ${describe(value)}`,
    );
  }
}
