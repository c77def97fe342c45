import { OptionError } from '../errors';
import { philox, type Words4 } from '../ops/philox';
import { describe } from '../options';

/** Where a run of draws stands, such as (epoch, batch, 0): draws at one place never depend on those at another. */
export type Place = readonly [number, number, number];

/**
 * Random numbers that depend on a seed, a purpose and a place alone, not on what was drawn elsewhere, and are the same on
 * every machine: Philox words and exact arithmetic only.
 */
export class Draws {
  private words: Words4 = [0, 0, 0, 0];
  private drawn = 0;

  constructor(
    private readonly seed: number,
    /** Keeps the numbers of one use apart from those of another: any integer in 32 bits. */
    private readonly purpose: number,
    private readonly place: Place = [0, 0, 0],
  ) {}

  /** Uniform in (0, 1): k + ½ in 2³². */
  next(): number {
    const lane = this.drawn % 4;
    if (lane === 0) this.words = philox([this.seed, this.purpose], [this.drawn / 4, ...this.place]);
    this.drawn++;
    return (this.words[lane]! + 0.5) / 2 ** 32;
  }

  /** Uniform among 0..n-1. */
  below(n: number): number {
    return Math.floor(this.next() * n);
  }

  /**
   * Mean 0 and variance 1, close to normal: twelve uniform numbers less 6 (Irwin-Hall). Logarithms and cosines, from which
   * exactly normal numbers are made, differ in the last bit between versions of Node.
   */
  nearlyNormal(): number {
    let sum = -6;
    for (let term = 0; term < 12; term++) sum += this.next();
    return sum;
  }
}

/** Throws unless the seed is one that Philox takes. */
export function checkSeed(owner: string, seed: unknown): void {
  if (!Number.isInteger(seed) || (seed as number) < 0 || (seed as number) > 0xffffffff)
    throw new OptionError(`${owner}: seed: expected an integer in 0..4294967295, received ${describe(seed)}`);
}
