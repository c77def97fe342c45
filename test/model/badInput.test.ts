/** What a user may get wrong: a typed error that says what came instead, and nothing lost. */
import {
  adam,
  add,
  crossEntropy,
  DataError,
  embedding,
  linear,
  lstm,
  meanSquaredError,
  Module,
  sequential,
  ShapeError,
  verify,
  vjp,
  type Inputs,
} from '../../lib';
import { eachBackend } from '../support/eachBackend';
import { copies, floats32, ints, languageModel, noise, Tagger, tokenBatch } from '../support/models';

const batch = tokenBatch(1, 2, 3);
type Kind = new (message: string) => Error;

eachBackend((backend) => {
  const model = languageModel({ backend, seed: 1 }).bind(batch);
  const regression = sequential([lstm(3), linear(2)], { backend }).bind({ inputs: noise(1, 2, 3, 4) });

  test.each<[string, object, string | RegExp, Kind]>([
    ['no batch', undefined as never, 'batch: expected { inputs, ... }', DataError],
    [
      'a bare array',
      { inputs: new Int32Array(6) },
      'inputs: expected { data, shape }, received a bare array',
      DataError,
    ],
    [
      'a plain array',
      { inputs: { data: [1, 2], shape: [1, 2] } },
      'expected { data, shape } with a typed array',
      DataError,
    ],
    ['nested arrays', { inputs: [[1, 2]] }, 'inputs: expected { data, shape }, received a bare array', DataError],
    [
      'a nested array as data',
      { inputs: { data: [[1, 2]], shape: [1, 2] } },
      'received { data: Array, shape: Array }',
      DataError,
    ],
    [
      'bytes',
      { inputs: { data: new Uint8Array(6), shape: [2, 3] } },
      'inputs: expected Float32Array, or Int32Array for tokens, received Uint8Array',
      DataError,
    ],
    ['big integers', { inputs: { data: new BigInt64Array(6), shape: [2, 3] } }, 'received BigInt64Array', DataError],
    [
      'no shape',
      { inputs: { data: new Int32Array(6) } },
      'batch: inputs: expected { data, shape }, received { data }; its shape is missing',
      DataError,
    ],
    [
      'no data',
      { inputs: { shape: [2, 3] } },
      'batch: inputs: expected { data, shape }, received { shape }; its data is missing',
      DataError,
    ],
    ['an empty batch', { inputs: ints([], [0, 3]) }, 'at least 1', DataError],
    ['zero steps', { inputs: ints([], [2, 0]) }, 'at least 1', DataError],
    [
      'another size than the data',
      { inputs: ints([1, 2, 3], [2, 3]) },
      'expected 6 elements for shape [2, 3], received 3',
      ShapeError,
    ],
    ['floats for tokens', { inputs: floats32([1, 2, 3, 4], [2, 2]) }, '0: ', ShapeError],
    [
      'a token too large',
      { inputs: ints([0, 7, 0, 0, 0, 0], [2, 3]) },
      'expected integers in 0..6, received 7 at index 1',
      DataError,
    ],
    ['a negative token', { inputs: ints([-1, 0, 0, 0, 0, 0], [2, 3]) }, 'received -1 at index 0', DataError],
    [
      'three axes of tokens',
      { inputs: ints([1, 2], [1, 2, 1]) },
      'expected [B] or [B, T], received [1, 2, 1]',
      DataError,
    ],
    ['one axis where steps are needed', { inputs: ints([1, 2]) }, 'expected [T, B, I]', ShapeError],
    [
      'an input by name',
      { inputs: { tokens: batch.inputs } },
      'sequential: expected a single input, received tokens',
      DataError,
    ],
    [
      'a length of T + 1',
      { ...batch, lengths: ints([1, 4]) },
      'lengths: expected integers in 0..3, received 4',
      DataError,
    ],
    [
      'a negative length',
      { ...batch, lengths: ints([1, -1]) },
      'lengths: expected integers in 0..3, received -1',
      DataError,
    ],
    ['too few lengths', { ...batch, lengths: ints([1]) }, 'lengths: expected [B] with B = 2', ShapeError],
    [
      'lengths as floats',
      { ...batch, lengths: floats32([1, 2]) },
      /^lengths: expected Int32Array, received Float32Array$/,
      ShapeError,
    ],
    [
      'lengths without a sign',
      { ...batch, lengths: { data: new Uint32Array(2), shape: [2] } },
      /^lengths: expected Int32Array, received Uint32Array$/,
      DataError,
    ],
    [
      'lengths in a plain array',
      { ...batch, lengths: { data: [1, 2], shape: [2] } },
      'lengths: expected { data, shape } with an Int32Array, received { data: Array, shape: Array }',
      DataError,
    ],
    [
      'lengths in a column',
      { ...batch, lengths: ints([1, 2], [2, 1]) },
      /^lengths: expected \[B\], received \[2, 1\]$/,
      ShapeError,
    ],
  ])('%s', async (_, bad, message, kind) => {
    const before = await copies(model);
    const predicting = model.predict(bad as never);
    await expect(predicting).rejects.toThrow(kind);
    await expect(predicting).rejects.toThrow(message);
    if (bad) {
      const training = model.fit([{ targets: batch.targets, ...bad } as never], {
        loss: crossEntropy(),
        optimizer: adam(),
      });
      await expect(training).rejects.toThrow(kind);
    }
    expect(await copies(model)).toEqual(before);
  });

  test('features of another size than the first are named, not a parameter', async () => {
    const predicting = regression.predict({ inputs: noise(1, 2, 3, 5) });
    await expect(predicting).rejects.toThrow(ShapeError);
    await expect(predicting).rejects.toThrow('inputs: expected [B, T, 4] as bound, received [B, T, 5]');
  });

  test('a broken first batch does not fix the sizes', async () => {
    const fresh = sequential([lstm(3), linear(2)], { backend });
    const broken = { inputs: { data: new Float32Array(30), shape: [2, 3, 7] } };
    await expect(fresh.predict(broken)).rejects.toThrow('expected 42 elements');
    await expect(fresh.predict({ inputs: floats32([], [2, 3, 0]) })).rejects.toThrow('at least 1');
    expect((await fresh.predict({ inputs: noise(1, 2, 3, 4) })).shape).toEqual([2, 3, 2]);
  });

  test('integers where features are needed are said to be read as tokens', async () => {
    const advice = 'int32 is read as tokens';
    for (const shape of [
      [2, 3, 1],
      [2, 3],
    ]) {
      const fresh = sequential([lstm(3)], { backend }).predict({ inputs: ints([0, 1, 2, 3, 4, 5], shape) });
      await expect(fresh).rejects.toThrow(advice);
    }
  });

  test('targets and weights that are no tensors, or more than one, are refused', async () => {
    const options = { loss: crossEntropy() };
    const lengths = ints([3, 3]);
    const named = model.evaluate([{ ...batch, lengths, targets: { tags: batch.targets } as never }], options);
    await expect(named).rejects.toThrow('targets: expected { data, shape } with a typed array, received { tags }');
    await expect(named).rejects.toThrow(DataError);
    const plain = model.evaluate([{ ...batch, lengths, weights: [1, 2] as never }], options);
    await expect(plain).rejects.toThrow('weights: expected { data, shape } with a typed array, received [1, 2]');
    const length = model.predict({ ...batch, lengths: [1, 2] as never });
    await expect(length).rejects.toThrow('lengths: expected { data, shape } with an Int32Array, received [1, 2]');
  });

  test('a NaN among the features is found', async () => {
    const inputs = noise(1, 2, 3, 4);
    inputs.data[17] = NaN;
    const training = regression.fit([{ inputs, targets: noise(2, 2, 3, 2) }], {
      loss: meanSquaredError(),
      optimizer: adam(),
    });
    await expect(training).rejects.toThrow(DataError);
    await expect(training).rejects.toThrow('inputs: expected finite numbers, received NaN at index 17');
  });

  test('a detached buffer is refused', async () => {
    const inputs = noise(1, 2, 3, 4);
    structuredClone(inputs.data.buffer, { transfer: [inputs.data.buffer] });
    await expect(regression.predict({ inputs })).rejects.toThrow('is its buffer detached?');
  });

  test('views at any offset and shared buffers are read as they are at the call', async () => {
    const inputs = noise(1, 2, 3, 4);
    const expected = (await regression.predict({ inputs })).data;
    const offset = new Float32Array(new ArrayBuffer(200), 20, 24);
    const shared = new Float32Array(new SharedArrayBuffer(24 * 4));
    for (const data of [offset, shared]) {
      data.set(inputs.data);
      const predicting = regression.predict({ inputs: { data, shape: [2, 3, 4] } });
      data.fill(99);
      expect((await predicting).data).toEqual(expected);
    }
  });

  test('float64 features are taken', async () => {
    const inputs = noise(1, 2, 3, 4);
    const wide = { data: Float64Array.from(inputs.data), shape: inputs.shape };
    expect((await regression.predict({ inputs: wide })).data).toEqual((await regression.predict({ inputs })).data);
  });

  test('declared shapes are held to, and letters of them too', async () => {
    class Memory extends Module {
      override readonly inputShapes = { memory: ['B', 'S', 2] };
      readonly head = linear(3);
      override forward({ x, memory }: Inputs<'x' | 'memory'>) {
        return { x: this.head(x), memory };
      }
    }
    const network = new Memory({ backend });
    const inputs = { x: noise(1, 2, 3, 4), memory: noise(2, 2, 5, 2) };
    expect((await network.predict({ inputs })).memory!.shape).toEqual([2, 5, 2]);
    await expect(network.predict({ inputs: { ...inputs, memory: noise(1, 2, 5) } })).rejects.toThrow(
      'memory: expected [B, S, 2], received [2, 5]',
    );
    await expect(network.predict({ inputs: { ...inputs, memory: noise(1, 3, 5, 2) } })).rejects.toThrow(ShapeError);
  });

  test('inputs by name that forward lacks, or does not read, are named', async () => {
    const tagger = new Tagger({ backend });
    const inputs = { tokens: ints([0, 1], [1, 2]), features: noise(1, 1, 6) };
    const lacking = tagger.predict({ inputs: { tokens: inputs.tokens, feature: inputs.features } });
    await expect(lacking).rejects.toThrow(DataError);
    await expect(lacking).rejects.toThrow('features: forward reads this input, and the batch holds tokens, feature');
    const extra = tagger.predict({ inputs: { ...inputs, mask: inputs.features } });
    await expect(extra).rejects.toThrow('mask: forward reads no such input; it reads tokens, features, lengths');
    expect((await tagger.predict({ inputs })).score!.shape).toEqual([1, 1]);
  });

  test('two layers that read one input each hold it to their own vocabulary', async () => {
    class Both extends Module {
      readonly small = embedding(3, 2);
      readonly large = embedding(9, 2);
      override forward({ tokens }: Inputs<'tokens'>) {
        return add(this.small(tokens), this.large(tokens));
      }
    }
    const network = new Both({ backend });
    expect((await network.predict({ inputs: { tokens: ints([0, 2], [1, 2]) } })).shape).toEqual([1, 2, 2]);
    await expect(network.predict({ inputs: { tokens: ints([0, 3], [1, 2]) } })).rejects.toThrow(
      'tokens: expected integers in 0..2, received 3 at index 1',
    );
  });

  test('vjp refuses a backend that there is not', async () => {
    const misspelt = vjp(regression, noise(1, 2, 3, 2), noise(2, 2, 3, 2), { backend: 'refrence' as never });
    await expect(misspelt).rejects.toThrow("vjp: backend: expected 'native' or 'reference', received 'refrence'");
  });

  test.each([
    [undefined, noise(1, 2, 3, 2), 'vjp: inputs: expected { data, shape }, or several by name, received undefined'],
    [noise(1, 2, 3, 2), undefined, 'vjp: cotangents: expected { data, shape }, or several by name, received undefined'],
    [noise(1, 2, 3, 2), 1, 'vjp: cotangents: expected { data, shape }, or several by name, received 1'],
  ])('vjp refuses inputs and cotangents that are no arrays', async (inputs, cotangents, message) => {
    const wrong = vjp(regression, inputs as never, cotangents as never, { backend });
    await expect(wrong).rejects.toThrow(new DataError(message));
  });

  test('vjp and verify refuse what is no module', async () => {
    const x = noise(1, 2, 3, 2);
    await expect(vjp(undefined as never, x, x)).rejects.toThrow('vjp: expected a model, received undefined');
    await expect(verify(lstm(2) as never, { inputs: x })).rejects.toThrow(
      'verify: expected a model, received the layer lstm',
    );
  });

  test('vjp refuses cotangents of what is no output, and unknown initial states', async () => {
    const x = noise(1, 2, 3, 4);
    await expect(vjp(regression, x, { y: noise(2, 2, 3, 2) }, { backend })).rejects.toThrow(
      "cotangents: the model has no output 'y'; it has output",
    );
    await expect(vjp(regression, x, noise(2, 2, 3, 3), { backend })).rejects.toThrow('cotangent/output: expected');
    const initialStates = { 'initial/h': noise(1, 2, 3) };
    await expect(vjp(regression, x, noise(2, 2, 3, 2), { backend, initialStates })).rejects.toThrow(
      'initial/h: the program has no such input',
    );
  });
});
