import { defineOp, expectRank, expectShape, float32, one, optional, type View } from '../op';
import type { Dim } from '../shape';
import { forEachStart, rowOf } from './sequence';

/** dweight_hh[G·H, H] = Σ dgatesᵀ · h, with h the hidden state that each step started from. */
export function backwardWeight<const N extends string>(name: N) {
  return defineOp({
    name,
    operands: { dgates: one('float32'), y: one('float32'), h0: optional('float32'), lengths: optional('int32') },
    outputs: { dweight_hh: one('float32') },
    attributes: { reverse: 'boolean' },
    infer({ dgates, y, h0, lengths }) {
      expectRank('y', y, 3, '[T, B, H]');
      expectRank('dgates', dgates, 3, '[T, B, G·H]');
      const [steps, batch, hiddenSize] = y.shape as [Dim, Dim, Dim];
      const gateSize = dgates.shape[2]!;
      expectShape('dgates', dgates, [steps, batch, gateSize]);
      if (h0) expectShape('h0', h0, [batch, hiddenSize]);
      if (lengths) expectShape('lengths', lengths, [batch]);
      return { dweight_hh: float32(gateSize, hiddenSize) };
    },
    gradient: 'none',
    reference({ operands: { dgates, y, h0, lengths }, outputs: { dweight_hh }, attributes: { reverse } }) {
      forEachStart(y, h0, lengths, reverse, (row, h) => addOuterProduct(rowOf(dgates, row), h, dweight_hh, 0));
    },
  });
}

/** sum += dzᵀ · v over the rows of sum from `firstRow` on. */
export function addOuterProduct(dz: Float64Array, v: Float64Array, sum: View, firstRow: number): void {
  for (let n = 0; n < dz.length; n++) {
    for (let j = 0; j < v.length; j++) sum.data[(firstRow + n) * v.length + j]! += dz[n]! * v[j]!;
  }
}
