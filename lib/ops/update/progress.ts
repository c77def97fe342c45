import { ShapeError } from '../../errors';
import { expectShape, type ValueType } from '../op';

/** A scalar that tells of the steps so far, as a list: of one value where the op needs it, else of none. */
export function expectProgress(slot: string, values: readonly ValueType[], needed: boolean): void {
  const count = needed ? 1 : 0;
  if (values.length !== count) throw new ShapeError(`${slot}: expected ${count} values, received ${values.length}`);
  for (const value of values) expectShape(slot, value, []);
}
