import { ShapeError } from '../../errors';
import { defineOp, float32, one, type Variable } from '../op';
import { formatShape, type Dim, type Shape } from '../shape';
import { inferReduction, keepDims, reduction, sumOffsets } from './reduction';
import { reshape } from './reshape';
import { offsets, rowMajorStrides } from './strided';

// `sum` and `broadcast` are each other's gradient, and therefore neighbours.

/** y = Σ x over the axes, which then have size 1 (`keep_dims`) or are gone. */
export const sum = defineOp({
  name: 'sum',
  ...reduction,
  infer({ x }, { axes, keep_dims }) {
    return { y: inferReduction(x, axes, keep_dims) };
  },
  gradient({ operands: { x }, cotangents, attributes: { axes }, emit }) {
    const { shape } = x.type;
    const dy = emit(reshape, { x: cotangents.y! }, { shape: keepDims<Dim>(shape, axes) }).y;
    return { x: emit(broadcast, { x: dy }, { shape }).y };
  },
  reference({ operands: { x }, outputs: { y }, attributes: { axes } }) {
    const to = sumOffsets(x.shape, axes);
    for (let k = 0; k < x.data.length; k++) y.data[to[k]!]! += x.data[k]!;
  },
});

/** Puts axes of size 1 before the others until there are `rank`. */
const leftPad = <T>(shape: readonly T[], rank: number, size: T) => [
  ...Array<T>(Math.max(0, rank - shape.length)).fill(size),
  ...shape,
];

/** Repeats x along new leading axes and along axes of size 1 (NumPy's rule). */
export const broadcast = defineOp({
  name: 'broadcast',
  operands: { x: one('float32') },
  outputs: { y: one('float32') },
  attributes: { shape: 'shape' },
  infer({ x }, { shape }) {
    const padded = leftPad<Dim>(x.shape, shape.length, 1);
    if (padded.length !== shape.length || padded.some((dim, axis) => dim !== shape[axis] && dim !== 1)) {
      throw new ShapeError(
        `x: expected a shape that broadcasts to ${formatShape(shape)}, received ${formatShape(x.shape)}`,
      );
    }
    return { y: float32(...shape) };
  },
  gradient({ operands: { x }, outputs: { y }, cotangents, emit }): { x: Variable } {
    const { shape } = y.type;
    const padded = leftPad<Dim>(x.type.shape, shape.length, 1);
    const axes = shape.flatMap((dim, axis) => (dim === padded[axis] ? [] : [axis]));
    const dx = axes.length === 0 ? cotangents.y! : emit(sum, { x: cotangents.y! }, { axes, keep_dims: true }).y;
    return { x: emit(reshape, { x: dx }, { shape: x.type.shape }).y };
  },
  reference({ operands: { x }, outputs: { y } }) {
    const padded = leftPad(x.shape, y.shape.length, 1);
    const strides = rowMajorStrides(padded).map((stride, axis) => (padded[axis] === 1 ? 0 : stride));
    const from = offsets(y.shape, strides);
    for (let k = 0; k < y.data.length; k++) y.data[k] = x.data[from[k]!]!;
  },
});

/** The shape that both broadcast to. */
export function broadcastShape(a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  const [left, right] = [leftPad<Dim>(a, rank, 1), leftPad<Dim>(b, rank, 1)];
  return left.map((dim, axis) => {
    const other = right[axis]!;
    if (dim !== other && dim !== 1 && other !== 1) {
      throw new ShapeError(`b: expected a shape that broadcasts with ${formatShape(a)}, received ${formatShape(b)}`);
    }
    return dim === 1 ? other : dim;
  });
}
