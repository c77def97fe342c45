/** Text as a language model reads it: tokens, cut into parts in reading order, fed as contiguous batches. */
import { DataError, OptionError } from '../../errors';
import { describe, filePath } from '../../options';
import { boundariesOf } from '../split';
import { byteVocabulary } from '../vocabularies/bytes';
import { TokenizerVocabulary } from '../vocabularies/tokenizer';
import { CharacterVocabulary } from '../vocabularies/characters';
import { Vocabulary } from '../vocabulary';
import { characterTokens } from './characters';
import {
  checkTextFileOptions,
  checkTextOptions,
  type CheckedTextOptions,
  type TextFileOptions,
  type TextOptions,
} from './options';
import { TextPart } from './part';
import { decoded, encodePieces, tokenizerTokens } from './pieces';
import { fileBytes, JoinedBytes, type ByteSource } from './sources';
import { isStream, spooled, type TextStream } from './streams';
import { DiskTokens, fixedWidth, MemoryTokens, type TokenStore } from './tokens';

export interface Corpus {
  readonly vocabulary: Vocabulary;
  readonly train: TextPart;
  readonly validation: TextPart;
  readonly test: TextPart;
}

/** Bytes of text that are read into memory unless the user says otherwise: their tokens take four times as much. */
const memoryLimit = 16 * 1024 * 1024;

export const text = {
  /**
   * @example
   * const corpus = text.fromString('to be or not to be', { split: [0.5, 0.25, 0.25] });
   * await model.fit(corpus.train.batches({ batchSize: 2, sequenceLength: 4 }), { loss: crossEntropy(), optimizer: adam() });
   *
   * @throws OptionError for bad options, DataError for an empty text or one with characters that `vocabulary` lacks.
   */
  fromString(source: string, options: TextOptions = {}): Corpus {
    const checked = checkTextOptions(options);
    if (typeof source !== 'string') throw new DataError(`text: expected a string, received ${describe(source)}`);
    return corpusOfString(source, checked);
  },

  /**
   * As `fromString`, from a UTF-8 file; with `level: 'bytes'`, any file. One of more than 16 MiB stays on the disk: windows are read when
   * they are needed, so it may be larger than memory. Then characters are counted and checked once, by one pass over the file.
   *
   * @throws DataError when it cannot be read, is not UTF-8, or has changed since.
   */
  fromFile(path: string, options: TextFileOptions = {}): Promise<Corpus> {
    return fromPaths([path], options);
  },

  /** As `fromFile`, from several, in the order given, as one text: nothing stands between the last character of one and the first of the next. */
  async fromFiles(paths: readonly string[], options: TextFileOptions = {}): Promise<Corpus> {
    if (!Array.isArray(paths) || paths.length === 0)
      throw new OptionError(`text: paths: expected one or more names of files, received ${describe(paths)}`);
    return fromPaths(paths, options);
  },

  /**
   * As `fromFile`, from what gives strings or UTF-8 bytes and can be read only once, such as standard input or the body of a response.
   * More than 16 MiB are put in a temporary file, which the system frees with the process.
   *
   * @throws DataError when the stream fails, gives something else, or the disk is full.
   */
  async fromStream(stream: TextStream, options: TextFileOptions = {}): Promise<Corpus> {
    const checked = checkTextFileOptions(options);
    if (!isStream(stream)) throw new DataError(`text: expected a stream of text, received ${describe(stream)}`);
    const { inMemory, temporaryFolder } = options;
    const limit = inMemory === undefined ? memoryLimit : inMemory ? Infinity : 0;
    return corpusOfSources([await spooled(stream, limit, temporaryFolder)], checked, options);
  },
};

async function fromPaths(paths: readonly string[], options: TextFileOptions): Promise<Corpus> {
  const checked = checkTextFileOptions(options);
  for (const path of paths) filePath('text', path);
  const sources: ByteSource[] = [];
  for (const path of paths) sources.push(await fileBytes(path));
  return corpusOfSources(sources, checked, options);
}

async function corpusOfSources(
  sources: readonly ByteSource[],
  checked: CheckedTextOptions,
  { inMemory, temporaryFolder }: TextFileOptions,
): Promise<Corpus> {
  const { vocabulary } = checked;
  const size = sources.reduce((sum, source) => sum + source.size, 0);
  const isHeld = inMemory ?? size <= memoryLimit;
  if (vocabulary === byteVocabulary) {
    const bytes = new JoinedBytes(
      sources,
      sources.map(() => 0),
    );
    const store = isHeld
      ? new MemoryTokens(Int32Array.from(await bytes.read(0, size)))
      : new DiskTokens(bytes, fixedWidth(1), size);
    return corpusOf(store, vocabulary, checked);
  }
  if (isHeld) {
    let whole = '';
    for await (const part of decoded(sources)) whole += part;
    return corpusOfString(whole, checked);
  }
  if (vocabulary instanceof TokenizerVocabulary)
    return corpusOf(await tokenizerTokens(sources, vocabulary, temporaryFolder), vocabulary, checked);
  if (vocabulary !== null && !(vocabulary instanceof CharacterVocabulary))
    throw new OptionError('text: vocabulary: one of words reads text in memory only; give { inMemory: true }');
  const characters = await characterTokens(sources, vocabulary);
  return corpusOf(characters.store, characters.vocabulary, checked);
}

function corpusOfString(source: string, checked: CheckedTextOptions): Corpus {
  const vocabulary = checked.vocabulary ?? Vocabulary.of(source);
  const tokens =
    vocabulary instanceof TokenizerVocabulary ? encodePieces(source, vocabulary) : vocabulary.encode(source);
  return corpusOf(new MemoryTokens(tokens), vocabulary, checked);
}

function corpusOf(store: TokenStore, vocabulary: Vocabulary, { split }: CheckedTextOptions): Corpus {
  const { length } = store;
  if (length === 0) throw new DataError('text: expected at least one character, received none');
  const [trainEnd, validationEnd] = boundariesOf(split, length);
  return {
    vocabulary,
    train: new TextPart('train', store, vocabulary, 0, trainEnd),
    validation: new TextPart('validation', store, vocabulary, trainEnd, validationEnd),
    test: new TextPart('test', store, vocabulary, validationEnd, length),
  };
}
