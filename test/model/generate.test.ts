import {
  adam,
  crossEntropy,
  DataError,
  embedding,
  generate,
  linear,
  lstm,
  OptionError,
  sequential,
  StateError,
  text,
} from '../../lib';
import { sample } from '../../lib/model/generate';
import { eachBackend, type BackendName } from '../support/eachBackend';
import { languageModel, tokenBatch } from '../support/models';

const corpus = text.fromString('abcd'.repeat(100));

async function trained(backend: BackendName) {
  const layers = [embedding(4, 4), lstm(8), linear(4)];
  const model = sequential(layers, { backend, seed: 1 });
  const data = corpus.train.batches({ batchSize: 4, sequenceLength: 16 });
  await model.fit(data, { loss: crossEntropy(), optimizer: adam({ lr: 0.05 }), maxSteps: 60 });
  return model;
}

eachBackend((backend) => {
  test('a trained model goes on with what it has learnt, and brings the vocabulary of its data', async () => {
    const model = await trained(backend);
    expect(await generate(model, { prompt: 'ab', length: 8, temperature: 0 })).toBe('abcdabcdab');
  });

  test('the same seed gives the same text, another seed another', async () => {
    const model = sequential([embedding(4, 4), lstm(8), linear(4)], { backend }).bind(tokensOf(4));
    model.vocabulary = corpus.vocabulary;
    const texts = await Promise.all([7, 7, 8].map((seed) => generate(model, { prompt: 'a', length: 30, seed })));
    expect(texts[0]).toBe(texts[1]);
    expect(texts[0]).not.toBe(texts[2]);
    expect(texts[0]).toHaveLength(31);
  });
});

test('a signal ends a generation, before it begins or while it is under way', async () => {
  const model = sequential([embedding(4, 4), lstm(8), linear(4)], { backend: 'reference' }).bind(tokensOf(4));
  model.vocabulary = corpus.vocabulary;
  const reason = new Error('nobody listens');
  const never = generate(model, { prompt: 'a', signal: AbortSignal.abort(reason) });
  await expect(never).rejects.toBe(reason);
  const leaving = new AbortController();
  const endless = generate(model, { prompt: 'a', length: 1e9, signal: leaving.signal });
  setImmediate(() => leaving.abort(reason));
  await expect(endless).rejects.toBe(reason);
});

describe('the vocabulary', () => {
  const options = () => ({ loss: crossEntropy(), optimizer: adam() });
  const batches = (source: string) =>
    text.fromString(source.repeat(50)).train.batches({ batchSize: 2, sequenceLength: 4 });
  const small = () => sequential([embedding(4, 4), lstm(8), linear(4)], { backend: 'reference' });

  test('is taken with the first step, so not by a training that is refused', async () => {
    const model = small();
    await expect(model.fit(batches('abc'), { ...options(), epochs: 0 })).rejects.toThrow(OptionError);
    await expect(model.fit(batches('abcdefgh'), options())).rejects.toThrow(DataError);
    expect(model.vocabulary).toBeNull();
    await model.fit(batches('abc'), options());
    expect(model.vocabulary?.decode([0, 1, 2])).toBe('abc');
  });

  test('is kept: text of another is refused, unless the model is to begin with new characters', async () => {
    const model = small();
    await model.fit(batches('abc'), options());
    await model.fit(batches('cab'), options());
    await expect(model.fit(batches('xyz'), options())).rejects.toThrow('fit: the text has another vocabulary');
    expect(model.vocabulary?.decode([0])).toBe('a');
    model.vocabulary = null;
    await model.fit(batches('xyz'), options());
    expect(model.vocabulary!.decode([0])).toBe('x');
  });
});

const tokensOf = (size: number) => {
  const { inputs } = tokenBatch(1, 2, 3);
  return { inputs: { data: inputs.data.map((token) => token % size), shape: inputs.shape } };
};

describe('sampling', () => {
  const logits = [0, Math.log(3), -Infinity, Math.log(4)];

  test('follows the cumulative softmax', () => {
    expect([0.01, 0.12, 0.13, 0.49, 0.51, 0.99].map((u) => sample(logits, 1, u))).toEqual([0, 0, 1, 1, 3, 3]);
  });

  test('at temperature 0 takes the likeliest', () => {
    expect(sample(logits, 0, 0.01)).toBe(3);
  });

  test('sharpens below temperature 1 and flattens above', () => {
    expect(sample(logits, 0.1, 0.1)).toBe(3);
    expect(sample(logits, 100, 0.3)).toBe(0);
  });

  test('does not overflow on large logits', () => {
    expect(sample([1000, 0], 1, 0.999)).toBe(0);
  });
});

describe('refused are', () => {
  const model = sequential([embedding(4, 4), lstm(3), linear(4)], { backend: 'reference' }).bind(tokensOf(4));

  test('a model without a vocabulary', async () => {
    const other = languageModel({ backend: 'reference' });
    await expect(generate(other, { prompt: 'a' })).rejects.toThrow(StateError);
  });

  test('no model at all, and one that nobody awaited', async () => {
    await expect(generate(undefined as never, { prompt: 'a' })).rejects.toThrow(
      new DataError('generate: expected a model, received undefined'),
    );
    await expect(generate(Promise.resolve(model) as never, { prompt: 'a' })).rejects.toThrow(
      new DataError('generate: expected a model, received a Promise (await it)'),
    );
  });

  test('a prompt that is no text, which is told', async () => {
    model.vocabulary = corpus.vocabulary;
    await expect(generate(model, { prompt: 5 as never })).rejects.toThrow(
      'generate: prompt: expected a text of at least one character, received 5',
    );
  });

  test.each<[string, object, new (message: string) => Error]>([
    ['an empty prompt', { prompt: '' }, OptionError],
    ['a missing prompt', {}, OptionError],
    ['a negative temperature', { prompt: 'a', temperature: -1 }, OptionError],
    ['a seed that is no whole number', { prompt: 'a', seed: 1.5 }, OptionError],
    ['a seed that is too large', { prompt: 'a', seed: 2 ** 32 }, OptionError],
    ['a length of 0', { prompt: 'a', length: 0 }, OptionError],
    ['an unknown option', { prompt: 'a', topK: 5 }, OptionError],
    ['a character that the vocabulary lacks', { prompt: 'x' }, DataError],
  ])('%s', async (_, options, error) => {
    model.vocabulary = corpus.vocabulary;
    await expect(generate(model, options as never)).rejects.toThrow(error);
  });
});
