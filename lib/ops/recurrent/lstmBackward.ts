import { linearBackwardWeight } from '../linear';
import {
  defineOp,
  expectRank,
  expectShape,
  float32,
  onDemand,
  one,
  optional,
  type Attributes,
  type Emit,
  type Variable,
  type View,
} from '../op';
import { multiplyDims, type Dim } from '../shape';
import { backwardWeight } from './backwardWeight';
import { addTransposedProduct, inputGradients } from './cell';
import { maskHidden } from './hiddenRegularizers';
import { lstmCellBackward } from './lstmCell';
import { isPlain, lstmKindAttributes } from './lstmKind';
import { lstmVariantCellBackward, peepholeGates, regularizersOf } from './lstmVariant';
import { rowOf, walk } from './sequence';

const attributes = { reverse: 'boolean', ...lstmKindAttributes } as const;

/**
 * dgates[T,B,4H], the gradient before activation, and the gradients of the initial states: the steps in reverse, with
 * dh = dgates·W_hh and dc carried from each step to the one walked before it. `dprojected` is the gradient of what the
 * projection gives, before zoneout. All are 0 past a length.
 */
export const lstmBackward = defineOp({
  name: 'lstm_backward',
  operands: {
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
    lengths: optional('int32'),
  },
  outputs: {
    dgates: one('float32'),
    dh0: onDemand('float32'),
    dc0: onDemand('float32'),
    dprojected: onDemand('float32'),
  },
  attributes,
  infer({ dy, dh_n, dc_n, gates, cells, c0, weight_hh, lengths }) {
    expectRank('cells', cells, 3, '[T, B, H]');
    const [steps, batch, hiddenSize] = cells.shape as [Dim, Dim, Dim];
    const gateSize = multiplyDims([4, hiddenSize]);
    const outputSize = weight_hh.shape[1]!;
    const [sequence, h, c] = [
      float32(steps, batch, outputSize),
      float32(batch, outputSize),
      float32(batch, hiddenSize),
    ];
    expectShape('gates', gates, [steps, batch, gateSize]);
    expectShape('weight_hh', weight_hh, [gateSize, outputSize]);
    if (dy) expectShape('dy', dy, sequence.shape);
    if (dh_n) expectShape('dh_n', dh_n, h.shape);
    if (dc_n) expectShape('dc_n', dc_n, c.shape);
    if (c0) expectShape('c0', c0, c.shape);
    if (lengths) expectShape('lengths', lengths, [batch]);
    return { dgates: gates, dh0: h, dc0: c, dprojected: sequence };
  },
  gradient: 'none',
  reference({ operands, outputs: { dgates, dh0, dc0, dprojected }, attributes: { reverse, ...kind } }) {
    const { dy, dh_n, dc_n, gates, cells, c0, weight_hh, weight_peephole, weight_hr, lengths } = operands;
    const [steps, batch, hiddenSize] = cells.shape as [number, number, number];
    const outputSize = weight_hh.shape[1]!;
    const zeros = new Float64Array(Math.max(hiddenSize, outputSize));
    const plain = isPlain(kind) && weight_peephole === null;
    for (let b = 0; b < batch; b++) {
      const dh = Float64Array.from(rowOf(dh_n, b) ?? zeros.subarray(0, outputSize));
      const dc = Float64Array.from(rowOf(dc_n, b) ?? zeros.subarray(0, hiddenSize));
      const order = walk(steps, lengths, b, reverse);
      for (let k = order.length - 1; k >= 0; k--) {
        const row = order[k]! * batch + b;
        const { keepHidden, keepCell, mask } = regularizersOf(operands, b, row);
        const dyRow = rowOf(dy, row) ?? zeros;
        for (let p = 0; p < outputSize; p++) dh[p]! += dyRow[p]!;
        const dhNew = rowOf(dprojected, row);
        dhNew.set(dh.map((gradient, p) => (1 - (keepHidden?.[p] ?? 0)) * gradient));
        const dhCell = weight_hr ? multiplyTransposed(weight_hr, dhNew) : dhNew;
        const c = k > 0 ? rowOf(cells, order[k - 1]! * batch + b) : (rowOf(c0, b) ?? zeros);
        const dz = rowOf(dgates, row);
        const state = { gates: rowOf(gates, row), c, nextC: rowOf(cells, row), keepCell };
        if (plain && !keepCell) lstmCellBackward(state, dhCell, dc, dz);
        else lstmVariantCellBackward(weight_peephole, kind, state, dhCell, dc, dz);
        const dhGates = multiplyTransposed(weight_hh, dz);
        for (let p = 0; p < outputSize; p++) {
          dh[p] = (keepHidden?.[p] ?? 0) * dh[p]! + (mask?.[p] ?? 1) * dhGates[p]!;
        }
      }
      rowOf(dh0, b).set(dh);
      rowOf(dc0, b).set(dc);
    }
  },
});

/** weightᵀ·dy */
function multiplyTransposed(weight: View, dy: Float64Array): Float64Array {
  const dx = new Float64Array(weight.shape[1]!);
  addTransposedProduct(weight, 0, dy, dx);
  return dx;
}

export const lstmBackwardWeight = backwardWeight('lstm_backward_weight');

/** dweight_peephole[3H] = Σ dgates ⊙ c, for i and f the cell that the step started from, for o the one it made. */
export const lstmBackwardPeephole = defineOp({
  name: 'lstm_backward_peephole',
  operands: { dgates: one('float32'), cells: one('float32'), c0: optional('float32'), lengths: optional('int32') },
  outputs: { dweight_peephole: one('float32') },
  attributes: { reverse: 'boolean' },
  infer({ dgates, cells, c0, lengths }) {
    expectRank('cells', cells, 3, '[T, B, H]');
    const [steps, batch, hiddenSize] = cells.shape as [Dim, Dim, Dim];
    expectShape('dgates', dgates, [steps, batch, multiplyDims([4, hiddenSize])]);
    if (c0) expectShape('c0', c0, [batch, hiddenSize]);
    if (lengths) expectShape('lengths', lengths, [batch]);
    return { dweight_peephole: float32(multiplyDims([peepholeGates.length, hiddenSize])) };
  },
  gradient: 'none',
  reference({ operands: { dgates, cells, c0, lengths }, outputs: { dweight_peephole }, attributes: { reverse } }) {
    const [steps, batch, hiddenSize] = cells.shape as [number, number, number];
    for (let b = 0; b < batch; b++) {
      let c = rowOf(c0, b) ?? new Float64Array(hiddenSize);
      for (const t of walk(steps, lengths, b, reverse)) {
        const dz = rowOf(dgates, t * batch + b);
        const next = rowOf(cells, t * batch + b);
        peepholeGates.forEach(({ gate, seesNext }, row) => {
          for (let j = 0; j < hiddenSize; j++) {
            dweight_peephole.data[row * hiddenSize + j]! += dz[gate * hiddenSize + j]! * (seesNext ? next : c)[j]!;
          }
        });
        c = next;
      }
    }
  },
});

/** Slots of the ops that have an LSTM's gradient, over a sequence. */
type Operand =
  | 'x'
  | 'h0'
  | 'c0'
  | 'weight_ih'
  | 'weight_hh'
  | 'bias_ih'
  | 'bias_hh'
  | 'weight_peephole'
  | 'weight_hr'
  | 'keep_hidden'
  | 'keep_cell'
  | 'hidden_mask'
  | 'lengths';

/** The gradient rule over a sequence: what has to go step by step, then sums over all steps. */
export function lstmGradients(
  operands: Record<Operand, Variable | null> & Record<'x' | 'weight_ih' | 'weight_hh', Variable>,
  { y, gates, cells, unprojected }: Record<'y' | 'gates' | 'cells' | 'unprojected', Variable>,
  arriving: Record<'dy' | 'dh_n' | 'dc_n', Variable | null>,
  attributes: Attributes<typeof lstmBackward.attributes>,
  wants: (operand: Operand) => boolean,
  emit: Emit,
) {
  const { x, h0, c0, weight_ih, weight_hh, hidden_mask, lengths, ...cell } = operands;
  const { weight_peephole, weight_hr } = operands;
  const { reverse } = attributes;
  const { dgates, dh0, dc0, dprojected } = emit(
    lstmBackward,
    { ...arriving, gates, cells, c0, weight_hh, ...cell, hidden_mask, lengths },
    attributes,
  );
  const masked = (h: Variable) => maskHidden(h, hidden_mask, emit);
  return {
    ...inputGradients(dgates, { x, weight_ih }, wants, emit),
    h0: dh0,
    c0: dc0,
    weight_hh: wants('weight_hh')
      ? emit(lstmBackwardWeight, { dgates, y: masked(y), h0: h0 && masked(h0), lengths }, { reverse }).dweight_hh
      : null,
    weight_peephole:
      weight_peephole && wants('weight_peephole')
        ? emit(lstmBackwardPeephole, { dgates, cells, c0, lengths }, { reverse }).dweight_peephole
        : null,
    weight_hr:
      weight_hr && wants('weight_hr')
        ? emit(linearBackwardWeight, { dy: dprojected, x: unprojected }, {}).dweight
        : null,
  };
}
