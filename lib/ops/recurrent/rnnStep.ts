import { linearBackwardWeight } from '../linear';
import { defineOp, expectRank, expectShape, float32, onDemand, one, optional, refuseGradient } from '../op';
import type { Dim } from '../shape';
import { expectCellWeights, inputGradients } from './cell';
import { expectClip } from './gateClip';
import {
  expectHiddenRegularizers,
  hiddenRegularizerSlots,
  hiddenRegularizersOf,
  maskHidden,
} from './hiddenRegularizers';
import { rnnBackward, rnnCell, rnnKindAttributes, writeRnnBounds } from './rnn';
import { asSequence, asSequenceShare, asStep, rowOf } from './sequence';

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
    ...hiddenRegularizerSlots,
  },
  outputs: { h_next: one('float32'), gates: onDemand('float32'), bounds: onDemand('float32') },
  attributes: rnnKindAttributes,
  infer({ x, h, keep_hidden, hidden_mask, ...weights }, { gate_clip }) {
    expectClip('gate_clip', gate_clip);
    expectRank('x', x, 2, '[B, I]');
    const [batch, inputSize] = x.shape as [Dim, Dim];
    const hiddenSize = expectCellWeights(weights, inputSize, 1);
    const state = float32(batch, hiddenSize);
    expectShape('h', h, state.shape);
    expectHiddenRegularizers({ keep_hidden, hidden_mask }, [batch], hiddenSize);
    return { h_next: state, gates: state, bounds: float32(1, 2) };
  },
  gradient({ operands, outputs, cotangents, attributes: { relu, gate_clip }, wants, emit }) {
    refuseGradient('gates', cotangents.gates !== null);
    refuseGradient('bounds', cotangents.bounds !== null);
    const { x, h, weight_ih, weight_hh, keep_hidden, hidden_mask } = operands;
    const cell = {
      gates: asSequence(keep_hidden ? outputs.gates : outputs.h_next),
      weight_hh,
      keep_hidden: asSequenceShare(keep_hidden),
      hidden_mask,
      bounds: gate_clip > 0 ? outputs.bounds : null,
    };
    const { dgates, dh0 } = emit(rnnBackward, { dh_n: cotangents.h_next, ...cell }, { reverse: false, relu });
    const dy = asStep(dgates);
    return {
      ...inputGradients(dy, { x, weight_ih, lengths: null }, wants, emit),
      h: dh0,
      weight_hh: wants('weight_hh')
        ? emit(linearBackwardWeight, { dy, x: maskHidden(h, hidden_mask, emit) }, {}).dweight
        : null,
    };
  },
  reference({ operands: { x, h, ...cell }, outputs: { h_next, gates, bounds }, attributes: kind }) {
    writeRnnBounds(kind, bounds);
    for (let b = 0; b < x.shape[0]!; b++) {
      const step = { x: rowOf(x, b), h: rowOf(h, b), ...hiddenRegularizersOf(cell, b, b) };
      rnnCell(cell, kind, step, { gates: rowOf(gates, b), h: rowOf(h_next, b) });
    }
  },
});
