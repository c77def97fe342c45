import { philox } from '../ops/philox';

/** Tells these draws from others with the same seed: 'shuf' in ASCII. */
const purpose = 0x73687566;

/** The numbers 0..length-1 in an order that (seed, epoch) decides. Source: Fisher & Yates, as in Knuth's Algorithm P. */
export function permutation(length: number, seed: number, epoch: number): Uint32Array {
  const order = new Uint32Array(length);
  for (let index = 0; index < length; index++) order[index] = index;
  let words: readonly number[] = [];
  for (let index = length - 1, drawn = 0; index > 0; index--, drawn++) {
    if (drawn % 4 === 0) words = philox([seed, purpose], [drawn / 4, epoch, 0, 0]);
    // A product of 32 bits and at most 2^32, of which the whole part is uniform up to length / 2^32.
    const other = Math.floor((words[drawn % 4]! / 2 ** 32) * (index + 1));
    const kept = order[index]!;
    order[index] = order[other]!;
    order[other] = kept;
  }
  return order;
}
