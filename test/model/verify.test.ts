import {
  adamW,
  crossEntropy,
  dropout,
  embedding,
  linear,
  lstm,
  meanSquaredError,
  OptionError,
  sequential,
  sgd,
  verify,
} from '../../lib';
import { injectFault } from '../../lib/backend/native/native';
import type { OpName } from '../../lib/ops/registry';
import { copies, ints, languageModel, noise, tokenBatch } from '../support/models';

const everything = () =>
  sequential(
    [
      embedding(7, 4),
      dropout(0.2),
      lstm(5, { numLayers: 2, bidirectional: true, dropout: 0.3 }),
      lstm(3),
      linear(6),
      linear(7),
    ],
    { seed: 2 },
  );
const batch = { ...tokenBatch(1, 3, 4), lengths: ints([4, 2, 3]), weights: noise(5, 3, 4) };
const weighted = { ...batch, weights: { ...batch.weights, data: batch.weights.data.map(Math.abs) } };

afterEach(() => injectFault(null));

test('a classifier that is all but certain agrees too: small losses keep their digits', async () => {
  const model = sequential([embedding(4, 8), lstm(8, { output: 'last' }), linear(2)], { seed: 1 });
  const classes = { inputs: ints([0, 1, 2, 3, 3, 2, 1, 0], [2, 4]), targets: ints([0, 1], [2]) };
  const optimizer = adamW({ lr: 0.03 });
  let loss = 1;
  for (let step = 0; loss > 1e-4; step++) {
    ({ loss } = await model.trainStep(classes, { loss: crossEntropy(), optimizer }));
    expect(step).toBeLessThan(1000);
  }
  expect((await verify(model, classes)).equations.filter(({ ok }) => !ok)).toEqual([]);
});

test('every equation of a model with everything in it agrees: forward, backward and update', async () => {
  const result = await verify(everything(), weighted);
  expect(result.equations.filter(({ ok }) => !ok)).toEqual([]);
  expect(result.ok).toBe(true);
  expect(new Set(result.equations.map(({ phase }) => phase))).toEqual(new Set(['forward', 'backward', 'update']));
  expect(result.worst.error / result.worst.tolerance).toBeLessThanOrEqual(1);
});

test.each([
  ['adamW', { optimizer: adamW({ weightDecay: 0.1 }), loss: crossEntropy() }],
  ['sgd with momentum', { optimizer: sgd({ lr: 0.1, momentum: 0.9, nesterov: true }), clipNorm: 0.01 }],
])('the update of %s agrees', async (_, options) => {
  expect((await verify(languageModel(), tokenBatch(2, 2, 3), options)).ok).toBe(true);
});

test('float targets are compared with the mean squared error', async () => {
  const model = sequential([lstm(4, { output: 'last' }), linear(2)]);
  const result = await verify(model, { inputs: noise(1, 3, 5, 2), targets: noise(2, 3, 2) });
  expect(result.ok).toBe(true);
  expect(result.equations.map(({ op }) => op)).toContain('mean_squared_error');
});

test('the model does not change', async () => {
  const model = everything().bind(batch);
  const before = await copies(model);
  await verify(model, weighted);
  expect(await copies(model)).toEqual(before);
});

test.each<[OpName, string, string]>([
  ['embedding', '0', 'forward'],
  ['lstm', '1', 'forward'],
  ['cross_entropy', 'loss', 'forward'],
  ['linear_backward_weight', '2', 'backward'],
  ['lstm_backward', '1', 'backward'],
  ['gradient_norm', 'update', 'backward'],
  ['adam', 'update', 'update'],
])('a fault of one in a thousand in %s is charged to it', async (op, path, phase) => {
  const model = languageModel({ seed: 1 });
  injectFault(op, 1e-3);
  const result = await verify(model, tokenBatch(3, 1, 2));
  injectFault(null);
  expect(result.ok).toBe(false);
  expect(result.worst).toMatchObject({ op, path, phase });
  expect(new Set(result.equations.filter(({ ok }) => !ok).map((check) => check.op))).toEqual(new Set([op]));
});

test.each<OpName>(['lstm', 'linear', 'linear_backward_weight', 'adam'])(
  'one wrong element of %s stands out among many',
  async (op) => {
    const model = sequential([embedding(7, 8), lstm(32), linear(7)], { seed: 1 });
    injectFault(op, 1e-3);
    const result = await verify(model, tokenBatch(3, 32, 64));
    injectFault(null);
    expect(result.worst.op).toBe(op);
    expect(new Set(result.equations.filter(({ ok }) => !ok).map((check) => check.op))).toEqual(new Set([op]));
  },
);

describe('a recurrence that normalizes, and so magnifies rounding errors', () => {
  const run = (seed: number, steps: number) => {
    const inputs = noise(seed, 5, steps, 3);
    const targets = noise(seed + 50, 5, steps, 2);
    return verify(sequential([lstm(16, { layerNorm: true }), linear(2)], { seed }), { inputs, targets });
  };

  test.each([0, 1, 2, 3, 4, 5, 6, 7])('agrees over many steps (seed %p)', async (seed) => {
    const { ok, worst } = await run(seed, 200);
    expect({ ok, worst }).toEqual({ ok: true, worst });
  });

  test('still has a fault of one in a thousand charged to it', async () => {
    injectFault('lstm', 1e-3);
    const result = await run(1, 7);
    injectFault(null);
    expect(new Set(result.equations.filter(({ ok }) => !ok).map((check) => check.op))).toEqual(new Set(['lstm']));
  });
});

test('what float32 has no normal number for is no error: gradients whose squares are', async () => {
  const inputs = { data: Float32Array.of(1e-19, -2e-19), shape: [1, 2] };
  const targets = { data: Float32Array.of(1), shape: [1, 1] };
  const { ok, worst } = await verify(sequential([linear(1, { bias: false })], { seed: 1 }), { inputs, targets });
  expect(ok ? null : worst).toBeNull();
});

test.each<[string, Parameters<typeof lstm>[1]]>([
  ['of the cell', { cellClip: 0.3, gateClip: 0.3 }],
  ['of the gates', { gateClip: 0.3 }],
])('a bound %s that float32 rounds is the same on both backends, where it is met', async (_, clips) => {
  // From c = 0, without an input gate, c becomes what bounds the candidate.
  const model = sequential([lstm(9, { ...clips, inputGate: false, cellActivation: 'identity' }), linear(2)], {
    seed: 1,
  });
  const inputs = noise(1, 4, 3, 5);
  const scaled = { data: inputs.data.map((value) => 4 * value), shape: inputs.shape };
  const { equations } = await verify(model, { inputs: scaled, targets: noise(2, 4, 3, 2) });
  expect(equations.filter(({ error }) => !(error < 1e-5))).toEqual([]);
});

test('without targets a loss must be given', async () => {
  const { inputs } = batch;
  await expect(verify(languageModel(), { inputs })).rejects.toThrow(OptionError);
  await expect(verify(languageModel(), { inputs }, { loss: meanSquaredError() })).rejects.toThrow('no targets');
});
