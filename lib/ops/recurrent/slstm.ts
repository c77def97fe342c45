import { ShapeError } from '../../errors';
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
  type ValueType,
  type Variable,
} from '../op';
import { formatShape, type Dim } from '../shape';
import { inputGradients, type CellWeights } from './cell';
import {
  cellRegularizerSlots,
  cellRegularizersOf,
  expectCellRegularizers,
  maskHidden,
  type CellRegularizers,
} from './hiddenRegularizers';
import { slstmBackward, slstmBackwardWeight } from './slstmBackward';
import { slstmCell, slstmGateCount } from './slstmCell';
import { rowOf, walk } from './sequence';

export { slstmGates } from './slstmCell';

/** Checks the parameters against the input size; returns H. A head has as many units as weight_hh has columns. */
export function expectSlstmWeights(weights: CellWeights<ValueType>, inputSize: Dim): number {
  const { weight_ih, weight_hh, bias_ih, bias_hh } = weights;
  expectRank('weight_hh', weight_hh, 2, '[4H, H / heads]');
  const [rows, headSize] = weight_hh.shape as [number, number];
  if (rows % (slstmGateCount * headSize) !== 0) {
    throw new ShapeError(
      `weight_hh: expected [4H, H / heads] with whole heads, received ${formatShape(weight_hh.shape)}`,
    );
  }
  expectShape('weight_ih', weight_ih, [rows, inputSize]);
  if (bias_ih) expectShape('bias_ih', bias_ih, [rows]);
  if (bias_hh) expectShape('bias_hh', bias_hh, [rows]);
  return rows / slstmGateCount;
}

/**
 * An sLSTM over a sequence; `slstmCell` holds its equations, and says what `exponential_forget` chooses.
 *
 * Lengths, direction and initial states are as those of `lstm`; missing initial states are 0, and n 0 says that nothing
 * has been seen. `gates` holds i, f, z, o after activation, i and f as the stabilizer and zoneout make them; `forget_slope`
 * is the derivative of log f before it is stabilized: without zoneout 1 - σ(f̃), or 1. `cells`, `normalizers` and `stabilizers` are c, n and m. All are 0 past a length.
 */
export const slstm = defineOp({
  name: 'slstm',
  operands: {
    x: one('float32'),
    h0: optional('float32'),
    c0: optional('float32'),
    n0: optional('float32'),
    m0: optional('float32'),
    weight_ih: one('float32'),
    weight_hh: one('float32'),
    bias_ih: optional('float32'),
    bias_hh: optional('float32'),
    ...cellRegularizerSlots,
    lengths: optional('int32'),
  },
  outputs: {
    y: onDemand('float32'),
    h_n: onDemand('float32'),
    c_n: onDemand('float32'),
    n_n: onDemand('float32'),
    m_n: onDemand('float32'),
    gates: onDemand('float32'),
    forget_slope: onDemand('float32'),
    cells: onDemand('float32'),
    normalizers: onDemand('float32'),
    stabilizers: onDemand('float32'),
  },
  attributes: { reverse: 'boolean', exponential_forget: 'boolean' },
  infer({ x, h0, c0, n0, m0, lengths, keep_hidden, keep_cell, hidden_mask, ...weights }) {
    expectRank('x', x, 3, '[T, B, I]');
    const [steps, batch, inputSize] = x.shape as [Dim, Dim, Dim];
    const hiddenSize = expectSlstmWeights(weights, inputSize);
    const state = float32(batch, hiddenSize);
    const regularizers = { keep_hidden, keep_cell, hidden_mask };
    expectCellRegularizers(regularizers, [steps, batch], { hiddenSize, outputSize: hiddenSize });
    for (const [name, initial] of Object.entries({ h0, c0, n0, m0 })) {
      if (initial) expectShape(name, initial, state.shape);
    }
    if (lengths) expectShape('lengths', lengths, [batch]);
    const sequence = float32(steps, batch, hiddenSize);
    return {
      y: sequence,
      ...{ h_n: state, c_n: state, n_n: state, m_n: state },
      gates: float32(steps, batch, slstmGateCount * hiddenSize),
      ...{ forget_slope: sequence, cells: sequence, normalizers: sequence, stabilizers: sequence },
    };
  },
  gradient({ operands, outputs, cotangents, attributes, wants, emit }) {
    for (const slot of ['gates', 'forget_slope', 'cells', 'normalizers', 'stabilizers'] as const) {
      refuseGradient(slot, cotangents[slot] !== null);
    }
    const { y: dy, h_n: dh_n, c_n: dc_n, n_n: dn_n, m_n: dm_n } = cotangents;
    return slstmGradients({ ...operands, ...outputs, dy, dh_n, dc_n, dn_n, dm_n }, attributes, wants, emit);
  },
  reference({ operands, outputs, attributes: { reverse, exponential_forget } }) {
    const { x, h0, c0, n0, m0, lengths, ...cell } = operands;
    const { y, h_n, c_n, n_n, m_n, gates, forget_slope, cells, normalizers, stabilizers } = outputs;
    const [steps, batch, hiddenSize] = y.shape as [number, number, number];
    const zeros = new Float64Array(hiddenSize);
    for (let b = 0; b < batch; b++) {
      const [h, c, n, m] = [h0, c0, n0, m0].map((initial) => rowOf(initial, b) ?? zeros);
      let state = { h: h!, c: c!, n: n!, m: m! };
      for (const t of walk(steps, lengths, b, reverse)) {
        const row = t * batch + b;
        const next = {
          ...{ gates: rowOf(gates, row), forgetSlope: rowOf(forget_slope, row), h: rowOf(y, row) },
          ...{ c: rowOf(cells, row), n: rowOf(normalizers, row), m: rowOf(stabilizers, row) },
        };
        const step = { x: rowOf(x, row), ...state, ...cellRegularizersOf(cell, b, row) };
        slstmCell(cell, exponential_forget, step, next);
        state = next;
      }
      rowOf(h_n, b).set(state.h);
      rowOf(c_n, b).set(state.c);
      rowOf(n_n, b).set(state.n);
      rowOf(m_n, b).set(state.m);
    }
  },
});

type SlstmOperand = 'x' | 'h0' | 'c0' | 'n0' | 'm0' | keyof CellWeights<unknown>;

/** The equations of the gradients of an slstm over a sequence. */
export function slstmGradients(
  values: CellWeights<Variable> &
    CellRegularizers<Variable> &
    Readonly<Record<'x' | 'y' | 'gates' | 'forget_slope' | 'cells' | 'normalizers', Variable>> &
    Readonly<Record<'h0' | 'c0' | 'n0' | 'lengths' | 'dy' | 'dh_n' | 'dc_n' | 'dn_n' | 'dm_n', Variable | null>>,
  { reverse, exponential_forget }: { readonly reverse: boolean; readonly exponential_forget: boolean },
  wants: (operand: 'x' | keyof CellWeights<unknown>) => boolean,
  emit: Emit,
): Record<SlstmOperand, Variable | null> {
  const { y, gates, cells, normalizers, h0, c0, n0, weight_hh, keep_hidden, keep_cell, hidden_mask, lengths } = values;
  const { dy, dh_n, dc_n, dn_n, dm_n } = values;
  const forget_slope = exponential_forget && !keep_cell ? null : values.forget_slope;
  const cell = { gates, forget_slope, cells, normalizers, c0, n0, weight_hh, keep_hidden, hidden_mask, lengths };
  const { dgates, dh0, dc0, dn0, dm0 } = emit(slstmBackward, { dy, dh_n, dc_n, dn_n, dm_n, ...cell }, { reverse });
  const headSize = weight_hh.type.shape[1] as number;
  const seen = (h: Variable) => maskHidden(h, hidden_mask, emit);
  return {
    ...inputGradients(dgates, values, wants, emit),
    weight_hh: wants('weight_hh')
      ? emit(slstmBackwardWeight, { dgates, y: seen(y), h0: h0 && seen(h0), lengths }, { reverse, head_size: headSize })
          .dweight_hh
      : null,
    ...{ h0: dh0, c0: dc0, n0: dn0, m0: dm0 },
  };
}
