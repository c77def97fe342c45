import { appendFileSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import fc from 'fast-check';
import { text, Vocabulary, type Corpus, type TextFileOptions, type Tokenizer } from '../../lib';
import { iterate, type Data } from '../../lib/data/batch';
import { InvalidUtf8, scan, wholeEnd } from '../../lib/data/text/utf8';
import { Random } from '../support/random';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'text-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

let files = 0;
const write = (content: string | Uint8Array) => {
  const path = join(folder, `${files++}.txt`);
  writeFileSync(path, content);
  return path;
};

/** Characters of one to four bytes, more than several blocks of them. */
function prose(seed: number, length: number): string {
  const random = new Random(seed);
  const alphabet = [...'etaoin shrdlu\n', 'é', 'ß', '—', '中', '😀'];
  return Array.from({ length }, () => alphabet[Math.floor(random.next() * alphabet.length)]).join('');
}

const onDisk: TextFileOptions = { inMemory: false };
const all = { split: [1, 0, 0] } as const;

/** Whole words, spaces and ends of lines apart. */
const words = ['\n', ' ', ...'etaoinshrdlué—'];
const tokenizer: Tokenizer = {
  name: 'letters',
  size: 70_000,
  encode: (source) => Int32Array.from([...source], (letter) => words.indexOf(letter) + 1),
  decode: (tokens) => Array.from(tokens, (token) => words[token - 1] ?? '?').join(''),
};

const collect = async (data: Data, begin = 0) => {
  const batches: unknown[] = [];
  for await (const { inputs, targets } of iterate(data, { epoch: 1, begin })) {
    batches.push([inputs, targets].map((tensor) => tensor && { ...tensor, data: [...(tensor.data as Int32Array)] }));
  }
  return batches;
};

describe('a text that stays on the disk', () => {
  const kinds: Readonly<Record<string, TextFileOptions>> = {
    characters: {},
    bytes: { level: 'bytes' },
    'tokens of a tokenizer': { tokenizer },
    'tokens of a small tokenizer': { tokenizer: { ...tokenizer, size: 300 } },
  };
  for (const [name, options] of Object.entries(kinds)) {
    it(`gives the batches that it would give in memory, from any of them on: ${name}`, async () => {
      const path = write(prose(1, 45_000));
      const held = await text.fromFile(path, { ...options, inMemory: true });
      const corpus = await text.fromFile(path, { ...options, inMemory: false });
      expect(corpus.vocabulary.equals(held.vocabulary)).toBe(true);
      expect([held.train.inMemory, corpus.train.inMemory]).toEqual([true, false]);
      for (const part of ['train', 'validation', 'test'] as const) {
        const [expected, received] = [held, corpus].map((one) =>
          one[part].batches({ batchSize: 3, sequenceLength: 700 }),
        );
        expect(received!.length).toBe(expected!.length);
        expect(received!.leftOut).toEqual(expected!.leftOut);
        for (const begin of [0, 1, received!.length - 1])
          expect(await collect(received!, begin)).toEqual(await collect(expected!, begin));
      }
      expect(await corpus.test.read(17, 2000)).toEqual(held.test.tokens.slice(17, 2000));
      expect(await corpus.test.read(4, 4)).toEqual(new Int32Array(0));
    });
  }

  it('is read across marks, blocks and files, wherever a character begins', async () => {
    const whole = prose(2, 150_000);
    const characters = [...whole];
    const cuts = [0, 1, 40_000, 40_000, 99_999, 150_000];
    const paths = cuts.slice(1).map((end, index) => write(characters.slice(cuts[index], end).join('')));
    const corpus = await text.fromFiles(paths, { ...onDisk, ...all });
    expect(corpus.train.length).toBe(150_000);
    await fc.assert(
      fc.asyncProperty(fc.nat(149_000), fc.nat(1000), async (begin, length) => {
        const tokens = await corpus.train.read(begin, begin + length);
        expect(corpus.vocabulary.decode(tokens)).toBe(characters.slice(begin, begin + length).join(''));
      }),
      { numRuns: 30 },
    );
  });

  it('has no byte order marks among its characters, as in memory', async () => {
    const paths = [write('\uFEFFab'), write('\uFEFF'), write('\uFEFFc\uFEFF')];
    for (const inMemory of [true, false]) {
      const { train, vocabulary } = await text.fromFiles(paths, { ...all, inMemory });
      expect(vocabulary.decode(await train.read())).toBe('abc\uFEFF');
    }
  });

  it('is iterated by for await only, and says so', async () => {
    const { train } = await text.fromFile(write('to be or not to be'), { ...onDisk, ...all });
    const batches = train.batches({ batchSize: 1, sequenceLength: 4 });
    expect(() => [...batches]).toThrow('train: the text is on a disk; iterate its batches by for await');
    expect(() => train.tokens).toThrow('train: the text is on a disk; read(begin, end) gives stretches');
    await expect(train.read(3, 99)).rejects.toThrow('expected tokens [begin, end) within 0..18, received [3, 99)');
    let count = 0;
    for await (const { inputs } of batches) count += inputs.shape[0]!;
    expect(count).toBe(batches.length);
  });

  it('is not read on when the file has changed', async () => {
    const path = write(prose(3, 20_000));
    const { train } = await text.fromFile(path, { ...onDisk, ...all });
    appendFileSync(path, 'more');
    await expect(train.read(0, 1)).rejects.toThrow(`${path}: the file has changed since it was first read`);
    rmSync(path);
    await expect(train.read(0, 1)).rejects.toMatchObject({ code: 'ERR_DATA', cause: { code: 'ENOENT' } });
  });

  it('is refused with the byte that is no UTF-8 and with the character that the vocabulary lacks', async () => {
    const cut = write(Buffer.from('abc—').subarray(0, -1));
    await expect(text.fromFile(cut, onDisk)).rejects.toThrow(`${cut}: expected UTF-8 text, at byte 3`);
    const latin = write(Buffer.concat([Buffer.from('a'.repeat(1_100_000)), Buffer.from([0xe9, 0x61])]));
    await expect(text.fromFile(latin, onDisk)).rejects.toThrow(`${latin}: expected UTF-8 text, at byte 1100000`);
    const foreign = write('a—ab');
    await expect(text.fromFile(foreign, { ...onDisk, vocabulary: Vocabulary.of('a—') })).rejects.toThrow(
      `received "b" (U+0062) at byte 5 of ${foreign}`,
    );
    await expect(text.fromFile(write(''), onDisk)).rejects.toThrow(
      'text: expected at least one character, received none',
    );
    await expect(text.fromFile(folder, onDisk)).rejects.toThrow(`${folder}: expected a file`);
  });
});

test('UTF-8 is checked as TextDecoder checks it, wherever the bytes are cut', () => {
  const bytes = fc.array(
    fc.constantFrom(
      0x00,
      0x41,
      0x7f,
      0x80,
      0x8f,
      0x90,
      0x9f,
      0xa0,
      0xbf,
      0xc0,
      0xc2,
      0xdf,
      0xe0,
      0xe1,
      0xed,
      0xef,
      0xf0,
      0xf1,
      0xf4,
      0xf5,
      0xff,
    ),
  );
  const seen = new Uint8Array(0x110000);
  fc.assert(
    fc.property(bytes, (list) => {
      const data = Uint8Array.from(list);
      let expected: number[] | null = null;
      try {
        expected = [...new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(data)].map((one) =>
          one.codePointAt(0)!,
        );
      } catch {
        // Not UTF-8.
      }
      const end = wholeEnd(data);
      const found: number[] = [];
      let count: number | null = null;
      try {
        count = scan(
          data.subarray(0, end),
          0,
          seen,
          2,
          (code) => found.push(code),
          () => {},
        );
      } catch (error) {
        expect(error).toBeInstanceOf(InvalidUtf8);
      }
      for (const code of found) seen[code] = 0;
      const isValid = count !== null && end === data.length;
      expect(isValid).toBe(expected !== null);
      if (expected) expect([count, found]).toEqual([expected.length, [...new Set(expected)]]);
    }),
    { numRuns: 1000 },
  );
});

describe('bytes', () => {
  it('are 256, whatever the text or file holds', async () => {
    const corpus = text.fromString('é!', { level: 'bytes', ...all });
    expect([...corpus.train.tokens]).toEqual([0xc3, 0xa9, 0x21]);
    expect([corpus.vocabulary.size, corpus.train.text]).toEqual([256, 'é!']);
    const binary = await text.fromFile(write(Uint8Array.of(0xff, 0, 0xfe)), { level: 'bytes', ...all });
    expect([...binary.train.tokens]).toEqual([0xff, 0, 0xfe]);
  });

  it('contradict a vocabulary of characters and a tokenizer', () => {
    const vocabulary = Vocabulary.of('ab');
    expect(() => text.fromString('ab', { level: 'bytes', vocabulary })).toThrow(
      'level: the vocabulary is not one of bytes',
    );
    expect(() => text.fromString('ab', { level: 'bytes', tokenizer })).toThrow(
      'level and tokenizer each say what a token is',
    );
    expect(() => text.fromString('ab', { level: 'words' as never })).toThrow(
      "expected 'characters' or 'bytes', received 'words'",
    );
    const { vocabulary: bytes } = text.fromString('a', { level: 'bytes' });
    expect(text.fromString('zz', { vocabulary: bytes, ...all }).train.length).toBe(2);
  });
});

describe('a tokenizer', () => {
  it('gives the same tokens in memory and on the disk, in pieces that end with a line', async () => {
    const pieces: string[] = [];
    const noting = { ...tokenizer, encode: (source: string) => (pieces.push(source), tokenizer.encode(source)) };
    const line = `${prose(4, 500).replaceAll('\n', '')}\n`;
    const source = line.repeat(2300);
    const path = write(source);
    const made = async (inMemory: boolean) => {
      pieces.length = 0;
      const { train } = await text.fromFile(path, { tokenizer: noting, inMemory, ...all });
      const given = pieces.filter((piece) => piece.length > 100);
      expect(given.length).toBeGreaterThan(1);
      expect(given.every((piece) => piece.endsWith('\n'))).toBe(true);
      expect(given.join('')).toBe(source);
      return { train, given: [...given] };
    };
    const [held, stored] = [await made(true), await made(false)];
    expect(stored.given).toEqual(held.given);
    expect(await stored.train.read()).toEqual(held.train.tokens);
  });

  it('is refused when it is none, or gives what are no tokens', () => {
    const given = (changes: object) => () =>
      text.fromString('tea', { tokenizer: { ...tokenizer, ...changes }, ...all }).train.text;
    expect(given({ encode: 3 })).toThrow('tokenizer: encode: expected a function, received 3');
    expect(given({ size: 0 })).toThrow('tokenizer: size: expected a positive integer, received 0');
    expect(given({ encode: () => [1] })).toThrow('encode: expected to give an Int32Array, received [1]');
    expect(given({ size: 3 })).toThrow(/tokens: expected integers in 0..2, received \d+ at index 0/);
    expect(given({ decode: () => 3 })).toThrow('decode: expected to give a string, received 3');
  });
});

describe('text.fromStream', () => {
  const openFiles = () => readdirSync(folder).length;

  it('reads strings and bytes, cut anywhere', async () => {
    const bytes = Buffer.from('—a😀');
    const chunks = [bytes.subarray(0, 2), bytes.subarray(2, 5), bytes.subarray(5), '\ud83d', '\ude00', 'z'];
    for (const inMemory of [true, false, undefined]) {
      const { train, vocabulary } = await text.fromStream(Readable.from(chunks), {
        ...all,
        inMemory,
        temporaryFolder: folder,
      });
      expect(vocabulary.decode(await train.read())).toBe('—a😀😀z');
      expect(openFiles()).toBe(0);
    }
  });

  it('trains from a temporary file, which has no name, as from a string', async () => {
    const source = prose(5, 30_000);
    const chunks = function* () {
      for (let at = 0; at < source.length; at += 999) yield source.slice(at, at + 999);
    };
    const spooled = await text.fromStream(chunks(), { ...onDisk, temporaryFolder: folder });
    expect([spooled.train.inMemory, openFiles()]).toEqual([false, 0]);
    const options = { batchSize: 4, sequenceLength: 100 };
    const held: Corpus = text.fromString(source);
    expect(await collect(spooled.train.batches(options))).toEqual(await collect(held.train.batches(options)));
  });

  it('tells of a stream that fails or gives something else, and of a folder that is not there', async () => {
    const failing = async function* () {
      yield 'some';
      throw new Error('cut off');
    };
    await expect(text.fromStream(failing())).rejects.toMatchObject({
      message: 'text: the stream failed after 1 chunks',
      cause: { message: 'cut off' },
    });
    await expect(text.fromStream([1] as never)).rejects.toThrow(
      'expected a stream of strings or bytes, received 1 as chunk 0',
    );
    await expect(text.fromStream(3 as never)).rejects.toThrow('text: expected a stream of text, received 3');
    const missing = join(folder, 'missing');
    expect(existsSync(missing)).toBe(false);
    await expect(text.fromStream(['a'], { ...onDisk, temporaryFolder: missing })).rejects.toThrow(
      `stream: no temporary file could be made in ${missing}`,
    );
  });
});

test('text.fromFiles wants names of files', async () => {
  await expect(text.fromFiles([])).rejects.toThrow('text: paths: expected one or more names of files');
  await expect(text.fromFiles([3 as never])).rejects.toThrow('text: path: expected the name of a file, received 3');
  const [a, b] = [write('one'), write('two')];
  expect((await text.fromFiles([b, a], all)).train.text).toBe('twoone');
});
