/** An output layer with the weight of an embedding, and rows of the embedding dropped in training. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  adam,
  CheckpointError,
  crossEntropy,
  embedding,
  generate,
  gru,
  linear,
  load,
  lstm,
  mean,
  Module,
  multiply,
  OptionError,
  sequential,
  sgd,
  ShapeError,
  StateError,
  sum,
  text,
  verify,
  type Inputs,
  type ModuleOptions,
  type Variable,
} from '../../lib';
import { parse, serialize } from '../../lib/checkpoint/safetensors';
import { metadataKey } from '../../lib/model/metadata';
import { backends, eachBackend, type BackendName } from '../support/eachBackend';
import { expectModelGradients } from '../support/modelGradients';
import { floats32, ints, tokenBatch, vocabularySize as V } from '../support/models';

const E = 4;
const batch = tokenBatch(1, 3, 5);
const ragged = ints([5, 0, 2]);

/** Predicts the next of seven tokens with one matrix for what comes in and what goes out. */
const tiedModel = (options: ModuleOptions & { dropout?: number } = {}) => {
  const { dropout, ...moduleOptions } = options;
  const table = embedding(V, E, { dropout });
  return sequential([table, gru(E), linear(V, { tiedTo: table })], moduleOptions);
};

class Tied extends Module {
  readonly decode;
  readonly embed = embedding(V, E);
  readonly encoder = lstm(9, { projSize: E });

  constructor(options?: ModuleOptions) {
    super(options);
    this.decode = linear(V, { tiedTo: this.embed, bias: false });
  }

  override forward({ tokens, lengths }: Inputs<'tokens' | 'lengths'>) {
    return this.decode(this.encoder(this.embed(tokens), { lengths }).output);
  }
}

eachBackend((backend) => {
  test('there is one matrix, under the path of the embedding, and a bias beside it', () => {
    const model = tiedModel({ backend }).bind(batch);
    const shapes = model.parameters().map(({ path, shape }) => [path, shape]);
    expect(shapes.filter(([path]) => !String(path).startsWith('1.'))).toEqual([
      ['0.weight', [V, E]],
      ['2.bias', [V]],
    ]);
    const own = new Tied({ backend }).bind({ inputs: { tokens: batch.inputs } });
    expect(own.parameters().filter(({ path }) => !path.startsWith('encoder'))).toEqual([
      { path: 'embed.weight', shape: [V, E], frozen: false },
    ]);
  });

  test('logits are those of a linear layer that holds the same matrix, and gradients add up', async () => {
    const tied = tiedModel({ backend, seed: 2 }).bind(batch);
    const loose = sequential([embedding(V, E), gru(E), linear(V)], { backend }).bind(batch);
    const before = await tied.stateDict();
    await loose.loadStateDict({ ...before, '2.weight': before['0.weight']! });
    expect((await tied.predict(batch)).data).toEqual((await loose.predict(batch)).data);
    const options = { loss: crossEntropy(), optimizer: sgd({ lr: 1 }) };
    const step = { ...batch, lengths: ragged };
    const [one, other] = [
      await tied.trainStep(step, options),
      await loose.trainStep(step, { ...options, optimizer: sgd({ lr: 1 }) }),
    ];
    expect(one.loss).toBe(other.loss);
    const [after, apart] = [await tied.stateDict(), await loose.stateDict()];
    const moved = (state: typeof after, name: string, k: number) =>
      before['0.weight']!.data[k]! - state[name]!.data[k]!;
    after['0.weight']!.data.forEach((_, k) => {
      expect(moved(after, '0.weight', k)).toBeCloseTo(moved(apart, '0.weight', k) + moved(apart, '2.weight', k), 6);
    });
  });

  test('a tied model is loaded as it was saved, with the matrix once, and steps and generates', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tied-'));
    try {
      const path = join(folder, 'model.safetensors');
      const corpus = text.fromString('abcdefg'.repeat(60));
      const model = tiedModel({ backend, seed: 1, dropout: 0.1 });
      const data = corpus.train.batches({ batchSize: 4, sequenceLength: 16 });
      await model.fit(data, { loss: crossEntropy(), optimizer: adam({ lr: 0.05 }), maxSteps: 20 });
      await model.save(path, { text: corpus });
      const { tensors } = parse(await readFile(path));
      expect([...tensors.keys()].filter((name) => !name.startsWith('1.')).sort()).toEqual(['0.weight', '2.bias']);
      const loaded = await load(path, { backend });
      expect((await loaded.predict(batch)).data).toEqual((await model.predict(batch)).data);
      expect(loaded.program()).toBe(model.program());
      const asked = { prompt: 'ab', length: 12, seed: 3 };
      expect(await generate(loaded, asked)).toBe(await generate(model, asked));
      const one = { inputs: { data: batch.inputs.data.slice(0, 5), shape: [1, 5] } };
      const session = loaded.session();
      const streamed = Array.from(one.inputs.data, (token) => [...session.step(token)]);
      expect(streamed.flat()).toEqual([...(await loaded.predict(one)).data]);
      // What it is tied to goes on being one matrix.
      await loaded.loadStateDict({
        ...(await loaded.stateDict()),
        '0.weight': floats32(new Float32Array(V * E), [V, E]),
      });
      const { '2.bias': bias } = await loaded.stateDict();
      expect([...(await loaded.predict(one)).data.slice(0, V)]).toEqual([...bias!.data]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test('a tie into a stack within a stack is found by its path', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tied-'));
    try {
      const table = embedding(V, E);
      const model = sequential([sequential([table, gru(E)]), sequential([gru(E), linear(V, { tiedTo: table })])], {
        backend,
      });
      const expected = await model.predict(batch);
      await model.save(join(folder, 'model.safetensors'));
      const loaded = await load(join(folder, 'model.safetensors'), { backend });
      expect((await loaded.predict(batch)).data).toEqual(expected.data);
      expect(loaded.summary()).toBe(model.summary());
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test("a tie to an embedding within a module of one's own is found by its path", async () => {
    class Front extends Module {
      readonly embed = embedding(V, E);
      override forward(tokens: Variable) {
        return this.embed(tokens);
      }
    }
    const folder = await mkdtemp(join(tmpdir(), 'tied-'));
    try {
      const front = new Front();
      const model = sequential([front, gru(E), linear(V, { tiedTo: front.embed })], { backend });
      const expected = await model.predict(batch);
      await model.save(join(folder, 'model.safetensors'));
      const loaded = await load(join(folder, 'model.safetensors'), { backend, modules: { Front } });
      expect((await loaded.predict(batch)).data).toEqual(expected.data);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test('freezing the embedding freezes the output layer with it', async () => {
    const model = tiedModel({ backend }).bind(batch).freeze('0');
    const before = (await model.stateDict())['0.weight']!.data;
    await model.trainStep(batch, { loss: crossEntropy(), optimizer: adam() });
    expect((await model.stateDict())['0.weight']!.data).toEqual(before);
  });
});

/**
 * What a step of SGD with rate 1 takes off each row of an embedding, when the loss is the sum of all that is looked up:
 * the factor of the row, times how often its token comes. With `twice` the layer is called a second time.
 */
async function factors(backend: BackendName, { p = 0.4, seed = 1, twice = false, steps = 1 } = {}) {
  class Table extends Module {
    readonly embed = embedding(1000, 2, { dropout: p });
    override forward(tokens: Variable) {
      const once = this.embed(tokens);
      return twice ? multiply(once, this.embed(tokens)) : once;
    }
  }
  const tokens = ints(
    Array.from({ length: 2000 }, (_, k) => k % 1000),
    [2, 1000],
  );
  const model = new Table({ backend, seed }).bind({ inputs: tokens });
  await model.loadStateDict({ 'embed.weight': floats32(new Float32Array(2000).fill(1), [1000, 2]) });
  const options = { loss: (y: Variable) => sum(y), optimizer: sgd({ lr: 1 }) };
  const taken: number[][] = [];
  for (let step = 0; step < steps; step++) {
    const before = (await model.stateDict())['embed.weight']!.data;
    await model.trainStep({ inputs: tokens }, options);
    const after = (await model.stateDict())['embed.weight']!.data;
    taken.push(Array.from(after, (value, k) => before[k]! - value));
  }
  return taken;
}
const isKept = (taken: readonly number[]) => taken.map((factor) => factor !== 0);

eachBackend((backend) => {
  test('embedding dropout takes whole rows, wherever their token stands, and scales the others up', async () => {
    const [taken] = await factors(backend);
    const rows = Array.from({ length: 1000 }, (_, row) => taken!.slice(2 * row, 2 * row + 2));
    for (const [one, other] of rows) {
      expect(one).toBe(other);
      // Both of the token's places have the same fate.
      if (one !== 0) expect(one).toBeCloseTo(2 / 0.6, 5);
    }
    const dropped = rows.filter(([one]) => one === 0).length;
    // Five standard deviations of a binomial count.
    expect(Math.abs(dropped - 400)).toBeLessThan(5 * Math.sqrt(1000 * 0.4 * 0.6));
  });

  test('rows are drawn anew in each run, and the same again from the same seed', async () => {
    const [first, second] = await factors(backend, { steps: 2 });
    expect(isKept(first!)).not.toEqual(isKept(second!));
    expect(await factors(backend)).toEqual([first]);
    expect(await factors(backend, { seed: 2 })).not.toEqual([first]);
  });

  test('an embedding that is called twice in a run drops the same rows', async () => {
    const [taken] = await factors(backend, { twice: true });
    // (w·m)²: where one of two masks dropped what the other kept, the gradient would be 0 all the same, so count.
    const dropped = taken!.filter((factor) => factor === 0).length / 2;
    expect(Math.abs(dropped - 400)).toBeLessThan(5 * Math.sqrt(1000 * 0.4 * 0.6));
  });

  test('nothing is dropped in prediction', async () => {
    const [dropping, plain] = [0.5, 0].map((dropout) => tiedModel({ backend, seed: 3, dropout }));
    expect((await dropping!.predict(batch)).data).toEqual((await plain!.predict(batch)).data);
  });

  test('an output layer that is tied uses the whole matrix in training', async () => {
    const p = 0.5;
    const table = embedding(V, E, { dropout: p });
    const layers = [table, linear(V, { tiedTo: table, bias: false })];
    const model = sequential(layers, { backend, seed: 3 }).bind(batch);
    const { data: weight } = (await model.stateDict())['0.weight']!;
    const { loss } = await model.trainStep(batch, { loss: (y: Variable) => mean(y), optimizer: sgd() });
    // Logits are W w for a token's row w, and 0 where it was dropped: their sum is one of 2^V, by what was dropped.
    const total = (token: number) => {
      let sum = 0;
      for (let k = 0; k < V * E; k++) sum += weight[k]! * weight[token * E + (k % E)]!;
      return sum / (1 - p);
    };
    const possible = Array.from({ length: 2 ** V }, (_, kept) =>
      batch.inputs.data.reduce((sum, token) => sum + ((kept >> token) & 1 ? total(token) : 0), 0),
    ).map((sum) => sum / (batch.inputs.data.length * V));
    expect(loss).not.toBe(0);
    expect(Math.min(...possible.map((value) => Math.abs(value - loss)))).toBeLessThan(1e-6);
  });
});

test('both backends drop the same rows', async () => {
  const [one, other] = await Promise.all(backends.map((backend) => factors(backend, { p: 0.3 })));
  expect(isKept(one![0]!)).toEqual(isKept(other![0]!));
});

test('every gradient of a tied model meets finite differences, lengths of 0 included', async () => {
  await expectModelGradients(tiedModel({ backend: 'reference', seed: 2 }), { ...batch, lengths: ragged });
});

test('natively, every equation of a training step agrees with the reference', async () => {
  const result = await verify(tiedModel({ seed: 2, dropout: 0.3 }), { ...batch, lengths: ragged });
  expect(result.equations.filter(({ ok }) => !ok)).toEqual([]);
  expect(result.equations.filter(({ op }) => op === 'embedding').length).toBe(1);
});

describe('refused by name', () => {
  const table = embedding(V, E);

  test.each([
    [
      'what is no embedding',
      () => linear(V, { tiedTo: 3 as never }),
      'linear: tiedTo: expected an embedding, received 3',
    ],
    [
      'another output size',
      () => linear(5, { tiedTo: table }),
      'linear: outputSize: expected 7, the vocabulary of the embedding that it is tied to, received 5',
    ],
    [
      'another input size',
      () => linear(V, { tiedTo: table, inputSize: 5 }),
      'linear: inputSize: expected 4, the size of the embedding that it is tied to, received 5',
    ],
    ['dropout of everything', () => embedding(V, E, { dropout: 1 }), 'embedding: dropout: expected a number in [0, 1)'],
    ['an unknown option', () => embedding(V, E, { p: 1 } as never), "embedding: unknown option 'p'"],
  ])('%s', (_, make, message) => {
    expect(make).toThrow(OptionError);
    expect(make).toThrow(message);
  });

  test('a hidden size that is not the embedding size', async () => {
    const model = sequential([table, gru(6), linear(V, { tiedTo: table })], { backend: 'reference' });
    await expect(model.predict(batch)).rejects.toThrow(ShapeError);
    await expect(model.predict(batch)).rejects.toThrow(
      '2: linear: input: expected a last axis of size 4, that of the embedding that it is tied to, received [T, B, 6]',
    );
  });

  test('an embedding of another network', async () => {
    const model = sequential([embedding(V, E), gru(E), linear(V, { tiedTo: table })], { backend: 'reference' });
    await expect(model.predict(batch)).rejects.toThrow(StateError);
    await expect(model.predict(batch)).rejects.toThrow('linear: tiedTo: the embedding must be held in a field');
  });

  test.each([
    ['7', "'7'"],
    ['1', "'1'"],
    [5, '5'],
  ])('a model file that names %j, which is no embedding', async (tiedTo, received) => {
    const folder = await mkdtemp(join(tmpdir(), 'tied-'));
    try {
      const path = join(folder, 'model.safetensors');
      await tiedModel({ backend: 'reference' }).bind(batch).save(path);
      const { tensors, metadata } = parse(await readFile(path));
      const description = metadata[metadataKey]!.replace('"tiedTo":"0"', `"tiedTo":${JSON.stringify(tiedTo)}`);
      expect(description).not.toBe(metadata[metadataKey]);
      const state = Object.fromEntries(tensors);
      await writeFile(path, serialize(state, { ...metadata, [metadataKey]: description }));
      const loading = load(path, { backend: 'reference' });
      await expect(loading).rejects.toThrow(CheckpointError);
      await expect(loading).rejects.toThrow(
        `architecture: 2: linear: tiedTo: expected the path of an embedding before it, received ${received}`,
      );
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
