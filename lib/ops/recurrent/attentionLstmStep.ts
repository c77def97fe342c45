import { defineOp, float32, refuseGradient } from '../op';
import type { Dim } from '../shape';
import { attend, attentionSlots, expectAttended } from './attention';
import { attendedSlots } from './attentionLstm';
import { attentionLstmGradients } from './attentionLstmBackward';
import { mixInto } from './hiddenRegularizers';
import { stepRow } from './lstm';
import { lstmKindAttributes, writeGateBounds } from './lstmKind';
import {
  gradientsOfStep,
  inferLstmStep,
  lstmStepOutputSlots,
  lstmStepRow,
  lstmStepSlots,
  stepAsSequence,
} from './lstmStep';
import { asSequence, rowOf } from './sequence';

/** One step of `attention_lstm`, for streaming and for decoders that feed on themselves. */
export const attentionLstmStep = defineOp({
  name: 'attention_lstm_step',
  operands: { ...lstmStepSlots, ...attentionSlots },
  outputs: { ...lstmStepOutputSlots, ...attendedSlots },
  attributes: lstmKindAttributes,
  infer({ keys, values, weight_query, weight_score, memory_lengths, ...cell }, kind) {
    const made = inferLstmStep(cell, kind);
    const [batch, outputSize] = made.h_next.shape as [Dim, Dim];
    const attended = { keys, values, weight_query, weight_score, memory_lengths };
    const { slots, attentionSize } = expectAttended(attended, batch, outputSize);
    const [queries, attention] = [float32(batch, attentionSize), float32(batch, slots)];
    return { ...made, unattended: made.h_next, queries, attention };
  },
  gradient({ operands, outputs, cotangents, attributes, wants, emit }) {
    const { h_next, c_next, g_next, ...saved } = cotangents;
    refuseGradient('g_next without weight_gate', g_next !== null && !operands.weight_gate);
    for (const slot of Object.keys(saved) as (keyof typeof saved)[]) refuseGradient(slot, saved[slot] !== null);
    const sequence = stepAsSequence(operands, outputs);
    const attended = {
      unattended: asSequence(outputs.unattended),
      queries: asSequence(outputs.queries),
      attention: asSequence(outputs.attention),
    };
    const gradients = attentionLstmGradients(
      sequence.operands,
      { ...sequence.outputs, ...attended },
      { dy: null, dh_n: h_next, dc_n: c_next, dg_n: g_next },
      { reverse: false, ...attributes },
      (operand) => operand in operands && wants(operand as keyof typeof operands),
      emit,
    );
    return gradientsOfStep(gradients, operands.g);
  },
  reference({ operands, outputs, attributes }) {
    const { unattended, queries, attention } = outputs;
    writeGateBounds(attributes, outputs.bounds);
    for (let b = 0; b < operands.x.shape[0]!; b++) {
      const { step, next } = lstmStepRow(operands, outputs, b);
      const before = rowOf(unattended, b);
      stepRow(operands, attributes, { ...step, keepHidden: null }, { ...next, h: before });
      attend(operands, b, before, { query: rowOf(queries, b), attention: rowOf(attention, b), h: next.h });
      mixInto(next.h, step.h, step.keepHidden);
    }
  },
});
