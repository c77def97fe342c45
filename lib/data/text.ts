/** Text as a language model reads it: characters, cut into parts in reading order, fed as contiguous batches. */
import { readFile } from 'node:fs/promises';
import { DataError, OptionError } from '../errors';
import { checkOptions, filePath, positiveInteger } from '../options';
import type { Batch, DataTraits, Tensor } from './batch';
import { Vocabulary } from './vocabulary';

export interface TextOptions {
  /** Fractions of the text for training, validation and test, in reading order. Default 0.9, 0.05, 0.05. */
  readonly split?: readonly [train: number, validation: number, test: number];
  /** Default: the characters of the whole text, so that no part holds one that the model does not know. */
  readonly vocabulary?: Vocabulary;
}

export interface TextBatchOptions {
  /** `B`: how many places of the text are read side by side. */
  readonly batchSize: number;
  /** `T`: how many characters a batch advances. */
  readonly sequenceLength: number;
}

export interface Corpus {
  readonly vocabulary: Vocabulary;
  readonly train: TextPart;
  readonly validation: TextPart;
  readonly test: TextPart;
}

export const text = {
  /**
   * @example
   * const corpus = text.fromString('to be or not to be', { split: [0.5, 0.25, 0.25] });
   * await model.fit(corpus.train.batches({ batchSize: 2, sequenceLength: 4 }), { loss: crossEntropy(), optimizer: adam() });
   *
   * @throws OptionError for bad options, DataError for an empty text or one with characters that `vocabulary` lacks.
   */
  fromString(source: string, options: TextOptions = {}): Corpus {
    return corpusOf(source, options);
  },

  /** As `fromString`, from a UTF-8 file. @throws DataError when it cannot be read or is not UTF-8. */
  async fromFile(path: string, options: TextOptions = {}): Promise<Corpus> {
    filePath('text', path);
    return corpusOf(await readText(path), options);
  },
};

function corpusOf(source: string, options: TextOptions): Corpus {
  checkOptions('text', options, ['split', 'vocabulary']);
  const { split = [0.9, 0.05, 0.05] } = options;
  checkSplit(split);
  if (source.length === 0) throw new DataError('text: expected at least one character, received none');
  const vocabulary = options.vocabulary ?? Vocabulary.of(source);
  const tokens = vocabulary.encode(source);
  // Rounding, not flooring: 0.7 + 0.2 is a little less than 0.9.
  const trainEnd = Math.round(split[0] * tokens.length);
  const validationEnd = Math.round((split[0] + split[1]) * tokens.length);
  return {
    vocabulary,
    train: new TextPart('train', tokens.subarray(0, trainEnd), vocabulary),
    validation: new TextPart('validation', tokens.subarray(trainEnd, validationEnd), vocabulary),
    test: new TextPart('test', tokens.subarray(validationEnd), vocabulary),
  };
}

async function readText(path: string): Promise<string> {
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw new DataError(`${path}: the text could not be read`, { cause });
  });
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new DataError(`${path}: expected UTF-8 text`, { cause });
  }
}

/** A stretch of a corpus. */
export class TextPart {
  constructor(
    readonly name: string,
    readonly tokens: Int32Array,
    readonly vocabulary: Vocabulary,
  ) {}

  /** In characters. */
  get length(): number {
    return this.tokens.length;
  }

  get text(): string {
    return this.vocabulary.decode(this.tokens);
  }

  /** @throws OptionError unless sizes are positive integers, DataError when the part is shorter than batchSize + 1. */
  batches(options: TextBatchOptions): TextBatches {
    checkOptions('batches', options, ['batchSize', 'sequenceLength']);
    positiveInteger('batches', 'batchSize', options.batchSize);
    positiveInteger('batches', 'sequenceLength', options.sequenceLength);
    if (this.length <= options.batchSize) {
      throw new DataError(
        `${this.name}: expected at least ${options.batchSize + 1} characters for batchSize ${options.batchSize}, received ${this.length}`,
      );
    }
    return new TextBatches(this, options);
  }
}

/**
 * A part cut into B rows of equal length R, read side by side: batch k holds steps `[kT, (k+1)T)` of every row as
 * int32 `[B,T]`, and as targets the character after each. So state carried from batch to batch has read the row up to
 * there. The last batch of a pass may be shorter in T.
 *
 * Of the n characters of the part all but the first can be predicted; R = floor((n-1)/B), so fewer than B at the end
 * are left out. With batchSize 1 none is.
 */
export class TextBatches implements Iterable<Batch<Tensor>>, DataTraits {
  readonly continuesState = true;
  readonly vocabulary: Vocabulary;
  /** The number of batches in a pass. */
  readonly length: number;
  /** The characters of the part, `[begin, end)`, that no target covers. Empty when `begin` is `end`. */
  readonly leftOut: { readonly begin: number; readonly end: number };
  private readonly rowLength: number;

  constructor(
    private readonly part: TextPart,
    private readonly options: TextBatchOptions,
  ) {
    this.vocabulary = part.vocabulary;
    this.rowLength = Math.floor((part.length - 1) / options.batchSize);
    this.length = Math.ceil(this.rowLength / options.sequenceLength);
    this.leftOut = { begin: 1 + this.rowLength * options.batchSize, end: part.length };
  }

  *[Symbol.iterator](): Generator<Batch<Tensor>, void, undefined> {
    for (let begin = 0; begin < this.rowLength; begin += this.options.sequenceLength) {
      const steps = Math.min(this.options.sequenceLength, this.rowLength - begin);
      yield { inputs: this.window(begin, steps), targets: this.window(begin + 1, steps) };
    }
  }

  private window(begin: number, steps: number): Tensor {
    const { batchSize } = this.options;
    const data = new Int32Array(batchSize * steps);
    for (let row = 0; row < batchSize; row++) {
      const start = row * this.rowLength + begin;
      data.set(this.part.tokens.subarray(start, start + steps), row * steps);
    }
    return { data, shape: [batchSize, steps] };
  }
}

function checkSplit(split: readonly number[]): void {
  const fractions = Array.isArray(split) && split.length === 3 && split.every((part) => part >= 0 && part <= 1);
  if (!fractions || Math.abs(split[0]! + split[1]! + split[2]! - 1) > 1e-9) {
    throw new OptionError(`text: split: expected three fractions that add up to 1, received ${JSON.stringify(split)}`);
  }
}
