import { ShapeError } from '../../errors';
import { concat as concatOp } from '../layout/concat';
import { reshape as reshapeOp } from '../layout/reshape';
import { slice as sliceOp } from '../layout/slice';
import { fixedSize } from '../layout/strided';
import { transpose as transposeOp } from '../layout/transpose';
import type { Variable } from '../op';
import type { Shape } from '../shape';
import { emitterOf, expectVariable } from '../variable';
import { resolveAxis } from './axis';

/**
 * The variables one after the other along an axis.
 *
 * @param variables At least one, of equal shapes but for the axis, whose size must be known when the program is built.
 * @param axis Default 0.
 * @returns A variable whose size along the axis is the sum of theirs.
 * @throws ShapeError when the list is empty or the shapes do not fit.
 * @example
 * const both = concat([forwards, backwards], -1); // [T, B, 2H]
 */
export function concat(variables: readonly Variable[], axis = 0): Variable {
  const [first] = variables;
  if (!first) throw new ShapeError('concat: expected at least one variable, received none');
  const along = resolveAxis('variables[0]', first, axis);
  variables.forEach((variable, index) => expectVariable(`variables[${index}]`, variable));
  return first.builder.emit(concatOp, { x: variables }, { axis: along }).y;
}

/**
 * The indices [begin, end) of an axis.
 *
 * @param x Variable; the size of the axis must be known when the program is built.
 * @param axis The axis; negative counts from the last.
 * @param begin The first index; negative counts from the end.
 * @param end One past the last index; negative counts from the end. Default: the size of the axis.
 * @returns A variable with size end - begin there.
 * @throws ShapeError when the range is empty or leaves the axis.
 * @example
 * const [low, high] = [slice(y, -1, 0, 1), slice(y, -1, 1)];
 */
export function slice(x: Variable, axis: number, begin: number, end?: number): Variable {
  const along = resolveAxis('x', x, axis);
  const size = fixedSize('x', x.type, along);
  const fromStart = (index: number) => (index < 0 ? index + size : index);
  return x.builder.emit(sliceOp, { x }, { axis: along, begin: fromStart(begin), end: fromStart(end ?? size) }).y;
}

/**
 * The same elements, in the same order, in another shape.
 *
 * @param x Variable of any shape.
 * @param shape Sizes, each a number or a run-time size such as `'T'`, `'B'` or `'T·B'`.
 * @returns A variable of this shape.
 * @throws ShapeError when the number of elements would change.
 * @example
 * const heads = reshape(x, ['T', 'B', 4, 16]); // from [T, B, 64]
 */
export const reshape = (x: Variable, shape: Shape): Variable => emitterOf(x).emit(reshapeOp, { x }, { shape }).y;

/**
 * The axes in another order.
 *
 * @param x Variable of any shape.
 * @param permutation Axis k of the result is axis permutation[k] of x. Default: all axes reversed.
 * @returns A variable with the axes of x in this order.
 * @throws ShapeError unless each axis stands in the permutation once.
 * @example
 * const batchFirst = transpose(y, [1, 0, 2]); // [T, B, H] to [B, T, H]
 */
export function transpose(x: Variable, permutation?: readonly number[]): Variable {
  expectVariable('x', x);
  const order = permutation?.map((axis) => resolveAxis('x', x, axis)) ?? x.type.shape.map((_, k) => k).reverse();
  return x.builder.emit(transposeOp, { x }, { permutation: order }).y;
}
