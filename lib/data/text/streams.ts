import { DataError } from '../../errors';
import { describe } from '../../options';
import { tagOf } from '../../arrays';
import { memoryBytes, type ByteSource } from './sources';
import { Spool } from './spool';

/** Strings or UTF-8 bytes as they come: a Node stream, the body of a response, a generator. */
export type TextStream = AsyncIterable<string | Uint8Array> | Iterable<string | Uint8Array>;

const streamName = 'stream';

/** All that a stream gives, in memory up to `limit` bytes, else in a temporary file. */
export async function spooled(
  stream: TextStream,
  limit: number,
  temporaryFolder: string | undefined,
): Promise<ByteSource> {
  let held: Uint8Array[] = [];
  let size = 0;
  let spool: Spool | null = null;
  for await (const bytes of byteChunks(stream)) {
    size += bytes.length;
    held.push(bytes);
    if (size <= limit && !spool) continue;
    spool ??= await Spool.create(streamName, temporaryFolder);
    await spool.append(Buffer.concat(held));
    held = [];
  }
  return spool ?? memoryBytes(streamName, Buffer.concat(held));
}

async function* byteChunks(stream: TextStream): AsyncGenerator<Uint8Array, void, undefined> {
  /** The first half of a character of which the other half is in the next string. */
  let half = '';
  let index = 0;
  try {
    for await (const chunk of stream) {
      if (tagOf(chunk) === 'Uint8Array') yield chunk as Uint8Array;
      else if (typeof chunk === 'string') {
        const text = half + chunk;
        half = (text.charCodeAt(text.length - 1) & 0xfc00) === 0xd800 ? text.slice(-1) : '';
        yield Buffer.from(half ? text.slice(0, -1) : text);
      } else {
        throw new DataError(
          `text: expected a stream of strings or bytes, received ${describe(chunk)} as chunk ${index}`,
        );
      }
      index++;
    }
  } catch (cause) {
    throw cause instanceof DataError
      ? cause
      : new DataError(`text: the stream failed after ${index} chunks`, { cause });
  }
  if (half) yield Buffer.from(half);
}

/** Whether this is something that gives strings or bytes. */
export const isStream = (value: unknown): value is TextStream =>
  typeof value === 'object' && value !== null && (Symbol.asyncIterator in value || Symbol.iterator in value);
