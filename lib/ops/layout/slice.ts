import { ShapeError } from '../../errors';
import { defineOp, expectShape, float32, one } from '../op';
import { elementCount } from '../shape';
import { expectAxis, fixedSize, offsets, rowMajorStrides } from './strided';

const replaceAxis = <T>(shape: readonly T[], axis: number, size: T) => shape.map((dim, k) => (k === axis ? size : dim));

/** y holds the indices [begin, end) of x along an axis. */
export const slice = defineOp({
  name: 'slice',
  operands: { x: one('any') },
  outputs: { y: one('any') },
  attributes: { axis: 'integer', begin: 'integer', end: 'integer' },
  infer({ x }, { axis, begin, end }) {
    expectAxis('x', x, axis);
    const size = fixedSize('x', x, axis);
    if (![begin, end].every(Number.isInteger) || begin < 0 || begin >= end || end > size) {
      throw new ShapeError(`x: expected a range within [0, ${size}) at axis ${axis}, received [${begin}, ${end})`);
    }
    return { y: { dtype: x.dtype, shape: replaceAxis(x.shape, axis, end - begin) } };
  },
  gradient({ operands: { x }, cotangents, attributes: { axis, begin }, emit }) {
    return { x: emit(sliceBackward, { dy: cotangents.y! }, { axis, begin, shape: x.type.shape }).dx };
  },
  reference({ operands: { x }, outputs: { y }, attributes: { axis, begin } }) {
    const from = sliceOffsets(x.shape, y.shape, axis, begin);
    for (let k = 0; k < y.data.length; k++) y.data[k] = x.data[from[k]!]!;
  },
});

/** dx is dy in [begin, begin + size) along the axis, 0 elsewhere. */
export const sliceBackward = defineOp({
  name: 'slice_backward',
  operands: { dy: one('float32') },
  outputs: { dx: one('float32') },
  attributes: { axis: 'integer', begin: 'integer', shape: 'shape' },
  infer({ dy }, { axis, shape }) {
    expectAxis('dy', dy, axis);
    expectShape('dy', dy, replaceAxis(shape, axis, dy.shape[axis]!));
    return { dx: float32(...shape) };
  },
  gradient: 'none',
  reference({ operands: { dy }, outputs: { dx }, attributes: { axis, begin } }) {
    const to = sliceOffsets(dx.shape, dy.shape, axis, begin);
    for (let k = 0; k < dy.data.length; k++) dx.data[to[k]!] = dy.data[k]!;
  },
});

/** Where the elements of a part stand in the whole, when the part begins at `begin` along the axis. */
export function sliceOffsets(whole: readonly number[], part: readonly number[], axis: number, begin: number): number[] {
  return offsets(part, rowMajorStrides(whole), begin * elementCount(whole.slice(axis + 1)));
}
