import { defineOp, expectShape, float32, onDemand, one, optional, type ValueType } from '../op';
import { expectSequence, forEachStep } from './steps';

function expectWeighted(x: ValueType, weights: ValueType, lengths: ValueType | null) {
  const { batch, size } = expectSequence(x, lengths);
  expectShape('weights', weights, x.shape.slice(0, 2));
  return float32(batch, size);
}

/** y[b] = Σ weights[t, b]·x[t, b] over the steps of each sequence; 0 where there are none. */
export const weightedPooling = defineOp({
  name: 'weighted_pooling',
  operands: { x: one('float32'), weights: one('float32'), lengths: optional('int32') },
  outputs: { y: one('float32') },
  attributes: {},
  infer: ({ x, weights, lengths }) => ({ y: expectWeighted(x, weights, lengths) }),
  gradient({ operands, cotangents, wants, emit }) {
    const { dx, dweights } = emit(weightedPoolingBackward, { dy: cotangents.y!, ...operands }, {});
    return { x: wants('x') ? dx : null, weights: wants('weights') ? dweights : null };
  },
  reference({ operands: { x, weights, lengths }, outputs: { y } }) {
    const batch = x.shape[1]!;
    forEachStep(x.shape, lengths, (element, column, t, b) => {
      y.data[column]! += weights.data[t * batch + b]! * x.data[element]!;
    });
  },
});

/** dx[t, b] = weights[t, b]·dy[b] and dweights[t, b] = dy[b] · x[t, b] within each sequence, 0 past it. */
export const weightedPoolingBackward = defineOp({
  name: 'weighted_pooling_backward',
  operands: { dy: one('float32'), x: one('float32'), weights: one('float32'), lengths: optional('int32') },
  outputs: { dx: onDemand('float32'), dweights: onDemand('float32') },
  attributes: {},
  infer({ dy, x, weights, lengths }) {
    expectShape('dy', dy, expectWeighted(x, weights, lengths).shape);
    return { dx: x, dweights: weights };
  },
  gradient: 'none',
  reference({ operands: { dy, x, weights, lengths }, outputs: { dx, dweights } }) {
    const batch = x.shape[1]!;
    forEachStep(x.shape, lengths, (element, column, t, b) => {
      dx.data[element] = weights.data[t * batch + b]! * dy.data[column]!;
      dweights.data[t * batch + b]! += dy.data[column]! * x.data[element]!;
    });
  },
});
