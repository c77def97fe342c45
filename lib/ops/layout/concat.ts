import { ShapeError } from '../../errors';
import { defineOp, expectShape, many, one, type ValueType, type Variable } from '../op';
import { slice, sliceOffsets } from './slice';
import { expectAxis, fixedSize } from './strided';

/** y is the operands, one after the other along an axis. */
export const concat = defineOp({
  name: 'concat',
  operands: { x: many('any') },
  outputs: { y: one('any') },
  attributes: { axis: 'integer' },
  infer({ x }, { axis }) {
    const first: ValueType | undefined = x[0];
    if (!first) throw new ShapeError('x: expected at least one value, received none');
    expectAxis('x[0]', first, axis);
    let size = 0;
    x.forEach((part, index) => {
      const slot = `x[${index}]`;
      if (part.dtype !== first.dtype) throw new ShapeError(`${slot}: expected ${first.dtype}, received ${part.dtype}`);
      expectShape(
        slot,
        part,
        first.shape.map((dim, k) => (k === axis ? (part.shape[k] ?? dim) : dim)),
      );
      size += fixedSize(slot, part, axis);
    });
    return { y: { dtype: first.dtype, shape: first.shape.map((dim, k) => (k === axis ? size : dim)) } };
  },
  gradient({ operands: { x }, cotangents, attributes: { axis }, emit }): { x: Variable[] } {
    let end = 0;
    return {
      x: x.map((part) => {
        const begin = end;
        end += fixedSize('x', part.type, axis);
        return emit(slice, { x: cotangents.y! }, { axis, begin, end }).y;
      }),
    };
  },
  reference({ operands: { x }, outputs: { y }, attributes: { axis } }) {
    let begin = 0;
    for (const part of x) {
      const to = sliceOffsets(y.shape, part.shape, axis, begin);
      for (let k = 0; k < part.data.length; k++) y.data[to[k]!] = part.data[k]!;
      begin += part.shape[axis]!;
    }
  },
});
