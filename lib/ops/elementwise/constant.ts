import { ShapeError } from '../../errors';
import { defineOp, float32, one } from '../op';
import { formatShape, sizeOf } from '../shape';

/** y = the values, in the order of its elements. */
export const constant = defineOp({
  name: 'constant',
  operands: {},
  outputs: { y: one('float32') },
  attributes: { values: 'numbers', shape: 'shape' },
  infer(_, { values, shape }) {
    if (sizeOf(shape) !== values.length)
      throw new ShapeError(`values: expected as many as ${formatShape(shape)} has elements, received ${values.length}`);
    return { y: float32(...shape) };
  },
  gradient: 'none',
  reference({ outputs: { y }, attributes: { values } }) {
    y.data.set(values);
  },
});
