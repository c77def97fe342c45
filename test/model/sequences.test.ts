/** Classification and tagging, from records to names of classes, by every cell, stacked and in both directions. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  adam,
  crossEntropy,
  embedding,
  gru,
  linear,
  load,
  lstm,
  meanSquaredError,
  sequential,
  sequences,
  type Sequential,
} from '../../lib';
import { cells, shapes } from '../support/cellLayers';
import { Random } from '../support/random';

let folder = '';
beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'sequences-'))));
afterEach(() => rm(folder, { recursive: true }));

/** Words of 0 to 9 letters; the class is whether there are more a than b, the tags whether a letter is one of the two. */
const random = new Random(1);
const records = Array.from({ length: 200 }, () => {
  const letters = Array.from({ length: Math.floor(random.next() * 10) }, () => 'abcd'[Math.floor(random.next() * 4)]!);
  const count = (letter: string) => letters.filter((one) => one === letter).length;
  return {
    letters,
    majority: count('a') > count('b') ? 'a' : 'not a',
    tags: letters.map((letter) => ('ab'.includes(letter) ? 'early' : 'late')),
  };
});
const share = (truths: readonly string[], guesses: readonly string[]) =>
  truths.filter((truth, index) => truth === guesses[index]).length / truths.length;

const path = () => join(folder, 'model.safetensors');
const training = () => ({ loss: crossEntropy(), optimizer: adam({ lr: 0.02 }), metrics: ['accuracy'] });

async function expectSameAfterLoading<R>(model: Sequential, recognize: (model: Sequential) => Promise<R>): Promise<R> {
  const result = await recognize(model);
  await model.save(path());
  const loaded = (await load(path())) as Sequential;
  expect(await recognize(loaded)).toEqual(result);
  return result;
}

describe.each(Object.keys(cells))('%s', (name) => {
  const cell = cells[name]!;
  for (const shape of shapes) {
    const described = `${shape.numLayers} layers, ${shape.bidirectional ? 'both directions' : 'one direction'}`;

    test(`classifies words of unequal length better than the commonest class, and the same after loading: ${described}`, async () => {
      const corpus = await sequences.from(records, {
        inputs: ({ letters }) => letters.join(''),
        label: (r) => r.majority,
      });
      const { size } = corpus.vocabulary!;
      const model = sequential([embedding(size, 6), cell({ ...shape, output: 'last' }), linear(2)], { seed: 1 });
      const batches = corpus.train.batches({ batchSize: 20 });
      await model.fit(batches, { ...training(), epochs: 12 });
      const test = corpus.test.indices.map((index) => records[index]!);
      const results = await expectSameAfterLoading(model, (one) =>
        sequences.classify(
          one,
          test.map(({ letters }) => letters.join('')),
        ),
      );
      const truths = test.map(({ majority }) => majority);
      const baseline = share(
        truths,
        truths.map(() => 'not a'),
      );
      expect(
        share(
          truths,
          results.map(({ label }) => label),
        ),
      ).toBeGreaterThan(Math.min(0.95, baseline + 0.1));
    });

    test(`tags each letter, whatever the padding, and the same after loading: ${described}`, async () => {
      const corpus = await sequences.from(records, { inputs: ({ letters }) => letters, label: ({ tags }) => tags });
      const { size } = corpus.vocabulary!;
      const model = sequential([embedding(size, 6), cell(shape), linear(2)], { seed: 1 });
      await model.fit(corpus.train.batches({ batchSize: 20 }), { ...training(), epochs: 6 });
      const test = corpus.test.indices.map((index) => records[index]!);
      const sentences = test.map(({ letters }) => letters);
      const results = await expectSameAfterLoading(model, (one) => sequences.tag(one, sentences));
      expect(results.map((tags) => tags.length)).toEqual(sentences.map(({ length }) => length));
      expect(
        share(
          test.flatMap(({ tags }) => tags),
          results.flat().map(({ label }) => label),
        ),
      ).toBe(1);
      // One at a time, without padding.
      const alone = await sequences.tag(model, sentences, { batchSize: 1 });
      expect(alone).toEqual(results);
    });
  }
});

test('a model of numbers for each step learns a number for each sequence', async () => {
  const data = Array.from({ length: 120 }, (_, index) => Array.from({ length: 1 + (index % 6) }, () => random.next()));
  const corpus = await sequences.from(data, {
    inputs: (values) => values,
    target: (values) => values.reduce((a, b) => a + b, 0),
  });
  const model = sequential([lstm(12, { output: 'last' }), linear(1)], { seed: 1 });
  const loss = meanSquaredError();
  const { loss: before } = await model.evaluate(corpus.test.batches({ batchSize: 8 }), { loss });
  await model.fit(corpus.train.batches({ batchSize: 8 }), { loss, optimizer: adam({ lr: 0.02 }), epochs: 25 });
  const { loss: after } = await model.evaluate(corpus.test.batches({ batchSize: 8 }), { loss });
  expect(after).toBeLessThan(before / 20);
});

describe('classify and tag', () => {
  const trained = async () => {
    const corpus = await sequences.from(records, {
      inputs: ({ letters }) => letters,
      label: ({ majority }) => majority,
    });
    const model = sequential([embedding(corpus.vocabulary!.size, 3), gru(4, { output: 'last' }), linear(2)], {
      seed: 1,
    });
    await model.fit(corpus.train.batches({ batchSize: 50 }), { ...training(), epochs: 1 });
    return { model, corpus };
  };

  it('give probabilities of all classes in the order of the inputs', async () => {
    const { model } = await trained();
    const inputs = [['a', 'b', 'c'], [], ['d']];
    const results = await sequences.classify(model, inputs, { batchSize: 2 });
    for (const [index, { label, probability, probabilities }] of results.entries()) {
      expect(probabilities[0]! + probabilities[1]!).toBeCloseTo(1, 12);
      expect(probability).toBe(Math.max(...probabilities));
      expect(label).toBe(model.labels!.names[probabilities.indexOf(probability)]);
      expect(await sequences.classify(model, [inputs[index]!.length ? inputs[index]! : ''])).toEqual([results[index]]);
    }
  });

  it('refuse what the model cannot read, and a model that says something else', async () => {
    const { model, corpus } = await trained();
    await expect(sequences.classify(model, [['x']])).rejects.toThrow(
      "classify: record 0: inputs: tokens: expected the 4 of the vocabulary, received 'x'",
    );
    await expect(sequences.tag(model, [['a']])).rejects.toThrow(
      'tag: expected a model that gives [B, T, 2], its labels, received [1, 2]; sequences.classify reads',
    );
    await expect(sequences.classify(model, 'abc' as never)).rejects.toThrow('classify: expected an array of sequences');
    const bare = sequential([linear(2)]);
    await expect(sequences.classify(bare, [[1]])).rejects.toThrow('classify: the model has no labels');
    bare.labels = corpus.labels;
    await expect(sequences.classify(bare, [['a']])).rejects.toThrow(
      'classify: the model has no vocabulary, so it cannot read strings',
    );
  });

  it('belong to labels: data with others are refused', async () => {
    const { model, corpus } = await trained();
    const other = await sequences.from(records, {
      inputs: ({ letters }) => letters,
      label: ({ majority }) => `${majority}!`,
      vocabulary: corpus.vocabulary!,
    });
    const batches = other.train.batches({ batchSize: 50 });
    await expect(model.fit(batches, training())).rejects.toThrow('the data have other labels than the model');
    await expect(model.evaluate(batches, { loss: crossEntropy() })).rejects.toThrow(
      'evaluate: the data have other labels',
    );
  });
});

describe('weights of records', () => {
  const read = (weight?: (record: (typeof records)[number], index: number) => number) =>
    sequences.from(records, {
      inputs: ({ letters }) => letters,
      label: ({ majority }) => majority,
      ...(weight && { weight }),
      split: [1, 0, 0],
    });

  test('go with them into batches, whatever their order, and say how much each counts', async () => {
    const weight = ({ majority }: (typeof records)[number], index: number) => (majority === 'a' ? index : 0.5);
    const { train, labels } = await read(weight);
    const batches = train.batches({ batchSize: 7, seed: 3 });
    const order = batches.order(0).flat();
    const given = [...batches].flatMap(({ weights }) => Array.from(weights!.data));
    expect(given).toEqual(order.map((index) => weight(records[index]!, index)));
    const model = sequential([embedding(4, 4), lstm(6, { output: 'last' }), linear(labels!.size)], { seed: 2 });
    const lossOf = async (weight?: Parameters<typeof read>[0]) =>
      (await model.evaluate((await read(weight)).train.batches({ batchSize: 16 }), { loss: crossEntropy() })).loss;
    const share = records.filter(({ majority }) => majority === 'a').length / records.length;
    const one = await lossOf(({ majority }) => Number(majority === 'a'));
    const other = await lossOf(({ majority }) => Number(majority !== 'a'));
    expect(await lossOf()).toBeCloseTo(share * one + (1 - share) * other, 5);
    expect(await lossOf(() => 3)).toBeCloseTo(await lossOf(), 6);
  });

  test('that are none are refused, with their record', async () => {
    for (const wrong of [-1, NaN, Infinity, 1e39, '1', null])
      await expect(read((_, index) => (index === 4 ? (wrong as number) : 1))).rejects.toThrow(
        'sequences: record 4: weight: expected a finite number of 0 or more, received',
      );
    await expect(read(2 as never)).rejects.toThrow('sequences: weight: expected a function of a record, received 2');
  });
});
