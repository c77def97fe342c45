import { defineOp, expectShape, float32, one, optional } from '../op';
import { expectSequence, forEachStep, lengthOf } from './steps';

/** y[b] = Σ x[t, b] / length over the steps of each sequence; 0 where there are none. */
export const meanPooling = defineOp({
  name: 'mean_pooling',
  operands: { x: one('float32'), lengths: optional('int32') },
  outputs: { y: one('float32') },
  attributes: {},
  infer({ x, lengths }) {
    const { batch, size } = expectSequence(x, lengths);
    return { y: float32(batch, size) };
  },
  gradient: ({ operands: { x, lengths }, cotangents, emit }) => ({
    x: emit(meanPoolingBackward, { dy: cotangents.y!, lengths }, { shape: x.type.shape }).dx,
  }),
  reference({ operands: { x, lengths }, outputs: { y } }) {
    forEachStep(x.shape, lengths, (element, column) => (y.data[column]! += x.data[element]!));
    const size = x.shape[2]!;
    for (let column = 0; column < y.data.length; column++) {
      y.data[column]! /= Math.max(lengthOf(x.shape[0]!, lengths, Math.floor(column / size)), 1);
    }
  },
});

/** dx[t, b] = dy[b] / length within each sequence, 0 past it. */
export const meanPoolingBackward = defineOp({
  name: 'mean_pooling_backward',
  operands: { dy: one('float32'), lengths: optional('int32') },
  outputs: { dx: one('float32') },
  attributes: { shape: 'shape' },
  infer({ dy, lengths }, { shape }) {
    const dx = float32(...shape);
    const { batch, size } = expectSequence(dx, lengths);
    expectShape('dy', dy, [batch, size]);
    return { dx };
  },
  gradient: 'none',
  reference({ operands: { dy, lengths }, outputs: { dx } }) {
    forEachStep(dx.shape, lengths, (element, column, _, b) => {
      dx.data[element] = dy.data[column]! / lengthOf(dx.shape[0]!, lengths, b);
    });
  },
});
