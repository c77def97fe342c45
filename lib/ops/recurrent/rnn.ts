import { defineOp, expectRank, expectShape, float32, onDemand, one, optional, type View } from '../op';
import type { Dim } from '../shape';
import { backwardWeight } from './backwardWeight';
import { addTransposedProduct, affineRow, expectCell, inputGradients, type CellWeights } from './cell';
import { backward, forward, rowOf } from './sequence';

/** h' = φ(W_ih·x + b_ih + W_hh·h + b_hh), φ the tanh or max(0, ·) (Elman 1990). */
export function rnnCell(
  { weight_ih, weight_hh, bias_ih, bias_hh }: CellWeights<View>,
  relu: boolean,
  { x, h }: { readonly x: Float64Array; readonly h: Float64Array },
  next: Float64Array,
): void {
  for (let j = 0; j < h.length; j++) {
    const z = affineRow(weight_ih, bias_ih, j, x) + affineRow(weight_hh, bias_hh, j, h);
    next[j] = relu ? Math.max(0, z) : Math.tanh(z);
  }
}

/**
 * A plain recurrent network over a sequence; `rnnCell` holds its equation. Its activation is the tanh, or with `relu`
 * max(0, ·). Lengths, direction and initial states are as those of `lstm`.
 */
export const rnn = defineOp({
  name: 'rnn',
  operands: {
    x: one('float32'),
    h0: optional('float32'),
    weight_ih: one('float32'),
    weight_hh: one('float32'),
    bias_ih: optional('float32'),
    bias_hh: optional('float32'),
    lengths: optional('int32'),
  },
  outputs: { y: onDemand('float32'), h_n: onDemand('float32') },
  attributes: { reverse: 'boolean', relu: 'boolean' },
  infer: (operands) => expectCell(operands, 1),
  gradient({ operands, outputs: { y }, cotangents: { y: dy, h_n: dh_n }, attributes, wants, emit }) {
    const { h0, weight_hh, lengths } = operands;
    const { dgates, dh0 } = emit(rnnBackward, { dy, dh_n, y, weight_hh, lengths }, attributes);
    const { reverse } = attributes;
    return {
      ...inputGradients(dgates, operands, wants, emit),
      h0: dh0,
      weight_hh: wants('weight_hh')
        ? emit(rnnBackwardWeight, { dgates, y, h0, lengths }, { reverse }).dweight_hh
        : null,
    };
  },
  reference({ operands: { x, h0, lengths, ...weights }, outputs, attributes: { reverse, relu } }) {
    forward(outputs, { h0, lengths }, reverse, (row, h, next) => rnnCell(weights, relu, { x: rowOf(x, row), h }, next));
  },
});

/** dgates[T,B,H], the gradient before activation, and that of the initial state: the steps in reverse. 0 past a length. */
export const rnnBackward = defineOp({
  name: 'rnn_backward',
  operands: {
    dy: optional('float32'),
    dh_n: optional('float32'),
    y: one('float32'),
    weight_hh: one('float32'),
    lengths: optional('int32'),
  },
  outputs: { dgates: one('float32'), dh0: onDemand('float32') },
  attributes: { reverse: 'boolean', relu: 'boolean' },
  infer({ dy, dh_n, y, weight_hh, lengths }) {
    expectRank('y', y, 3, '[T, B, H]');
    const [, batch, hiddenSize] = y.shape as [Dim, Dim, Dim];
    const state = float32(batch, hiddenSize);
    expectShape('weight_hh', weight_hh, [hiddenSize, hiddenSize]);
    if (dy) expectShape('dy', dy, y.shape);
    if (dh_n) expectShape('dh_n', dh_n, state.shape);
    if (lengths) expectShape('lengths', lengths, [batch]);
    return { dgates: y, dh0: state };
  },
  gradient: 'none',
  reference({ operands, outputs: { dgates, dh0 }, attributes: { reverse, relu } }) {
    const { y, weight_hh } = operands;
    backward({ ...operands, h0: null }, dh0, reverse, (row, _, dh) => {
      const h = rowOf(y, row);
      const dz = rowOf(dgates, row);
      for (let j = 0; j < dz.length; j++) dz[j] = dh[j]! * (relu ? Number(h[j]! > 0) : 1 - h[j]! ** 2);
      dh.fill(0);
      addTransposedProduct(weight_hh, 0, dz, dh);
    });
  },
});

export const rnnBackwardWeight = backwardWeight('rnn_backward_weight');
