import { linearBackwardBias, linearBackwardWeight } from '../linear';
import { defineOp, expectRank, expectShape, float32, onDemand, one, optional, type Emit, type Variable } from '../op';
import { multiplyDims, type Dim } from '../shape';
import { attendBackward, attentionSlots, expectAttended, type Attended } from './attention';
import { addTransposedProduct, inputGradients, type CellWeights } from './cell';
import { lstmCellBackward } from './lstmCell';
import { lstmBackwardWeight } from './lstmBackward';
import { rowOf, walk } from './sequence';

/**
 * The steps of `attention_lstm` in reverse: from the gradient of h through the attention to that of h̃, and through the
 * cell. dgates [T, B, 4H] is the gradient before activation; `dqueries` [T, B, A] that of the queries, `dweight_score`
 * [B, A] each row's part of that of the score's weight; `dh` and `dcells` [T, B, H] are the whole gradients of h_t and
 * c_t. All are 0 past a length, and those of keys and values past a row's slots.
 */
export const attentionLstmBackward = defineOp({
  name: 'attention_lstm_backward',
  operands: {
    dy: optional('float32'),
    dh_n: optional('float32'),
    dc_n: optional('float32'),
    gates: one('float32'),
    cells: one('float32'),
    c0: optional('float32'),
    unattended: one('float32'),
    queries: one('float32'),
    attention: one('float32'),
    weight_hh: one('float32'),
    ...attentionSlots,
    lengths: optional('int32'),
  },
  outputs: {
    dgates: one('float32'),
    dh0: onDemand('float32'),
    dc0: onDemand('float32'),
    dkeys: onDemand('float32'),
    dvalues: onDemand('float32'),
    dqueries: onDemand('float32'),
    dweight_score: onDemand('float32'),
    dh: onDemand('float32'),
    dcells: onDemand('float32'),
  },
  attributes: { reverse: 'boolean' },
  infer(operands) {
    const { dy, dh_n, dc_n, gates, cells, c0, unattended, queries, attention, weight_hh, lengths, ...attended } =
      operands;
    expectRank('cells', cells, 3, '[T, B, H]');
    const [steps, batch, hiddenSize] = cells.shape as [Dim, Dim, Dim];
    const gateSize = multiplyDims([4, hiddenSize]);
    const state = float32(batch, hiddenSize);
    const { slots, attentionSize } = expectAttended(attended, batch, hiddenSize);
    expectShape('gates', gates, [steps, batch, gateSize]);
    expectShape('unattended', unattended, cells.shape);
    expectShape('queries', queries, [steps, batch, attentionSize]);
    expectShape('attention', attention, [steps, batch, slots]);
    expectShape('weight_hh', weight_hh, [gateSize, hiddenSize]);
    if (dy) expectShape('dy', dy, cells.shape);
    if (dh_n) expectShape('dh_n', dh_n, state.shape);
    if (dc_n) expectShape('dc_n', dc_n, state.shape);
    if (c0) expectShape('c0', c0, state.shape);
    if (lengths) expectShape('lengths', lengths, [batch]);
    const { keys: dkeys, values: dvalues } = attended;
    const made = { dkeys, dvalues, dqueries: queries, dweight_score: float32(batch, attentionSize) };
    return { dgates: gates, dh0: state, dc0: state, ...made, dh: cells, dcells: cells };
  },
  gradient: 'none',
  reference({ operands, outputs, attributes: { reverse } }) {
    const { dy, dh_n, dc_n, gates, cells, c0, queries, attention, weight_hh, lengths } = operands;
    const { dgates, dh0, dc0, dkeys, dvalues, dqueries, dweight_score } = outputs;
    const [steps, batch, hiddenSize] = cells.shape as [number, number, number];
    const zeros = new Float64Array(hiddenSize);
    for (let b = 0; b < batch; b++) {
      const dh = Float64Array.from(rowOf(dh_n, b) ?? zeros);
      const dc = Float64Array.from(rowOf(dc_n, b) ?? zeros);
      const order = walk(steps, lengths, b, reverse);
      for (let k = order.length - 1; k >= 0; k--) {
        const row = order[k]! * batch + b;
        const dyRow = rowOf(dy, row) ?? zeros;
        for (let j = 0; j < hiddenSize; j++) dh[j]! += dyRow[j]!;
        rowOf(outputs.dh, row).set(dh);
        const step = { query: rowOf(queries, row), attention: rowOf(attention, row) };
        const into = { dkeys, dvalues, dquery: rowOf(dqueries, row), dweightScore: rowOf(dweight_score, b) };
        const dunattended = attendBackward(operands, b, step, dh, into);
        const c = k > 0 ? rowOf(cells, order[k - 1]! * batch + b) : (rowOf(c0, b) ?? zeros);
        const state = { gates: rowOf(gates, row), c, nextC: rowOf(cells, row) };
        lstmCellBackward(state, dunattended, dc, { dz: rowOf(dgates, row), dcells: rowOf(outputs.dcells, row) });
        dh.fill(0);
        addTransposedProduct(weight_hh, 0, rowOf(dgates, row), dh);
      }
      rowOf(dh0, b).set(dh);
      rowOf(dc0, b).set(dc);
    }
  },
});

type Operands = CellWeights<Variable> &
  Attended<Variable> &
  Readonly<Record<'h0' | 'c0' | 'lengths', Variable | null>> & { readonly x: Variable };

/** The gradient rule over a sequence: what has to go step by step, then sums over all steps. */
export function attentionLstmGradients(
  operands: Operands,
  outputs: Readonly<Record<'y' | 'gates' | 'cells' | 'unattended' | 'queries' | 'attention', Variable>>,
  arriving: Record<'dy' | 'dh_n' | 'dc_n', Variable | null>,
  attributes: { readonly reverse: boolean },
  wants: (operand: 'x' | keyof CellWeights<unknown> | 'weight_query' | 'weight_score') => boolean,
  emit: Emit,
) {
  const { h0, c0, weight_hh, lengths, keys, values, weight_query, weight_score, memory_lengths } = operands;
  const { y, gates, cells, unattended, queries, attention } = outputs;
  const { dgates, dh0, dc0, dkeys, dvalues, dqueries, dweight_score } = emit(
    attentionLstmBackward,
    {
      ...arriving,
      // Without a weight the query is h̃ itself.
      ...{ gates, cells, c0, unattended, queries: weight_query ? queries : unattended, attention, weight_hh },
      ...{ keys, values, weight_query, weight_score, memory_lengths, lengths },
    },
    attributes,
  );
  return {
    ...inputGradients(dgates, operands, wants, emit),
    h0: dh0,
    c0: dc0,
    weight_hh: wants('weight_hh') ? emit(lstmBackwardWeight, { dgates, y, h0, lengths }, attributes).dweight_hh : null,
    keys: dkeys,
    values: dvalues,
    weight_query:
      weight_query && wants('weight_query')
        ? emit(linearBackwardWeight, { dy: dqueries, x: unattended }, {}).dweight
        : null,
    weight_score:
      weight_score && wants('weight_score') ? emit(linearBackwardBias, { dy: dweight_score }, {}).dbias : null,
  };
}
