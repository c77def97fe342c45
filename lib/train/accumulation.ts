/** Gradients of several batches become that of one larger batch: their weighted sum, in states, and an update with its mean. */
import type { StateSpec } from '../backend/backend';
import type { Written } from '../nn/network';
import { float64, type Variable } from '../ops/op';
import { gradientMean } from '../ops/update/gradientMean';
import { gradientSum } from '../ops/update/gradientSum';
import type { ParameterPlace } from '../optim/groups';
import type { Trainable } from '../optim/optimizer';
import { ProgramBuilder } from '../program/builder';
import { names } from './names';
import { writeGradientNorm, writeUpdate, type Update } from './update';

const sumState = (path: string): string => `accumulation.sum.${path}`;
const totalWeightState = 'accumulation.total_weight';

/** States that hold the sums for these parameters, and the weight in them. */
export const sumStates = (parameters: readonly ParameterPlace[]): StateSpec[] => [
  ...parameters.map(({ path, shape }) => ({ name: sumState(path), dtype: 'float32' as const, shape })),
  { name: totalWeightState, dtype: 'float64', shape: [] },
];

const totalWeightOf = (builder: ProgramBuilder) => builder.state(totalWeightState, float64());
const sumOf = (builder: ProgramBuilder, { path, shape }: ParameterPlace) =>
  builder.state(sumState(path), { dtype: 'float32', shape });

/**
 * Writes the addition of a batch's gradients to the sums in the commit, each times the batch's weight: Σ of the weights
 * behind the mean that its loss is, or 1 where the loss has none. The input `keep` is 0 for the first batch.
 */
export function writeSums(builder: ProgramBuilder, trainables: readonly Trainable[], weight: Variable | null): void {
  builder.scope('update', () => {
    const gradients = trainables.map((t) => t.gradient);
    // One that is not finite would spoil the sums for good.
    writeGradientNorm(builder, gradients);
    const sums = trainables.map((t) => sumOf(builder, t));
    const total_weight = totalWeightOf(builder);
    const keep = builder.input(names.keep, float64());
    const next = builder.commit(() => builder.emit(gradientSum, { gradients, sums, weight, total_weight, keep }, {}));
    trainables.forEach(({ path }, index) => builder.setNext(sumState(path), next.sums[index]!));
    builder.setNext(totalWeightState, next.total_weight);
  });
}

/** The program that updates these parameters with the mean of the gradients that were summed for them. */
export function writeMeanUpdate(
  parameters: readonly (ParameterPlace & { readonly group: number })[],
  update: Update,
): Written {
  const builder = new ProgramBuilder();
  const gradients = builder.scope('update', () => {
    const sums = parameters.map((parameter) => sumOf(builder, parameter));
    return builder.emit(gradientMean, { sums, total_weight: totalWeightOf(builder) }, {}).gradients;
  });
  const trainables = parameters.map((parameter, index) => ({
    ...parameter,
    parameter: builder.state(parameter.path, { dtype: 'float32', shape: parameter.shape }),
    gradient: gradients[index]!,
  }));
  writeUpdate(builder, trainables, update);
  return { program: builder.finish(), carried: [], executable: null };
}

/** Of the parameters, those whose sums a program adds to. */
export const summedIn = ({ program }: Pick<Written, 'program'>, parameters: readonly ParameterPlace[]): string[] => {
  const written = new Set(program.states.filter(({ next }) => next !== null).map(({ name }) => name));
  return parameters.map(({ path }) => path).filter((path) => written.has(sumState(path)));
};

export const sumStateNames = (paths: readonly string[]): string[] => paths.map(sumState);
