import { ShapeError } from '../../errors';
import { expectRank, expectShape, type ValueType } from '../op';

type Types = readonly ValueType[];

/** Each list has one value for each parameter, of its shape. */
export function expectAligned(parameters: Types, lists: Readonly<Record<string, Types>>): void {
  for (const [slot, values] of Object.entries(lists)) {
    if (values.length !== parameters.length) {
      throw new ShapeError(
        `${slot}: expected ${parameters.length} values, one for each parameter, received ${values.length}`,
      );
    }
    values.forEach((value, index) => expectShape(`${slot}[${index}]`, value, parameters[index]!.shape));
  }
}

/** Learning rates and weight decays stand by group; `groups` holds the group of each parameter. */
export function expectGroups(
  parameters: Types,
  groups: readonly number[],
  scalars: { readonly learning_rate: ValueType; readonly weight_decay: ValueType; readonly scale: ValueType | null },
): void {
  expectRank('learning_rate', scalars.learning_rate, 1, '[G]');
  const count = scalars.learning_rate.shape[0]!;
  expectShape('weight_decay', scalars.weight_decay, [count]);
  if (scalars.scale) expectShape('scale', scalars.scale, []);
  const known = (group: number) =>
    Number.isInteger(group) && group >= 0 && (typeof count !== 'number' || group < count);
  if (groups.length !== parameters.length || !groups.every(known)) {
    throw new ShapeError(
      `groups: expected one group below ${count} for each of ${parameters.length} parameters, received [${groups.join(', ')}]`,
    );
  }
}
