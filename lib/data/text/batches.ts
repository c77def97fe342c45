import { StateError } from '../../errors';
import type { Batch, DataTraits, Tensor } from '../batch';
import type { Vocabulary } from '../vocabulary';
import type { TextPart } from './part';

export interface TextBatchOptions {
  /** `B`: how many places of the text are read side by side. */
  readonly batchSize: number;
  /** `T`: how many characters a batch advances. */
  readonly sequenceLength: number;
}

/** Bytes that are held of a text on a disk, all rows together, and as many that are fetched ahead. */
const heldBytes = 8 * 1024 * 1024;
/** For a row: above it a fetch costs nothing beside its bytes. */
const maxBlock = 256 * 1024;

/**
 * A part cut into B rows of equal length R, read side by side: batch k holds steps `[kT, (k+1)T)` of every row as
 * int32 `[B,T]`, and as targets the character after each. So state carried from batch to batch has read the row up to
 * there. The last batch of a pass may be shorter in T.
 *
 * Of the n characters of the part all but the first can be predicted; R = floor((n-1)/B), so fewer than B at the end
 * are left out. With batchSize 1 none is. A text on a disk is read along the rows, a block of each ahead of what is used; it
 * can be iterated by `for await` only.
 */
export class TextBatches implements Iterable<Batch<Tensor>>, AsyncIterable<Batch<Tensor>>, DataTraits {
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

  get settings() {
    const { part, options } = this;
    return {
      part: part.name,
      tokens: part.length,
      batchSize: options.batchSize,
      sequenceLength: options.sequenceLength,
    };
  }

  /** From batch `begin` on; passes are all alike. */
  pass(_epoch: number, begin: number): Iterable<Batch<Tensor>> | AsyncIterable<Batch<Tensor>> {
    return this.part.inMemory ? this.fromMemory(begin) : this.fromDisk(begin);
  }

  [Symbol.iterator](): Generator<Batch<Tensor>, void, undefined> {
    if (!this.part.inMemory)
      throw new StateError(`${this.part.name}: the text is on a disk; iterate its batches by for await`);
    return this.fromMemory(0);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Batch<Tensor>, void, undefined> {
    yield* this.pass(0, 0);
  }

  private *fromMemory(begin: number): Generator<Batch<Tensor>, void, undefined> {
    const { tokens } = this.part;
    for (const [first, steps] of this.windows(begin)) {
      const window = (from: number) =>
        this.tensor(steps, (row) => tokens.subarray(row * this.rowLength + from, row * this.rowLength + from + steps));
      yield { inputs: window(first), targets: window(first + 1) };
    }
  }

  private async *fromDisk(begin: number): AsyncGenerator<Batch<Tensor>, void, undefined> {
    const { batchSize, sequenceLength: T } = this.options;
    const block = Math.min(maxBlock, Math.floor(heldBytes / batchSize));
    const readers = Array.from({ length: batchSize }, (_, row) =>
      this.part.reader(row * this.rowLength + begin * T, block),
    );
    // Each row's steps and the one after them, which begins the next batch.
    const rows = readers.map(() => new Int32Array(T + 1));
    await Promise.all(readers.map((reader, row) => reader.take(rows[row]!, T, 1)));
    for (const [, steps] of this.windows(begin)) {
      await Promise.all(
        readers.map((reader, row) => {
          rows[row]![0] = rows[row]![T]!;
          return reader.take(rows[row]!, 1, steps);
        }),
      );
      yield {
        inputs: this.tensor(steps, (row) => rows[row]!.subarray(0, steps)),
        targets: this.tensor(steps, (row) => rows[row]!.subarray(1, steps + 1)),
      };
    }
  }

  /** The first step of each batch and how many it has. */
  private *windows(begin: number): Generator<readonly [first: number, steps: number]> {
    const { sequenceLength: T } = this.options;
    for (let first = begin * T; first < this.rowLength; first += T) yield [first, Math.min(T, this.rowLength - first)];
  }

  private tensor(steps: number, row: (index: number) => Int32Array): Tensor {
    const { batchSize } = this.options;
    const data = new Int32Array(batchSize * steps);
    for (let index = 0; index < batchSize; index++) data.set(row(index), index * steps);
    return { data, shape: [batchSize, steps] };
  }
}
