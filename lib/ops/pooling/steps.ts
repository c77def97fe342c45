/** Steps of a batch [T, B, ...] within the lengths of its sequences. */
import { ShapeError } from '../../errors';
import { expectShape, type ValueType, type View } from '../op';
import { formatShape, rowCount, type Dim } from '../shape';

/** Throws unless lengths [B] fit x [T, B, ..., F]. */
export function expectLengths(x: ValueType, lengths: ValueType): void {
  const { shape } = x;
  if (shape.length < 3)
    throw new ShapeError(`x: expected [T, B, ..., F] where there are lengths, received ${formatShape(shape)}`);
  expectShape('lengths', lengths, [shape[1]!]);
}

/** Checks x [T, B, F] and its lengths [B]; returns B and F. */
export function expectSequence(x: ValueType, lengths: ValueType | null): { readonly batch: Dim; readonly size: Dim } {
  const { shape } = x;
  if (shape.length !== 3) throw new ShapeError(`x: expected [T, B, F], received ${formatShape(shape)}`);
  if (lengths) expectLengths(x, lengths);
  return { batch: shape[1]!, size: shape[2]! };
}

/** The steps of row b: all, or as many as its length says. */
export const lengthOf = (steps: number, lengths: View | null, b: number) => (lengths ? lengths.data[b]! : steps);

/** The rows of the last axis that lie within the lengths, in order. */
export function stepRows(shape: readonly number[], lengths: View | null): number[] {
  const rows = Array.from({ length: rowCount(shape) }, (_, row) => row);
  if (!lengths) return rows;
  const [, batch, ...rest] = shape as [number, number, ...number[]];
  const inner = rest.slice(0, -1).reduce((product, size) => product * size, 1);
  return rows.filter((row) => {
    const step = Math.floor(row / inner);
    return Math.floor(step / batch) < lengths.data[step % batch]!;
  });
}

/** Visits each element of [T, B, F] within the lengths, in order of t: where it stands in it, and in [B, F]. */
export function forEachStep(
  shape: readonly number[],
  lengths: View | null,
  visit: (element: number, column: number, t: number, b: number) => void,
): void {
  const [steps, batch, size] = shape as [number, number, number];
  for (let b = 0; b < batch; b++) {
    for (let t = 0; t < lengthOf(steps, lengths, b); t++) {
      for (let k = 0; k < size; k++) visit((t * batch + b) * size + k, b * size + k, t, b);
    }
  }
}
