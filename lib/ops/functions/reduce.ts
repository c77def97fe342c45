import { sum as sumOp } from '../layout/broadcast';
import { mean as meanOp } from '../layout/mean';
import type { Variable } from '../op';
import { resolveAxis } from './axis';

export interface ReductionOptions {
  /** Keeps the axes, with size 1, so that the result broadcasts against x. Default false. */
  readonly keepDims?: boolean;
}

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
export function sum(
  x: Variable,
  axis?: number | readonly number[],
  { keepDims = false }: ReductionOptions = {},
): Variable {
  return x.builder.emit(sumOp, { x }, { axes: resolveAxes(x, axis), keep_dims: keepDims }).y;
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
export function mean(
  x: Variable,
  axis?: number | readonly number[],
  { keepDims = false }: ReductionOptions = {},
): Variable {
  return x.builder.emit(meanOp, { x }, { axes: resolveAxes(x, axis), keep_dims: keepDims }).y;
}
