/** The layers beside the LSTM: what PyTorch computes, and what every recurrent layer can do. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  adam,
  CheckpointError,
  getThreads,
  gru,
  linear,
  load,
  lstm,
  meanSquaredError,
  Module,
  rnn,
  sequential,
  setThreads,
  ShapeError,
  slstm,
  verify,
  vjp,
  type Inputs,
} from '../../lib';
import type { RecurrentOptions } from '../../lib/nn/recurrent';
import { eachBackend, type BackendName } from '../support/eachBackend';
import { relativeDistance } from '../support/expectClose';
import { float64Tensor, goldens, mapTensors } from '../support/goldens';
import { ints, noise } from '../support/models';

const cells = {
  gru: (size: number, options?: RecurrentOptions) => gru(size, options),
  'gru-before': (size: number, options?: RecurrentOptions) => gru(size, { ...options, resetAfter: false }),
  'rnn-tanh': (size: number, options?: RecurrentOptions) => rnn(size, options),
  'rnn-relu': (size: number, options?: RecurrentOptions) => rnn(size, { ...options, nonlinearity: 'relu' }),
  slstm: (size: number, options?: RecurrentOptions) => slstm(size, options),
  'slstm-exp-heads': (size: number, options?: RecurrentOptions) =>
    slstm(size, { ...options, numHeads: size % 3 === 0 ? 3 : 1, forgetGate: 'exp' }),
};
type CellName = keyof typeof cells;
/** Those of PyTorch: they carry h alone. */
type PytorchCell = Exclude<CellName, 'slstm' | 'slstm-exp-heads'>;
const names = Object.keys(cells) as CellName[];

/** A recurrent layer alone, with its initial state among the inputs. */
class Bare extends Module {
  override readonly inputShapes = { h_0: ['L', 'B', 'H'] };
  private readonly layer;

  constructor(cell: PytorchCell, hiddenSize: number, options: RecurrentOptions, backend: BackendName) {
    super({ backend });
    this.layer = cells[cell](hiddenSize, options);
  }

  override forward({ input, h_0, lengths }: Inputs<'input' | 'h_0' | 'lengths'>) {
    const { output, hiddenState } = this.layer(input, { lengths, initialState: { hiddenState: h_0 } });
    return { output, h_n: hiddenState };
  }
}

eachBackend((backend) => {
  /** float64, or float32 rounding over the chain. */
  const bound = backend === 'reference' ? 1e-10 : 1e-5;

  test.each(goldens('cell').map((golden) => [golden.case, golden] as const))(
    '%s: outputs and gradients are those of PyTorch',
    async (_, { config, ...golden }) => {
      const { cell, hiddenSize, numLayers, bidirectional, lengths } = config;
      const model = new Bare(cell, hiddenSize, { numLayers, bidirectional }, backend);
      const inputs = mapTensors(golden.inputs, float64Tensor);
      const batch = { inputs, ...(lengths && { lengths: ints(lengths) }) };
      model.bind(batch);
      const parameters = Object.entries(mapTensors(golden.parameters, float64Tensor));
      await model.loadStateDict(Object.fromEntries(parameters.map(([name, value]) => [`layer.${name}`, value])));
      const cotangents = mapTensors(golden.cotangents, float64Tensor);
      const { outputs, gradients } = await vjp(model, batch, cotangents, { backend });
      const errors = [
        ...Object.entries(golden.outputs).map(([name, { data }]) => [name, outputs[name]!.data, data] as const),
        ...Object.entries(golden.gradients).map(
          ([name, { data }]) => [`d${name}`, (gradients[name] ?? gradients[`layer.${name}`])!.data, data] as const,
        ),
      ].map(([name, received, expected]) => [name, relativeDistance(received, expected)] as const);
      expect(errors.filter(([, error]) => !(error <= bound))).toEqual([]);
      model.dispose();
    },
  );

  describe.each(names)('%s', (cell) => {
    const features = { inputs: noise(2, 3, 7, 3), lengths: ints([7, 1, 4]) };
    const network = (options?: RecurrentOptions) =>
      sequential([cells[cell](21, options), linear(2)], { backend, seed: 3 });

    test('a model saved and loaded predicts the same bits', async () => {
      const folder = await mkdtemp(join(tmpdir(), 'cells-'));
      try {
        const model = network({ numLayers: 2, bidirectional: true, dropout: 0.2, bias: false, output: 'last' });
        const expected = await model.predict(features);
        await model.save(join(folder, 'model.safetensors'));
        const loaded = await load(join(folder, 'model.safetensors'), { backend });
        expect((await loaded.predict(features)).data).toEqual(expected.data);
        expect(loaded.summary()).toBe(model.summary());
      } finally {
        await rm(folder, { recursive: true });
      }
    });

    test('a stream of steps has the bits of the whole sequence', async () => {
      const one = noise(4, 1, 6, 3);
      const model = network({ numLayers: 2 });
      const whole = await model.predict({ inputs: one });
      const session = model.session();
      const streamed = Array.from({ length: 6 }, (_, t) => [...session.step(one.data.slice(3 * t, 3 * t + 3))]);
      expect(streamed.flat()).toEqual([...whole.data]);
    });

    test('training lowers the loss, carried state included', async () => {
      const model = network({ dropout: 0.1, numLayers: 2 });
      const batch = { ...features, targets: noise(5, 3, 7, 2) };
      const options = { loss: meanSquaredError(), optimizer: adam({ lr: 0.01 }), carryState: true };
      const losses: number[] = [];
      for (let step = 0; step < 30; step++) losses.push((await model.trainStep(batch, options)).loss);
      expect(losses.at(-1)!).toBeLessThan(0.8 * losses[0]!);
    });
  });
});

describe.each(names)('%s natively', (cell) => {
  const batch = { inputs: noise(6, 13, 5, 9), lengths: ints([5, 0, 3, 1, 5, 4, 2, 5, 5, 1, 0, 3, 2]) };
  const training = { ...batch, targets: noise(7, 13, 5, 2) };
  const network = () =>
    sequential([cells[cell](33, { numLayers: 2, bidirectional: true }), linear(2)], { backend: 'native', seed: 4 });

  test('every equation of a training step is what the reference makes of its operands', async () => {
    const { ok, worst } = await verify(network(), training);
    expect({ ok, worst }).toEqual({ ok: true, worst });
  });

  test('weights after ten steps have the same bits at any number of threads', async () => {
    const threads = getThreads();
    const trained = async (count: number) => {
      setThreads(count);
      const model = network();
      for (let step = 0; step < 10; step++) {
        await model.trainStep(training, { loss: meanSquaredError(), optimizer: adam(), clipNorm: 1 });
      }
      return model.stateDict();
    };
    try {
      const expected = await trained(1);
      for (const count of [2, 3]) expect(await trained(count)).toEqual(expected);
    } finally {
      setThreads(threads);
    }
  });
});

test('a layer names the option that it does not take', () => {
  expect(() => gru(4, { resetAfter: 1 as never })).toThrow('gru: resetAfter: expected true or false, received 1');
  expect(() => rnn(4, { nonlinearity: 'sigmoid' as never })).toThrow(
    "rnn: nonlinearity: expected 'tanh' or 'relu', received 'sigmoid'",
  );
  expect(() => slstm(4, { forgetGate: 'tanh' as never })).toThrow(
    "slstm: forgetGate: expected 'sigmoid' or 'exp', received 'tanh'",
  );
  expect(() => slstm(4, { numHeads: 3 })).toThrow('slstm: numHeads: expected a divisor of hiddenSize 4, received 3');
  expect(() => slstm(4, { numHeads: 0 })).toThrow('slstm: numHeads: expected a positive integer, received 0');
  expect(() => gru(0)).toThrow('gru: hiddenSize: expected a positive integer, received 0');
  expect(() => rnn(4, { resetAfter: true } as never)).toThrow("rnn: unknown option 'resetAfter'");
  expect(() => lstm(4, { resetAfter: true } as never)).toThrow("lstm: unknown option 'resetAfter'");
});

test('an initial state of the wrong shape is refused by name', () => {
  const model = new Bare('gru', 5, { numLayers: 2 }, 'native');
  expect(() => model.bind({ inputs: { input: noise(1, 2, 3, 4), h_0: noise(2, 2, 2, 4) } })).toThrow(ShapeError);
  expect(() => model.bind({ inputs: { input: noise(1, 2, 3, 4), h_0: noise(2, 2, 2, 4) } })).toThrow(
    'initialState.hiddenState: expected [2, B, 5], received [2, B, 4]',
  );
});

test('a bidirectional layer cannot be stepped, and says so under its own name', () => {
  const model = sequential([gru(3, { bidirectional: true })]).bind({ inputs: noise(1, 2, 3, 4) });
  expect(() => model.session()).toThrow('a bidirectional gru reads each sequence to its end');
});

test('the state of an lstm is refused by a gru', async () => {
  const batch = { inputs: noise(1, 1, 3, 4) };
  const bytes = sequential([lstm(3)])
    .bind(batch)
    .session()
    .exportState();
  expect(() =>
    sequential([gru(3)])
      .bind(batch)
      .session()
      .importState(bytes),
  ).toThrow(CheckpointError);
});
