import { defineOp, expectShape, float32, int32, onDemand, one, optional } from '../op';
import { expectSequence, forEachStep } from './steps';

/**
 * y[b] = the largest x[t, b] over the steps of each sequence, feature by feature; 0 where there are none. `index` is its
 * step, the first of equals, and -1 where there are none. A NaN is larger than all.
 */
export const maxPooling = defineOp({
  name: 'max_pooling',
  operands: { x: one('float32'), lengths: optional('int32') },
  outputs: { y: one('float32'), index: onDemand('int32') },
  attributes: {},
  infer({ x, lengths }) {
    const { batch, size } = expectSequence(x, lengths);
    return { y: float32(batch, size), index: int32(batch, size) };
  },
  gradient: ({ operands: { x }, outputs: { index }, cotangents, emit }) => ({
    x: emit(maxPoolingBackward, { dy: cotangents.y!, index }, { shape: x.type.shape }).dx,
  }),
  reference({ operands: { x, lengths }, outputs: { y, index } }) {
    index.data.fill(-1);
    forEachStep(x.shape, lengths, (element, column, t) => {
      const [value, largest] = [x.data[element]!, y.data[column]!];
      if (t > 0 && (value <= largest || Number.isNaN(largest))) return;
      y.data[column] = value;
      index.data[column] = t;
    });
  },
});

/** dx is dy at the step that `index` names, 0 elsewhere. */
export const maxPoolingBackward = defineOp({
  name: 'max_pooling_backward',
  operands: { dy: one('float32'), index: one('int32') },
  outputs: { dx: one('float32') },
  attributes: { shape: 'shape' },
  infer({ dy, index }, { shape }) {
    const dx = float32(...shape);
    const { batch, size } = expectSequence(dx, null);
    expectShape('dy', dy, [batch, size]);
    expectShape('index', index, [batch, size]);
    return { dx };
  },
  gradient: 'none',
  reference({ operands: { dy, index }, outputs: { dx } }) {
    forEachStep(dx.shape, null, (element, column, t) => {
      if (index.data[column] === t) dx.data[element] = dy.data[column]!;
    });
  },
});
