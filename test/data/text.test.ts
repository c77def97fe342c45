import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { DataError, OptionError } from '../../lib/errors';
import { TextPart } from '../../lib/data/text/part';
import { text } from '../../lib/data/text/text';
import { Vocabulary } from '../../lib/data/vocabulary';

const alphabet = 'abcdefghijklmnopqrstuvwxyz';
const part = (length: number) =>
  new TextPart(
    'train',
    Int32Array.from({ length }, (_, index) => index),
    Vocabulary.of(alphabet),
  );
const rows = (data: ArrayLike<number>, [batchSize, steps]: readonly number[]) =>
  Array.from({ length: batchSize! }, (_, row) => Array.from(data).slice(row * steps!, (row + 1) * steps!));

describe('a corpus', () => {
  it('is cut in reading order into 90, 5 and 5 per cent, with one vocabulary', () => {
    const source = 'a'.repeat(90) + 'b'.repeat(5) + 'c'.repeat(5);
    const corpus = text.fromString(source);
    expect([corpus.train.text, corpus.validation.text, corpus.test.text]).toEqual(['a'.repeat(90), 'bbbbb', 'ccccc']);
    expect(corpus.vocabulary.size).toBe(3);
    expect(corpus.test.vocabulary).toBe(corpus.vocabulary);
  });

  it('gives each character to exactly one part, whatever the fractions', () => {
    const corpus = text.fromString('0123456789', { split: [0.7, 0.2, 0.1] });
    expect([corpus.train.text, corpus.validation.text, corpus.test.text]).toEqual(['0123456', '78', '9']);
    expect(text.fromString('abc', { split: [1, 0, 0] }).test.length).toBe(0);
  });

  it('counts characters, not UTF-16 units', () => {
    const corpus = text.fromString('😀'.repeat(9) + '🙂');
    expect(corpus.train.length).toBe(9);
  });

  it('can take the vocabulary of a model', () => {
    const vocabulary = Vocabulary.of(alphabet);
    expect([...text.fromString('cab', { vocabulary, split: [1, 0, 0] }).train.tokens]).toEqual([2, 0, 1]);
    expect(() => text.fromString('cab!', { vocabulary })).toThrow(/received "!" \(U\+0021\) at index 3/);
  });

  it('refuses an empty text and bad options', () => {
    expect(() => text.fromString('')).toThrow(DataError);
    expect(() => text.fromString(null as never)).toThrow('text: expected a string, received null');
    for (const split of [[0.9, 0.1], [0.5, 0.4, 0.2], [1.5, -0.25, -0.25], [NaN, 0.5, 0.5], 0.9]) {
      expect(() => text.fromString('abc', { split } as never)).toThrow(OptionError);
    }
    expect(() => text.fromString('abc', { splits: [1, 0, 0] } as never)).toThrow("text: unknown option 'splits'");
  });
});

describe('text.fromFile', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'text-'));
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  it('reads UTF-8', async () => {
    const path = join(folder, 'book.txt');
    writeFileSync(path, 'Ishmael—é');
    expect((await text.fromFile(path, { split: [1, 0, 0] })).train.text).toBe('Ishmael—é');
  });

  it('names a file that is missing or not UTF-8', async () => {
    const missing = join(folder, 'missing.txt');
    await expect(text.fromFile(missing)).rejects.toMatchObject({ code: 'ERR_DATA', cause: { code: 'ENOENT' } });
    await expect(text.fromFile(missing)).rejects.toThrow(`${missing}: the text could not be read: ENOENT`);
    const latin = join(folder, 'latin.txt');
    writeFileSync(latin, Uint8Array.of(0x61, 0xe9));
    await expect(text.fromFile(latin)).rejects.toThrow(`${latin}: expected UTF-8 text`);
  });
});

describe('contiguous batches', () => {
  it('continue every row where the batch before stopped, with the next character as target', () => {
    const batches = [...part(16).batches({ batchSize: 2, sequenceLength: 3 })];
    expect(batches.map(({ inputs }) => rows(inputs.data, inputs.shape))).toEqual([
      [
        [0, 1, 2],
        [7, 8, 9],
      ],
      [
        [3, 4, 5],
        [10, 11, 12],
      ],
      [[6], [13]],
    ]);
    expect(batches.map(({ targets }) => rows(targets!.data, targets!.shape))).toEqual([
      [
        [1, 2, 3],
        [8, 9, 10],
      ],
      [
        [4, 5, 6],
        [11, 12, 13],
      ],
      [[7], [14]],
    ]);
  });

  it('say that they continue, how many they are, and which characters no target covers', () => {
    const corpusPart = part(16);
    const batches = corpusPart.batches({ batchSize: 2, sequenceLength: 3 });
    expect(batches).toMatchObject({ continuesState: true, length: 3, leftOut: { begin: 15, end: 16 } });
    expect(batches.vocabulary).toBe(corpusPart.vocabulary);
  });

  it('cover every character but the first once, save fewer than batchSize at the end', () => {
    const options = {
      n: fc.integer({ min: 2, max: 80 }),
      batchSize: fc.integer({ min: 1, max: 9 }),
      sequenceLength: fc.integer({ min: 1, max: 9 }),
    };
    fc.assert(
      fc.property(fc.record(options), ({ n, batchSize, sequenceLength }) => {
        fc.pre(n > batchSize);
        const batches = part(n).batches({ batchSize, sequenceLength });
        const all = [...batches];
        const targets = all.flatMap((batch) => [...batch.targets!.data]).sort((a, b) => a - b);
        const { begin, end } = batches.leftOut;
        expect(targets).toEqual(Array.from({ length: begin - 1 }, (_, index) => index + 1));
        expect(end).toBe(n);
        expect(end - begin).toBeLessThan(batchSize);
        expect(all.length).toBe(batches.length);
        for (const { inputs, targets } of all) {
          expect([...inputs.data].map((token) => token + 1)).toEqual([...targets!.data]);
        }
      }),
    );
  });

  it('can be iterated again, and a pass may change what it got', () => {
    const batches = part(5).batches({ batchSize: 1, sequenceLength: 4 });
    for (const { inputs } of batches) inputs.data.fill(0);
    expect([...batches].map(({ inputs }) => [...inputs.data])).toEqual([[0, 1, 2, 3]]);
  });

  it('need one character more than rows, and sizes that are positive integers', () => {
    expect(() => part(4).batches({ batchSize: 4, sequenceLength: 1 })).toThrow(
      'train: expected at least 5 characters for batchSize 4, received 4',
    );
    expect(part(5).batches({ batchSize: 4, sequenceLength: 1 }).length).toBe(1);
    for (const size of [0, -1, 1.5, NaN, '3' as never]) {
      expect(() => part(9).batches({ batchSize: size, sequenceLength: 1 })).toThrow(OptionError);
      expect(() => part(9).batches({ batchSize: 1, sequenceLength: size })).toThrow(OptionError);
    }
    expect(() => part(9).batches({ batchSize: 1, sequenceLength: 1, shuffle: true } as never)).toThrow(
      /batches: unknown option 'shuffle'/,
    );
  });
});
