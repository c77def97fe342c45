import { ShapeError } from '../errors';
import type { Variable } from '../ops/op';
import { formatShape } from '../ops/shape';
import { expectVariable } from '../ops/variable';

/** The size of the last axis, which must be known and, if the layer was given an input size, equal to it. */
export function lastSize(layer: string, x: Variable, expected: number | undefined): number {
  expectVariable(`${layer}: input`, x);
  const { dtype, shape } = x.type;
  if (dtype === 'int32') {
    throw new ShapeError(
      `${layer}: input: expected float32, received int32; int32 is read as tokens: embed them, or pass features as Float32Array`,
    );
  }
  const size = shape[shape.length - 1];
  if (typeof size !== 'number') {
    throw new ShapeError(`${layer}: input: expected a last axis of fixed size, received ${formatShape(shape)}`);
  }
  if (expected !== undefined && expected !== size) {
    throw new ShapeError(`${layer}: input: expected a last axis of size ${expected}, received ${formatShape(shape)}`);
  }
  return size;
}
