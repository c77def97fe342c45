import * as penalties from '../elementwise/penalties';
import type { Variable } from '../op';
import { emitterOf } from '../variable';

/**
 * |x|, element by element. Its derivative at 0 is taken as 0.
 *
 * @param x Variable of any shape.
 * @returns A variable of the same shape.
 * @example
 * const loss = mean(abs(subtract(prediction, target)));
 */
export const abs = (x: Variable): Variable => emitterOf(x).emit(penalties.abs, { x }, {}).y;

/**
 * Huber's function, element by element: x² / 2 where |x| ≤ δ, else δ (|x| − δ/2).
 *
 * @param x Variable of any shape, such as an error.
 * @param delta δ > 0, where the square goes over into a line.
 * @returns A variable of the same shape.
 * @example
 * const loss = mean(huberPenalty(subtract(prediction, target), 1));
 */
export const huberPenalty = (x: Variable, delta: number): Variable =>
  emitterOf(x).emit(penalties.huber, { x }, { delta }).y;

/**
 * The tilted absolute value of an error e, element by element: q e where e ≥ 0, else (q − 1) e. Its derivative at 0 is
 * taken as q − 1/2.
 *
 * @param error Variable: target − prediction.
 * @param level Variable of the same shape: the levels q in (0, 1) of the predicted quantiles. No gradient flows through it.
 * @returns A variable of the same shape.
 * @throws ShapeError when the shapes differ.
 * @example
 * const loss = mean(pinballPenalty(subtract(target, prediction), levels));
 */
export const pinballPenalty = (error: Variable, level: Variable): Variable =>
  emitterOf(error).emit(penalties.pinball, { error, level }, {}).y;

/**
 * ln(1 + e^x), element by element: a smooth way to make a number positive. −softplus(−x) is ln σ(x).
 *
 * @param x Variable of any shape.
 * @returns A variable of the same shape, positive; 0 below about −87 in float32.
 * @example
 * const scale = add(softplus(raw), 1e-3);
 */
export const softplus = (x: Variable): Variable => emitterOf(x).emit(penalties.softplus, { x }, {}).y;
