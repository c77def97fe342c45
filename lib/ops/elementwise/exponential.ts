import { defineOp, one } from '../op';
import { divide, multiply } from './arithmetic';

/** y = e^x. */
export const exp = defineOp({
  name: 'exp',
  operands: { x: one('float32') },
  outputs: { y: one('float32') },
  attributes: {},
  infer({ x }) {
    return { y: x };
  },
  gradient: ({ outputs: { y }, cotangents, emit }) => ({ x: emit(multiply, { a: cotangents.y!, b: y }, {}).y }),
  reference({ operands: { x }, outputs: { y } }) {
    for (let k = 0; k < y.data.length; k++) y.data[k] = Math.exp(x.data[k]!);
  },
});

/** y = ln x. */
export const log = defineOp({
  name: 'log',
  operands: { x: one('float32') },
  outputs: { y: one('float32') },
  attributes: {},
  infer({ x }) {
    return { y: x };
  },
  gradient: ({ operands: { x }, cotangents, emit }) => ({ x: emit(divide, { a: cotangents.y!, b: x }, {}).y }),
  reference({ operands: { x }, outputs: { y } }) {
    for (let k = 0; k < y.data.length; k++) y.data[k] = Math.log(x.data[k]!);
  },
});
