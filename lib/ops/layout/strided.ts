import { ShapeError } from '../../errors';
import type { ValueType } from '../op';
import { elementCount, formatShape } from '../shape';

/** The distance between neighbours along each axis of a row-major array. */
export function rowMajorStrides(shape: readonly number[]): number[] {
  return shape.map((_, axis) => elementCount(shape.slice(axis + 1)));
}

/**
 * Σ index·stride for each index of `shape`, in row-major order. Every layout op and reduction is a walk over one array
 * in order and over another by such offsets; a stride of 0 stands still.
 */
export function offsets(shape: readonly number[], strides: readonly number[], start = 0): number[] {
  return shape.reduce<number[]>(
    (outer, size, axis) =>
      outer.flatMap((offset) => Array.from({ length: size }, (_, k) => offset + k * strides[axis]!)),
    [start],
  );
}

/** Throws a ShapeError unless the value has this axis, counted from 0. */
export function expectAxis(operand: string, { shape }: ValueType, axis: number): void {
  if (!Number.isInteger(axis) || axis < 0 || axis >= shape.length) {
    throw new ShapeError(`${operand}: expected an axis of ${formatShape(shape)}, received ${axis}`);
  }
}

/** The size of an axis, which must be known when the program is built. */
export function fixedSize(operand: string, { shape }: ValueType, axis: number): number {
  const size = shape[axis]!;
  if (typeof size !== 'number') {
    throw new ShapeError(`${operand}: expected a fixed size at axis ${axis}, received ${formatShape(shape)}`);
  }
  return size;
}
