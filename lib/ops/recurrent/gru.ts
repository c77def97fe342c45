import { concat } from '../layout/concat';
import { slice } from '../layout/slice';
import { linearBackwardBias } from '../linear';
import {
  defineOp,
  expectRank,
  expectShape,
  float32,
  onDemand,
  one,
  optional,
  refuseGradient,
  type Emit,
  type Variable,
} from '../op';
import { multiplyDims, type Dim } from '../shape';
import { addOuterProduct } from './backwardWeight';
import { expectCell, inputGradients, type CellWeights } from './cell';
import { expectBounds, expectClip } from './gateClip';
import { gruCell, gruCellBackward, gruGates, gruKindAttributes, writeGruBounds, type GruKind } from './gruCell';
import {
  expectHiddenRegularizers,
  hiddenRegularizerSlots,
  hiddenRegularizersOf,
  maskHidden,
  type HiddenRegularizers,
} from './hiddenRegularizers';
import { backward, forEachStart, forward, rowOf } from './sequence';

export { gruGates } from './gruCell';

/**
 * A gated recurrent unit over a sequence; `gruCell` holds its equations, and says what `reset_after` and `gate_clip` choose.
 *
 * Lengths, direction and initial states are as those of `lstm`. `gates` holds r, z, n; `recurrent` the state's part in
 * the candidate: W_hn·h + b_hn with the reset gate after it, r ⊙ h with the gate before. Both are 0 past a length. `bounds` is
 * what `writeBounds` says; 0 without a clip.
 */
export const gru = defineOp({
  name: 'gru',
  operands: {
    x: one('float32'),
    h0: optional('float32'),
    weight_ih: one('float32'),
    weight_hh: one('float32'),
    bias_ih: optional('float32'),
    bias_hh: optional('float32'),
    ...hiddenRegularizerSlots,
    lengths: optional('int32'),
  },
  outputs: {
    y: onDemand('float32'),
    h_n: onDemand('float32'),
    gates: onDemand('float32'),
    recurrent: onDemand('float32'),
    bounds: onDemand('float32'),
  },
  attributes: { reverse: 'boolean', ...gruKindAttributes },
  infer({ keep_hidden, hidden_mask, ...operands }, { gate_clip }) {
    expectClip('gate_clip', gate_clip);
    const { y, h_n } = expectCell(operands, 3);
    const [steps, batch, hiddenSize] = y.shape as [Dim, Dim, Dim];
    expectHiddenRegularizers({ keep_hidden, hidden_mask }, [steps, batch], hiddenSize);
    const gates = float32(steps, batch, multiplyDims([3, hiddenSize]));
    return { y, h_n, gates, recurrent: y, bounds: float32(3, 2) };
  },
  gradient({ operands, outputs: { y, gates, recurrent, bounds }, cotangents, attributes, wants, emit }) {
    for (const slot of ['gates', 'recurrent', 'bounds'] as const) refuseGradient(slot, cotangents[slot] !== null);
    const { y: dy, h_n: dh_n } = cotangents;
    return gruGradients({ ...operands, y, gates, recurrent, bounds, dy, dh_n }, attributes, wants, emit);
  },
  reference({ operands: { x, h0, lengths, ...cell }, outputs, attributes: { reverse, ...kind } }) {
    writeGruBounds(kind, outputs.bounds);
    forward(outputs, { h0, lengths }, reverse, (row, h, next, b) => {
      const record = { gates: rowOf(outputs.gates, row), recurrent: rowOf(outputs.recurrent, row), h: next };
      gruCell(cell, kind, { x: rowOf(x, row), h, ...hiddenRegularizersOf(cell, b, row) }, record);
    });
  },
});

type GruOperand = 'x' | 'h0' | keyof CellWeights<unknown>;

/** The equations of the gradients of a gru over a sequence. */
export function gruGradients(
  values: CellWeights<Variable> &
    HiddenRegularizers<Variable> &
    Readonly<Record<'x' | 'y' | 'gates' | 'recurrent' | 'bounds', Variable>> &
    Readonly<Record<'h0' | 'lengths' | 'dy' | 'dh_n', Variable | null>>,
  { gate_clip, ...attributes }: GruKind & { readonly reverse: boolean },
  wants: (operand: Exclude<GruOperand, 'h0'>) => boolean,
  emit: Emit,
): Record<GruOperand, Variable | null> {
  const { y, gates, recurrent, h0, weight_hh, keep_hidden, hidden_mask, lengths, dy, dh_n } = values;
  const cell = { gates, recurrent, weight_hh, keep_hidden, hidden_mask };
  const bounds = gate_clip > 0 ? values.bounds : null;
  const made = emit(gruBackward, { dy, dh_n, ...cell, y, h0, bounds, lengths }, attributes);
  const { dgates, drecurrent, dh0 } = made;
  const gradients = inputGradients(dgates, values, wants, emit);
  const { bias_ih } = gradients;
  const seen = (h: Variable) => maskHidden(h, hidden_mask, emit);
  const weightGradient = () => {
    const state = { y: seen(y), h0: h0 && seen(h0), lengths };
    return emit(gruBackwardWeight, { dgates, drecurrent, recurrent, ...state }, attributes).dweight_hh;
  };
  return {
    ...gradients,
    h0: dh0,
    weight_hh: wants('weight_hh') ? weightGradient() : null,
    bias_hh:
      bias_ih && wants('bias_hh') && attributes.reset_after
        ? recurrentBiasGradient(bias_ih, drecurrent, lengths, emit)
        : gradients.bias_hh,
  };
}

/** With the reset gate after it, b_hn enters through q; b_hr and b_hz enter as their counterparts of x do. */
function recurrentBiasGradient(dbias: Variable, drecurrent: Variable, lengths: Variable | null, emit: Emit): Variable {
  const end = gruGates.candidate * (drecurrent.type.shape[2] as number);
  const before = emit(slice, { x: dbias }, { axis: 0, begin: 0, end }).y;
  const candidate = emit(linearBackwardBias, { dy: drecurrent, lengths }, {}).dbias;
  return emit(concat, { x: [before, candidate] }, { axis: 0 }).y;
}

/**
 * dgates[T,B,3H], the gradient of what x adds to each gate before activation; drecurrent[T,B,H], that of `recurrent`;
 * the gradient of the initial state; and dh[T,B,H], all that reaches each h_t, from dy, dh_n and later steps. Steps in
 * reverse; 0 past a length.
 */
export const gruBackward = defineOp({
  name: 'gru_backward',
  operands: {
    dy: optional('float32'),
    dh_n: optional('float32'),
    gates: one('float32'),
    recurrent: one('float32'),
    y: one('float32'),
    h0: optional('float32'),
    weight_hh: one('float32'),
    ...hiddenRegularizerSlots,
    bounds: optional('float32'),
    lengths: optional('int32'),
  },
  outputs: {
    dgates: one('float32'),
    drecurrent: one('float32'),
    dh0: onDemand('float32'),
    dh: onDemand('float32'),
  },
  attributes: { reverse: 'boolean', reset_after: 'boolean' },
  infer({ dy, dh_n, gates, recurrent, y, h0, weight_hh, keep_hidden, hidden_mask, bounds, lengths }) {
    expectRank('y', y, 3, '[T, B, H]');
    const [steps, batch, hiddenSize] = y.shape as [Dim, Dim, Dim];
    const gateSize = multiplyDims([3, hiddenSize]);
    const state = float32(batch, hiddenSize);
    expectShape('gates', gates, [steps, batch, gateSize]);
    expectShape('recurrent', recurrent, y.shape);
    expectShape('weight_hh', weight_hh, [gateSize, hiddenSize]);
    if (dy) expectShape('dy', dy, y.shape);
    if (dh_n) expectShape('dh_n', dh_n, state.shape);
    if (h0) expectShape('h0', h0, state.shape);
    expectHiddenRegularizers({ keep_hidden, hidden_mask }, [steps, batch], hiddenSize);
    expectBounds(bounds, 3);
    if (lengths) expectShape('lengths', lengths, [batch]);
    return { dgates: gates, drecurrent: y, dh0: state, dh: y };
  },
  gradient: 'none',
  reference({ operands, outputs, attributes: { reverse, reset_after } }) {
    const { gates, recurrent, weight_hh, bounds } = operands;
    backward(operands, outputs, reverse, (row, h, dh, b) => {
      const record = {
        gates: rowOf(gates, row),
        recurrent: rowOf(recurrent, row),
        h,
        bounds,
        ...hiddenRegularizersOf(operands, b, row),
      };
      const gradients = { dgates: rowOf(outputs.dgates, row), drecurrent: rowOf(outputs.drecurrent, row) };
      gruCellBackward(weight_hh, reset_after, record, dh, gradients);
    });
  },
});

/** dweight_hh[3H,H]: what each row of weight_hh is multiplied by is h (y and h0 as the gates see them), but r ⊙ h for the candidate's when the reset gate comes before. */
export const gruBackwardWeight = defineOp({
  name: 'gru_backward_weight',
  operands: {
    dgates: one('float32'),
    drecurrent: one('float32'),
    recurrent: one('float32'),
    y: one('float32'),
    h0: optional('float32'),
    lengths: optional('int32'),
  },
  outputs: { dweight_hh: one('float32') },
  attributes: { reverse: 'boolean', reset_after: 'boolean' },
  infer({ dgates, drecurrent, recurrent, y, h0, lengths }) {
    expectRank('y', y, 3, '[T, B, H]');
    const [steps, batch, hiddenSize] = y.shape as [Dim, Dim, Dim];
    const gateSize = multiplyDims([3, hiddenSize]);
    expectShape('dgates', dgates, [steps, batch, gateSize]);
    expectShape('drecurrent', drecurrent, y.shape);
    expectShape('recurrent', recurrent, y.shape);
    if (h0) expectShape('h0', h0, [batch, hiddenSize]);
    if (lengths) expectShape('lengths', lengths, [batch]);
    return { dweight_hh: float32(gateSize, hiddenSize) };
  },
  gradient: 'none',
  reference({ operands, outputs: { dweight_hh }, attributes: { reverse, reset_after } }) {
    const { dgates, drecurrent, recurrent, y, h0, lengths } = operands;
    const candidate = gruGates.candidate * y.shape[2]!;
    forEachStart(y, h0, lengths, reverse, (row, h) => {
      const dz = rowOf(dgates, row);
      addOuterProduct(dz.subarray(0, candidate), h, dweight_hh, 0);
      if (reset_after) addOuterProduct(rowOf(drecurrent, row), h, dweight_hh, candidate);
      else addOuterProduct(dz.subarray(candidate), rowOf(recurrent, row), dweight_hh, candidate);
    });
  },
});
