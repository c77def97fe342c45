import { OptionError } from '../../errors';
import { describe } from '../../options';
import { permutation } from '../permutation';
import { boundariesOf, partNames, type Fractions, type PartName } from '../split';

/** The records of each part, by their index, in their order. */
export type Parts = Readonly<Record<PartName, readonly number[]>>;

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
    const [trainEnd, validationEnd] = boundariesOf(split, members.length);
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
  choose: (record: R, index: number) => PartName,
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
