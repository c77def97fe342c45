import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  adam,
  CheckpointError,
  crossEntropy,
  dropout,
  embedding,
  generate,
  linear,
  load,
  lstm,
  Module,
  OptionError,
  Sequential,
  sequential,
  text,
  type Linear,
  type ModuleOptions,
  type Variable,
} from '../../lib';
import { parse, serialize } from '../../lib/checkpoint/safetensors';
import { metadataKey } from '../../lib/model/metadata';
import { eachBackend } from '../support/eachBackend';
import { copies, ints, languageModel, noise, Tagger, tokenBatch } from '../support/models';

let folder = '';
beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'model-'))));
afterEach(() => rm(folder, { recursive: true }));
const file = () => join(folder, 'model.safetensors');
const batch = tokenBatch(1, 2, 3);

eachBackend((backend) => {
  test('a model with every kind of layer predicts the same bits after saving and loading', async () => {
    const layers = [
      embedding(7, 4),
      dropout(0.1),
      lstm(5, { numLayers: 2, bidirectional: true, dropout: 0.2 }),
      sequential([lstm(3, { bias: false, output: 'last' })]),
      linear(7, { bias: false }),
    ];
    const model = sequential(layers, { backend, seed: 5 });
    const step = { inputs: batch.inputs, targets: ints([1, 2]) };
    await model.fit([step, step], { loss: crossEntropy(), optimizer: adam() });
    await model.save(file());
    const loaded = await load(file(), { backend });
    expect((await loaded.predict(batch)).data).toEqual((await model.predict(batch)).data);
    expect(await copies(loaded)).toEqual(await copies(model));
    expect(loaded.summary()).toBe(model.summary());
  });

  test("a module of one's own is loaded by its class", async () => {
    const inputs = { tokens: ints([0, 1, 2, 3, 4, 5], [2, 3]), features: noise(1, 2, 6) };
    const tagged = { inputs, lengths: ints([3, 1]) };
    const model = new Tagger({ backend, seed: 4 });
    const before = await model.predict(tagged);
    await model.save(file());
    await expect(load(file(), { backend })).rejects.toThrow("unknown layer 'Tagger'");
    const after = await (await load(file(), { backend, modules: { Tagger } })).predict(tagged);
    for (const name of ['output', 'score', 'state']) expect(after[name]).toEqual(before[name]);
  });

  test('a text model brings its vocabulary: the file alone generates', async () => {
    const corpus = text.fromString('to be, or not to be: that is the question. '.repeat(20));
    const model = sequential([embedding(corpus.vocabulary.size, 4), lstm(6), linear(corpus.vocabulary.size)], {
      backend,
    });
    const options = { loss: crossEntropy(), optimizer: adam(), maxSteps: 3 };
    await model.fit(corpus.train.batches({ batchSize: 2, sequenceLength: 8 }), options);
    await model.save(file(), { text: corpus });
    const loaded = await load(file(), { backend });
    const prompt = { prompt: 'to be', length: 20, seed: 3 };
    expect(await generate(loaded, prompt)).toBe(await generate(model, prompt));
  });
});

test('a layer that stands twice in a sequential is one layer after loading', async () => {
  const shared = linear(3);
  const model = sequential([shared, linear(3), shared], { backend: 'reference' }).bind({ inputs: noise(1, 2, 3) });
  await model.save(file());
  const loaded = await load(file(), { backend: 'reference' });
  expect(loaded.parameters().map(({ path }) => path)).toEqual(model.parameters().map(({ path }) => path));
  const { data } = await model.predict({ inputs: noise(2, 4, 3) });
  expect((await loaded.predict({ inputs: noise(2, 4, 3) })).data).toEqual(data);
});

test('a sequential with a forward of its own is no plain sequential', async () => {
  class Residual extends Sequential {
    override forward(x: Variable) {
      return super.forward(super.forward(x));
    }
  }
  await new Residual([linear(3)], { backend: 'reference' }).bind({ inputs: noise(1, 2, 3) }).save(file());
  await expect(load(file(), { backend: 'reference' })).rejects.toThrow("unknown layer 'Residual'");
});

test('a file that cannot be written leaves the model as it was, and no file', async () => {
  const model = languageModel({ backend: 'reference' }).bind(batch);
  await expect(model.save(join(folder, 'no', 'such', 'folder'))).rejects.toThrow(CheckpointError);
  expect((await model.predict(batch)).shape).toEqual([2, 3, 7]);
});

describe('a file is refused', () => {
  /** Saves a model, changes the file's content, and expects that loading it fails with this message. */
  async function expectRefused(change: (bytes: Buffer) => Uint8Array, message: string): Promise<void> {
    await languageModel({ backend: 'reference' }).bind(batch).save(file());
    await writeFile(file(), change(await readFile(file())));
    const loading = load(file(), { backend: 'reference' });
    await expect(loading).rejects.toThrow(CheckpointError);
    await expect(loading).rejects.toThrow(message);
    await expect(loading).rejects.toThrow(file());
  }

  /** Changes the description of the model. */
  const described = (change: (description: Record<string, unknown>) => unknown) => (bytes: Buffer) => {
    const { tensors, metadata } = parse(bytes);
    const description = change(JSON.parse(metadata[metadataKey]!) as Record<string, unknown>);
    return serialize(Object.fromEntries(tensors), { [metadataKey]: JSON.stringify(description) });
  };
  const layers = (list: unknown) =>
    described((description) => ({ ...description, architecture: { kind: 'sequential', layers: list } }));

  test.each<[string, (bytes: Buffer) => Uint8Array, string]>([
    ['that is cut short', (bytes) => bytes.subarray(0, bytes.length - 5), 'truncated'],
    ['of a few bytes', (bytes) => bytes.subarray(0, 5), 'expected at least 8 bytes'],
    ['of JSON', () => Buffer.from('{ "name": "package" }'), 'not a safetensors file'],
    ['that is empty', () => new Uint8Array(0), 'expected at least 8 bytes'],
    [
      'that claims a huge header',
      (bytes) => {
        bytes.writeBigUInt64LE(2n ** 60n, 0);
        return bytes;
      },
      'header: expected at most',
    ],
    [
      'with duplicate keys',
      () => {
        const header = Buffer.from('{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"a":{}}');
        const length = Buffer.alloc(8);
        length.writeBigUInt64LE(BigInt(header.length));
        return Buffer.concat([length, header]);
      },
      'expected each key once',
    ],
    ['of weights alone', (bytes) => serialize(Object.fromEntries(parse(bytes).tensors)), 'no description of a model'],
    [
      'whose description is no JSON',
      (bytes) => serialize(Object.fromEntries(parse(bytes).tensors), { [metadataKey]: '{' }),
      'is not JSON',
    ],
    ['of another version', described((description) => ({ ...description, version: 2 })), 'not one that this version'],
    [
      'without inputs',
      described((description) => ({ ...description, inputs: undefined })),
      'not one that this version reads',
    ],
    ['with an unknown layer', layers([{ kind: 'hopfield' }]), "unknown layer 'hopfield'"],
    ['with a layer named like a property', layers([{ kind: 'constructor' }]), "unknown layer 'constructor'"],
    ['with a layer that is null', layers([null]), 'architecture: 0: expected a layer with its kind, received null'],
    [
      'with a residual around nothing',
      layers([{ kind: 'residual' }]),
      'architecture: 0.layer: expected a layer with its kind, received undefined',
    ],
    [
      'with an option that this version does not know',
      layers([{ kind: 'lstm', hiddenSize: 3, options: { memoryCells: 2 } }]),
      "lstm: unknown option 'memoryCells'",
    ],
    ...[
      { kind: 'lstm', options: { variant: 'NXG' } },
      { kind: 'lstm', options: { gateActivation: 'swish' } },
      { kind: 'gru', options: { resetGate: 'after' } },
      { kind: 'rnn', options: { nonlinearity: 'gelu' } },
      { kind: 'slstm', options: { forgetGate: 'softplus' } },
    ].map(({ kind, options }): [string, (bytes: Buffer) => Uint8Array, string] => [
      `with an option of ${kind} that this version does not know: ${JSON.stringify(options)}`,
      layers([{ kind, hiddenSize: 3, options }]),
      `${kind}: `,
    ]),
    [
      'with an argument that this version does not know',
      layers([{ kind: 'lstm', hiddenSize: 3, options: {}, memoryCells: 2 }]),
      "architecture: 0: lstm: unknown argument 'memoryCells'; it has kind, hiddenSize, options",
    ],
    ['with a shared layer that comes later', layers([{ kind: 'shared', with: 1 }]), "unknown layer 'shared'"],
    ['with options that are null', layers([{ kind: 'lstm', hiddenSize: 3, options: null }]), 'lstm: expected options'],
    ['with a bad option', layers([{ kind: 'lstm', hiddenSize: -3, options: {} }]), 'lstm: hiddenSize'],
    [
      'that claims more than it holds',
      layers([{ kind: 'embedding', vocabularySize: 1e9, embeddingSize: 1e6 }]),
      '0.weight: expected [1000000000, 1000000], received [7, 4]',
    ],
    [
      'that lacks a tensor',
      (bytes) => {
        const { tensors, metadata } = parse(bytes);
        return serialize(Object.fromEntries([...tensors].slice(1)), metadata);
      },
      '0.weight: expected [7, 4], received none',
    ],
    [
      'with more characters than the embedding has rows',
      described((description) => ({ ...description, vocabulary: { characters: [...'abcdefgh'] } })),
      'vocabulary: expected at most 7 characters, the rows of the embedding, received 8',
    ],
    [
      'with a broken vocabulary',
      described((description) => ({ ...description, vocabulary: { characters: ['b', 'a'] } })),
      'vocabulary: expected',
    ],
  ])('%s', (_, change, message) => expectRefused(change, message));
});

describe('a class whose constructor takes more than the options', () => {
  class Classifier extends Module {
    readonly head: Linear;
    constructor(
      private readonly classes: readonly string[],
      options?: ModuleOptions,
    ) {
      super(options);
      this.head = linear(classes.length);
    }
    override forward(x: Variable) {
      return this.head(x);
    }
    label(index: number) {
      return this.classes[index];
    }
  }
  const batch = { inputs: noise(1, 2, 3) };
  const backend = 'reference';
  const saved = async () => {
    const model = new Classifier(['yes', 'no'], { backend, seed: 2 }).bind(batch);
    await model.save(file());
    return model;
  };

  test('is loaded by a function', async () => {
    const model = await saved();
    const modules = { Classifier: (options: ModuleOptions) => new Classifier(['yes', 'no'], options) };
    const loaded = (await load(file(), { backend, modules })) as Classifier;
    expect(loaded.label(1)).toBe('no');
    expect(await loaded.predict(batch)).toEqual(await model.predict(batch));
  });

  test('is refused by itself, with its name, the cause and what to do', async () => {
    await saved();
    const loading = load(file(), { backend, modules: { Classifier: Classifier as never } });
    await expect(loading).rejects.toThrow(CheckpointError);
    await expect(loading).rejects.toThrow(
      'architecture: Classifier: it could not be made with the options alone: linear',
    );
    await expect(loading).rejects.toThrow('modules: { Classifier: (options) => new Classifier(..., options) }');
    const broken = load(file(), {
      backend,
      modules: { Classifier: () => (undefined as unknown as { model: Module }).model },
    });
    await expect(broken).rejects.toMatchObject({ cause: { cause: expect.any(TypeError) as TypeError } });
    const other = load(file(), { backend, modules: { Classifier: () => ({}) as never } });
    await expect(other).rejects.toThrow('expected a function that returns a Module, received {} from it');
  });
});

test('load and save refuse what is no path, and options that they do not have', async () => {
  const model = languageModel({ backend: 'reference' }).bind(batch);
  await expect(load(undefined as never)).rejects.toThrow('load: path: expected the name of a file, received undefined');
  await expect(model.save(undefined as never)).rejects.toThrow(OptionError);
  await expect(load(file(), { module: {} } as never)).rejects.toThrow("load: unknown option 'module'");
  await expect(model.save(file(), { vocabulary: 1 } as never)).rejects.toThrow("save: unknown option 'vocabulary'");
  await expect(model.loadStateDict(file(), 'encoder.' as never)).rejects.toThrow('loadStateDict: expected options');
});
