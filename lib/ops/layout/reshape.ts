import { ShapeError } from '../../errors';
import { defineOp, one, type Variable } from '../op';
import { formatShape, sizeOf } from '../shape';

/** y has the elements of x, in the same order, in another shape. */
export const reshape = defineOp({
  name: 'reshape',
  operands: { x: one('any') },
  outputs: { y: one('any') },
  attributes: { shape: 'shape' },
  infer({ x }, { shape }) {
    if (sizeOf(x.shape) !== sizeOf(shape)) {
      throw new ShapeError(
        `x: expected ${sizeOf(shape)} elements for ${formatShape(shape)}, received ${formatShape(x.shape)}`,
      );
    }
    return { y: { dtype: x.dtype, shape } };
  },
  gradient({ operands: { x }, cotangents, emit }): { x: Variable } {
    return { x: emit(reshape, { x: cotangents.y! }, { shape: x.type.shape }).y };
  },
  reference({ operands: { x }, outputs: { y } }) {
    y.data.set(x.data);
  },
});
