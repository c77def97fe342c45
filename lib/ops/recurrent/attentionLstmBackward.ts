import { linearBackwardBias, linearBackwardWeight } from '../linear';
import {
  defineOp,
  expectShape,
  float32,
  onDemand,
  one,
  optional,
  type Attributes,
  type Emit,
  type Variable,
} from '../op';
import type { Dim } from '../shape';
import { attendBackward, attentionSlots, expectAttended, type Attended } from './attention';
import { inferLstmBackward, lstmBackwardSlots, lstmGradientSlots, walkLstmBack } from './lstmBackward';
import {
  backwardOperands,
  lstmSums,
  type Arriving,
  type LstmOperand,
  type LstmOperands,
  type LstmOutputs,
} from './lstmGradients';
import { lstmKindAttributes } from './lstmKind';
import { rowOf } from './sequence';

/**
 * The steps of `attention_lstm` in reverse: from the gradient of h through the attention to that of h̃, and through the
 * cell. As of `lstm_backward`, where `dprojected` is the gradient of h̃, and of the attention `dqueries` [T, B, A] that of the
 * queries, `dweight_score` [B, A] each row's part of that of the score's weight. All are 0 past a length, and those of keys
 * and values past a row's slots.
 */
export const attentionLstmBackward = defineOp({
  name: 'attention_lstm_backward',
  operands: {
    ...lstmBackwardSlots,
    queries: one('float32'),
    attention: one('float32'),
    ...attentionSlots,
    lengths: optional('int32'),
  },
  outputs: {
    ...lstmGradientSlots,
    dkeys: onDemand('float32'),
    dvalues: onDemand('float32'),
    dqueries: onDemand('float32'),
    dweight_score: onDemand('float32'),
  },
  attributes: { reverse: 'boolean', ...lstmKindAttributes },
  infer({ queries, attention, keys, values, weight_query, weight_score, memory_lengths, ...cell }) {
    const made = inferLstmBackward(cell);
    const [steps, batch, outputSize] = made.dh.shape as [Dim, Dim, Dim];
    const attended = { keys, values, weight_query, weight_score, memory_lengths };
    const { slots, attentionSize } = expectAttended(attended, batch, outputSize);
    expectShape('queries', queries, [steps, batch, attentionSize]);
    expectShape('attention', attention, [steps, batch, slots]);
    return { ...made, dkeys: keys, dvalues: values, dqueries: queries, dweight_score: float32(batch, attentionSize) };
  },
  gradient: 'none',
  reference({ operands, outputs, attributes }) {
    const { queries, attention } = operands;
    const { dkeys, dvalues, dqueries, dweight_score } = outputs;
    walkLstmBack(operands, outputs, attributes, (b, row, dh) => {
      const step = { query: rowOf(queries, row), attention: rowOf(attention, row) };
      const into = { dkeys, dvalues, dquery: rowOf(dqueries, row), dweightScore: rowOf(dweight_score, b) };
      return attendBackward(operands, b, step, dh, into);
    });
  },
});

type Outputs = LstmOutputs & Readonly<Record<'unattended' | 'queries' | 'attention', Variable>>;

/** The gradient rule over a sequence: what has to go step by step, then sums over all steps. */
export function attentionLstmGradients(
  operands: LstmOperands & Attended<Variable>,
  outputs: Outputs,
  arriving: Arriving,
  attributes: Attributes<typeof attentionLstmBackward.attributes>,
  wants: (operand: LstmOperand | 'weight_query' | 'weight_score') => boolean,
  emit: Emit,
) {
  const { keys, values, weight_query, weight_score, memory_lengths, lengths } = operands;
  const { unattended, attention } = outputs;
  const given = {
    ...backwardOperands(operands, outputs, arriving, attributes),
    // Without a weight the query is h̃ itself.
    queries: weight_query ? outputs.queries : unattended,
    ...{ attention, keys, values, weight_query, weight_score, memory_lengths, lengths },
  };
  const { dkeys, dvalues, dqueries, dweight_score, ...made } = emit(attentionLstmBackward, given, attributes);
  return {
    ...lstmSums(made, operands, outputs, attributes, wants, emit),
    keys: dkeys,
    values: dvalues,
    weight_query:
      weight_query && wants('weight_query')
        ? emit(linearBackwardWeight, { dy: dqueries, x: unattended, lengths }, {}).dweight
        : null,
    weight_score:
      weight_score && wants('weight_score') ? emit(linearBackwardBias, { dy: dweight_score }, {}).dbias : null,
  };
}
