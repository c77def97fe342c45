/** The gradients of an LSTM's parameters that are sums over all steps, where no linear layer has them. */
import { defineOp, expectRank, expectShape, float32, onDemand, one, optional, type View } from '../op';
import { multiplyDims, type Dim } from '../shape';
import { backwardWeight } from './backwardWeight';
import { peepholeGates } from './lstmVariant';
import { rowOf, walk } from './sequence';

export const lstmBackwardWeight = backwardWeight('lstm_backward_weight');

/** dweight_peephole[3H] = Σ dgates ⊙ c, for i and f the cell that the step started from, for o the one it made. */
export const lstmBackwardPeephole = defineOp({
  name: 'lstm_backward_peephole',
  operands: { dgates: one('float32'), cells: one('float32'), c0: optional('float32'), lengths: optional('int32') },
  outputs: { dweight_peephole: one('float32') },
  attributes: { reverse: 'boolean' },
  infer({ dgates, cells, c0, lengths }) {
    expectRank('cells', cells, 3, '[T, B, H]');
    const [steps, batch, hiddenSize] = cells.shape as [Dim, Dim, Dim];
    expectShape('dgates', dgates, [steps, batch, multiplyDims([4, hiddenSize])]);
    if (c0) expectShape('c0', c0, [batch, hiddenSize]);
    if (lengths) expectShape('lengths', lengths, [batch]);
    return { dweight_peephole: float32(multiplyDims([peepholeGates.length, hiddenSize])) };
  },
  gradient: 'none',
  reference({ operands: { dgates, cells, c0, lengths }, outputs: { dweight_peephole }, attributes: { reverse } }) {
    const [steps, batch, hiddenSize] = cells.shape as [number, number, number];
    for (let b = 0; b < batch; b++) {
      let c = rowOf(c0, b) ?? new Float64Array(hiddenSize);
      for (const t of walk(steps, lengths, b, reverse)) {
        const dz = rowOf(dgates, t * batch + b);
        const next = rowOf(cells, t * batch + b);
        peepholeGates.forEach(({ gate, seesNext }, row) => {
          for (let j = 0; j < hiddenSize; j++) {
            dweight_peephole.data[row * hiddenSize + j]! += dz[gate * hiddenSize + j]! * (seesNext ? next : c)[j]!;
          }
        });
        c = next;
      }
    }
  },
});

/**
 * The gradients of what layer normalization multiplies and adds: of each sum the factors are a row's gradient and what
 * was normalized there.
 */
export const lstmBackwardNorm = defineOp({
  name: 'lstm_backward_norm',
  operands: {
    dgates: one('float32'),
    dvisible: one('float32'),
    normalized_ih: one('float32'),
    normalized_hh: one('float32'),
    normalized_c: one('float32'),
  },
  outputs: {
    dweight_ln_ih: onDemand('float32'),
    dweight_ln_hh: onDemand('float32'),
    dweight_ln_c: onDemand('float32'),
    dbias_ln_c: onDemand('float32'),
  },
  attributes: {},
  infer({ dgates, dvisible, normalized_ih, normalized_hh, normalized_c }) {
    expectRank('dgates', dgates, 3, '[T, B, 4H]');
    expectRank('dvisible', dvisible, 3, '[T, B, H]');
    expectShape('dgates', dgates, [...dvisible.shape.slice(0, 2), multiplyDims([4, dvisible.shape[2]!])]);
    expectShape('normalized_ih', normalized_ih, dgates.shape);
    expectShape('normalized_hh', normalized_hh, dgates.shape);
    expectShape('normalized_c', normalized_c, dvisible.shape);
    const [gates, cell] = [float32(dgates.shape[2]!), float32(dvisible.shape[2]!)];
    return { dweight_ln_ih: gates, dweight_ln_hh: gates, dweight_ln_c: cell, dbias_ln_c: cell };
  },
  gradient: 'none',
  reference({ operands: { dgates, dvisible, normalized_ih, normalized_hh, normalized_c }, outputs }) {
    const addProducts = (gradient: View, normalized: View | null, sum: View) => {
      const width = sum.data.length;
      for (let k = 0; k < gradient.data.length; k++) {
        sum.data[k % width]! += gradient.data[k]! * (normalized?.data[k] ?? 1);
      }
    };
    addProducts(dgates, normalized_ih, outputs.dweight_ln_ih);
    addProducts(dgates, normalized_hh, outputs.dweight_ln_hh);
    addProducts(dvisible, normalized_c, outputs.dweight_ln_c);
    addProducts(dvisible, null, outputs.dbias_ln_c);
  },
});
