import { ShapeError } from '../../errors';
import { float32, one, type ValueType } from '../op';
import { expectAxis, offsets, rowMajorStrides } from './strided';

/** Gives the axes size 1. */
export const keepDims = <T>(shape: readonly T[], axes: readonly number[]) =>
  shape.map((dim, axis) => (axes.includes(axis) ? 1 : dim));

export function inferReduction(x: ValueType, axes: readonly number[], keep: boolean): ValueType {
  for (const axis of axes) expectAxis('x', x, axis);
  if (new Set(axes).size !== axes.length)
    throw new ShapeError(`axes: expected each axis once, received [${axes.join(', ')}]`);
  return float32(...(keep ? keepDims(x.shape, axes) : x.shape.filter((_, axis) => !axes.includes(axis))));
}

/** For each element of an array, in order, where its sum over the axes stands. */
export function sumOffsets(shape: readonly number[], axes: readonly number[]): number[] {
  const strides = rowMajorStrides(keepDims(shape, axes));
  return offsets(
    shape,
    strides.map((stride, axis) => (axes.includes(axis) ? 0 : stride)),
  );
}

/** What `sum` and `mean` have in common. */
export const reduction = {
  operands: { x: one('float32') },
  outputs: { y: one('float32') },
  attributes: { axes: 'integers', keep_dims: 'boolean' },
} as const;
