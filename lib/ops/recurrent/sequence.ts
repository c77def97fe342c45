import type { View } from '../op';

/**
 * The steps of row b in the order in which a recurrence walks them: from 0 up to the row's length, or from its last
 * step down to 0 when `reverse`. Steps past the length are never walked.
 */
export function walk(steps: number, lengths: View | null, b: number, reverse: boolean): number[] {
  const order = Array.from({ length: lengths ? lengths.data[b]! : steps }, (_, t) => t);
  return reverse ? order.reverse() : order;
}

/** A row of the last axis: the one with this number, counting every other axis as one. Null where there is no array. */
export function rowOf(view: View, row: number): Float64Array;
export function rowOf(view: View | null, row: number): Float64Array | null;
export function rowOf(view: View | null, row: number): Float64Array | null {
  if (!view) return null;
  const size = view.shape.at(-1)!;
  return view.data.subarray(row * size, (row + 1) * size) as Float64Array;
}
