/** Text on a disk as characters: what a reader at any place needs to know, found in one pass over the bytes. */
import { DataError } from '../../errors';
import { CharacterVocabulary } from '../vocabularies/characters';
import { JoinedBytes, type ByteSource } from './sources';
import { DiskTokens, utf8Coding, type TokenStore } from './tokens';
import { codePoints, InvalidUtf8, scan, wholeEnd } from './utf8';

/**
 * Characters from one marked place to the next. Rows begin anywhere, once a pass, so that half of it is read in vain: some milliseconds;
 * marks of 3 GB take half a megabyte.
 */
const markInterval = 65_536;
/** Read at a time while all is looked through. */
const chunkSize = 1024 * 1024;

/** A byte order mark, which is no character of the text. */
const byteOrderMark = [0xef, 0xbb, 0xbf];

export async function markLength(source: ByteSource): Promise<number> {
  if (source.size < byteOrderMark.length) return 0;
  const bytes = new Uint8Array(byteOrderMark.length);
  await source.read(bytes, 0);
  return byteOrderMark.every((byte, index) => bytes[index] === byte) ? byteOrderMark.length : 0;
}

export interface CharacterTokens {
  readonly store: TokenStore;
  readonly vocabulary: CharacterVocabulary;
}

/**
 * Checks that the sources are UTF-8, counts their characters, marks every 65,536th, and finds what characters there are.
 *
 * @throws DataError for what is no UTF-8 and for characters that `given` lacks, with the byte at which they are.
 */
export async function characterTokens(
  sources: readonly ByteSource[],
  given: CharacterVocabulary | null,
): Promise<CharacterTokens> {
  const seen = new Uint8Array(codePoints);
  const found: number[] = [];
  const marks: number[] = [];
  const skipped: number[] = [];
  let length = 0;
  let base = 0;
  for (const source of sources) {
    const skip = await markLength(source);
    skipped.push(skip);
    await eachChunk(source, skip, (bytes, position) => {
      const fresh = (code: number, at: number) => {
        if (given && given.tokenOf(code) < 0) throw given.unknownAt(code, `byte ${position + at} of ${source.name}`);
        found.push(code);
      };
      length += scan(bytes, length, seen, markInterval, fresh, (at) => marks.push(base + position - skip + at));
    });
    base += source.size - skip;
  }
  const vocabulary = given ?? CharacterVocabulary.of(found.map((code) => String.fromCodePoint(code)));
  const coding = utf8Coding(marks, markInterval, tokenTable(vocabulary, found));
  return { store: new DiskTokens(new JoinedBytes(sources, skipped), coding, length), vocabulary };
}

/** Calls `visit` with stretches of whole code points and where they begin. The next is read while one is looked at. */
async function eachChunk(
  source: ByteSource,
  begin: number,
  visit: (bytes: Uint8Array, position: number) => void,
): Promise<void> {
  const read = async (position: number) => {
    const bytes = new Uint8Array(Math.min(chunkSize, source.size - position));
    await source.read(bytes, position);
    return bytes;
  };
  const invalid = (at: number, cause?: unknown) =>
    new DataError(`${source.name}: expected UTF-8 text, at byte ${at}; level: 'bytes' reads any file`, { cause });
  let next = read(begin);
  for (let position = begin; position < source.size;) {
    const bytes = await next;
    const end = wholeEnd(bytes);
    if (end === 0 || (end < bytes.length && position + bytes.length === source.size)) throw invalid(position + end);
    next = read(position + end);
    next.catch(() => {});
    try {
      visit(bytes.subarray(0, end), position);
    } catch (cause) {
      throw cause instanceof InvalidUtf8 ? invalid(position + cause.at, cause) : cause;
    }
    position += end;
  }
  await next;
}

/** For each code point its token, or -1; no longer than it must be. */
function tokenTable(vocabulary: CharacterVocabulary, found: readonly number[]): Int32Array {
  const table = new Int32Array(found.reduce((most, code) => Math.max(most, code), 0) + 1).fill(-1);
  for (const code of found) table[code] = vocabulary.tokenOf(code);
  return table;
}
