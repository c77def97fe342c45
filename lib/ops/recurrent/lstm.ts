import { defineOp, optional, refuseGradient, type View } from '../op';
import { cellRegularizersOf, mixInto, type CellRegularizers } from './hiddenRegularizers';
import { lstmCell } from './lstmCell';
import { lstmGradients } from './lstmGradients';
import { isPlain, lstmKindAttributes, writeGateBounds, type LstmKindAttributes } from './lstmKind';
import { inferLstm, lstmOutputSlots, lstmSequenceSlots } from './lstmOperands';
import {
  lstmVariantCell,
  normalizedOf,
  type LstmVariantNext,
  type LstmVariantStep,
  type LstmVariantWeights,
} from './lstmVariant';
import { rowOf, walk } from './sequence';

export { lstmGates } from './lstmCell';

/** One row of a batch at one step, by the plain cell or by the one with options. */
export function stepRow(
  weights: LstmVariantWeights,
  kind: LstmKindAttributes,
  step: LstmVariantStep,
  next: LstmVariantNext,
): void {
  const { weight_peephole, weight_hr, weight_gate, weight_ln_c } = weights;
  const options = [weight_peephole, weight_hr, weight_gate, weight_ln_c, step.keepCell, step.keepHidden, step.mask];
  if (isPlain(kind) && options.every((option) => option === null)) {
    lstmCell(weights, step, next);
    next.unprojected.set(next.h);
  } else {
    lstmVariantCell(weights, kind, step, next);
  }
}

/** How the hidden state of an LSTM goes on from what its cell gives. */
export interface Attending {
  /** Where the cell writes. */
  readonly unattended: View;
  /** From this to the hidden state, of row b of the batch at a row of [T, B]. */
  attend(b: number, row: number, unattended: Float64Array, h: Float64Array): void;
}

/** The loops of `lstm`, and of what attends to something in each step; zoneout acts on what has attended. */
export function walkLstm(
  operands: LstmVariantWeights &
    CellRegularizers<View> &
    Readonly<Record<'h0' | 'c0' | 'g0' | 'lengths', View | null>> & { readonly x: View },
  outputs: Readonly<Record<keyof typeof lstmOutputSlots, View>>,
  { reverse, ...kind }: LstmKindAttributes & { readonly reverse: boolean },
  attending: Attending | null = null,
): void {
  const { x, h0, c0, g0, lengths } = operands;
  const { y, h_n, c_n, g_n, gates, cells, unprojected, recurred, bounds } = outputs;
  const [steps, batch] = x.shape as [number, number];
  writeGateBounds(kind, bounds);
  for (let b = 0; b < batch; b++) {
    let h = rowOf(h0, b) ?? new Float64Array(h_n.shape[1]!);
    let c = rowOf(c0, b) ?? new Float64Array(c_n.shape[1]!);
    let g = rowOf(g0, b) ?? new Float64Array(g_n.shape[1]!);
    for (const t of walk(steps, lengths, b, reverse)) {
      const row = t * batch + b;
      const next = {
        gates: rowOf(gates, row),
        h: rowOf(attending?.unattended ?? y, row),
        c: rowOf(cells, row),
        recurred: rowOf(recurred, row),
      };
      const { keepHidden, ...regularizers } = cellRegularizersOf(operands, b, row);
      const step = { x: rowOf(x, row), h, c, g, ...regularizers, keepHidden: attending ? null : keepHidden };
      const written = { unprojected: rowOf(unprojected, row), normalized: normalizedOf(outputs, row) };
      stepRow(operands, kind, step, { ...next, ...written });
      if (attending) {
        attending.attend(b, row, next.h, rowOf(y, row));
        mixInto(rowOf(y, row), h, keepHidden);
      }
      h = rowOf(y, row);
      ({ c, recurred: g } = next);
    }
    rowOf(h_n, b).set(h);
    rowOf(c_n, b).set(c);
    rowOf(g_n, b).set(g);
  }
}

/**
 * A long short-term memory over a sequence; `lstmCell` holds its equations, `lstmVariantCell` those with options.
 *
 * Row b has `lengths[b]` steps, or all T. `reverse` walks each row from its last step to its first and leaves y in
 * the original order of time. Outputs over time are 0 past a length. h_n and c_n are the state after the last step
 * walked, which is the initial state where the length is 0; missing initial states are 0. The size of h is P where there
 * is a projection, else H.
 */
export const lstm = defineOp({
  name: 'lstm',
  operands: { ...lstmSequenceSlots, lengths: optional('int32') },
  outputs: lstmOutputSlots,
  attributes: { reverse: 'boolean', ...lstmKindAttributes },
  infer: (operands, kind) => inferLstm(operands, kind),
  gradient({ operands, outputs, cotangents, attributes, wants, emit }) {
    const { y, h_n, c_n, g_n, ...saved } = cotangents;
    refuseGradient('g_n without weight_gate', g_n !== null && !operands.weight_gate);
    for (const slot of Object.keys(saved) as (keyof typeof saved)[]) refuseGradient(slot, saved[slot] !== null);
    const arriving = { dy: y, dh_n: h_n, dc_n: c_n, dg_n: g_n };
    return lstmGradients(operands, outputs, arriving, attributes, wants, emit);
  },
  reference({ operands, outputs, attributes }) {
    walkLstm(operands, outputs, attributes);
  },
});
