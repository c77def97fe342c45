import { DataError, StateError } from '../../errors';
import { checkOptions, positiveInteger } from '../../options';
import type { Vocabulary } from '../vocabulary';
import { TextBatches, type TextBatchOptions } from './batches';
import { MemoryTokens, type TokenStore } from './tokens';

/** For reads of a stretch. */
const blockSize = 64 * 1024;

/** A stretch of a corpus, tokens [begin, end) of it. */
export class TextPart {
  private readonly store: TokenStore;

  constructor(
    readonly name: string,
    store: Int32Array | TokenStore,
    readonly vocabulary: Vocabulary,
    private readonly begin = 0,
    private readonly end = store.length,
  ) {
    this.store = ArrayBuffer.isView(store) ? new MemoryTokens(store) : store;
  }

  /** In tokens: characters, bytes, or those of the tokenizer. */
  get length(): number {
    return this.end - this.begin;
  }

  /** Whether the tokens are all there; where they are on a disk, `read` gives stretches. */
  get inMemory(): boolean {
    return this.store instanceof MemoryTokens;
  }

  /** @throws StateError where they are on a disk. */
  get tokens(): Int32Array {
    if (this.store instanceof MemoryTokens) return this.store.tokens.subarray(this.begin, this.end);
    throw new StateError(`${this.name}: the text is on a disk; read(begin, end) gives stretches of its tokens`);
  }

  /** @throws StateError where the text is on a disk. */
  get text(): string {
    return this.vocabulary.decode(this.tokens);
  }

  /** Tokens [begin, end) of the part. @throws DataError unless they are some of it. */
  async read(begin = 0, end = this.length): Promise<Int32Array> {
    if (!Number.isInteger(begin) || !Number.isInteger(end) || begin < 0 || end < begin || end > this.length)
      throw new DataError(
        `${this.name}: expected tokens [begin, end) within 0..${this.length}, received [${begin}, ${end})`,
      );
    const tokens = new Int32Array(end - begin);
    if (tokens.length > 0) await this.reader(begin, blockSize).take(tokens, 0, tokens.length);
    return tokens;
  }

  /** For the batches. */
  reader(begin: number, block: number) {
    return this.store.reader(this.begin + begin, block);
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
