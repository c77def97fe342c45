import { checkOptions } from '../../options';
import { broadcast, sum as sumOp } from '../layout/broadcast';
import { mean as meanOp } from '../layout/mean';
import type { Variable } from '../op';
import { emitterOf } from '../variable';
import { resolveAxis } from './axis';
import { divide, multiply } from './pairwise';

export interface ReductionOptions {
  /** Keeps the axes, with size 1, so that the result broadcasts against x. Default false. */
  readonly keepDims?: boolean;
}

const attributes = (
  name: string,
  x: Variable,
  axis: number | readonly number[] | undefined,
  options: ReductionOptions,
) => {
  checkOptions(name, options, ['keepDims']);
  return { axes: resolveAxes(x, axis), keep_dims: options.keepDims ?? false };
};

function resolveAxes(x: Variable, axis: number | readonly number[] | undefined): number[] {
  if (axis === undefined) return x.type.shape.map((_, k) => k);
  return [axis].flat().map((one: number) => resolveAxis('x', x, one));
}

/**
 * Σ x over one axis, several, or all.
 *
 * @param x Variable of any shape.
 * @param axis Default: all axes, which gives a scalar.
 * @returns x without these axes, or with size 1 there when `keepDims`.
 * @throws ShapeError when there is no such axis, or one is named twice.
 * @example
 * const penalty = multiply(0.01, sum(square(weight)));
 */
export function sum(x: Variable, axis?: number | readonly number[], options: ReductionOptions = {}): Variable {
  return emitterOf(x).emit(sumOp, { x }, attributes('sum', x, axis, options)).y;
}

/**
 * The mean of x over one axis, several, or all.
 *
 * @param x Variable of any shape.
 * @param axis Default: all axes, which gives a scalar.
 * @returns x without these axes, or with size 1 there when `keepDims`.
 * @throws ShapeError when there is no such axis, or one is named twice.
 * @example
 * const centred = subtract(x, mean(x, -1, { keepDims: true }));
 */
export function mean(x: Variable, axis?: number | readonly number[], options: ReductionOptions = {}): Variable {
  return emitterOf(x).emit(meanOp, { x }, attributes('mean', x, axis, options)).y;
}

/**
 * Σ w·x / Σ w over all elements: the mean of a loss or metric of one's own, in which padding does not count.
 *
 * @param x Variable of any shape, such as the error of every step [T, B].
 * @param weights Variable that broadcasts to the shape of x, such as the third argument of a loss; null for the plain mean.
 * @returns A scalar; NaN where all weights are 0.
 * @throws ShapeError when the weights do not broadcast to x.
 * @example
 * const loss: LossFunction = (output, targets, weights) =>
 *   weightedMean(mean(square(subtract(output, targets)), -1), weights);
 */
export function weightedMean(x: Variable, weights: Variable | null): Variable {
  if (!weights) return mean(x);
  // Repeated to the shape of x, so that the weight of a sequence counts once for each of its steps.
  const repeated = emitterOf(weights).emit(broadcast, { x: weights }, { shape: x.type.shape }).y;
  return divide(sum(multiply(x, repeated)), sum(repeated));
}
