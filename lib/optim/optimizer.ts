import type { StateSpec } from '../backend/backend';
import type { Variable } from '../ops/op';
import type { ProgramBuilder } from '../program/builder';
import type { Group, ParameterPlace } from './groups';
import type { Json } from './schedule';

/** A parameter and its gradient, under construction of an update. */
export interface Trainable {
  readonly path: string;
  readonly shape: readonly number[];
  readonly parameter: Variable;
  readonly gradient: Variable;
  /** The number of its group. */
  readonly group: number;
}

/** Run-time scalars of an update: float64, one entry per parameter group. */
export interface UpdateScalars {
  readonly learning_rate: Variable;
  readonly weight_decay: Variable;
  /** Factor on all gradients, from clipping; null for 1. */
  readonly scale: Variable | null;
  /** Bound on the magnitude of each element after that; null for none. */
  readonly clip_value: Variable | null;
}

/**
 * An optimizer: states beside the parameters, and the equations that update them.
 *
 * It holds no numbers of a training, so one may serve several. All that a resumed training needs are the states that
 * `states` names, in the store of the network, and the plain JSON of the stepper (`Stepper.save`): rates follow from that.
 */
export interface Optimizer {
  readonly name: string;
  /** All options, as plain JSON, to tell whether a resumed training has the same. */
  readonly settings: Json;
  /** The first holds the parameters that no other matches. */
  readonly groups: readonly Group[];
  /** States beside the parameters, with their first values (zeros where not given). */
  states(parameters: readonly ParameterPlace[]): (StateSpec & { readonly initial?: ArrayLike<number> })[];
  /** Writes the update into the commit of a program. */
  emit(builder: ProgramBuilder, trainables: readonly Trainable[], scalars: UpdateScalars): void;
}
