import * as activations from '../elementwise/activations';
import * as exponential from '../elementwise/exponential';
import type { Variable } from '../op';
import { softmax as softmaxOp } from '../softmax';
import { emitterOf } from '../variable';
import { resolveAxis } from './axis';
import { transpose } from './layout';

/**
 * σ(x) = 1 / (1 + e^-x), element by element.
 *
 * @param x Variable of any shape.
 * @returns A variable of the same shape, within [0, 1].
 * @example
 * const gate = sigmoid(add(matmul(x, weight), bias));
 */
export const sigmoid = (x: Variable): Variable => emitterOf(x).emit(activations.sigmoid, { x }, {}).y;

/**
 * tanh(x), element by element.
 *
 * @param x Variable of any shape.
 * @returns A variable of the same shape, within [-1, 1].
 * @example
 * const candidate = tanh(matmul(x, weight));
 */
export const tanh = (x: Variable): Variable => emitterOf(x).emit(activations.tanh, { x }, {}).y;

/**
 * max(x, 0), element by element. Its derivative at 0 is taken as 0.
 *
 * @param x Variable of any shape.
 * @returns A variable of the same shape.
 * @example
 * const hinge = relu(subtract(1, multiply(label, score)));
 */
export const relu = (x: Variable): Variable => emitterOf(x).emit(activations.relu, { x }, {}).y;

/**
 * e^x, element by element.
 *
 * @param x Variable of any shape.
 * @returns A variable of the same shape; Infinity from about x = 88.7 in float32.
 * @example
 * const variance = exp(logVariance);
 */
export const exp = (x: Variable): Variable => emitterOf(x).emit(exponential.exp, { x }, {}).y;

/**
 * ln x, element by element.
 *
 * @param x Variable of any shape; positive, or the result is -Infinity (at 0) or NaN (below).
 * @returns A variable of the same shape.
 * @example
 * const entropy = negate(sum(multiply(p, log(p)), -1));
 */
export const log = (x: Variable): Variable => emitterOf(x).emit(exponential.log, { x }, {}).y;

/**
 * e^x / Σ e^x, the sum along one axis. For a loss, `crossEntropy` on the logits is more exact.
 *
 * @param x Variable with at least one axis.
 * @param axis Default: the last.
 * @returns A variable of the same shape that sums to 1 along the axis.
 * @throws ShapeError when there is no such axis.
 * @example
 * const attention = softmax(divide(scores, Math.sqrt(64)));
 */
export function softmax(x: Variable, axis = -1): Variable {
  const along = resolveAxis('x', x, axis);
  const last = x.type.shape.length - 1;
  if (along === last) return x.builder.emit(softmaxOp, { x }, {}).y;
  const swap = x.type.shape.map((_, k) => (k === along ? last : k === last ? along : k));
  return transpose(softmax(transpose(x, swap)), swap);
}
