import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  adam,
  attentionPooling,
  getThreads,
  gru,
  linear,
  load,
  lstm,
  maskedSoftmax,
  maxPooling,
  meanPool,
  meanPooling,
  meanSquaredError,
  Module,
  OptionError,
  rnn,
  sequential,
  setThreads,
  ShapeError,
  slstm,
  sum,
  verify,
  vjp,
  weightedPool,
  type Inputs,
  type Layer,
  type ModuleOptions,
  type Variable,
} from '../../lib';
import { eachBackend } from '../support/eachBackend';
import { relativeDistance } from '../support/expectClose';
import { float64Tensor, goldens, mapTensors } from '../support/goldens';
import { expectModelGradients } from '../support/modelGradients';
import { floats32, ints, noise } from '../support/models';

const ragged = ints([4, 0, 1]);
const inputs = noise(1, 3, 4, 5);

/** All kinds of pooling side by side. */
class Pools extends Module {
  readonly mean = meanPooling();
  readonly max = maxPooling();
  readonly attend;

  constructor(attentionSize: number, options?: ModuleOptions) {
    super(options);
    this.attend = attentionPooling({ attentionSize });
  }

  override forward({ input, lengths }: Inputs<'input' | 'lengths'>) {
    const { output: attention, weights } = this.attend(input, { lengths });
    return { mean: this.mean(input, { lengths }), max: this.max(input, { lengths }), attention, weights };
  }
}

/** Pools an input that comes alone, past a layer that makes its gradient differ from step to step. */
const after = (pool: Layer, options?: ModuleOptions) => sequential([rnn(4), pool, linear(2)], options);

eachBackend((backend) => {
  const bound = backend === 'reference' ? 1e-12 : 1e-5;

  test.each(goldens('pooling').map((golden) => [golden.case, golden] as const))(
    '%s: outputs and gradients are those of PyTorch',
    async (_, { config, ...golden }) => {
      const model = new Pools(config.attentionSize, { backend });
      const batch = { inputs: mapTensors(golden.inputs, float64Tensor), lengths: ints(config.lengths) };
      const parameters = Object.entries(mapTensors(golden.parameters, float64Tensor));
      await model.bind(batch).loadStateDict(Object.fromEntries(parameters.map(([name, p]) => [`attend.${name}`, p])));
      const { outputs, gradients } = await vjp(model, batch, mapTensors(golden.cotangents, float64Tensor), { backend });
      for (const [name, { data }] of Object.entries(golden.outputs))
        expect(relativeDistance(outputs[name]!.data, data)).toBeLessThan(bound);
      for (const [name, { data }] of Object.entries(golden.gradients)) {
        const received = gradients[name] ?? gradients[`attend.${name}`];
        expect(relativeDistance(received!.data, data)).toBeLessThan(bound);
      }
    },
  );

  test('a sequence of length 0 gives zeros and has no gradient', async () => {
    const model = new Pools(3, { backend });
    const batch = { inputs: { input: inputs }, lengths: ragged };
    const cotangents = {
      mean: noise(2, 3, 5),
      max: noise(3, 3, 5),
      attention: noise(4, 3, 5),
      weights: noise(5, 3, 4),
    };
    const { outputs, gradients } = await vjp(model, batch, cotangents, { backend });
    for (const name of ['mean', 'max', 'attention']) {
      expect([...outputs[name]!.data.slice(5, 10)]).toEqual([0, 0, 0, 0, 0]);
      expect(outputs[name]!.data.slice(0, 5).every((value) => value !== 0)).toBe(true);
    }
    const past = (k: number) => Math.floor(k / 5) % 4 >= ragged.data[Math.floor(k / 20)]!;
    gradients.input!.data.forEach((value, k) => expect(value === 0).toBe(past(k)));
    outputs.weights!.data.forEach((value, k) => expect(value === 0).toBe(k % 4 >= ragged.data[Math.floor(k / 4)]!));
  });

  test.each([
    ['meanPooling', meanPooling, 'mean'],
    ['maxPooling', maxPooling, 'max'],
  ] as const)("%s after a recurrent layer is the layer's own output '%s'", async (_, pool, output) => {
    for (const cell of [lstm, gru, rnn, slstm]) {
      const options = { numLayers: 2, bidirectional: true };
      const batch = { inputs, lengths: ragged };
      const separate = await sequential([cell(3, options), pool()], { backend, seed: 3 }).predict(batch);
      const own = await sequential([cell(3, { ...options, output })], { backend, seed: 3 }).predict(batch);
      expect(own.shape).toEqual([3, 6]);
      expect(own.data).toEqual(separate.data);
    }
  });

  test('pooling over a batch is pooling of each row, bit for bit', async () => {
    const model = sequential([attentionPooling()], { backend, seed: 3 });
    const { data } = await model.predict({ inputs, lengths: ragged });
    const last = { data: inputs.data.slice(40, 45), shape: [1, 1, 5] };
    expect([...(await model.predict({ inputs: last })).data]).toEqual([...data.slice(10)]);
    const first = { data: inputs.data.slice(0, 20), shape: [1, 4, 5] };
    expect([...(await model.predict({ inputs: first })).data]).toEqual([...data.slice(0, 5)]);
  });

  test('functions pool what one computes oneself', async () => {
    class Own extends Module {
      override forward(x: Variable, { lengths }: { lengths?: Variable | null }) {
        return weightedPool(x, maskedSoftmax(sum(x, -1), lengths), lengths);
      }
    }
    const model = new Own({ backend });
    const features = floats32([1, 1, 2, 2, 9, 9], [1, 3, 2]);
    const { data } = await model.predict({ inputs: features, lengths: ints([2]) });
    const second = 1 / (1 + Math.exp(-2));
    for (const value of data) expect(value).toBeCloseTo(1 + second, 6);
  });

  test('lengths beyond T are refused', async () => {
    const model = sequential([meanPooling()], { backend });
    const predicting = model.predict({ inputs, lengths: ints([5, 0, 1]) });
    await expect(predicting).rejects.toThrow('lengths: expected integers in 0..4, received 5 at index 0');
  });
});

describe.each([
  ['meanPooling', meanPooling],
  ['maxPooling', maxPooling],
  ['attentionPooling', () => attentionPooling({ attentionSize: 3 })],
] as const)('%s', (name, make) => {
  const batch = { inputs, lengths: ragged, targets: noise(6, 3, 2) };

  test('every gradient meets finite differences, lengths of 0 included', async () => {
    await expectModelGradients(after(make(), { backend: 'reference', seed: 2 }), { inputs, lengths: ragged });
  });

  test('natively, every equation of a training step agrees with the reference', async () => {
    const wide = { ...batch, inputs: noise(7, 3, 4, 33) };
    const model = sequential([gru(33), make(), linear(2)], { seed: 2 });
    const { ok, worst } = await verify(model, wide);
    expect({ ok, worst }).toEqual({ ok: true, worst });
  });

  test('weights after some steps have the same bits at any number of threads', async () => {
    const threads = getThreads();
    const trained = async (count: number) => {
      setThreads(count);
      const model = sequential([gru(33), make(), linear(2)], { seed: 2 });
      const options = { loss: meanSquaredError(), optimizer: adam() };
      for (let step = 0; step < 3; step++) await model.trainStep(batch, options);
      return model.stateDict();
    };
    try {
      const expected = await trained(1);
      for (const count of [2, 3]) expect(await trained(count)).toEqual(expected);
    } finally {
      setThreads(threads);
    }
  });

  test('a model saved and loaded predicts the same bits', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'pooling-'));
    try {
      const model = after(make(), { backend: 'reference', seed: 4 });
      const expected = await model.predict({ inputs, lengths: ragged });
      await model.save(join(folder, 'model.safetensors'));
      const loaded = await load(join(folder, 'model.safetensors'), { backend: 'reference' });
      expect((await loaded.predict({ inputs, lengths: ragged })).data).toEqual(expected.data);
      expect(loaded.program()).toBe(model.program());
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test('it cannot be stepped, and says so', () => {
    const model = after(make(), { backend: 'reference' }).bind({ inputs });
    expect(() => model.session()).toThrow(OptionError);
    expect(() => model.session()).toThrow(`1: ${name}: the layer reads each sequence to its end, so it cannot carry`);
  });

  test('it cannot be trained with carried state, for the same reason', async () => {
    const options = { loss: meanSquaredError(), optimizer: adam(), carryState: true };
    const training = after(make(), { backend: 'reference' }).trainStep({ inputs, targets: batch.targets }, options);
    await expect(training).rejects.toThrow(`1: ${name}: the layer reads each sequence to its end`);
  });

  test('what has no steps is refused by name', async () => {
    const model = sequential([lstm(3, { output: 'last' }), make()], { backend: 'reference' });
    await expect(model.predict({ inputs })).rejects.toThrow(ShapeError);
    await expect(model.predict({ inputs })).rejects.toThrow(`1: ${name}: input: expected [T, B, F], received [B, 3]`);
  });
});

test("a recurrent layer's output 'mean' cannot be stepped", () => {
  const model = sequential([gru(3, { output: 'mean' })], { backend: 'reference' }).bind({ inputs });
  expect(() => model.session()).toThrow("0: gru: output: 'mean' reads each sequence to its end");
});

test('attentionPooling names the option that it does not take', async () => {
  expect(() => attentionPooling({ size: 3 } as never)).toThrow("attentionPooling: unknown option 'size'");
  expect(() => attentionPooling({ attentionSize: 0 })).toThrow(
    'attentionPooling: attentionSize: expected a positive integer, received 0',
  );
  const model = sequential([attentionPooling({ inputSize: 4 })], { backend: 'reference' });
  await expect(model.predict({ inputs })).rejects.toThrow(
    '0: attentionPooling: input: expected a last axis of size 4, received [T, B, 5]',
  );
});

test('lengths that are no Variable are refused by name', async () => {
  class Wrong extends Module {
    override forward(x: Variable) {
      return meanPool(x, [3] as never);
    }
  }
  const predicting = new Wrong({ backend: 'reference' }).predict({ inputs });
  await expect(predicting).rejects.toThrow('meanPool: lengths: expected a Variable, received [3]');
});
