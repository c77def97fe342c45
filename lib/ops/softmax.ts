import { ShapeError } from '../errors';
import { defineOp, expectShape, one, type ValueType } from './op';
import { rowCount } from './shape';

function expectLastAxis(operand: string, { shape }: ValueType): void {
  if (shape.length === 0) throw new ShapeError(`${operand}: expected at least one axis, received a scalar`);
}

/** Σ e^(x - largest) of the row that starts at `begin`; the largest value is taken out so that nothing overflows. */
function normalizer(data: ArrayLike<number>, begin: number, size: number): { largest: number; sum: number } {
  let largest = -Infinity;
  for (let k = 0; k < size; k++) largest = Math.max(largest, data[begin + k]!);
  let sum = 0;
  for (let k = 0; k < size; k++) sum += Math.exp(data[begin + k]! - largest);
  return { largest, sum };
}

/** ln Σ e^x of a row. */
export function logSumExp(data: ArrayLike<number>, begin: number, size: number): number {
  const { largest, sum } = normalizer(data, begin, size);
  return largest + Math.log(sum);
}

/** y = e^x / Σ e^x over the last axis. */
export const softmax = defineOp({
  name: 'softmax',
  operands: { x: one('float32') },
  outputs: { y: one('float32') },
  attributes: {},
  infer({ x }) {
    expectLastAxis('x', x);
    return { y: x };
  },
  gradient: ({ outputs: { y }, cotangents, emit }) => ({ x: emit(softmaxBackward, { y, dy: cotangents.y! }, {}).dx }),
  reference({ operands: { x }, outputs: { y } }) {
    const size = x.shape.at(-1)!;
    for (let row = 0; row < rowCount(x.shape); row++) {
      const { largest, sum } = normalizer(x.data, row * size, size);
      for (let k = row * size; k < (row + 1) * size; k++) y.data[k] = Math.exp(x.data[k]! - largest) / sum;
    }
  },
});

/** dx = y ⊙ (dy - Σ y ⊙ dy), the sum over the last axis. */
export const softmaxBackward = defineOp({
  name: 'softmax_backward',
  operands: { y: one('float32'), dy: one('float32') },
  outputs: { dx: one('float32') },
  attributes: {},
  infer({ y, dy }) {
    expectLastAxis('y', y);
    expectShape('dy', dy, y.shape);
    return { dx: y };
  },
  gradient: 'none',
  reference({ operands: { y, dy }, outputs: { dx } }) {
    const size = y.shape.at(-1)!;
    for (let row = 0; row < rowCount(y.shape); row++) {
      let projection = 0;
      for (let k = row * size; k < (row + 1) * size; k++) projection += y.data[k]! * dy.data[k]!;
      for (let k = row * size; k < (row + 1) * size; k++) dx.data[k] = y.data[k]! * (dy.data[k]! - projection);
    }
  },
});
