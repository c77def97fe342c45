import { linearBackwardWeight } from '../linear';
import { defineOp, expectRank, expectShape, float32, one, optional } from '../op';
import type { Dim } from '../shape';
import { expectCellWeights, inputGradients } from './cell';
import { rnnBackward, rnnCell } from './rnn';
import { asSequence, asStep, rowOf } from './sequence';

/** One step of `rnn`, for streaming and for decoders that feed on themselves. */
export const rnnStep = defineOp({
  name: 'rnn_step',
  operands: {
    x: one('float32'),
    h: one('float32'),
    weight_ih: one('float32'),
    weight_hh: one('float32'),
    bias_ih: optional('float32'),
    bias_hh: optional('float32'),
  },
  outputs: { h_next: one('float32') },
  attributes: { relu: 'boolean' },
  infer({ x, h, ...weights }) {
    expectRank('x', x, 2, '[B, I]');
    const [batch, inputSize] = x.shape as [Dim, Dim];
    const state = float32(batch, expectCellWeights(weights, inputSize, 1));
    expectShape('h', h, state.shape);
    return { h_next: state };
  },
  gradient({ operands: { x, h, weight_ih, weight_hh }, outputs, cotangents, attributes: { relu }, wants, emit }) {
    const y = asSequence(outputs.h_next);
    const dh_n = cotangents.h_next;
    const { dgates, dh0 } = emit(rnnBackward, { dh_n, y, weight_hh }, { reverse: false, relu });
    const dy = asStep(dgates);
    return {
      ...inputGradients(dy, { x, weight_ih, lengths: null }, wants, emit),
      h: dh0,
      weight_hh: wants('weight_hh') ? emit(linearBackwardWeight, { dy, x: h }, {}).dweight : null,
    };
  },
  reference({ operands: { x, h, ...weights }, outputs: { h_next }, attributes: { relu } }) {
    for (let b = 0; b < x.shape[0]!; b++) rnnCell(weights, relu, { x: rowOf(x, b), h: rowOf(h, b) }, rowOf(h_next, b));
  },
});
