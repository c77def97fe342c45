import { defineOp, expectRank, expectShape, float32, onDemand, one, optional, refuseGradient } from '../op';
import { multiplyDims, type Dim } from '../shape';
import { expectCellWeights } from './cell';
import { gruGradients } from './gru';
import { expectClip } from './gateClip';
import { gruCell, gruKindAttributes, writeGruBounds } from './gruCell';
import { expectHiddenRegularizers, hiddenRegularizerSlots, hiddenRegularizersOf } from './hiddenRegularizers';
import { asSequence, asSequenceShare, asStep, rowOf } from './sequence';

/** One step of `gru`, for streaming and for decoders that feed on themselves. */
export const gruStep = defineOp({
  name: 'gru_step',
  operands: {
    x: one('float32'),
    h: one('float32'),
    weight_ih: one('float32'),
    weight_hh: one('float32'),
    bias_ih: optional('float32'),
    bias_hh: optional('float32'),
    ...hiddenRegularizerSlots,
  },
  outputs: {
    h_next: one('float32'),
    gates: onDemand('float32'),
    recurrent: onDemand('float32'),
    bounds: onDemand('float32'),
  },
  attributes: gruKindAttributes,
  infer({ x, h, keep_hidden, hidden_mask, ...weights }, { gate_clip }) {
    expectClip('gate_clip', gate_clip);
    expectRank('x', x, 2, '[B, I]');
    const [batch, inputSize] = x.shape as [Dim, Dim];
    const hiddenSize = expectCellWeights(weights, inputSize, 3);
    const state = float32(batch, hiddenSize);
    expectShape('h', h, state.shape);
    expectHiddenRegularizers({ keep_hidden, hidden_mask }, [batch], hiddenSize);
    const gates = float32(batch, multiplyDims([3, hiddenSize]));
    return { h_next: state, gates, recurrent: state, bounds: float32(3, 2) };
  },
  gradient({ operands: { x, h, keep_hidden, ...cell }, outputs, cotangents, attributes: kind, wants, emit }) {
    for (const slot of ['gates', 'recurrent', 'bounds'] as const) refuseGradient(slot, cotangents[slot] !== null);
    const sequence = {
      x: asSequence(x),
      y: asSequence(outputs.h_next),
      gates: asSequence(outputs.gates),
      recurrent: asSequence(outputs.recurrent),
      bounds: outputs.bounds,
      keep_hidden: asSequenceShare(keep_hidden),
    };
    const states = { h0: h, lengths: null, dy: null, dh_n: cotangents.h_next };
    const attributes = { reverse: false, ...kind };
    const gradients = gruGradients({ ...cell, ...sequence, ...states }, attributes, wants, emit);
    return { ...gradients, x: gradients.x && asStep(gradients.x), h: gradients.h0 };
  },
  reference({ operands: { x, h, ...cell }, outputs, attributes: kind }) {
    writeGruBounds(kind, outputs.bounds);
    for (let b = 0; b < x.shape[0]!; b++) {
      const next = {
        gates: rowOf(outputs.gates, b),
        recurrent: rowOf(outputs.recurrent, b),
        h: rowOf(outputs.h_next, b),
      };
      gruCell(cell, kind, { x: rowOf(x, b), h: rowOf(h, b), ...hiddenRegularizersOf(cell, b, b) }, next);
    }
  },
});
