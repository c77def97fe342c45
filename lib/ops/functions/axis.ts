import { ShapeError } from '../../errors';
import type { Variable } from '../op';
import { formatShape } from '../shape';
import { expectVariable } from '../variable';

/** The axis counted from 0; negative counts from the last. */
export function resolveAxis(operand: string, x: Variable, axis: number): number {
  expectVariable(operand, x);
  const { shape } = x.type;
  const resolved = axis < 0 ? axis + shape.length : axis;
  if (!Number.isInteger(axis) || resolved < 0 || resolved >= shape.length) {
    throw new ShapeError(`${operand}: expected an axis of ${formatShape(shape)}, received ${axis}`);
  }
  return resolved;
}
