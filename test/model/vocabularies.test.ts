import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  adam,
  crossEntropy,
  embedding,
  generate,
  linear,
  load,
  lstm,
  sequential,
  text,
  Vocabulary,
  WordVocabulary,
  type Corpus,
  type Tokenizer,
} from '../../lib';

let folder = '';
beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'vocabularies-'))));
afterEach(() => rm(folder, { recursive: true }));

const words = ['?', 'to', 'be', 'or', 'not'];
const tokenizer: Tokenizer = {
  name: 'words',
  size: words.length,
  encode: (source) => Int32Array.from(source.split(' '), (word) => Math.max(0, words.indexOf(word))),
  decode: (tokens) => Array.from(tokens, (token) => words[token]).join(' '),
};
const source = 'to be or not to be '.repeat(20).trim();
const options = { loss: crossEntropy(), optimizer: adam({ lr: 0.02 }), epochs: 20 };
const batchesOf = (corpus: Corpus) => corpus.train.batches({ batchSize: 2, sequenceLength: 8 });

async function trained(corpus: Corpus) {
  const { size } = corpus.vocabulary;
  const model = sequential([embedding(size, 8), lstm(16), linear(size)], { seed: 1 });
  await model.fit(batchesOf(corpus), options);
  return model;
}

test('a model of bytes writes text after saving and loading, and refuses characters', async () => {
  const model = await trained(text.fromString(source, { level: 'bytes' }));
  const path = join(folder, 'model.safetensors');
  await model.save(path);
  const loaded = await load(path);
  const prompt = { prompt: 'to be—', length: 5, seed: 3 };
  const written = await generate(loaded, prompt);
  expect(written).toBe(await generate(model, prompt));
  expect(written.startsWith('to be—')).toBe(true);
  const characters = batchesOf(text.fromString(source));
  await expect(loaded.fit(characters, options)).rejects.toThrow('the text has another vocabulary than the model');
  await expect(loaded.evaluate(characters, { loss: crossEntropy() })).rejects.toThrow(
    'evaluate: the text has another vocabulary than the model',
  );
});

test('validation text of another vocabulary than the training text is refused before the first step', async () => {
  const model = sequential([embedding(20, 8), lstm(16), linear(20)], { seed: 1 });
  const validation = batchesOf(text.fromString('a quite other text than that'));
  await expect(model.fit(batchesOf(text.fromString(source)), { ...options, validation })).rejects.toThrow(
    'fit: the text has another vocabulary than the model',
  );
  expect(model.vocabulary).toBe(null);
});

describe('a model of the tokens of a tokenizer', () => {
  test('needs it again after loading for text, and knows it', async () => {
    const corpus = text.fromString(source, { tokenizer });
    const model = await trained(corpus);
    const prompt = { prompt: 'to be', length: 4, temperature: 0 };
    expect(await generate(model, prompt)).toBe('to be or not to be');
    const path = join(folder, 'model.safetensors');
    await model.save(path);
    const bare = await load(path);
    await expect(generate(bare, prompt)).rejects.toThrow(
      "encode: the model was trained with the tokenizer 'words', which a file cannot keep; give it again: load(path, { tokenizer })",
    );
    expect(await generate(await load(path, { tokenizer }), prompt)).toBe('to be or not to be');
    await expect(load(path, { tokenizer: { ...tokenizer, name: 'other' } })).rejects.toThrow(
      "load: tokenizer: expected 'words' of 5 tokens, received 'other' of 5 tokens",
    );
    const shifted: Tokenizer = {
      ...tokenizer,
      encode: (text) => tokenizer.encode(text).map((token) => (token + 1) % 5),
    };
    await expect(load(path, { tokenizer: shifted })).rejects.toThrow('makes other tokens of the same text');
    await expect(bare.fit(batchesOf(text.fromString(source, { tokenizer: shifted })), options)).rejects.toThrow(
      'the text has another vocabulary than the model',
    );
  });

  test('has no use for one when it was trained without', async () => {
    const model = await trained(text.fromString(source));
    const path = join(folder, 'model.safetensors');
    await model.save(path);
    await expect(load(path, { tokenizer })).rejects.toThrow(
      'load: tokenizer: the model was not trained with one; leave it out',
    );
  });
});

describe('a vocabulary', () => {
  const kinds = {
    characters: Vocabulary.of('abc'),
    bytes: text.fromString('a', { level: 'bytes' }).vocabulary,
    tokenizer: text.fromString('to be', { tokenizer }).vocabulary,
    words: WordVocabulary.of(['to', 'be', 'to'], { unknown: true }),
    'words, none unknown': WordVocabulary.of(['to', 'be']),
  };
  for (const [name, vocabulary] of Object.entries(kinds)) {
    it(`is the same again from JSON and equals no other: ${name}`, () => {
      const again = Vocabulary.fromJSON(JSON.parse(JSON.stringify(vocabulary)));
      expect(Object.values(kinds).map((other) => again.equals(other))).toEqual(
        Object.values(kinds).map((other) => other === vocabulary),
      );
      expect(again.size).toBe(vocabulary.size);
    });
  }

  it('is refused from JSON that describes none', () => {
    for (const json of [
      null,
      {},
      { level: 'words' },
      { tokenizer: {} },
      { words: ['a', 'a'], unknown: true },
      { words: ['a'] },
    ])
      expect(() => Vocabulary.fromJSON(json)).toThrow('vocabulary: expected');
  });

  it('of words maps the rare and the unknown to one token, or refuses them', () => {
    const mapping = WordVocabulary.of(['b', 'a', 'a', 'c', 'c'], { unknown: true, minCount: 2 });
    expect([mapping.size, ...mapping.encodeAll(['c', 'a', 'b', 'z'])]).toEqual([3, 2, 1, 0, 0]);
    expect(mapping.decode([1, 0, 2])).toBe('a\uFFFDc');
    expect(() => kinds['words, none unknown'].encodeAll(['to', 'see'])).toThrow(
      "tokens: expected the 2 of the vocabulary, received 'see' at index 1",
    );
  });
});
