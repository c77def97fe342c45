import { defineOp, expectRank, expectShape, float32, onDemand, one, refuseGradient } from '../op';
import { multiplyDims, type Dim } from '../shape';
import { attend, attentionSlots, expectAttended } from './attention';
import { cellWeightSlots } from './attentionLstm';
import { attentionLstmGradients } from './attentionLstmBackward';
import { expectCellWeights } from './cell';
import { lstmCell } from './lstmCell';
import { asSequence, asStep, rowOf } from './sequence';

/** One step of `attention_lstm`, for streaming and for decoders that feed on themselves. */
export const attentionLstmStep = defineOp({
  name: 'attention_lstm_step',
  operands: {
    x: one('float32'),
    h: one('float32'),
    c: one('float32'),
    ...cellWeightSlots,
    ...attentionSlots,
  },
  outputs: {
    h_next: one('float32'),
    c_next: one('float32'),
    gates: onDemand('float32'),
    unattended: onDemand('float32'),
    queries: onDemand('float32'),
    attention: onDemand('float32'),
  },
  attributes: {},
  infer({ x, h, c, weight_ih, weight_hh, bias_ih, bias_hh, ...attended }) {
    expectRank('x', x, 2, '[B, I]');
    const [batch, inputSize] = x.shape as [Dim, Dim];
    const hiddenSize = expectCellWeights({ weight_ih, weight_hh, bias_ih, bias_hh }, inputSize, 4);
    const { slots, attentionSize } = expectAttended(attended, batch, hiddenSize);
    const state = float32(batch, hiddenSize);
    expectShape('h', h, state.shape);
    expectShape('c', c, state.shape);
    const gates = float32(batch, multiplyDims([4, hiddenSize]));
    const [queries, attention] = [float32(batch, attentionSize), float32(batch, slots)];
    return { h_next: state, c_next: state, gates, unattended: state, queries, attention };
  },
  gradient({ operands, outputs, cotangents, wants, emit }) {
    for (const slot of ['gates', 'unattended', 'queries', 'attention'] as const) {
      refuseGradient(slot, cotangents[slot] !== null);
    }
    // A step is a sequence of one.
    const { x, h, c, ...rest } = operands;
    const {
      x: dx,
      h0,
      c0,
      ...gradients
    } = attentionLstmGradients(
      { ...rest, x: asSequence(x), h0: h, c0: c, lengths: null },
      {
        y: asSequence(outputs.h_next),
        gates: asSequence(outputs.gates),
        cells: asSequence(outputs.c_next),
        unattended: asSequence(outputs.unattended),
        queries: asSequence(outputs.queries),
        attention: asSequence(outputs.attention),
      },
      { dy: null, dh_n: cotangents.h_next, dc_n: cotangents.c_next },
      { reverse: false },
      wants,
      emit,
    );
    return { ...gradients, x: dx && asStep(dx), h: h0, c: c0 };
  },
  reference({ operands, outputs: { h_next, c_next, gates, unattended, queries, attention } }) {
    const { x, h, c, weight_ih, weight_hh, bias_ih, bias_hh, ...attended } = operands;
    for (let b = 0; b < x.shape[0]!; b++) {
      const next = { gates: rowOf(gates, b), h: rowOf(unattended, b), c: rowOf(c_next, b) };
      lstmCell({ weight_ih, weight_hh, bias_ih, bias_hh }, { x: rowOf(x, b), h: rowOf(h, b), c: rowOf(c, b) }, next);
      attend(attended, b, next.h, { query: rowOf(queries, b), attention: rowOf(attention, b), h: rowOf(h_next, b) });
    }
  },
});
