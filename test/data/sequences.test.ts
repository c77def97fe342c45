import fc from 'fast-check';
import { DataError, OptionError, sequences, Vocabulary, WordVocabulary, type SequenceOptions } from '../../lib';
import { iterate } from '../../lib/data/batch';

interface Word {
  readonly text: string;
  readonly kind: string;
}
const words: readonly Word[] = Array.from({ length: 40 }, (_, index) => ({
  text: 'ab'.repeat(index % 7),
  kind: index % 4 === 0 ? 'rare' : 'common',
}));
const options: SequenceOptions<Word> = { inputs: ({ text }) => text, label: ({ kind }) => kind };
const whole = { split: [1, 0, 0] } as const;

/** Rows of a batch without their padding. */
const rowsOf = (data: ArrayLike<number>, [, steps = 1, size = 1]: readonly number[], lengths: ArrayLike<number>) =>
  Array.from(lengths, (length, row) => Array.from(data).slice(row * steps * size, row * steps * size + length * size));

describe('sequences from records', () => {
  it('are padded batches of tokens, lengths and classes, with labels and vocabulary', async () => {
    const { train, labels, vocabulary, features } = await sequences.from(
      [
        { text: 'ba', kind: 'x' },
        { text: '', kind: 'y' },
        { text: 'abb', kind: 'x' },
      ],
      { ...options, ...whole },
    );
    expect([labels!.names, vocabulary!.size, features]).toEqual([['x', 'y'], 2, null]);
    const batches = train.batches({ batchSize: 3, bucketed: false, shuffle: false });
    expect([...batches]).toEqual([
      {
        inputs: { data: Int32Array.of(1, 0, 0, 0, 0, 0, 0, 1, 1), shape: [3, 3] },
        targets: { data: Int32Array.of(0, 1, 0), shape: [3] },
        lengths: { data: Int32Array.of(2, 0, 3), shape: [3] },
      },
    ]);
    expect([batches.labels, batches.vocabulary, batches.length]).toEqual([labels, vocabulary, 1]);
  });

  it('may be numbers, in rows or side by side, tokens, or words', async () => {
    const firstBatch = async (inputs: SequenceOptions<number>['inputs'], more: object = {}) => {
      const corpus = await sequences.from([0], { inputs, target: () => 1, ...whole, ...more });
      return [...corpus.train.batches({ batchSize: 1 })][0]!.inputs;
    };
    const rows = { data: Float32Array.of(1, 2, 3, 4), shape: [1, 2, 2] };
    expect(
      await firstBatch(() => [
        [1, 2],
        [3, 4],
      ]),
    ).toEqual(rows);
    expect(await firstBatch(() => Float32Array.of(1, 2, 3, 4), { features: 2 })).toEqual(rows);
    expect(await firstBatch(() => [1, 2, 3, 4])).toEqual({ ...rows, shape: [1, 4, 1] });
    expect(await firstBatch(() => Int32Array.of(5, 3))).toEqual({ data: Int32Array.of(5, 3), shape: [1, 2] });
    expect(await firstBatch(() => ['to', 'be', 'to'])).toEqual({ data: Int32Array.of(1, 0, 1), shape: [1, 3] });
    expect(await firstBatch(() => [])).toEqual({ data: Int32Array.of(0), shape: [1, 1] });
  });

  it('have labels for each step, of which some may be missing, or numbers', async () => {
    const tagged = await sequences.from([['N', null, 'V'], [], ['V']], {
      inputs: (tags) => tags.map(() => 1),
      label: (tags) => tags,
      ...whole,
    });
    expect([...tagged.train.batches({ batchSize: 3, bucketed: false, shuffle: false })][0]!.targets).toEqual({
      data: Int32Array.of(0, -100, 1, 0, 0, 0, 1, 0, 0),
      shape: [3, 3],
    });
    const numbers = async (target: SequenceOptions<number>['target']) => {
      const corpus = await sequences.from([2, 1], { inputs: (n) => Array<number>(n).fill(0), target, ...whole });
      return [...corpus.train.batches({ batchSize: 2, bucketed: false, shuffle: false })][0]!.targets!;
    };
    expect(await numbers((n) => n)).toEqual({ data: Float32Array.of(2, 1), shape: [2, 1] });
    expect(await numbers((n) => [n, -n])).toEqual({ data: Float32Array.of(2, -2, 1, -1), shape: [2, 2] });
    expect(await numbers((n) => Array.from({ length: n }, (_, step) => [step + 1]))).toEqual({
      data: Float32Array.of(1, 2, 1, 0),
      shape: [2, 2, 1],
    });
  });

  it('name classes that are numbers in their order', async () => {
    const { labels } = await sequences.from([10, 9, 2], { inputs: () => [1], label: (n) => n });
    expect(labels!.names).toEqual(['2', '9', '10']);
  });

  it('may come one after another', async () => {
    const stream = async function* () {
      yield* words;
    };
    const [fromStream, fromArray] = [await sequences.from(stream(), options), await sequences.from(words, options)];
    const batches = { batchSize: 7 };
    expect([...fromStream.train.batches(batches)]).toEqual([...fromArray.train.batches(batches)]);
  });
});

describe('the split', () => {
  it('gives each record to one part, as the seed says', async () => {
    const corpus = await sequences.from(words, { ...options, seed: 3 });
    const parts = [corpus.train, corpus.validation, corpus.test];
    expect(parts.map(({ size }) => size)).toEqual([32, 4, 4]);
    expect(parts.flatMap(({ indices }) => indices).sort((a, b) => a - b)).toEqual(words.map((_, index) => index));
    expect((await sequences.from(words, { ...options, seed: 3 })).test.indices).toEqual(corpus.test.indices);
    expect((await sequences.from(words, { ...options, seed: 4 })).test.indices).not.toEqual(corpus.test.indices);
  });

  it('can keep the shares of the classes', async () => {
    for (const seed of [1, 2, 3]) {
      const { test } = await sequences.from(words, { ...options, seed, stratify: true, split: [0.5, 0, 0.5] });
      expect(test.indices.filter((index) => words[index]!.kind === 'rare')).toHaveLength(5);
      expect(test.size).toBe(20);
    }
  });

  it('takes as many records as there are, and so does a batch', async () => {
    const count = 200_000;
    const { train } = await sequences.from(Array.from({ length: count }), {
      inputs: () => [1],
      target: () => 1,
      ...whole,
    });
    const [batch] = [...train.batches({ batchSize: count })];
    expect(batch!.inputs.shape).toEqual([count, 1, 1]);
  });

  it('can be said by a function', async () => {
    const { test, train } = await sequences.from(words, {
      ...options,
      split: (_, index) => (index < 3 ? 'test' : 'train'),
    });
    expect([test.indices, train.size]).toEqual([[0, 1, 2], 37]);
    await expect(sequences.from(words, { ...options, split: () => 'dev' as never })).rejects.toThrow(
      "split: expected 'train', 'validation' or 'test' for record 0, received 'dev'",
    );
  });
});

describe('bucketed batches', () => {
  const data = Array.from({ length: 500 }, (_, index) => ({ id: index, length: (index * 37) % 50 }));
  const corpus = () =>
    sequences.from(data, {
      inputs: ({ length, id }) => Array<number>(length).fill(id),
      target: ({ id }) => id,
      ...whole,
    });
  const ids = (batches: Iterable<{ targets?: { data: ArrayLike<number> } }>) =>
    [...batches].map(({ targets }) => Array.from(targets!.data));

  it('hold each sequence once in every pass, whole, in another order from pass to pass, and can begin anywhere', async () => {
    const { train } = await corpus();
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          batchSize: fc.integer({ min: 1, max: 90 }),
          bucketed: fc.boolean(),
          shuffle: fc.boolean(),
          seed: fc.nat(),
        }),
        async (chosen) => {
          const batches = train.batches(chosen);
          const passes = [0, 1].map((epoch) => [...batches.pass(epoch, 0)]);
          expect(passes[0]).toHaveLength(batches.length);
          for (const pass of passes)
            expect(
              ids(pass)
                .flat()
                .sort((a, b) => a - b),
            ).toEqual(data.map(({ id }) => id));
          if (chosen.shuffle && batches.length > 1) expect(ids(passes[0]!)).not.toEqual(ids(passes[1]!));
          for (const { inputs, targets, lengths } of passes[1]!) {
            const rows = rowsOf(inputs.data, inputs.shape, lengths!.data);
            expect(rows).toEqual(Array.from(targets!.data, (id) => Array<number>(data[id]!.length).fill(id)));
          }
          const begun: unknown[] = [];
          for await (const batch of iterate(batches, { epoch: 1, begin: 2 })) begun.push(batch);
          expect(begun).toEqual(passes[1]!.slice(2));
        },
      ),
      { numRuns: 15 },
    );
  });

  it('pad little', async () => {
    const { train } = await corpus();
    const padding = (bucketed: boolean) =>
      [...train.batches({ batchSize: 10, bucketed })].reduce(
        (sum, { inputs, lengths }) => sum + inputs.data.length - Array.from(lengths!.data).reduce((a, b) => a + b, 0),
        0,
      );
    expect(padding(true)).toBeLessThan(padding(false) / 10);
  });
});

describe('unknown words', () => {
  const sentences = [
    ['a', 'b', 'b'],
    ['b', 'a'],
    ['c', 'b'],
  ];
  const base = { inputs: (sentence: string[]) => sentence, target: () => 0 };
  const split = (_: unknown, index: number) => (index === 2 ? ('test' as const) : ('train' as const));

  it('are mapped to one token, which the training part alone decides', async () => {
    const { vocabulary, test } = await sequences.from(sentences, { ...base, split, unknown: 'map', minCount: 3 });
    expect((vocabulary as WordVocabulary).words).toEqual(['b']);
    expect([...test.batches({ batchSize: 1 })][0]!.inputs.data).toEqual(Int32Array.of(0, 1));
  });

  it('are refused otherwise, with the record and the place', async () => {
    const vocabulary = WordVocabulary.of(['a', 'b']);
    await expect(sequences.from(sentences, { ...base, vocabulary })).rejects.toThrow(
      "sequences: record 2: inputs: tokens: expected the 2 of the vocabulary, received 'c' at index 0",
    );
    await expect(sequences.from(sentences, { ...base, vocabulary: Vocabulary.of('abc') })).rejects.toThrow(
      'record 0: inputs: expected a string, as the vocabulary is not one of words, received an array of strings',
    );
  });
});

describe('bad records', () => {
  const cases: readonly [inputs: readonly unknown[], message: string][] = [
    [[[1], 'a'], 'sequences: record 1: inputs: expected numbers as before, received a string'],
    [[3], 'record 0: inputs: expected a string, an array or a typed array, received 3'],
    [[[[1, 2]], [[1, 2, 3]]], 'record 1: inputs: expected 2 numbers for each step, received 3'],
    [[[[1, 2], [1]]], 'record 0: inputs: expected 2 numbers for each step, received 1 at step 1'],
    [[[[1, NaN]]], 'record 0: inputs: expected finite numbers, received NaN at step 0, feature 1'],
    [[[1, 'x']], "record 0: inputs: expected finite numbers, received 'x' at step 1, feature 0"],
    [[[[]]], 'record 0: inputs: expected 1 numbers for each step, received 0'],
    [[Int32Array.of(1, -1)], 'record 0: inputs: expected tokens of 0 or more, received -1 at step 1'],
  ];
  it.each(cases)('%j are refused with their place', async (inputs, message) => {
    await expect(sequences.from(inputs, { inputs: (value) => value as number[], target: () => 0 })).rejects.toThrow(
      message,
    );
  });

  it('with labels or numbers that do not fit are refused', async () => {
    const labelled = (labels: readonly unknown[]) =>
      sequences.from(labels, { inputs: () => [1, 2], label: (label) => label as string, ...whole });
    await expect(labelled(['a', ['b', 'b']])).rejects.toThrow(
      "record 1: label: expected a single label, as before, received ['b', 'b']",
    );
    await expect(labelled(['a', undefined])).rejects.toThrow(
      'record 1: label: expected a string, a number or a boolean, received undefined',
    );
    await expect(labelled([['a']])).rejects.toThrow(
      'record 0: label: expected 2 labels, one for each step, received 1',
    );
    await expect(labelled([['a', {}]])).rejects.toThrow('or null for none, at step 1');
    const { labels } = await labelled(['a', 'b']);
    await expect(
      sequences.from(['c'], { inputs: () => [1], label: (label) => label, labels: labels! }),
    ).rejects.toThrow("record 0: label: expected one of 'a', 'b', received 'c'");
    const numbered = (targets: readonly unknown[]) =>
      sequences.from(targets, { inputs: () => [1, 2], target: (target) => target as number });
    await expect(numbered([1, [1, 2]])).rejects.toThrow('record 1: target: expected 1 numbers, as before, received 2');
    await expect(numbered([1, Infinity])).rejects.toThrow(
      'record 1: target: expected finite numbers, received Infinity',
    );
    await expect(numbered([[[1]]])).rejects.toThrow(
      'record 0: target: expected 2 targets, one for each step, received 1',
    );
  });

  it('and bad options are refused', async () => {
    const refused = async (bad: object, message: string) => {
      await expect(sequences.from(words, { ...options, ...bad })).rejects.toThrow(message);
    };
    await refused({ inputs: 3 }, 'sequences: inputs: expected a function of a record, received 3');
    await refused({ label: undefined }, 'expected label or target, received neither');
    await refused({ target: () => 1 }, 'expected label or target, received both');
    await refused({ split: [0.5, 0.2, 0.1] }, 'split: expected three fractions that add up to 1');
    await refused({ labels: ['A', 'B'] }, 'labels: expected Labels, such as Labels.of(names), received');
    await refused({ unknown: 'skip' }, "unknown: expected 'refuse' or 'map', received 'skip'");
    await refused({ minCount: 2 }, "minCount: needs unknown: 'map'");
    await refused({ stratify: true, split: () => 'train' }, 'stratify: needs labels and fractions');
    await refused({ seed: 1.5 }, 'seed: expected an integer');
    await expect(sequences.from([], options)).rejects.toThrow('expected one or more records, received none');
    await expect(sequences.from(3 as never, options)).rejects.toThrow(DataError);
    const { train, test } = await sequences.from(words, { ...options, ...whole });
    expect(() => test.batches({ batchSize: 1 })).toThrow('test: expected one or more sequences, received none');
    expect(() => train.batches({ batchSize: 0 })).toThrow(OptionError);
  });
});
