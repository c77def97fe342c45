import { defineOp, expectRank, expectShape, float32, one, optional, type View } from '../op';
import type { Dim } from '../shape';
import { rowOf, walk } from './sequence';

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

/** Visits each step of each row: which row of [T·B, ·] it is, and the hidden state that it started from. */
export function forEachStart(
  y: View,
  h0: View | null,
  lengths: View | null,
  reverse: boolean,
  visit: (row: number, h: Float64Array) => void,
): void {
  const [steps, batch, hiddenSize] = y.shape as [number, number, number];
  for (let b = 0; b < batch; b++) {
    let h = rowOf(h0, b) ?? new Float64Array(hiddenSize);
    for (const t of walk(steps, lengths, b, reverse)) {
      visit(t * batch + b, h);
      h = rowOf(y, t * batch + b);
    }
  }
}

/** sum += dzᵀ · v over the rows of sum from `firstRow` on. */
export function addOuterProduct(dz: Float64Array, v: Float64Array, sum: View, firstRow: number): void {
  for (let n = 0; n < dz.length; n++) {
    for (let j = 0; j < v.length; j++) sum.data[(firstRow + n) * v.length + j]! += dz[n]! * v[j]!;
  }
}
