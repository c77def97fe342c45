/** What bounds the inputs of a cell's activations, in every cell: the `clip` of ONNX. */
import { OptionError } from '../../errors';
import { expectShape, type ValueType, type View } from '../op';

/** z within ±limit; a limit of 0 bounds nothing. */
export const clip = (z: number, limit: number): number => (limit > 0 ? Math.min(Math.max(z, -limit), limit) : z);

export function expectClip(name: string, limit: number): void {
  if (limit >= 0 && limit < Infinity) return;
  throw new OptionError(`${name}: expected a positive number, or 0 for none, received ${limit}`);
}

/**
 * Where the inputs of activations are bounded: the least and the greatest value that each then has, [gates, 2]; 0 where
 * there is no bound, or null in place of an activation. A gate that has one of them was clipped, or is so close to the bound
 * that its value is the same; no gradient flows through it.
 */
export function writeBounds(
  limit: number,
  activations: readonly (((z: number) => number) | null)[],
  bounds: View,
): void {
  if (limit === 0) return;
  activations.forEach((activation, gate) => {
    if (!activation) return;
    bounds.data[2 * gate] = activation(-limit);
    bounds.data[2 * gate + 1] = activation(limit);
  });
}

/** Whether a gate of this value lets a gradient through. */
export const isWithin = (bounds: View | null, gate: number, value: number): boolean =>
  bounds === null || (value > bounds.data[2 * gate]! && value < bounds.data[2 * gate + 1]!);

export function expectBounds(bounds: ValueType | null, gates: number): void {
  if (bounds) expectShape('bounds', bounds, [gates, 2]);
}
