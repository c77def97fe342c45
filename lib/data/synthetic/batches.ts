import { checkOptions, positiveInteger } from '../../options';
import type { Batch, BatchInputs, DataTraits, Tensor } from '../batch';
import { checkSeed, Draws } from '../draws';

export interface SyntheticOptions {
  /** `B`: sequences in a batch. Default 32. */
  readonly batchSize?: number;
  /** Batches in a pass. Default 100. */
  readonly batches?: number;
  /** An integer in 0..2³²−1. Equal seeds give equal sequences; validation and test data want another. Default 0. */
  readonly seed?: number;
}

/** The options with their defaults, checked. */
export function syntheticOptions(
  owner: string,
  options: SyntheticOptions,
  others: readonly string[] = [],
): Required<SyntheticOptions> {
  checkOptions(owner, options, [...others, 'batchSize', 'batches', 'seed']);
  const { batchSize = 32, batches = 100, seed = 0 } = options;
  positiveInteger(owner, 'batchSize', batchSize);
  positiveInteger(owner, 'batches', batches);
  checkSeed(owner, seed);
  return { batchSize, batches, seed };
}

/**
 * Batches that are made when they are asked for. Each pass has sequences of its own, which depend on the seed, the pass and the
 * place of the batch in it; iterating without `fit` gives those of the first pass each time.
 */
export class SyntheticBatches<I extends BatchInputs = Tensor> implements Iterable<Batch<I>>, DataTraits {
  readonly length: number;

  constructor(
    private readonly options: Required<SyntheticOptions>,
    private readonly purpose: number,
    private readonly make: (draws: Draws, batchSize: number) => Batch<I>,
  ) {
    this.length = options.batches;
  }

  get settings() {
    return { task: this.purpose, ...this.options };
  }

  *pass(epoch: number, begin: number): Generator<Batch<I>, void, undefined> {
    const { seed, batchSize } = this.options;
    for (let batch = begin; batch < this.length; batch++)
      yield this.make(new Draws(seed, this.purpose, [epoch, batch, 0]), batchSize);
  }

  [Symbol.iterator](): Generator<Batch<I>, void, undefined> {
    return this.pass(0, 0);
  }
}
