/** The tokens of a text, in memory or on a disk. */
import { DataError } from '../../errors';
import type { JoinedBytes } from './sources';
import { decodeTokens, InvalidUtf8, wholeEnd } from './utf8';

/** Reads on from where it is. */
export interface TokenReader {
  /** Writes the next `count` tokens to `into`, from `offset` on. */
  take(into: Int32Array, offset: number, count: number): Promise<void>;
}

export interface TokenStore {
  readonly length: number;
  /** Reads from token `begin` on; `blockSize` bytes are fetched at a time, one block ahead of what is taken. */
  reader(begin: number, blockSize: number): TokenReader;
}

/** How bytes stand for tokens. */
export interface Coding {
  /** A byte at which a token begins that is `before` tokens or fewer ahead of token `index`. */
  locate(index: number): { readonly byte: number; readonly before: number };
  /** Where the last whole token of a block ends. */
  wholeEnd(block: Uint8Array): number;
  decode(
    block: Uint8Array,
    at: number,
    into: Int32Array,
    offset: number,
    count: number,
  ): { readonly taken: number; readonly at: number };
}

/** Each token in 1, 2 or 4 bytes. */
export function fixedWidth(width: 1 | 2 | 4): Coding {
  const elements = { 1: Uint8Array, 2: Uint16Array, 4: Int32Array }[width];
  return {
    locate: (index) => ({ byte: index * width, before: 0 }),
    wholeEnd: (block) => block.length - (block.length % width),
    decode(block, at, into, offset, count) {
      const all = new elements(block.buffer as ArrayBuffer, block.byteOffset, Math.floor(block.length / width));
      const first = at / width;
      const taken = Math.min(count, all.length - first);
      into.set(all.subarray(first, first + taken), offset);
      return { taken, at: at + taken * width };
    },
  };
}

/** Characters of UTF-8: `marks` are the bytes at which every `interval`-th begins, `tokens` the token of each code point, or -1. */
export const utf8Coding = (marks: readonly number[], interval: number, tokens: Int32Array): Coding => ({
  locate(index) {
    const mark = Math.min(Math.floor(index / interval), marks.length - 1);
    return { byte: marks[mark]!, before: index - mark * interval };
  },
  wholeEnd,
  decode: (block, at, into, offset, count) => decodeTokens(block, at, tokens, into, offset, count),
});

/** Tokens of bytes that are read when they are needed. */
export class DiskTokens implements TokenStore {
  constructor(
    private readonly bytes: JoinedBytes,
    private readonly coding: Coding,
    readonly length: number,
  ) {}

  reader(begin: number, blockSize: number): TokenReader {
    const { byte, before } = this.coding.locate(begin);
    return new DiskReader(this.bytes, this.coding, byte, before, blockSize);
  }
}

/** Longer than every token. */
const minBlock = 4096;
/** For tokens that are read to be thrown away. */
const scratch = new Int32Array(minBlock);

class DiskReader implements TokenReader {
  private block: Uint8Array = new Uint8Array(0);
  private at = 0;
  private ahead: Promise<Uint8Array> | null = null;

  constructor(
    private readonly bytes: JoinedBytes,
    private readonly coding: Coding,
    /** The byte at which the next block begins. */
    private next: number,
    /** Tokens to pass over. */
    private before: number,
    private readonly blockSize: number,
  ) {}

  async take(into: Int32Array, offset: number, count: number): Promise<void> {
    while (this.before > 0) this.before -= await this.takeSome(scratch, 0, Math.min(this.before, scratch.length));
    for (let done = 0; done < count;) done += await this.takeSome(into, offset + done, count - done);
  }

  private async takeSome(into: Int32Array, offset: number, count: number): Promise<number> {
    if (this.at === this.block.length) await this.advance();
    try {
      const { taken, at } = this.coding.decode(this.block, this.at, into, offset, count);
      this.at = at;
      return taken;
    } catch (cause) {
      if (!(cause instanceof InvalidUtf8)) throw cause;
      throw new DataError('text: the text on the disk has changed since it was first read', { cause });
    }
  }

  private async advance(): Promise<void> {
    const block = await (this.ahead ?? this.fetch());
    this.block = block.subarray(0, this.coding.wholeEnd(block));
    this.at = 0;
    if (this.block.length === 0) throw new DataError('text: the text on the disk ends before its tokens do');
    this.next += this.block.length;
    this.ahead = this.next < this.bytes.size ? this.fetch() : null;
    // `advance` tells of a failure; when it is not called any more, nobody needs to know.
    this.ahead?.catch(() => {});
  }

  private fetch(): Promise<Uint8Array> {
    return this.bytes.read(this.next, Math.max(this.blockSize, minBlock));
  }
}

/** Tokens that are all there. */
export class MemoryTokens implements TokenStore {
  constructor(readonly tokens: Int32Array) {}

  get length(): number {
    return this.tokens.length;
  }

  reader(begin: number): TokenReader {
    let at = begin;
    return {
      take: (into, offset, count) => {
        into.set(this.tokens.subarray(at, at + count), offset);
        at += count;
        return Promise.resolve();
      },
    };
  }
}
