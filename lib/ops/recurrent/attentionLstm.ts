import { defineOp, expectShape, float32, onDemand, one, optional, refuseGradient } from '../op';
import { multiplyDims, type Dim } from '../shape';
import { attend, attentionSlots, expectAttended } from './attention';
import { attentionLstmGradients } from './attentionLstmBackward';
import { expectCell, type CellWeights } from './cell';
import { lstmCell } from './lstmCell';
import { rowOf, walk } from './sequence';

export const cellWeightSlots = {
  weight_ih: one('float32'),
  weight_hh: one('float32'),
  bias_ih: optional('float32'),
  bias_hh: optional('float32'),
} as const;

/** Outputs that are there for the gradient, and to be seen; none passes one on. */
export const visibleSlots = ['gates', 'cells', 'unattended', 'queries', 'attention'] as const;

/**
 * An LSTM whose hidden state attends to a memory in each step: `lstmCell` from the attended h_{t-1} gives c_t and h̃_t, with
 * which `attend` asks the memory and gives h_t. The attention of step t so sees x_t, and what it finds enters the gates of
 * step t + 1.
 *
 * Lengths, direction and initial states are as those of `lstm`. `unattended` holds h̃, `queries` what the scores are of,
 * `attention` α [T, B, S]. All are 0 past a length, and α past a row's slots.
 */
export const attentionLstm = defineOp({
  name: 'attention_lstm',
  operands: {
    x: one('float32'),
    h0: optional('float32'),
    c0: optional('float32'),
    ...cellWeightSlots,
    ...attentionSlots,
    lengths: optional('int32'),
  },
  outputs: {
    y: onDemand('float32'),
    h_n: onDemand('float32'),
    c_n: onDemand('float32'),
    gates: onDemand('float32'),
    cells: onDemand('float32'),
    unattended: onDemand('float32'),
    queries: onDemand('float32'),
    attention: onDemand('float32'),
  },
  attributes: { reverse: 'boolean' },
  infer({ x, h0, c0, weight_ih, weight_hh, bias_ih, bias_hh, lengths, ...attended }) {
    const { y, h_n } = expectCell({ x, h0, weight_ih, weight_hh, bias_ih, bias_hh, lengths }, 4);
    const [steps, batch, hiddenSize] = y.shape as [Dim, Dim, Dim];
    if (c0) expectShape('c0', c0, h_n.shape);
    const { slots, attentionSize } = expectAttended(attended, batch, hiddenSize);
    const gates = float32(steps, batch, multiplyDims([4, hiddenSize]));
    const [queries, attention] = [float32(steps, batch, attentionSize), float32(steps, batch, slots)];
    return { y, h_n, c_n: h_n, gates, cells: y, unattended: y, queries, attention };
  },
  gradient({ operands, outputs, cotangents, attributes, wants, emit }) {
    for (const slot of visibleSlots) refuseGradient(slot, cotangents[slot] !== null);
    const arriving = { dy: cotangents.y, dh_n: cotangents.h_n, dc_n: cotangents.c_n };
    return attentionLstmGradients(operands, outputs, arriving, attributes, wants, emit);
  },
  reference({ operands, outputs, attributes: { reverse } }) {
    const { x, h0, c0, lengths, weight_ih, weight_hh, bias_ih, bias_hh, ...attended } = operands;
    const weights: CellWeights<typeof x> = { weight_ih, weight_hh, bias_ih, bias_hh };
    const { y, h_n, c_n, gates, cells, unattended, queries, attention } = outputs;
    const [steps, batch, hiddenSize] = y.shape as [number, number, number];
    for (let b = 0; b < batch; b++) {
      let h = rowOf(h0, b) ?? new Float64Array(hiddenSize);
      let c = rowOf(c0, b) ?? new Float64Array(hiddenSize);
      for (const t of walk(steps, lengths, b, reverse)) {
        const row = t * batch + b;
        const next = { gates: rowOf(gates, row), h: rowOf(unattended, row), c: rowOf(cells, row) };
        lstmCell(weights, { x: rowOf(x, row), h, c }, next);
        const step = { query: rowOf(queries, row), attention: rowOf(attention, row), h: rowOf(y, row) };
        attend(attended, b, next.h, step);
        [h, c] = [step.h, next.c];
      }
      rowOf(h_n, b).set(h);
      rowOf(c_n, b).set(c);
    }
  },
});
