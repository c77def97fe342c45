import { defineOp, float32, one } from '../op';

/** y = value, everywhere. */
export const fill = defineOp({
  name: 'fill',
  operands: {},
  outputs: { y: one('float32') },
  attributes: { value: 'number', shape: 'shape' },
  infer(_, { shape }) {
    return { y: float32(...shape) };
  },
  gradient: 'none',
  reference({ outputs: { y }, attributes: { value } }) {
    y.data.fill(value);
  },
});
