import { defineOp, expectShape, float32, one } from '../op';
import { elementCount, type Dim } from '../shape';
import { inferReduction, keepDims, reduction, sumOffsets } from './reduction';
import { reshape } from './reshape';

/** y = the mean of x over the axes. */
export const mean = defineOp({
  name: 'mean',
  ...reduction,
  infer({ x }, { axes, keep_dims }) {
    return { y: inferReduction(x, axes, keep_dims) };
  },
  gradient({ operands: { x }, cotangents, attributes: { axes }, emit }) {
    const { shape } = x.type;
    const dy = emit(reshape, { x: cotangents.y! }, { shape: keepDims<Dim>(shape, axes) }).y;
    return { x: emit(meanBackward, { dy }, { axes, shape }).dx };
  },
  reference({ operands: { x }, outputs: { y }, attributes: { axes } }) {
    const to = sumOffsets(x.shape, axes);
    for (let k = 0; k < x.data.length; k++) y.data[to[k]!]! += x.data[k]!;
    const count = x.data.length / y.data.length;
    for (let k = 0; k < y.data.length; k++) y.data[k]! /= count;
  },
});

/** dx = dy / count over the axes; dy keeps them with size 1. The count is known only at run time. */
export const meanBackward = defineOp({
  name: 'mean_backward',
  operands: { dy: one('float32') },
  outputs: { dx: one('float32') },
  attributes: { axes: 'integers', shape: 'shape' },
  infer({ dy }, { axes, shape }) {
    expectShape('dy', dy, keepDims<Dim>(shape, axes));
    return { dx: float32(...shape) };
  },
  gradient: 'none',
  reference({ operands: { dy }, outputs: { dx }, attributes: { axes } }) {
    const from = sumOffsets(dx.shape, axes);
    const count = elementCount(dx.shape) / elementCount(dy.shape);
    for (let k = 0; k < dx.data.length; k++) dx.data[k] = dy.data[from[k]!]! / count;
  },
});
