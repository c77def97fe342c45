/** Bytes that lie somewhere, read by position: files, a spooled stream, or memory. */
import { open, stat } from 'node:fs/promises';
import { DataError } from '../../errors';

export interface ByteSource {
  /** For messages. */
  readonly name: string;
  readonly size: number;
  /** Fills `into` from `position` on. */
  read(into: Uint8Array, position: number): Promise<void>;
}

export const memoryBytes = (name: string, bytes: Uint8Array): ByteSource => ({
  name,
  size: bytes.length,
  read: (into, position) => Promise.resolve(into.set(bytes.subarray(position, position + into.length))),
});

/** Of all files together: a batch of thousands of rows reads at thousands of places, and many systems allow 1,024 files. */
const maxOpen = 64;
let opened = 0;
const waiting: (() => void)[] = [];

async function whenFewAreOpen(read: () => Promise<void>): Promise<void> {
  if (opened < maxOpen) opened++;
  else await new Promise<void>((resolve) => waiting.push(resolve));
  try {
    await read();
  } finally {
    // Who waits takes the place over.
    const next = waiting.shift();
    if (next) next();
    else opened--;
  }
}

/**
 * A file as it is now. It is opened for each read, so that nothing has to be closed and any number of files can be read; the cost is
 * lost in reads of many kilobytes. @throws DataError when it cannot be read, or has changed since.
 */
export async function fileBytes(path: string): Promise<ByteSource> {
  const unreadable = (cause: NodeJS.ErrnoException): never => {
    throw new DataError(`${path}: the text could not be read: ${cause.code ?? cause.message}`, { cause });
  };
  const found = await stat(path).catch(unreadable);
  if (!found.isFile())
    throw new DataError(`${path}: expected a file; what can be read only once goes through text.fromStream`);
  const read = async (into: Uint8Array, position: number) => {
    const file = await open(path).catch(unreadable);
    try {
      const now = await file.stat();
      if (now.size !== found.size || now.mtimeMs !== found.mtimeMs)
        throw new DataError(`${path}: the file has changed since it was first read`);
      await fill(into, position, async (part, at) => (await file.read(part, 0, part.length, at)).bytesRead).catch(
        unreadable,
      );
    } finally {
      await file.close();
    }
  };
  return { name: path, size: found.size, read: (into, position) => whenFewAreOpen(() => read(into, position)) };
}

/** Reads until `into` is full; a system may give less than it is asked for. */
export async function fill(
  into: Uint8Array,
  position: number,
  read: (part: Uint8Array, at: number) => Promise<number>,
): Promise<void> {
  for (let done = 0; done < into.length;) {
    const count = await read(into.subarray(done), position + done);
    if (count === 0) throw new Error(`the data end at byte ${position + done}`);
    done += count;
  }
}

/** Parts of sources, one after another, as one stretch of bytes. */
export class JoinedBytes {
  readonly size: number;
  private readonly ends: readonly number[];

  constructor(
    private readonly sources: readonly ByteSource[],
    /** For each source, bytes at its beginning that do not belong to the text. */
    private readonly skipped: readonly number[],
  ) {
    let size = 0;
    this.ends = sources.map((source, index) => (size += source.size - skipped[index]!));
    this.size = size;
  }

  /** Bytes from `begin` on, `length` of them or as many as there are. */
  async read(begin: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(Math.max(0, Math.min(length, this.size - begin)));
    let index = this.sourceAt(begin);
    for (let done = 0; done < bytes.length; index++) {
      const position = begin + done - (this.ends[index - 1] ?? 0);
      const count = Math.min(bytes.length - done, this.ends[index]! - begin - done);
      if (count > 0)
        await this.sources[index]!.read(bytes.subarray(done, done + count), position + this.skipped[index]!);
      done += count;
    }
    return bytes;
  }

  private sourceAt(position: number): number {
    let [low, high] = [0, this.ends.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.ends[middle]! > position) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
