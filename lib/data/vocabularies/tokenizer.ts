import { DataError, OptionError, StateError } from '../../errors';
import { isInt32 } from '../../arrays';
import { checkOptions, describe, positiveInteger } from '../../options';
import type { Vocabulary } from '../vocabulary';
import { checkTokens } from './checkTokens';

/** Any way to make tokens of text, as two functions. */
export interface Tokenizer {
  /** Tokens are 0..size-1. */
  readonly size: number;
  readonly encode: (text: string) => Int32Array;
  readonly decode: (tokens: Int32Array) => string;
  /** By which a model file remembers it. Default 'tokenizer'. */
  readonly name?: string;
}

interface TokenizerJson {
  readonly tokenizer: { readonly name: string; readonly size: number; readonly probe: readonly number[] | null };
}

/** What is encoded to tell one tokenizer from another of the same name and size. */
const probeText = 'The quick brown fox jumps over the lazy dog. 0123456789\n';

/**
 * The tokens of a tokenizer of the user's. A file cannot keep functions: it keeps the name, the size and the tokens of a short
 * sentence, by which `load(path, { tokenizer })` knows it again. Without it, a loaded model predicts, but neither reads nor writes text.
 */
export class TokenizerVocabulary implements Vocabulary {
  readonly size: number;
  readonly name: string;

  private constructor(
    private readonly tokenizer: Tokenizer | null,
    { name, size, probe }: TokenizerJson['tokenizer'],
  ) {
    this.name = name;
    this.size = size;
    this.probe = probe;
  }

  /** Tokens of the probe; null where the tokenizer refuses it. */
  private readonly probe: readonly number[] | null;

  /** @throws OptionError unless it has a size and two functions. */
  static of(tokenizer: Tokenizer): TokenizerVocabulary {
    checkOptions('tokenizer', tokenizer, ['size', 'encode', 'decode', 'name']);
    const { size, name = 'tokenizer', encode, decode } = tokenizer;
    positiveInteger('tokenizer', 'size', size);
    for (const [key, value] of Object.entries({ encode, decode })) {
      if (typeof value !== 'function')
        throw new OptionError(`tokenizer: ${key}: expected a function, received ${describe(value)}`);
    }
    if (typeof name !== 'string')
      throw new OptionError(`tokenizer: name: expected a string, received ${describe(name)}`);
    return new TokenizerVocabulary(tokenizer, { name, size, probe: probeOf(tokenizer) });
  }

  /** Without its functions. @throws DataError unless `json` is what `toJSON` gave. */
  static fromJSON(json: unknown): TokenizerVocabulary {
    const { name, size, probe } = (json as Partial<TokenizerJson>)?.tokenizer ?? {};
    const valid =
      typeof name === 'string' &&
      Number.isInteger(size) &&
      size! > 0 &&
      (probe === null || (Array.isArray(probe) && probe.every((token) => Number.isInteger(token))));
    if (!valid) throw new DataError('vocabulary: expected { tokenizer: { name, size, probe } }');
    return new TokenizerVocabulary(null, { name, size: size!, probe });
  }

  encode(text: string): Int32Array {
    const tokens: unknown = this.functions('encode').encode(text);
    if (!isInt32(tokens))
      throw new DataError(`tokenizer: encode: expected to give an Int32Array, received ${describe(tokens)}`);
    checkTokens(tokens, this.size);
    return tokens;
  }

  decode(tokens: ArrayLike<number>): string {
    checkTokens(tokens, this.size);
    const text: unknown = this.functions('decode').decode(Int32Array.from(tokens));
    if (typeof text !== 'string')
      throw new DataError(`tokenizer: decode: expected to give a string, received ${describe(text)}`);
    return text;
  }

  equals(other: Vocabulary): boolean {
    if (!(other instanceof TokenizerVocabulary)) return false;
    return JSON.stringify(this) === JSON.stringify(other);
  }

  toJSON(): TokenizerJson {
    const { name, size, probe } = this;
    return { tokenizer: { name, size, probe } };
  }

  private functions(what: string): Tokenizer {
    if (this.tokenizer) return this.tokenizer;
    throw new StateError(
      `${what}: the model was trained with the tokenizer '${this.name}', which a file cannot keep; ` +
        'give it again: load(path, { tokenizer })',
    );
  }
}

function probeOf({ encode }: Tokenizer): readonly number[] | null {
  try {
    return Array.from(encode(probeText));
  } catch {
    // A tokenizer of a small vocabulary may refuse; so will the same one tomorrow.
    return null;
  }
}
