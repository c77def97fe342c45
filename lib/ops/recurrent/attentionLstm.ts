import { defineOp, float32, onDemand, optional, refuseGradient } from '../op';
import type { Dim } from '../shape';
import { attend, attentionSlots, expectAttended } from './attention';
import { attentionLstmGradients } from './attentionLstmBackward';
import { walkLstm } from './lstm';
import { lstmKindAttributes } from './lstmKind';
import { inferLstm, lstmOutputSlots, lstmSequenceSlots } from './lstmOperands';
import { rowOf } from './sequence';

/** What an op shows of its attention. */
export const attendedSlots = {
  unattended: onDemand('float32'),
  queries: onDemand('float32'),
  attention: onDemand('float32'),
} as const;

/** Outputs that are there to be seen, and for the gradient; none passes one on. */
export const visibleSlots = ['gates', 'cells', 'unattended', 'queries', 'attention'] as const;

/**
 * An LSTM whose hidden state attends to a memory in each step: the cell of `lstm` from the attended h_{t-1} gives c_t and h̃_t,
 * with which `attend` asks the memory and gives h_t. The attention of step t so sees x_t, and what it finds enters the gates
 * of step t + 1.
 *
 * Options, lengths, direction and initial states are as those of `lstm`. A projection gives h̃, so keys (multiplicative) and
 * values have its size. Zoneout of h and the mask act on what has attended. `unattended` holds h̃, `queries` what the scores
 * are of, `attention` α [T, B, S]. All are 0 past a length, and α past a row's slots.
 */
export const attentionLstm = defineOp({
  name: 'attention_lstm',
  operands: { ...lstmSequenceSlots, ...attentionSlots, lengths: optional('int32') },
  outputs: { ...lstmOutputSlots, ...attendedSlots },
  attributes: { reverse: 'boolean', ...lstmKindAttributes },
  infer({ keys, values, weight_query, weight_score, memory_lengths, ...cell }, kind) {
    const made = inferLstm(cell, kind);
    const [steps, batch, outputSize] = made.y.shape as [Dim, Dim, Dim];
    const attended = { keys, values, weight_query, weight_score, memory_lengths };
    const { slots, attentionSize } = expectAttended(attended, batch, outputSize);
    const [queries, attention] = [float32(steps, batch, attentionSize), float32(steps, batch, slots)];
    return { ...made, unattended: made.y, queries, attention };
  },
  gradient({ operands, outputs, cotangents, attributes, wants, emit }) {
    const { y, h_n, c_n, g_n, ...saved } = cotangents;
    refuseGradient('g_n without weight_gate', g_n !== null && !operands.weight_gate);
    for (const slot of Object.keys(saved) as (keyof typeof saved)[]) refuseGradient(slot, saved[slot] !== null);
    const arriving = { dy: y, dh_n: h_n, dc_n: c_n, dg_n: g_n };
    return attentionLstmGradients(operands, outputs, arriving, attributes, wants, emit);
  },
  reference({ operands, outputs, attributes }) {
    const { unattended, queries, attention } = outputs;
    walkLstm(operands, outputs, attributes, {
      unattended,
      attend: (b, row, before, h) =>
        attend(operands, b, before, { query: rowOf(queries, row), attention: rowOf(attention, row), h }),
    });
  },
});
