/** Text as a tokenizer gets it: in pieces, whose tokens stand one after another. */
import { joined } from '../../arrays';
import { DataError } from '../../errors';
import type { ByteSource } from './sources';
import { Spool } from './spool';
import { DiskTokens, fixedWidth, MemoryTokens, type TokenStore } from './tokens';
import { JoinedBytes } from './sources';
import type { TokenizerVocabulary } from '../vocabularies/tokenizer';

/** In UTF-16 units: a piece ends with the first line that ends from here on ... */
const minPiece = 2 ** 20;
/** ... or, where lines are longer, here. */
const maxPiece = 2 ** 22;

/** Where the first piece of a text ends, or 0 when that depends on text that is still to come. */
function pieceEnd(text: string): number {
  if (text.length < minPiece) return 0;
  const line = text.indexOf('\n', minPiece - 1) + 1;
  if (line > 0 && line <= maxPiece) return line;
  if (text.length <= maxPiece) return 0;
  const isPair = (text.charCodeAt(maxPiece - 1) & 0xfc00) === 0xd800;
  return isPair ? maxPiece - 1 : maxPiece;
}

async function* pieces(texts: AsyncIterable<string>): AsyncGenerator<string, void, undefined> {
  let rest = '';
  for await (const text of texts) {
    rest += text;
    for (let end = pieceEnd(rest); end > 0; end = pieceEnd(rest)) {
      yield rest.slice(0, end);
      rest = rest.slice(end);
    }
  }
  if (rest !== '') yield rest;
}

const readSize = 1024 * 1024;

/** The text of UTF-8 sources, one after another. @throws DataError for what is no UTF-8. */
export async function* decoded(sources: readonly ByteSource[]): AsyncGenerator<string, void, undefined> {
  for (const source of sources) {
    const decoder = new TextDecoder('utf-8', { fatal: true });
    for (let position = 0; position <= source.size; position += readSize) {
      const bytes = new Uint8Array(Math.min(readSize, source.size - position));
      await source.read(bytes, position);
      let text: string;
      try {
        text = decoder.decode(bytes, { stream: position + readSize <= source.size });
      } catch (cause) {
        throw new DataError(`${source.name}: expected UTF-8 text; level: 'bytes' reads any file`, { cause });
      }
      yield text;
    }
  }
}

/** As of the same text in a file: the tokens of its pieces. */
export function encodePieces(text: string, vocabulary: TokenizerVocabulary): Int32Array {
  const encoded: Int32Array[] = [];
  for (let rest = text; rest !== '';) {
    const end = pieceEnd(rest) || rest.length;
    encoded.push(vocabulary.encode(rest.slice(0, end)));
    rest = rest.slice(end);
  }
  return joined(Int32Array, encoded);
}

/** Tokens of a text on a disk: in memory, or where that is to be spared, packed in a temporary file. */
export async function tokenizerTokens(
  sources: readonly ByteSource[],
  vocabulary: TokenizerVocabulary,
  temporaryFolder: string | undefined,
): Promise<TokenStore> {
  const width = vocabulary.size <= 2 ** 16 ? 2 : 4;
  const spool = await Spool.create('tokens of the text', temporaryFolder);
  for await (const piece of pieces(decoded(sources))) {
    const tokens = vocabulary.encode(piece);
    const packed = width === 2 ? Uint16Array.from(tokens) : tokens;
    await spool.append(new Uint8Array(packed.buffer, packed.byteOffset, packed.byteLength));
  }
  if (spool.size === 0) return new MemoryTokens(new Int32Array(0));
  return new DiskTokens(new JoinedBytes([spool], [0]), fixedWidth(width), spool.size / width);
}
