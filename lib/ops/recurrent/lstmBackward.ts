import {
  defineOp,
  expectRank,
  expectShape,
  float32,
  onDemand,
  one,
  optional,
  type Slots,
  type ValueType,
  type View,
} from '../op';
import { multiplyDims, type Dim } from '../shape';
import { addTransposedProduct } from './cell';
import { cellRegularizersOf } from './hiddenRegularizers';
import { lstmCellBackward } from './lstmCell';
import { isPlain, lstmKindAttributes, type LstmKindAttributes } from './lstmKind';
import type { Types } from './lstmOperands';
import {
  gateGradients,
  lstmVariantCellBackward,
  normalizedOf,
  recurrentGates,
  type LstmVariantGradients,
} from './lstmVariant';
import { rowOf, walk } from './sequence';

const attributes = { reverse: 'boolean', ...lstmKindAttributes } as const;

/** What the way back takes, but for the lengths. */
export const lstmBackwardSlots = {
  dy: optional('float32'),
  dh_n: optional('float32'),
  dc_n: optional('float32'),
  gates: one('float32'),
  cells: one('float32'),
  c0: optional('float32'),
  weight_hh: one('float32'),
  weight_peephole: optional('float32'),
  weight_hr: optional('float32'),
  keep_hidden: optional('float32'),
  keep_cell: optional('float32'),
  hidden_mask: optional('float32'),
  dg_n: optional('float32'),
  weight_gate: optional('float32'),
  weight_ln_ih: optional('float32'),
  weight_ln_hh: optional('float32'),
  weight_ln_c: optional('float32'),
  bias_ln_c: optional('float32'),
  bounds: optional('float32'),
  normalized_ih: optional('float32'),
  normalized_hh: optional('float32'),
  normalized_c: optional('float32'),
  scales: optional('float32'),
} as const satisfies Slots;

export const lstmGradientSlots = {
  dgates: one('float32'),
  dh0: onDemand('float32'),
  dc0: onDemand('float32'),
  dprojected: onDemand('float32'),
  dg0: onDemand('float32'),
  dh: onDemand('float32'),
  dcells: onDemand('float32'),
  dinput: onDemand('float32'),
  drecurrent: onDemand('float32'),
  dvisible: onDemand('float32'),
} as const satisfies Slots;

/** The types of the gradients. Checks the operands that only this op has; the others were when the cell was. */
export function inferLstmBackward(
  operands: Types<typeof lstmBackwardSlots> & { readonly lengths: ValueType | null },
): Record<keyof typeof lstmGradientSlots, ValueType> {
  const { dy, dh_n, dc_n, dg_n, gates, cells, c0, weight_hh, lengths } = operands;
  expectRank('cells', cells, 3, '[T, B, H]');
  const [steps, batch, hiddenSize] = cells.shape as [Dim, Dim, Dim];
  const gateSize = multiplyDims([4, hiddenSize]);
  const outputSize = weight_hh.shape[1]!;
  const [sequence, h, c, g] = [
    float32(steps, batch, outputSize),
    float32(batch, outputSize),
    float32(batch, hiddenSize),
    float32(batch, multiplyDims([recurrentGates.length, hiddenSize])),
  ];
  expectShape('gates', gates, [steps, batch, gateSize]);
  expectShape('weight_hh', weight_hh, [gateSize, outputSize]);
  if (dy) expectShape('dy', dy, sequence.shape);
  if (dh_n) expectShape('dh_n', dh_n, h.shape);
  if (dc_n) expectShape('dc_n', dc_n, c.shape);
  if (dg_n) expectShape('dg_n', dg_n, g.shape);
  if (c0) expectShape('c0', c0, c.shape);
  if (lengths) expectShape('lengths', lengths, [batch]);
  return {
    dgates: gates,
    dh0: h,
    dc0: c,
    dprojected: sequence,
    dg0: g,
    dh: sequence,
    dcells: cells,
    dinput: gates,
    drecurrent: gates,
    dvisible: cells,
  };
}

type Views<S extends Slots> = { readonly [K in keyof S]: S[K]['arity'] extends 'one' ? View : View | null };

/** The loops of `lstm_backward`. `through` leads from the gradient of what has attended to that of what the cell gave. */
export function walkLstmBack(
  operands: Views<typeof lstmBackwardSlots> & { readonly lengths: View | null },
  outputs: Readonly<Record<keyof typeof lstmGradientSlots, View>>,
  { reverse, ...kind }: LstmKindAttributes & { readonly reverse: boolean },
  through: (b: number, row: number, dh: Float64Array) => Float64Array = (_b, _row, dh) => dh,
): void {
  const { dy, dh_n, dc_n, dg_n, gates, cells, c0, weight_hh, weight_hr, weight_gate, bounds, lengths } = operands;
  const [steps, batch, hiddenSize] = cells.shape as [number, number, number];
  const outputSize = weight_hh.shape[1]!;
  const zeros = new Float64Array(Math.max(3 * hiddenSize, outputSize));
  for (let b = 0; b < batch; b++) {
    const dh = Float64Array.from(rowOf(dh_n, b) ?? zeros.subarray(0, outputSize));
    const dc = Float64Array.from(rowOf(dc_n, b) ?? zeros.subarray(0, hiddenSize));
    const dg = Float64Array.from(rowOf(dg_n, b) ?? zeros.subarray(0, 3 * hiddenSize));
    const order = walk(steps, lengths, b, reverse);
    for (let k = order.length - 1; k >= 0; k--) {
      const row = order[k]! * batch + b;
      const { keepHidden, keepCell, mask } = cellRegularizersOf(operands, b, row);
      const dyRow = rowOf(dy, row) ?? zeros;
      for (let p = 0; p < outputSize; p++) dh[p]! += dyRow[p]!;
      rowOf(outputs.dh, row).set(dh);
      const dhNew = through(
        b,
        row,
        dh.map((gradient, p) => (1 - (keepHidden?.[p] ?? 0)) * gradient),
      );
      rowOf(outputs.dprojected, row).set(dhNew);
      const dhCell = weight_hr ? multiplyTransposed(weight_hr, dhNew) : dhNew;
      const c = k > 0 ? rowOf(cells, order[k - 1]! * batch + b) : (rowOf(c0, b) ?? zeros);
      const to = gradientRows(outputs, row);
      const state = { gates: rowOf(gates, row), c, nextC: rowOf(cells, row), keepCell, bounds };
      cellBackward(operands, kind, { ...state, normalized: normalizedOf(operands, row) }, { dh: dhCell, dc, dg }, to);
      const drecurrent = operands.weight_ln_c ? to.drecurrent : to.dz;
      const dhGates = multiplyTransposed(weight_hh, drecurrent);
      for (let p = 0; p < outputSize; p++) {
        dh[p] = (keepHidden?.[p] ?? 0) * dh[p]! + (mask?.[p] ?? 1) * dhGates[p]!;
      }
      gateGradients(weight_gate, drecurrent, dg);
    }
    rowOf(outputs.dh0, b).set(dh);
    rowOf(outputs.dc0, b).set(dc);
    rowOf(outputs.dg0, b).set(dg);
  }
}

/**
 * dgates[T,B,4H], the gradient before activation, and the gradients of the initial states: the steps in reverse, with
 * dh = dgates·W_hh and dc carried from each step to the one walked before it. `dprojected` is the gradient of what the
 * projection gives, before zoneout; `dh` and `dcells` are everything that reaches h_t and c_t. With layer normalization
 * `dinput` and `drecurrent` are the gradients of W_ih x and of what is normalized together with W_hh h, `dvisible` that of
 * γ_c ⊙ LN(c) + β_c; 0 without it. All are 0 past a length.
 */
export const lstmBackward = defineOp({
  name: 'lstm_backward',
  operands: { ...lstmBackwardSlots, lengths: optional('int32') },
  outputs: lstmGradientSlots,
  attributes,
  infer: (operands) => inferLstmBackward(operands),
  gradient: 'none',
  reference({ operands, outputs, attributes }) {
    walkLstmBack(operands, outputs, attributes);
  },
});

type GradientSlots = 'dgates' | 'dcells' | 'dvisible' | 'dinput' | 'drecurrent';

/** What a step's cell writes at a row of [T, B]. */
const gradientRows = (outputs: Readonly<Record<GradientSlots, View>>, row: number): LstmVariantGradients => ({
  dz: rowOf(outputs.dgates, row),
  dcells: rowOf(outputs.dcells, row),
  dvisible: rowOf(outputs.dvisible, row),
  dinput: rowOf(outputs.dinput, row),
  drecurrent: rowOf(outputs.drecurrent, row),
});

/** One row at one step, by the plain cell or by the one with options. */
function cellBackward(
  weights: Parameters<typeof lstmVariantCellBackward>[0] & { readonly weight_gate: View | null },
  kind: LstmKindAttributes,
  state: Parameters<typeof lstmVariantCellBackward>[2],
  arriving: Parameters<typeof lstmVariantCellBackward>[3],
  to: LstmVariantGradients,
): void {
  const { weight_peephole, weight_gate, weight_ln_c } = weights;
  if (isPlain(kind) && [weight_peephole, weight_gate, weight_ln_c, state.keepCell].every((option) => option === null)) {
    lstmCellBackward(state, arriving.dh, arriving.dc, to);
  } else {
    lstmVariantCellBackward(weights, kind, state, arriving, to);
  }
}

/** weightᵀ·dy */
function multiplyTransposed(weight: View, dy: Float64Array): Float64Array {
  const dx = new Float64Array(weight.shape[1]!);
  addTransposedProduct(weight, 0, dy, dx);
  return dx;
}
