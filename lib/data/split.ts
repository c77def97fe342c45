/** Parts of data, and fractions that say how large they are. */
import { OptionError } from '../errors';
import { describe } from '../options';

export type PartName = 'train' | 'validation' | 'test';
export const partNames: readonly PartName[] = ['train', 'validation', 'test'];

export type Fractions = readonly [train: number, validation: number, test: number];

/** `alternative` is what else the option takes: `', or a function'`. */
export function checkFractions(owner: string, split: unknown, alternative = ''): asserts split is Fractions {
  const isList = Array.isArray(split) && split.length === 3 && split.every((part) => part >= 0 && part <= 1);
  if (isList && Math.abs((split as number[]).reduce((sum, part) => sum + part) - 1) <= 1e-9) return;
  throw new OptionError(
    `${owner}: split: expected three fractions that add up to 1${alternative}, received ${Array.isArray(split) ? JSON.stringify(split) : describe(split)}`,
  );
}

/** Where validation and test begin among `length`. Rounding, not flooring: 0.7 + 0.15 is a little less than 0.85. */
export const boundariesOf = ([train, validation]: Fractions, length: number): [number, number] => [
  Math.round(train * length),
  Math.round((train + validation) * length),
];
