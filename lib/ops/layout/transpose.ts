import { ShapeError } from '../../errors';
import { defineOp, one, type Variable } from '../op';
import { formatShape } from '../shape';
import { offsets, rowMajorStrides } from './strided';

/** Axis k of y is axis permutation[k] of x. */
export const transpose = defineOp({
  name: 'transpose',
  operands: { x: one('any') },
  outputs: { y: one('any') },
  attributes: { permutation: 'integers' },
  infer({ x }, { permutation }) {
    const sorted = [...permutation].sort((a, b) => a - b);
    if (permutation.length !== x.shape.length || sorted.some((axis, k) => axis !== k)) {
      throw new ShapeError(
        `permutation: expected each axis of ${formatShape(x.shape)} once, received [${permutation.join(', ')}]`,
      );
    }
    return { y: { dtype: x.dtype, shape: permutation.map((axis) => x.shape[axis]!) } };
  },
  gradient({ cotangents, attributes: { permutation }, emit }): { x: Variable } {
    const inverse = permutation.map((_, axis) => permutation.indexOf(axis));
    return { x: emit(transpose, { x: cotangents.y! }, { permutation: inverse }).y };
  },
  reference({ operands: { x }, outputs: { y }, attributes: { permutation } }) {
    const strides = rowMajorStrides(x.shape);
    const from = offsets(
      y.shape,
      permutation.map((axis) => strides[axis]!),
    );
    for (let k = 0; k < y.data.length; k++) y.data[k] = x.data[from[k]!]!;
  },
});
