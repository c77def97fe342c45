import { defineOp, one, type Variable } from '../op';
import { rowOf } from '../recurrent/sequence';
import { expectLengths, stepRows } from './steps';

/** y is x [T, B, ..., F] within the length of each sequence, 0 past it. */
export const maskSteps = defineOp({
  name: 'mask_steps',
  operands: { x: one('float32'), lengths: one('int32') },
  outputs: { y: one('float32') },
  attributes: {},
  infer({ x, lengths }) {
    expectLengths(x, lengths);
    return { y: x };
  },
  gradient({ operands: { lengths }, cotangents, emit }): { x: Variable } {
    return { x: emit(maskSteps, { x: cotangents.y!, lengths }, {}).y };
  },
  reference({ operands: { x, lengths }, outputs: { y } }) {
    for (const row of stepRows(x.shape, lengths)) rowOf(y, row).set(rowOf(x, row));
  },
});
