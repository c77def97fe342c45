import { defineOp, expectShape, float32, one, optional, type View } from '../op';
import { expectSequence, lengthOf } from './steps';

/** f(element of x [T, B, F], element of y [B, count, F]) for all steps that there are. */
function forEachPair(x: readonly number[], lengths: View | null, count: number, f: (x: number, y: number) => void) {
  const [T, B, F] = x as [number, number, number];
  for (let b = 0; b < B; b++) {
    const length = lengthOf(T, lengths, b);
    for (let j = Math.max(0, count - length); j < count; j++) {
      const [from, to] = [((length - count + j) * B + b) * F, (b * count + j) * F];
      for (let k = 0; k < F; k++) f(from + k, to + k);
    }
  }
}

/** y[b] = the last `count` steps of each sequence in their order; 0 for those that would stand before its first. */
export const lastSteps = defineOp({
  name: 'last_steps',
  operands: { x: one('float32'), lengths: optional('int32') },
  outputs: { y: one('float32') },
  attributes: { count: 'integer' },
  infer({ x, lengths }, { count }) {
    const { batch, size } = expectSequence(x, lengths);
    return { y: float32(batch, count, size) };
  },
  gradient: ({ operands: { x, lengths }, cotangents, attributes: { count }, emit }) => ({
    x: emit(lastStepsBackward, { dy: cotangents.y!, lengths }, { count, shape: x.type.shape }).dx,
  }),
  reference({ operands: { x, lengths }, outputs: { y }, attributes: { count } }) {
    forEachPair(x.shape, lengths, count, (from, to) => (y.data[to] = x.data[from]!));
  },
});

/** dx[t, b] = dy of the step where it is one of the last, else 0. */
export const lastStepsBackward = defineOp({
  name: 'last_steps_backward',
  operands: { dy: one('float32'), lengths: optional('int32') },
  outputs: { dx: one('float32') },
  attributes: { count: 'integer', shape: 'shape' },
  infer({ dy, lengths }, { count, shape }) {
    const dx = float32(...shape);
    const { batch, size } = expectSequence(dx, lengths);
    expectShape('dy', dy, [batch, count, size]);
    return { dx };
  },
  gradient: 'none',
  reference({ operands: { dy, lengths }, outputs: { dx }, attributes: { count } }) {
    forEachPair(dx.shape, lengths, count, (to, from) => (dx.data[to] = dy.data[from]!));
  },
});
