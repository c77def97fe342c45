import { Draws } from './draws';

/** Tells these draws from others with the same seed: 'shuf' in ASCII. */
const purpose = 0x73687566;

/** The numbers 0..length-1 in an order that (seed, epoch) decides. Source: Fisher & Yates, as in Knuth's Algorithm P. */
export function permutation(length: number, seed: number, epoch: number): Uint32Array {
  const draws = new Draws(seed, purpose, [epoch, 0, 0]);
  const order = new Uint32Array(length);
  for (let index = 0; index < length; index++) order[index] = index;
  for (let index = length - 1; index > 0; index--) {
    const other = draws.below(index + 1);
    const kept = order[index]!;
    order[index] = order[other]!;
    order[other] = kept;
  }
  return order;
}
