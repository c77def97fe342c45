/** Zoneout and recurrent dropout as layers have them: drawn alike for every cell, on both backends. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gru, linear, load, lstm, meanSquaredError, OptionError, rnn, sequential, sgd, slstm, verify } from '../../lib';
import type { RecurrentOptions } from '../../lib/nn/recurrent';
import type { RegularizerOptions } from '../../lib/nn/regularizers';
import type { BackendName } from '../support/eachBackend';
import { ints, noise } from '../support/models';

type Options = RecurrentOptions & RegularizerOptions;
const cells = {
  lstm: (options: Options) => lstm(9, options),
  gru: (options: Options) => gru(9, options),
  'gru-before': (options: Options) => gru(9, { ...options, resetAfter: false }),
  'rnn-tanh': (options: Options) => rnn(9, options),
  slstm: (options: Options) => slstm(9, { ...options, numHeads: 3 }),
  'slstm-exp': (options: Options) => slstm(9, { ...options, forgetGate: 'exp' }),
  'rnn-relu': (options: Options) => rnn(9, { ...options, nonlinearity: 'relu' }),
};
const cases = Object.entries(cells).flatMap(([name, cell]) =>
  [{ zoneout: 0.3 }, { recurrentDropout: 0.4 }, { zoneout: 0.2, recurrentDropout: 0.3 }].map(
    (options) => [name, options, cell] as const,
  ),
);
const batch = { inputs: noise(1, 5, 4, 3), lengths: ints([4, 0, 2, 4, 1]), targets: noise(2, 5, 4, 1) };

describe.each(cases)('%s with %j', (_, options, cell) => {
  const network = (others: Options = {}, backend: BackendName = 'native') =>
    sequential([cell({ ...options, ...others }), linear(1)], { backend, seed: 2 });

  test('a training step is the same equation by equation on both backends', async () => {
    const { ok, worst } = await verify(network({ numLayers: 2, bidirectional: true }), batch);
    expect(ok ? null : worst).toBeNull();
  });

  test('both backends draw the same, anew for each step, and otherwise than without', async () => {
    const losses = async (model: ReturnType<typeof network>) => {
      const received: number[] = [];
      for (let step = 0; step < 3; step++)
        received.push((await model.trainStep(batch, { loss: meanSquaredError(), optimizer })).loss);
      return received;
    };
    const optimizer = sgd({ lr: 0 });
    const native = await losses(network().bind(batch));
    const reference = await losses(network({}, 'reference').bind(batch));
    native.forEach((loss, step) => expect(loss).toBeCloseTo(reference[step]!, 5));
    expect(new Set(native).size).toBe(3);
    const plain = await losses(network({ zoneout: 0, recurrentDropout: 0 }).bind(batch));
    expect(new Set(plain).size).toBe(1);
  });

  test('a stream of steps has the bits of the whole sequence, and draws nothing', async () => {
    const one = noise(3, 1, 6, 3);
    const model = network({ numLayers: 2 });
    const whole = await model.predict({ inputs: one });
    expect(await model.predict({ inputs: one })).toEqual(whole);
    const session = model.session();
    const streamed = Array.from({ length: 6 }, (_, t) => [...session.step(one.data.slice(3 * t, 3 * t + 3))]);
    expect(streamed.flat()).toEqual([...whole.data]);
  });

  test('a model saved and loaded predicts the same bits', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'regularizers-'));
    try {
      const model = network();
      const expected = await model.predict(batch);
      await model.save(join(folder, 'model.safetensors'));
      expect(await (await load(join(folder, 'model.safetensors'))).predict(batch)).toEqual(expected);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

test('what is no probability is refused by name', () => {
  expect(() => gru(3, { zoneout: 1 })).toThrow(OptionError);
  expect(() => gru(3, { zoneout: 1 })).toThrow('gru: zoneout: expected a number in [0, 1), received 1');
  expect(() => rnn(3, { recurrentDropout: -0.1 })).toThrow('rnn: recurrentDropout: expected a number in [0, 1)');
  expect(() => rnn(3, { zoneout: { hidden: 0.1 } as never })).toThrow('rnn: zoneout: expected a number in [0, 1)');
  expect(() => slstm(3, { zoneout: { cell: 1 } })).toThrow('slstm: zoneout: expected a number in [0, 1), received 1');
  expect(() => slstm(3, { zoneout: { cells: 0.1 } as never })).toThrow("slstm: zoneout: unknown option 'cells'");
});
