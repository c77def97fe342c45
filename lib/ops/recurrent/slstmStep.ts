import { defineOp, expectRank, expectShape, float32, onDemand, one, optional, refuseGradient } from '../op';
import type { Dim } from '../shape';
import { expectSlstmWeights, slstmGradients } from './slstm';
import { slstmCell, slstmGateCount } from './slstmCell';
import { cellRegularizerSlots, cellRegularizersOf, expectCellRegularizers } from './hiddenRegularizers';
import { asSequence, asSequenceShare, asStep, rowOf } from './sequence';

/** One step of `slstm`, for streaming and for decoders that feed on themselves. */
export const slstmStep = defineOp({
  name: 'slstm_step',
  operands: {
    x: one('float32'),
    h: one('float32'),
    c: one('float32'),
    n: one('float32'),
    m: one('float32'),
    weight_ih: one('float32'),
    weight_hh: one('float32'),
    bias_ih: optional('float32'),
    bias_hh: optional('float32'),
    ...cellRegularizerSlots,
  },
  outputs: {
    h_next: one('float32'),
    c_next: one('float32'),
    n_next: one('float32'),
    m_next: one('float32'),
    gates: onDemand('float32'),
    forget_slope: onDemand('float32'),
  },
  attributes: { exponential_forget: 'boolean' },
  infer({ x, h, c, n, m, keep_hidden, keep_cell, hidden_mask, ...weights }) {
    expectRank('x', x, 2, '[B, I]');
    const [batch, inputSize] = x.shape as [Dim, Dim];
    const hiddenSize = expectSlstmWeights(weights, inputSize);
    const state = float32(batch, hiddenSize);
    const regularizers = { keep_hidden, keep_cell, hidden_mask };
    expectCellRegularizers(regularizers, [batch], { hiddenSize, outputSize: hiddenSize });
    for (const [name, value] of Object.entries({ h, c, n, m })) expectShape(name, value, state.shape);
    return {
      ...{ h_next: state, c_next: state, n_next: state, m_next: state },
      gates: float32(batch, slstmGateCount * hiddenSize),
      forget_slope: state,
    };
  },
  gradient({ operands, outputs, cotangents, attributes, wants, emit }) {
    const { x, h, c, n, weight_ih, weight_hh, bias_ih, bias_hh, keep_hidden, keep_cell, hidden_mask } = operands;
    const cell = { weight_ih, weight_hh, bias_ih, bias_hh, hidden_mask };
    refuseGradient('gates', cotangents.gates !== null);
    refuseGradient('forget_slope', cotangents.forget_slope !== null);
    const sequence = {
      x: asSequence(x),
      y: asSequence(outputs.h_next),
      gates: asSequence(outputs.gates),
      forget_slope: asSequence(outputs.forget_slope),
      cells: asSequence(outputs.c_next),
      normalizers: asSequence(outputs.n_next),
      keep_hidden: asSequenceShare(keep_hidden),
      keep_cell: asSequenceShare(keep_cell),
    };
    const { h_next: dh_n, c_next: dc_n, n_next: dn_n, m_next: dm_n } = cotangents;
    const states = { h0: h, c0: c, n0: n, lengths: null, dy: null, dh_n, dc_n, dn_n, dm_n };
    const gradients = slstmGradients(
      { ...cell, ...sequence, ...states },
      { reverse: false, ...attributes },
      wants,
      emit,
    );
    const { x: dx, h0, c0, n0, m0, ...dweights } = gradients;
    return { ...dweights, x: dx && asStep(dx), h: h0, c: c0, n: n0, m: m0 };
  },
  reference({ operands: { x, h, c, n, m, ...cell }, outputs, attributes: { exponential_forget } }) {
    const { h_next, c_next, n_next, m_next, gates, forget_slope } = outputs;
    for (let b = 0; b < x.shape[0]!; b++) {
      const state = { h: rowOf(h, b), c: rowOf(c, b), n: rowOf(n, b), m: rowOf(m, b) };
      slstmCell(
        cell,
        exponential_forget,
        { x: rowOf(x, b), ...state, ...cellRegularizersOf(cell, b, b) },
        {
          ...{ h: rowOf(h_next, b), c: rowOf(c_next, b), n: rowOf(n_next, b), m: rowOf(m_next, b) },
          ...{ gates: rowOf(gates, b), forgetSlope: rowOf(forget_slope, b) },
        },
      );
    }
  },
});
