import { reshape } from '../layout/reshape';
import type { Variable, View } from '../op';

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

/** Visits each step of each row: which row of [T·B, ·] it is, and the hidden state that it started from. */
export function forEachStart(
  y: View,
  h0: View | null,
  lengths: View | null,
  reverse: boolean,
  visit: (row: number, h: Float64Array) => void,
): void {
  const [steps, batch, hiddenSize] = y.shape as [number, number, number];
  for (let b = 0; b < batch; b++) {
    let h = rowOf(h0, b) ?? new Float64Array(hiddenSize);
    for (const t of walk(steps, lengths, b, reverse)) {
      visit(t * batch + b, h);
      h = rowOf(y, t * batch + b);
    }
  }
}

/** A hidden state walked over a sequence: `step` writes y's row, of batch row b, from the state before. h_n is the state after the last step. */
export function forward(
  { y, h_n }: { readonly y: View; readonly h_n: View },
  { h0, lengths }: { readonly h0: View | null; readonly lengths: View | null },
  reverse: boolean,
  step: (row: number, h: Float64Array, next: Float64Array, b: number) => void,
): void {
  const [steps, batch, hiddenSize] = y.shape as [number, number, number];
  for (let b = 0; b < batch; b++) {
    let h = rowOf(h0, b) ?? new Float64Array(hiddenSize);
    for (const t of walk(steps, lengths, b, reverse)) {
      const next = rowOf(y, t * batch + b);
      step(t * batch + b, h, next, b);
      h = next;
    }
    rowOf(h_n, b).set(h);
  }
}

interface BackwardOperands {
  readonly y: View;
  readonly dy: View | null;
  readonly dh_n: View | null;
  readonly h0: View | null;
  readonly lengths: View | null;
}

/**
 * The way back: the gradient dh begins as dh_n and gains dy at each step, which `step` turns into the gradient of the
 * state before, h. What is left of it is dh0; what arrives at each state stands in the output dh.
 */
export function backward(
  { y, dy, dh_n, h0, lengths }: BackwardOperands,
  outputs: { readonly dh0: View; readonly dh: View },
  reverse: boolean,
  step: (row: number, h: Float64Array, dh: Float64Array, b: number) => void,
): void {
  const [steps, batch, hiddenSize] = y.shape as [number, number, number];
  const zeros = new Float64Array(hiddenSize);
  for (let b = 0; b < batch; b++) {
    const dh = Float64Array.from(rowOf(dh_n, b) ?? zeros);
    const order = walk(steps, lengths, b, reverse);
    for (let k = order.length - 1; k >= 0; k--) {
      const row = order[k]! * batch + b;
      const dyRow = rowOf(dy, row) ?? zeros;
      for (let j = 0; j < hiddenSize; j++) dh[j]! += dyRow[j]!;
      rowOf(outputs.dh, row).set(dh);
      step(row, k > 0 ? rowOf(y, order[k - 1]! * batch + b) : (rowOf(h0, b) ?? zeros), dh, b);
    }
    rowOf(outputs.dh0, b).set(dh);
  }
}

/** A step as a sequence of one: [B, ·] to [1, B, ·]. */
export function asSequence(value: Variable): Variable {
  return value.builder.emit(reshape, { x: value }, { shape: [1, ...value.type.shape] }).y;
}

/** A share of zoneout of a step, as that of a sequence of one; a vector serves both. */
export const asSequenceShare = (keep: Variable | null) =>
  keep && keep.type.shape.length > 1 ? asSequence(keep) : keep;

/** [1, B, ·] to [B, ·]. */
export function asStep(sequence: Variable): Variable {
  return sequence.builder.emit(reshape, { x: sequence }, { shape: sequence.type.shape.slice(1) }).y;
}
