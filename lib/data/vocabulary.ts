import { DataError, OptionError } from '../errors';
import { byteVocabulary } from './vocabularies/bytes';
import { CharacterVocabulary } from './vocabularies/characters';
import { TokenizerVocabulary, type Tokenizer } from './vocabularies/tokenizer';
import { WordVocabulary } from './vocabularies/words';

/** What tokens 0..size-1 stand for: characters, bytes, words, or what a tokenizer makes of text. */
export interface Vocabulary {
  readonly size: number;
  /** @throws DataError for text that it has no tokens for. */
  encode(text: string): Int32Array;
  /** @throws DataError for a token that is out of range. */
  decode(tokens: ArrayLike<number>): string;
  /** Whether every token stands for the same. */
  equals(other: Vocabulary): boolean;
  /** What a model file keeps. */
  toJSON(): unknown;
}

export const Vocabulary = {
  /** The characters (code points) that occur in a text, in their order: `Vocabulary.of('banana').size` is 3. */
  of: (text: Iterable<string>): CharacterVocabulary => CharacterVocabulary.of(text),

  /** Any kind. @throws DataError unless `json` is what `toJSON` of a vocabulary gave. */
  fromJSON(json: unknown): Vocabulary {
    const keys = typeof json === 'object' && json !== null ? json : {};
    if ('level' in keys) {
      if (keys.level === 'bytes') return byteVocabulary;
      throw new DataError(`vocabulary: expected the level 'bytes', received ${JSON.stringify(keys.level)}`);
    }
    if ('tokenizer' in keys) return TokenizerVocabulary.fromJSON(json);
    if ('words' in keys) return WordVocabulary.fromJSON(json);
    return CharacterVocabulary.fromJSON(json);
  },
} as const;

/** The vocabulary of a model with the tokenizer given again. @throws OptionError when it is another, or none is needed. */
export function withTokenizer(vocabulary: Vocabulary | null, tokenizer: Tokenizer): Vocabulary {
  const given = TokenizerVocabulary.of(tokenizer);
  if (!(vocabulary instanceof TokenizerVocabulary))
    throw new OptionError('load: tokenizer: the model was not trained with one; leave it out');
  if (given.equals(vocabulary)) return given;
  const [expected, received] = [vocabulary, given].map(({ name, size }) => `'${name}' of ${size} tokens`);
  throw new OptionError(
    `load: tokenizer: expected ${expected}, received ${
      expected === received ? 'one of that name and size that makes other tokens of the same text' : received
    }`,
  );
}
