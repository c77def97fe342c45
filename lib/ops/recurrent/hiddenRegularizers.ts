/** What regularizes the state of a cell: zoneout, and a mask of what the gates see of h. Data without a gradient. */
import { multiply } from '../elementwise/arithmetic';
import { broadcast } from '../layout/broadcast';
import { expectShape, optional, type Emit, type Slots, type ValueType, type Variable, type View } from '../op';
import type { Dim, Shape } from '../shape';
import { rowOf } from './sequence';

/**
 * `keep_hidden`, zoneout: h' becomes k ⊙ h + (1 - k) ⊙ h' (Krueger et al. 2016). `hidden_mask` [B, H]: the gates see
 * h ⊙ mask at every step (Gal & Ghahramani 2016).
 */
export const hiddenRegularizerSlots = {
  keep_hidden: optional('float32'),
  hidden_mask: optional('float32'),
} as const satisfies Slots;

export type HiddenRegularizers<T> = Readonly<Record<keyof typeof hiddenRegularizerSlots, T | null>>;

/** The same of cells that carry c beside h, with zoneout's share of c. */
export const cellRegularizerSlots = {
  keep_hidden: optional('float32'),
  keep_cell: optional('float32'),
  hidden_mask: optional('float32'),
} as const satisfies Slots;

export type CellRegularizers<T> = Readonly<Record<keyof typeof cellRegularizerSlots, T | null>>;

/** A share of zoneout is one for each element of the sequence, or a vector for all steps and rows. */
export function expectShare(slot: string, share: ValueType | null, rows: Shape, size: Dim): void {
  if (share) expectShape(slot, share, share.shape.length === 1 ? [size] : [...rows, size]);
}

/** Checks both against the rows, [T, B] or those of a step, [B], and the size of h. */
export function expectHiddenRegularizers(
  { keep_hidden, hidden_mask }: HiddenRegularizers<ValueType>,
  rows: Shape,
  size: Dim,
): void {
  expectShare('keep_hidden', keep_hidden, rows, size);
  if (hidden_mask) expectShape('hidden_mask', hidden_mask, [rows.at(-1)!, size]);
}

/** The same with c, of the hidden size; h may be projected to another. */
export function expectCellRegularizers(
  { keep_cell, ...hidden }: CellRegularizers<ValueType>,
  rows: Shape,
  { hiddenSize, outputSize }: { readonly hiddenSize: Dim; readonly outputSize: Dim },
): void {
  expectHiddenRegularizers(hidden, rows, outputSize);
  expectShare('keep_cell', keep_cell, rows, hiddenSize);
}

/** What a row of [T, B, ...] has of a share. */
export const shareAt = (keep: View | null, row: number) => rowOf(keep, keep?.shape.length === 1 ? 0 : row);

/** What a row b of a batch has of both at row `row` of [T, B, ...]. */
export function hiddenRegularizersOf({ keep_hidden, hidden_mask }: HiddenRegularizers<View>, b: number, row: number) {
  return { keepHidden: shareAt(keep_hidden, row), mask: rowOf(hidden_mask, b) };
}

/** The same with zoneout's share of c. */
export function cellRegularizersOf(regularizers: CellRegularizers<View>, b: number, row: number) {
  return { ...hiddenRegularizersOf(regularizers, b, row), keepCell: shareAt(regularizers.keep_cell, row) };
}

/** What regularization does to one row of a batch at one step. */
export type RowRegularizers = ReturnType<typeof cellRegularizersOf>;

/** h as the gates see it. */
export const seenBy = (mask: Float64Array | null, h: Float64Array) =>
  mask ? h.map((value, k) => value * mask[k]!) : h;

/** k·before + (1 - k)·after, in place of `after`. */
export function mixInto(after: Float64Array, before: Float64Array, keep: Float64Array | null): void {
  if (keep) for (let j = 0; j < after.length; j++) after[j] = keep[j]! * before[j]! + (1 - keep[j]!) * after[j]!;
}

/** [B, H] or [T, B, H] as the gates see it: what W_hh multiplies, so what its gradient needs. */
export function maskHidden(h: Variable, mask: Variable | null, emit: Emit): Variable {
  if (!mask) return h;
  return emit(multiply, { a: h, b: emit(broadcast, { x: mask }, { shape: h.type.shape }).y }, {}).y;
}
