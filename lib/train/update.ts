/** The update of a training step: its equations, and the scalars that a run of them is given. */
import type { ArrayView } from '../backend/backend';
import { DataError } from '../errors';
import type { Network, Writing } from '../nn/network';
import { fill } from '../ops/elementwise/fill';
import { float64, type Variable } from '../ops/op';
import { clipScale } from '../ops/update/clipScale';
import { gradientNorm } from '../ops/update/gradientNorm';
import { assignGroups } from '../optim/groups';
import type { Optimizer, Trainable } from '../optim/optimizer';
import type { ProgramBuilder } from '../program/builder';
import { gradient } from '../program/gradient';
import { names } from './names';

export interface Update {
  readonly optimizer: Optimizer;
  /** Largest global gradient norm; null for no clipping. */
  readonly clipNorm: number | null;
  /** Largest magnitude of an element of a gradient, after that; null for no clipping. */
  readonly clipValue?: number | null;
  /** Instead of an update, the gradients are added to sums, from which a later update takes their mean. */
  readonly sums?: boolean;
}

/** Parameters that an optimizer may change, and the gradient of the loss by each on which it depends. */
export function writeGradients(
  network: Network,
  { builder, trace }: Writing,
  loss: Variable,
  optimizer: Optimizer,
): Trainable[] {
  const groups = assignGroups(optimizer.name, optimizer.groups, [
    ...new Map([...network.parameters, ...trace.parameters]).values(),
  ]);
  const parameters = [...trace.parameters.values()].filter(({ path }) => !network.frozen.has(path));
  const variables = parameters.map(({ path, shape }) => builder.state(path, { dtype: 'float32', shape }));
  const one = builder.emit(fill, {}, { value: 1, shape: [] }).y;
  const gradients = gradient(builder, [{ variable: loss, cotangent: one }], variables);
  const trainables = parameters.flatMap(({ path, shape }, index) => {
    const found = gradients[index];
    return found ? [{ path, shape, parameter: variables[index]!, gradient: found, group: groups.get(path)! }] : [];
  });
  if (trainables.length === 0)
    throw new DataError('training: no parameter is left: all are frozen, or the loss depends on none');
  return trainables;
}

/** The norm of all gradients together, which must be finite. */
export function writeGradientNorm(builder: ProgramBuilder, gradients: readonly Variable[]): Variable {
  const { norm } = builder.emit(gradientNorm, { gradients }, {});
  builder.output(names.gradientNorm, norm);
  builder.guard(names.gradientNorm, norm);
  return norm;
}

/** Writes the norm of the gradients, their clipping, and the optimizer's step in the commit. */
export function writeUpdate(
  builder: ProgramBuilder,
  trainables: readonly Trainable[],
  { optimizer, clipNorm, clipValue = null }: Update,
): void {
  builder.scope('update', () => {
    const norm = writeGradientNorm(
      builder,
      trainables.map((t) => t.gradient),
    );
    const scale =
      clipNorm === null
        ? null
        : builder.emit(clipScale, { norm, max_norm: builder.input(names.maxNorm, float64()) }, {}).scale;
    const clip_value = clipValue === null ? null : builder.input(names.clipValue, float64());
    const groups = optimizer.groups.length;
    const learning_rate = builder.input(names.learningRate, float64(groups));
    const weight_decay = builder.input(names.weightDecay, float64(groups));
    builder.commit(() => optimizer.emit(builder, trainables, { learning_rate, weight_decay, scale, clip_value }));
  });
}

/** What a run of an update is given, with the learning rate of each group. */
export function updateScalars(
  { optimizer, clipNorm, clipValue = null }: Update,
  rates: readonly number[],
): Record<string, ArrayView> {
  const scalar = (value: number): ArrayView => ({ data: Float64Array.of(value), shape: [] });
  const perGroup = (values: readonly number[]): ArrayView => ({
    data: Float64Array.from(values),
    shape: [values.length],
  });
  return {
    [names.learningRate]: perGroup(rates),
    [names.weightDecay]: perGroup(optimizer.groups.map(({ weightDecay }) => weightDecay)),
    ...(clipNorm !== null && { [names.maxNorm]: scalar(clipNorm) }),
    ...(clipValue !== null && { [names.clipValue]: scalar(clipValue) }),
  };
}

/** Equal for updates that write equal equations with the same optimizer. */
export const clipKey = ({ clipNorm, clipValue = null }: Update): string =>
  `clip ${[clipNorm, clipValue].map((bound) => bound !== null).join(' ')}`;
