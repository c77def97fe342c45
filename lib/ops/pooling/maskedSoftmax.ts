import { defineOp, expectRank, expectShape, one, optional, type ValueType, type View } from '../op';
import { lengthOf } from './steps';

function expectScores(operand: string, x: ValueType, lengths: ValueType | null): void {
  expectRank(operand, x, 2, '[T, B]');
  if (lengths) expectShape('lengths', lengths, [x.shape[1]!]);
}

/** Visits the sequences of [T, B]: where the steps within its length stand, in order. */
function forEachSequence({ shape }: View, lengths: View | null, visit: (steps: readonly number[]) => void): void {
  const [steps, batch] = shape as [number, number];
  for (let b = 0; b < batch; b++) {
    visit(Array.from({ length: lengthOf(steps, lengths, b) }, (_, t) => t * batch + b));
  }
}

/** y = e^x / Σ e^x over the steps of each sequence; 0 past a length. */
export const maskedSoftmax = defineOp({
  name: 'masked_softmax',
  operands: { x: one('float32'), lengths: optional('int32') },
  outputs: { y: one('float32') },
  attributes: {},
  infer({ x, lengths }) {
    expectScores('x', x, lengths);
    return { y: x };
  },
  gradient: ({ operands: { lengths }, outputs: { y }, cotangents, emit }) => ({
    x: emit(maskedSoftmaxBackward, { y, dy: cotangents.y!, lengths }, {}).dx,
  }),
  reference({ operands: { x, lengths }, outputs: { y } }) {
    forEachSequence(x, lengths, (steps) => {
      const largest = steps.reduce((most, at) => Math.max(most, x.data[at]!), -Infinity);
      const sum = steps.reduce((total, at) => total + Math.exp(x.data[at]! - largest), 0);
      for (const at of steps) y.data[at] = Math.exp(x.data[at]! - largest) / sum;
    });
  },
});

/** dx = y ⊙ (dy - Σ y ⊙ dy), the sum over the steps of each sequence; 0 past a length. */
export const maskedSoftmaxBackward = defineOp({
  name: 'masked_softmax_backward',
  operands: { y: one('float32'), dy: one('float32'), lengths: optional('int32') },
  outputs: { dx: one('float32') },
  attributes: {},
  infer({ y, dy, lengths }) {
    expectScores('y', y, lengths);
    expectShape('dy', dy, y.shape);
    return { dx: y };
  },
  gradient: 'none',
  reference({ operands: { y, dy, lengths }, outputs: { dx } }) {
    forEachSequence(y, lengths, (steps) => {
      const projection = steps.reduce((sum, at) => sum + y.data[at]! * dy.data[at]!, 0);
      for (const at of steps) dx.data[at] = y.data[at]! * (dy.data[at]! - projection);
    });
  },
});
