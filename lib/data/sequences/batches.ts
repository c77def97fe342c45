import { checkOptions, flag, positiveInteger } from '../../options';
import type { Batch, DataTraits, Tensor } from '../batch';
import { checkSeed } from '../draws';
import type { Labels } from '../labels';
import { permutation } from '../permutation';
import type { Vocabulary } from '../vocabulary';
import type { ReadInput } from './inputs';
import type { Targets } from './targets';

export interface SequenceBatchOptions {
  /** `B`. The last batch of a pass may have fewer sequences. */
  readonly batchSize: number;
  /** Sequences of like lengths share a batch, so that little is padded. Default true. */
  readonly bucketed?: boolean;
  /** A new order for each pass, which the seed decides. Default true for the training part, false for others. */
  readonly shuffle?: boolean;
  /** An integer in 0..2³²−1. Default 0. */
  readonly seed?: number;
}

/** Sequences to make batches of. */
export interface SequenceSource {
  readonly inputs: readonly ReadInput[];
  /** Null for what is only to be predicted. */
  readonly targets: Targets | null;
  /** Numbers for each step; null for tokens. */
  readonly features: number | null;
  /** How much each counts in the loss; without them, all alike. */
  readonly weights?: readonly number[];
  readonly labels?: Labels;
  readonly vocabulary?: Vocabulary;
}

/** Batches whose sequences are sorted together when shuffled: lengths are alike, and yet their company differs from pass to pass. */
const pooledBatches = 50;

/** Apart from the order of the sequences. */
const batchOrder = 0x9e3779b9;

/**
 * Padded batches of sequences: inputs float32 [B, T, F] or int32 [B, T], `lengths` int32 [B], targets int32 [B] or [B, T], or
 * float32 [B, M] or [B, T, M], where sequences have weights `weights` float32 [B]. T is the longest of the batch, at least 1. Padding is 0 and never counts: nothing past a length has any part.
 */
export class SequenceBatches implements Iterable<Batch<Tensor>>, DataTraits {
  readonly length: number;
  readonly labels?: Labels;
  readonly vocabulary?: Vocabulary;
  private readonly options: Required<SequenceBatchOptions>;

  constructor(
    private readonly source: SequenceSource,
    /** Which of the source. */
    private readonly members: readonly number[],
    options: SequenceBatchOptions,
    shuffled: boolean,
  ) {
    checkOptions('batches', options, ['batchSize', 'bucketed', 'shuffle', 'seed']);
    const { batchSize, bucketed = true, shuffle = shuffled, seed = 0 } = options;
    positiveInteger('batches', 'batchSize', batchSize);
    flag('batches', 'bucketed', bucketed);
    flag('batches', 'shuffle', shuffle);
    checkSeed('batches', seed);
    this.options = { batchSize, bucketed, shuffle, seed };
    this.length = Math.ceil(members.length / batchSize);
    if (source.labels) this.labels = source.labels;
    if (source.vocabulary) this.vocabulary = source.vocabulary;
  }

  get settings() {
    return { sequences: this.members.length, ...this.options };
  }

  *pass(epoch: number, begin: number): Generator<Batch<Tensor>, void, undefined> {
    for (const members of this.order(epoch).slice(begin)) yield this.batch(members);
  }

  [Symbol.iterator](): Generator<Batch<Tensor>, void, undefined> {
    return this.pass(0, 0);
  }

  /** The sequences of each batch of a pass, by their indices in the source. */
  order(epoch: number): number[][] {
    const { batchSize, bucketed, shuffle, seed } = this.options;
    const { members, source } = this;
    let order = shuffle ? Array.from(permutation(members.length, seed, epoch), (at) => members[at]!) : [...members];
    if (bucketed) {
      const byLength = (a: number, b: number) => source.inputs[a]!.steps - source.inputs[b]!.steps;
      const pool = shuffle ? batchSize * pooledBatches : order.length;
      order = cut(order, pool).flatMap((part) => part.sort(byLength));
    }
    const batches = cut(order, batchSize);
    if (!bucketed || !shuffle) return batches;
    return Array.from(permutation(batches.length, (seed ^ batchOrder) >>> 0, epoch), (at) => batches[at]!);
  }

  private batch(members: readonly number[]): Batch<Tensor> {
    const { inputs, targets, features, weights } = this.source;
    const B = members.length;
    const steps = members.map((index) => inputs[index]!.steps);
    const T = steps.reduce((longest, count) => Math.max(longest, count), 1);
    const padded = <A extends Float32Array | Int32Array>(
      into: A,
      size: number,
      row: (index: number) => Float32Array | Int32Array,
    ): A => {
      members.forEach((index, b) => into.set(row(index), b * T * size));
      return into;
    };
    const F = features ?? 1;
    const data = padded(
      features === null ? new Int32Array(B * T) : new Float32Array(B * T * F),
      F,
      (index) => inputs[index]!.data,
    );
    const input = { data, shape: features === null ? [B, T] : [B, T, F] };
    const lengths = { data: Int32Array.from(steps), shape: [B] };
    if (!targets) return { inputs: input, lengths };
    const { perStep, values, size } = targets;
    const M = size ?? 1;
    const rows = perStep ? T * M : M;
    const target = size === null ? new Int32Array(B * rows) : new Float32Array(B * rows);
    members.forEach((index, b) => target.set(values[index]!, b * rows));
    const shape = [B, ...(perStep ? [T] : []), ...(size === null ? [] : [size])];
    const batch = { inputs: input, targets: { data: target, shape }, lengths };
    if (!weights) return batch;
    return { ...batch, weights: { data: Float32Array.from(members, (index) => weights[index]!), shape: [B] } };
  }
}

function cut<V>(all: readonly V[], size: number): V[][] {
  const parts: V[][] = [];
  for (let begin = 0; begin < all.length; begin += size) parts.push(all.slice(begin, begin + size));
  return parts;
}
