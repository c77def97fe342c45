import type { Vocabulary } from '../vocabulary';
import { checkText, checkTokens } from './checkTokens';

/**
 * The 256 bytes, of which UTF-8 makes any text: nothing is unknown. Decoding replaces what is no UTF-8 by U+FFFD.
 *
 * @example
 * byteVocabulary.encode('é'); // Int32Array [195, 169]
 */
class ByteVocabulary implements Vocabulary {
  readonly size = 256;

  encode(text: string): Int32Array {
    checkText(text);
    return Int32Array.from(new TextEncoder().encode(text));
  }

  decode(tokens: ArrayLike<number>): string {
    checkTokens(tokens, this.size);
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(Uint8Array.from(tokens));
  }

  equals(other: Vocabulary): boolean {
    return other instanceof ByteVocabulary;
  }

  toJSON(): { readonly level: 'bytes' } {
    return { level: 'bytes' };
  }
}

export type { ByteVocabulary };
export const byteVocabulary = new ByteVocabulary();
