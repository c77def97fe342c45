/** What all update ops share: their common slots, the checks of these, and the loop over the elements of all parameters. */
import { ShapeError } from '../../errors';
import { expectRank, expectShape, many, one, optional, type Bound, type ValueType, type View } from '../op';

type Types = readonly ValueType[];

/**
 * The operands with which every update begins, in this order (native/kernels/optim/parameters.h reads them so): one
 * gradient for each parameter; learning rates and weight decays by group; the factor on all gradients, 1 where it is
 * missing; and the bound on the magnitude of each of their elements after that.
 */
export const updateOperands = {
  parameters: many('float32'),
  gradients: many('float32'),
  learning_rate: one('float64'),
  weight_decay: one('float64'),
  scale: optional('float64'),
  clip_value: optional('float64'),
};

/** The attribute with which every update begins: the group of each parameter. */
export const updateAttributes = { groups: 'integers' } as const;

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

/** As `expectAligned`, of states that the op has only with an option; without it, the lists are empty. */
export function expectAlignedIf(present: boolean, parameters: Types, lists: Readonly<Record<string, Types>>): void {
  expectAligned(present ? parameters : [], lists);
}

/** The common operands fit together. */
export function expectUpdate(operands: Bound<typeof updateOperands, ValueType>, groups: readonly number[]): void {
  const { parameters, gradients, learning_rate, weight_decay, scale, clip_value } = operands;
  expectAligned(parameters, { gradients });
  expectRank('learning_rate', learning_rate, 1, '[G]');
  const count = learning_rate.shape[0]!;
  expectShape('weight_decay', weight_decay, [count]);
  if (scale) expectShape('scale', scale, []);
  if (clip_value) expectShape('clip_value', clip_value, []);
  const known = (group: number) =>
    Number.isInteger(group) && group >= 0 && (typeof count !== 'number' || group < count);
  if (groups.length !== parameters.length || !groups.every(known)) {
    throw new ShapeError(
      `groups: expected one group below ${count} for each of ${parameters.length} parameters, received [${groups.join(', ')}]`,
    );
  }
}

interface UpdateCall {
  readonly operands: Bound<typeof updateOperands, View>;
  readonly outputs: { readonly parameters: readonly View[] };
  readonly attributes: { readonly groups: readonly number[] };
}

/** A parameter p, its clipped gradient g, and their place k become the new p. */
type Step = (p: number, g: number, k: number) => number;

/** Replaces every element p of every parameter by what `stepOf` the parameter says of it. */
export function updateEach(
  { operands, outputs, attributes: { groups } }: UpdateCall,
  stepOf: (parameter: { readonly index: number; readonly rate: number; readonly decay: number }) => Step,
): void {
  const scale = operands.scale?.data[0] ?? 1;
  const bound = operands.clip_value?.data[0] ?? Infinity;
  operands.parameters.forEach(({ data: parameter }, index) => {
    const group = groups[index]!;
    const step = stepOf({
      index,
      rate: operands.learning_rate.data[group]!,
      decay: operands.weight_decay.data[group]!,
    });
    const gradient = operands.gradients[index]!.data;
    const next = outputs.parameters[index]!.data;
    for (let k = 0; k < parameter.length; k++) {
      const g = Math.min(bound, Math.max(-bound, scale * gradient[k]!));
      next[k] = step(parameter[k]!, g, k);
    }
  });
}
