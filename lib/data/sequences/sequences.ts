/** Labelled sequences of unequal length, for classification, tagging and regression. */
import { isFiniteFloat32 } from '../../arrays';
import { DataError, OptionError } from '../../errors';
import { checkOptions, describe, flag, positiveInteger } from '../../options';
import { checkSeed } from '../draws';
import type { Labels } from '../labels';
import { checkFractions, type Fractions, type PartName } from '../split';
import type { Vocabulary } from '../vocabulary';
import { SequenceBatches, type SequenceBatchOptions, type SequenceSource } from './batches';
import { InputReader, type SequenceInput } from './inputs';
import { classify, tag } from './predict';
import { chosenParts, randomParts, type Parts } from './split';
import { readLabels, readNumbers, type Label } from './targets';

export interface SequenceOptions<R> {
  /** The sequence of a record. */
  readonly inputs: (record: R, index: number) => SequenceInput;
  /** Its class, or an array with one for each step, null for a step without. Give this, or `target`. */
  readonly label?: (record: R, index: number) => Label | readonly (Label | null)[];
  /** Numbers that belong to it: one, several, or for each step an array of them. */
  readonly target?: (record: R, index: number) => number | readonly number[] | readonly (readonly number[])[];
  /** How much it counts in the loss and in metrics, 0 or more: to make up for classes that are rare, for example. Default 1. */
  readonly weight?: (record: R, index: number) => number;
  /** Numbers for each step where inputs are plain arrays of numbers. Default 1. */
  readonly features?: number;
  /** Those of a model, `model.labels`, for data that it shall read. Default: the labels that there are. */
  readonly labels?: Labels;
  /** That of a model, `model.vocabulary`, for inputs that are strings. Default: one of what there is. */
  readonly vocabulary?: Vocabulary;
  /** What becomes of strings that the vocabulary lacks: an error, or one token for all. Then the training part alone makes the vocabulary. Default 'refuse'. */
  readonly unknown?: 'refuse' | 'map';
  /** With `unknown: 'map'`: strings that occur less often in the training part are unknown too, so that their token is learned. Default 1. */
  readonly minCount?: number;
  /** Fractions for training, validation and test, drawn at random, or a function that says where a record belongs. Default 0.8, 0.1, 0.1. */
  readonly split?: Fractions | ((record: R, index: number) => PartName);
  /** Each class is split by these fractions. Needs one label for each sequence. Default false. */
  readonly stratify?: boolean;
  /** Decides the random split: an integer in 0..2³²−1. Default 0. */
  readonly seed?: number;
}

const optionNames = [
  'inputs',
  'label',
  'target',
  'weight',
  'features',
  'labels',
  'vocabulary',
  'unknown',
  'minCount',
  'split',
  'stratify',
  'seed',
];

export interface SequenceCorpus {
  readonly train: SequencePart;
  readonly validation: SequencePart;
  readonly test: SequencePart;
  /** The classes; null where targets are numbers. */
  readonly labels: Labels | null;
  /** What the tokens of strings stand for; null for other inputs. */
  readonly vocabulary: Vocabulary | null;
  /** Numbers for each step; null for tokens. */
  readonly features: number | null;
}

/** Some of the sequences. */
export class SequencePart {
  constructor(
    readonly name: PartName,
    private readonly source: SequenceSource,
    /** Which of the records they are. */
    readonly indices: readonly number[],
  ) {}

  /** How many sequences. */
  get size(): number {
    return this.indices.length;
  }

  /** @throws OptionError for bad options, DataError where there is no sequence. */
  batches(options: SequenceBatchOptions): SequenceBatches {
    if (this.size === 0) throw new DataError(`${this.name}: expected one or more sequences, received none`);
    return new SequenceBatches(this.source, this.indices, options, this.name === 'train');
  }
}

const owner = 'sequences';

export const sequences = {
  /**
   * Reads records, of which functions tell the inputs and what they are to be recognised as.
   *
   * @example
   * const reviews = await sequences.from(records, { inputs: (r) => r.words, label: (r) => r.mood, unknown: 'map' });
   * const layers = [embedding(reviews.vocabulary!.size, 32), lstm(64, { output: 'last' }), linear(reviews.labels!.size)];
   * const model = sequential(layers);
   * await model.fit(reviews.train.batches({ batchSize: 32 }), { loss: crossEntropy(), optimizer: adam(), metrics: ['accuracy'] });
   * for (const { label, probability } of await sequences.classify(model, [['a', 'fine', 'film']])) console.log(label, probability);
   *
   * @throws OptionError for bad options, DataError for records that do not fit, with their index.
   */
  async from<R>(records: Iterable<R> | AsyncIterable<R>, options: SequenceOptions<R>): Promise<SequenceCorpus> {
    checkSequenceOptions(options);
    const all = await collect(records);
    const { features = 1, vocabulary = null, unknown = 'refuse', minCount = 1, labels = null } = options;
    const reader = new InputReader(owner, { features, vocabulary });
    all.forEach((record, index) => reader.add(options.inputs(record, index), `record ${index}`));
    // Tagging needs the number of steps, which a vocabulary decides; a split by classes comes before a vocabulary of the training part.
    const given = all.map((record, index) => (options.label ?? options.target)!(record, index));
    const parts = partsOf(all, given, options);
    const maps = unknown === 'map';
    const read = reader.finish(maps ? parts.train : null, { unknown: maps, minCount });
    const targets = options.label
      ? readLabels(owner, given, read.inputs, labels)
      : readNumbers(owner, given, read.inputs);
    const known = 'labels' in targets ? (targets.labels as Labels) : null;
    const source: SequenceSource = {
      inputs: read.inputs,
      features: read.features,
      targets,
      ...(options.weight && { weights: readWeights(all, options.weight) }),
      ...(known && { labels: known }),
      ...(read.vocabulary && { vocabulary: read.vocabulary }),
    };
    const part = (name: PartName) => new SequencePart(name, source, parts[name]);
    return {
      train: part('train'),
      validation: part('validation'),
      test: part('test'),
      labels: known,
      vocabulary: read.vocabulary,
      features: read.features,
    };
  },

  classify,
  tag,
} as const;

function checkSequenceOptions<R>(options: SequenceOptions<R>): void {
  checkOptions(owner, options, optionNames);
  const {
    inputs,
    label,
    target,
    weight,
    features = 1,
    unknown,
    minCount = 1,
    split,
    stratify = false,
    seed = 0,
  } = options;
  for (const [name, value] of Object.entries({ inputs, label, target, weight })) {
    if (typeof value !== 'function' && !(value === undefined && name !== 'inputs'))
      throw new OptionError(`${owner}: ${name}: expected a function of a record, received ${describe(value)}`);
  }
  if ((label === undefined) === (target === undefined))
    throw new OptionError(`${owner}: expected label or target, received ${label ? 'both' : 'neither'}`);
  if (options.labels && target) throw new OptionError(`${owner}: labels: numbers have none; leave them out`);
  positiveInteger(owner, 'features', features);
  positiveInteger(owner, 'minCount', minCount);
  if (unknown !== undefined && unknown !== 'refuse' && unknown !== 'map')
    throw new OptionError(`${owner}: unknown: expected 'refuse' or 'map', received ${describe(unknown)}`);
  if (options.vocabulary && (unknown !== undefined || options.minCount !== undefined))
    throw new OptionError(`${owner}: vocabulary: one that is given says itself what becomes of unknown strings`);
  if (minCount > 1 && unknown !== 'map') throw new OptionError(`${owner}: minCount: needs unknown: 'map'`);
  if (split !== undefined && typeof split !== 'function') checkFractions(owner, split, ', or a function');
  flag(owner, 'stratify', stratify);
  if (stratify && (target || typeof split === 'function'))
    throw new OptionError(`${owner}: stratify: needs labels and fractions to split by`);
  checkSeed(owner, seed);
}

function readWeights<R>(records: readonly R[], weight: (record: R, index: number) => unknown): number[] {
  return records.map((record, index) => {
    const value = weight(record, index);
    if (typeof value === 'number' && value >= 0 && isFiniteFloat32(value)) return value;
    throw new DataError(
      `${owner}: record ${index}: weight: expected a finite number of 0 or more, received ${describe(value)}`,
    );
  });
}

async function collect<R>(records: Iterable<R> | AsyncIterable<R>): Promise<R[]> {
  const iterates = typeof records === 'object' && records !== null && !ArrayBuffer.isView(records);
  if (!iterates || !(Symbol.iterator in records || Symbol.asyncIterator in records))
    throw new DataError(`${owner}: expected records, an array or an iterable, received ${describe(records)}`);
  const all: R[] = [];
  for await (const record of records) all.push(record);
  if (all.length === 0) throw new DataError(`${owner}: expected one or more records, received none`);
  return all;
}

const defaultSplit: Fractions = [0.8, 0.1, 0.1];

function partsOf<R>(records: readonly R[], given: readonly unknown[], options: SequenceOptions<R>): Parts {
  const { split = defaultSplit, seed = 0, stratify = false } = options;
  if (typeof split === 'function') return chosenParts(owner, records, split);
  if (!stratify) return randomParts(records.length, split, seed, null);
  if (Array.isArray(given[0])) throw new OptionError(`${owner}: stratify: needs one label for each sequence`);
  const classes = [...new Set(given.map(String))];
  const groups = given.map((label) => classes.indexOf(String(label)));
  return randomParts(records.length, split, seed, groups);
}
