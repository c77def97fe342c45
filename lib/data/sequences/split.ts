import { OptionError } from '../../errors';
import { describe } from '../../options';
import { permutation } from '../permutation';

export type SequencePartName = 'train' | 'validation' | 'test';
export const partNames: readonly SequencePartName[] = ['train', 'validation', 'test'];

export type Fractions = readonly [train: number, validation: number, test: number];

/** The records of each part, by their index, in their order. */
export type Parts = Readonly<Record<SequencePartName, readonly number[]>>;

export function checkFractions(owner: string, split: Fractions): void {
  const valid = Array.isArray(split) && split.length === 3 && split.every((part) => part >= 0 && part <= 1);
  if (!valid || Math.abs(split[0] + split[1] + split[2] - 1) > 1e-9)
    throw new OptionError(
      `${owner}: split: expected three fractions that add up to 1, or a function, received ${Array.isArray(split) ? JSON.stringify(split) : describe(split)}`,
    );
}

/** Apart from the passes over the batches, which count from 0. */
const splitPass = 0xffffffff;

/** Puts records at random into parts; with `groups`, by as many of each group as the fractions say. */
export function randomParts(count: number, split: Fractions, seed: number, groups: readonly number[] | null): Parts {
  const order = permutation(count, seed, splitPass);
  const byGroup = new Map<number, number[]>();
  for (const index of order) {
    const group = groups?.[index] ?? 0;
    const members = byGroup.get(group) ?? [];
    byGroup.set(group, members);
    members.push(index);
  }
  const parts = { train: [] as number[], validation: [] as number[], test: [] as number[] };
  for (const members of byGroup.values()) {
    const trainEnd = Math.round(split[0] * members.length);
    const validationEnd = Math.round((split[0] + split[1]) * members.length);
    // One by one: as arguments of one call, some hundred thousands overflow the stack.
    members.forEach((member, at) =>
      parts[at < trainEnd ? 'train' : at < validationEnd ? 'validation' : 'test'].push(member),
    );
  }
  for (const name of partNames) parts[name].sort((a, b) => a - b);
  return parts;
}

/** Puts each record where the function says. */
export function chosenParts<R>(
  owner: string,
  records: readonly R[],
  choose: (record: R, index: number) => SequencePartName,
): Parts {
  const parts = { train: [] as number[], validation: [] as number[], test: [] as number[] };
  records.forEach((record, index) => {
    const name = choose(record, index);
    if (!partNames.includes(name))
      throw new OptionError(
        `${owner}: split: expected 'train', 'validation' or 'test' for record ${index}, received ${describe(name)}`,
      );
    parts[name].push(index);
  });
  return parts;
}
