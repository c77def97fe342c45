import { DataError } from '../../errors';
import { checkOptions, describe, flag, positiveInteger } from '../../options';
import { stringsOf } from '../strings';
import type { Vocabulary } from '../vocabulary';
import { checkText, checkTokens } from './checkTokens';

export interface WordVocabularyJson {
  /** In the order of their tokens, without the one for unknown words. */
  readonly words: readonly string[];
  /** Whether token 0 stands for all other words. */
  readonly unknown: boolean;
}

export interface WordVocabularyOptions {
  /** Token 0 stands for every word that the vocabulary lacks. Default false: such words are refused. */
  readonly unknown?: boolean;
  /** Words that occur less often are left out; needs `unknown`. Default 1. */
  readonly minCount?: number;
}

/**
 * Words, or any other strings, and the tokens that stand for them, in alphabetical order (of UTF-16 units).
 *
 * @example
 * const vocabulary = WordVocabulary.of(['to', 'be', 'or', 'not', 'to', 'be'], { unknown: true });
 * vocabulary.encodeAll(['to', 'see']); // Int32Array [4, 0]
 */
export class WordVocabulary implements Vocabulary {
  private readonly tokens: ReadonlyMap<string, number>;

  private constructor(
    /** Without the one for unknown words. */
    readonly words: readonly string[],
    /** Whether token 0 stands for all other words. */
    readonly unknown: boolean,
  ) {
    this.tokens = new Map(words.map((word, index) => [word, index + Number(unknown)]));
  }

  /** @throws DataError unless they are strings (of one string, its characters), OptionError for bad options. */
  static of(words: Iterable<string>, options: WordVocabularyOptions = {}): WordVocabulary {
    checkOptions('WordVocabulary', options, ['unknown', 'minCount']);
    const { unknown = false, minCount = 1 } = options;
    flag('WordVocabulary', 'unknown', unknown);
    positiveInteger('WordVocabulary', 'minCount', minCount);
    const all = typeof words === 'string' ? words : stringsOf('vocabulary', words);
    const counts = new Map<string, number>();
    for (const word of all) counts.set(word, (counts.get(word) ?? 0) + 1);
    const kept = [...counts].filter(([, count]) => count >= minCount).map(([word]) => word);
    return new WordVocabulary(kept.sort(), unknown);
  }

  /** @throws DataError unless `json` is what `toJSON` gave. */
  static fromJSON(json: unknown): WordVocabulary {
    const { words, unknown } = (json ?? {}) as Partial<WordVocabularyJson>;
    const valid =
      Array.isArray(words) &&
      words.every((word) => typeof word === 'string') &&
      new Set(words).size === words.length &&
      typeof unknown === 'boolean';
    if (!valid) throw new DataError('vocabulary: expected { words: [...], unknown }, distinct strings');
    return new WordVocabulary([...words], unknown);
  }

  get size(): number {
    return this.words.length + Number(this.unknown);
  }

  /** The token of each word. @throws DataError naming the first that the vocabulary lacks, unless one token stands for them. */
  encodeAll(words: readonly string[]): Int32Array {
    const isList: boolean = Array.isArray(words);
    if (!isList) throw new DataError(`tokens: expected an array of words, received ${describe(words)}`);
    return Int32Array.from(words, (word, index) => {
      const token = this.tokens.get(word) ?? (this.unknown ? 0 : -1);
      if (token >= 0) return token;
      throw new DataError(
        `tokens: expected the ${this.size} of the vocabulary, received ${describe(word)} at index ${index}; ` +
          "with unknown: 'map' one token stands for those that it lacks",
      );
    });
  }

  /**
   * The token of each character (code point), where the vocabulary is one of characters.
   *
   * @throws DataError where it is one of words: how a text becomes words, it does not know.
   */
  encode(text: string): Int32Array {
    checkText(text);
    const word = this.words.find((one) => [...one].length !== 1);
    if (word === undefined) return this.encodeAll([...text]);
    throw new DataError(
      `tokens: expected an array of words, as the vocabulary is one of words such as ${describe(word)}, ` +
        `received ${describe(text)}; split the text as that of the training was`,
    );
  }

  /** Words one after another without a space; U+FFFD for what is unknown. */
  decode(tokens: ArrayLike<number>): string {
    checkTokens(tokens, this.size);
    return Array.from(tokens, (token) => this.words[token - Number(this.unknown)] ?? '\uFFFD').join('');
  }

  equals(other: Vocabulary): boolean {
    return (
      other instanceof WordVocabulary &&
      this.unknown === other.unknown &&
      this.size === other.size &&
      this.words.every((word, index) => word === other.words[index])
    );
  }

  toJSON(): WordVocabularyJson {
    return { words: this.words, unknown: this.unknown };
  }
}
