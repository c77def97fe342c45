import { lastSteps as lastStepsOp } from '../pooling/lastSteps';
import { maskedSoftmax as maskedSoftmaxOp } from '../pooling/maskedSoftmax';
import { maxPooling } from '../pooling/maxPooling';
import { meanPooling } from '../pooling/meanPooling';
import { weightedPooling } from '../pooling/weightedPooling';
import type { Variable } from '../op';
import { positiveInteger } from '../../options';
import { expectVariable } from '../variable';

/** Checks the operands; the lengths, whose numbers come later, must lie in 0..T. */
function checkedLengths(name: string, x: Variable, lengths: Variable | null): Variable | null {
  expectVariable(`${name}: x`, x);
  if (!lengths) return null;
  expectVariable(`${name}: lengths`, lengths);
  const [steps] = x.type.shape;
  if (steps !== undefined) lengths.builder.requireRange(lengths, { below: steps, inclusive: true });
  return lengths;
}

/**
 * The mean of each sequence over its steps: Σ x_t / length.
 *
 * @param x Variable [T, B, F].
 * @param lengths int32 [B]: steps of each sequence, in 0..T. Default: all have T.
 * @returns [B, F]; zeros, and no gradient, for a sequence of length 0.
 * @throws ShapeError when x or the lengths have another shape.
 * @example
 * const summary = meanPool(encoder(x, { lengths }).output, lengths);
 */
export function meanPool(x: Variable, lengths: Variable | null = null): Variable {
  const checked = checkedLengths('meanPool', x, lengths);
  return x.builder.emit(meanPooling, { x, lengths: checked }, {}).y;
}

/**
 * The largest value of each feature over the steps of each sequence. The first of equal steps receives the gradient.
 *
 * @param x Variable [T, B, F].
 * @param lengths int32 [B]: steps of each sequence, in 0..T. Default: all have T.
 * @returns [B, F]; zeros, and no gradient, for a sequence of length 0.
 * @throws ShapeError when x or the lengths have another shape.
 * @example
 * const peak = maxPool(encoder(x, { lengths }).output, lengths);
 */
export function maxPool(x: Variable, lengths: Variable | null = null): Variable {
  const checked = checkedLengths('maxPool', x, lengths);
  return x.builder.emit(maxPooling, { x, lengths: checked }, {}).y;
}

/**
 * A weighted sum of each sequence's steps: Σ w_t·x_t.
 *
 * @param x Variable [T, B, F].
 * @param weights Variable [T, B], such as what `maskedSoftmax` gives.
 * @param lengths int32 [B]: steps of each sequence, in 0..T. Default: all have T.
 * @returns [B, F]; zeros, and no gradient, for a sequence of length 0.
 * @throws ShapeError when an operand has another shape.
 * @example
 * const context = weightedPool(x, maskedSoftmax(scores, lengths), lengths);
 */
export function weightedPool(x: Variable, weights: Variable, lengths: Variable | null = null): Variable {
  const checked = checkedLengths('weightedPool', x, lengths);
  expectVariable('weightedPool: weights', weights);
  return x.builder.emit(weightedPooling, { x, weights, lengths: checked }, {}).y;
}

/**
 * Softmax over the steps of each sequence: e^x_t / Σ e^x over the steps within its length, 0 past it.
 *
 * @param x Variable [T, B].
 * @param lengths int32 [B]: steps of each sequence, in 0..T. Default: all have T.
 * @returns [T, B]; all 0, and no gradient, for a sequence of length 0.
 * @throws ShapeError when x or the lengths have another shape.
 * @example
 * const attention = maskedSoftmax(scores, lengths);
 */
export function maskedSoftmax(x: Variable, lengths: Variable | null = null): Variable {
  const checked = checkedLengths('maskedSoftmax', x, lengths);
  return x.builder.emit(maskedSoftmaxOp, { x, lengths: checked }, {}).y;
}

/**
 * The last steps of each sequence, in their order: x_(length − count) ... x_(length − 1).
 *
 * @param x Variable [T, B, F].
 * @param lengths int32 [B]: steps of each sequence, in 0..T. Default: all have T.
 * @param count How many. Default 1.
 * @returns [B, count, F]; zeros for steps that would stand before the first.
 * @throws ShapeError when x or the lengths have another shape.
 * @example
 * const newest = lastSteps(encoder(x, { lengths }).output, lengths); // [B, 1, H]
 */
export function lastSteps(x: Variable, lengths: Variable | null = null, count = 1): Variable {
  const checked = checkedLengths('lastSteps', x, lengths);
  positiveInteger('lastSteps', 'count', count);
  return x.builder.emit(lastStepsOp, { x, lengths: checked }, { count }).y;
}
