import { DataError } from '../../errors';
import { describe } from '../../options';
import { stringsOf } from '../strings';
import type { Vocabulary } from '../vocabulary';
import { checkText, checkTokens } from './checkTokens';

/** What `toJSON` of a vocabulary of characters gives and a model file keeps. */
export interface VocabularyJson {
  /** The characters in the order of their tokens. A list, because two lone surrogates side by side would read as one. */
  readonly characters: readonly string[];
}

/**
 * Characters (Unicode code points) and the tokens 0..size-1 that stand for them, in code point order.
 *
 * @example
 * const vocabulary = Vocabulary.of('banana');
 * vocabulary.size; // 3
 * vocabulary.encode('nab'); // Int32Array [2, 0, 1]
 */
export class CharacterVocabulary implements Vocabulary {
  private readonly tokens = new Map<number, number>();

  private constructor(private readonly characters: readonly string[]) {
    characters.forEach((character, token) => this.tokens.set(codePoint(character), token));
  }

  /** The characters that occur in `text`, a string or a list of characters. @throws DataError for anything else. */
  static of(text: Iterable<string>): CharacterVocabulary {
    if (typeof text !== 'string') checkCharacters((text = stringsOf('vocabulary', text)));
    return new CharacterVocabulary([...new Set(text)].sort((a, b) => codePoint(a) - codePoint(b)));
  }

  /** @throws DataError unless `json` is what `toJSON` gave. */
  static fromJSON(json: unknown): CharacterVocabulary {
    const characters = (json as Partial<VocabularyJson> | null | undefined)?.characters;
    const valid = Array.isArray(characters) && characters.every(isCharacter) && isAscending(characters);
    if (!valid) {
      throw new DataError('vocabulary: expected { characters: [...] }, distinct characters in code point order');
    }
    return new CharacterVocabulary([...characters]);
  }

  get size(): number {
    return this.characters.length;
  }

  /** Whether every token stands for the same character. */
  equals(other: Vocabulary): boolean {
    return (
      other instanceof CharacterVocabulary &&
      this.size === other.size &&
      this.characters.every((character, token) => character === other.characters[token])
    );
  }

  /** @throws DataError naming the first character that the vocabulary lacks and its index in the string. */
  encode(text: string): Int32Array {
    checkText(text);
    const result = new Int32Array(text.length);
    let length = 0;
    for (let index = 0; index < text.length;) {
      const code = text.codePointAt(index)!;
      const token = this.tokens.get(code);
      if (token === undefined) throw this.unknownAt(code, `index ${index}`);
      result[length++] = token;
      index += code > 0xffff ? 2 : 1;
    }
    return length === text.length ? result : result.slice(0, length);
  }

  /** @throws DataError naming the first token that is out of range. */
  decode(tokens: ArrayLike<number>): string {
    checkTokens(tokens, this.size);
    return Array.from(tokens, (token) => this.characters[token]!).join('');
  }

  /** The token of a code point, or -1. */
  tokenOf(codePoint: number): number {
    return this.tokens.get(codePoint) ?? -1;
  }

  toJSON(): VocabularyJson {
    return { characters: this.characters };
  }

  /** The error for a code point that the vocabulary lacks. */
  unknownAt(code: number, place: string): DataError {
    const name = `U+${code.toString(16).toUpperCase().padStart(4, '0')}`;
    const character = JSON.stringify(String.fromCodePoint(code));
    return new DataError(
      `text: expected the ${this.size} characters of the vocabulary, received ${character} (${name}) at ${place}`,
    );
  }
}

const codePoint = (character: string): number => character.codePointAt(0)!;

const isCharacter = (value: unknown): value is string => typeof value === 'string' && [...value].length === 1;

function checkCharacters(characters: readonly string[]): void {
  const index = characters.findIndex((one) => !isCharacter(one));
  if (index >= 0)
    throw new DataError(
      `vocabulary: expected a text, or a list of single characters, received ${describe(characters[index])} at index ${index}`,
    );
}

const isAscending = (characters: readonly string[]): boolean =>
  characters.every((character, index) => index === 0 || codePoint(characters[index - 1]!) < codePoint(character));
