import { OptionError } from '../../errors';
import { checkOptions, describe, filePath, flag } from '../../options';
import { checkFractions, type Fractions } from '../split';
import { byteVocabulary } from '../vocabularies/bytes';
import { TokenizerVocabulary, type Tokenizer } from '../vocabularies/tokenizer';
import { CharacterVocabulary } from '../vocabularies/characters';
import type { Vocabulary } from '../vocabulary';

export interface TextOptions {
  /** Fractions of the text for training, validation and test, in reading order. Default 0.9, 0.05, 0.05. */
  readonly split?: Fractions;
  /** What a token is: a character (Unicode code point), or a byte of UTF-8, of which there are 256. Default 'characters'. */
  readonly level?: 'characters' | 'bytes';
  /**
   * Other tokens: `{ size, encode, decode, name }`. A text of more than a million characters is encoded in pieces that end with a line,
   * so that no token reaches over an end of line there.
   */
  readonly tokenizer?: Tokenizer;
  /**
   * That of a model, `model.vocabulary`, for text that it shall read. Default: the characters of the whole text, so that no part
   * holds one that the model does not know.
   */
  readonly vocabulary?: Vocabulary;
}

export interface TextFileOptions extends TextOptions {
  /**
   * Whether the tokens are held in memory, four bytes each. Otherwise windows are read from the disk when they are needed; the files must
   * stay as they are. Default: where there are 16 MiB of text or less.
   */
  readonly inMemory?: boolean;
  /** Where a stream, or what a tokenizer makes of a large text, is put. Default: the system's folder for temporary files. */
  readonly temporaryFolder?: string;
}

const textOptionNames = ['split', 'level', 'tokenizer', 'vocabulary'];
const defaultSplit = [0.9, 0.05, 0.05] as const;

export interface CheckedTextOptions {
  readonly split: Fractions;
  /** Null for the characters that there are. */
  readonly vocabulary: Vocabulary | null;
}

export function checkTextOptions(options: TextOptions): CheckedTextOptions {
  checkOptions('text', options, textOptionNames);
  return checkedCommon(options);
}

export function checkTextFileOptions(options: TextFileOptions): CheckedTextOptions {
  checkOptions('text', options, [...textOptionNames, 'inMemory', 'temporaryFolder']);
  if (options.inMemory !== undefined) flag('text', 'inMemory', options.inMemory);
  if (options.temporaryFolder !== undefined) filePath('text: temporaryFolder', options.temporaryFolder);
  return checkedCommon(options);
}

function checkedCommon(options: TextOptions): CheckedTextOptions {
  const { split = defaultSplit } = options;
  checkFractions('text', split);
  return { split, vocabulary: vocabularyOf(options) };
}

function vocabularyOf({ level, tokenizer, vocabulary }: TextOptions): Vocabulary | null {
  if (level !== undefined && level !== 'characters' && level !== 'bytes')
    throw new OptionError(`text: level: expected 'characters' or 'bytes', received ${describe(level)}`);
  const given = Object.entries({ level, tokenizer, vocabulary }).filter(([, value]) => value !== undefined);
  if (tokenizer !== undefined) {
    if (given.length > 1)
      throw new OptionError(`text: ${given.map(([name]) => name).join(' and ')} each say what a token is; give one`);
    return TokenizerVocabulary.of(tokenizer);
  }
  if (vocabulary === undefined) return level === 'bytes' ? byteVocabulary : null;
  const isVocabulary = typeof vocabulary?.encode === 'function' && typeof vocabulary.equals === 'function';
  if (!isVocabulary)
    throw new OptionError(`text: vocabulary: expected that of a model or corpus, received ${describe(vocabulary)}`);
  const isOfLevel = level === 'bytes' ? vocabulary === byteVocabulary : vocabulary instanceof CharacterVocabulary;
  if (level !== undefined && !isOfLevel)
    throw new OptionError(`text: level: the vocabulary is not one of ${level}; leave the level out`);
  return vocabulary;
}
