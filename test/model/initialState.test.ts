/** Learned initial states: where sequences, streams and sessions begin, and what the gradient makes of it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Module } from '../../lib';
import {
  gru,
  linear,
  load,
  lstm,
  meanSquaredError,
  NonFiniteError,
  OptionError,
  rnn,
  sequential,
  sgd,
  slstm,
  verify,
  vjp,
  type Batch,
} from '../../lib';
import type { RecurrentOptions } from '../../lib/nn/recurrent';
import { eachBackend, type BackendName } from '../support/eachBackend';
import { copies, ints, noise } from '../support/models';

const H = 3;
const cells = {
  lstm: (options: RecurrentOptions) => lstm(H, options),
  'lstm with projection': (options: RecurrentOptions) => lstm(H, { ...options, projSize: 2 }),
  gru: (options: RecurrentOptions) => gru(H, options),
  'gru-before': (options: RecurrentOptions) => gru(H, { ...options, resetAfter: false }),
  rnn: (options: RecurrentOptions) => rnn(H, options),
  slstm: (options: RecurrentOptions) => slstm(H, options),
};
type CellName = keyof typeof cells;
const names = Object.keys(cells) as CellName[];
const loss = meanSquaredError();

const network = (cell: CellName, backend: BackendName, options: RecurrentOptions = {}) =>
  sequential([cells[cell]({ learnInitialState: true, ...options }), linear(1)], { backend, seed: 5 });
const isLearned = (path: string) => /\.[hc]0_l/.test(path);

/** Other numbers in the place of the zeros with which learned states begin. */
async function scatter<M extends Module>(model: M, batch: Batch): Promise<M> {
  const state = Object.entries(await model.bind(batch).stateDict());
  const values = state.map(([path, value], index) => [path, isLearned(path) ? noise(index, ...value.shape) : value]);
  await model.loadStateDict(Object.fromEntries(values) as never);
  return model;
}

/** Steps [begin, end) of inputs and targets. */
function part({ inputs, targets }: Batch, begin: number, end: number): Batch {
  const cut = ({ data, shape }: { data: ArrayLike<number>; shape: readonly number[] }) => {
    const [B, T, F] = shape as [number, number, number];
    const rows = Array.from({ length: B }, (_, b) => Array.from(data).slice((b * T + begin) * F, (b * T + end) * F));
    return { data: Float32Array.from(rows.flat()), shape: [B, end - begin, F] };
  };
  return { inputs: cut(inputs as never), targets: cut(targets!) };
}

const whole: Batch = { inputs: noise(1, 2, 9, 2), targets: noise(2, 2, 9, 1) };
const parts = [part(whole, 0, 3), part(whole, 3, 6), part(whole, 6, 9)];
const ragged: Batch = {
  inputs: noise(3, 3, 4, 2),
  targets: noise(4, 3, 4, 1),
  lengths: ints([4, 0, 2]),
};

eachBackend((backend) => {
  describe.each(names)('%s', (cell) => {
    test('one parameter for each state of every layer and direction, zeros at first', async () => {
      const model = network(cell, backend, { numLayers: 2, bidirectional: true }).bind(ragged);
      const state = await model.stateDict();
      const learned = Object.entries(state).filter(([path]) => isLearned(path));
      const places = ['l0', 'l0_reverse', 'l1', 'l1_reverse'];
      const states = cell.startsWith('lstm') ? ['h', 'c'] : ['h'];
      const expected = places.flatMap((place) => states.map((short) => `0.${short}0_${place}`));
      expect(learned.map(([path]) => path).sort()).toEqual(expected.sort());
      for (const [path, { data, shape }] of learned) {
        expect(shape).toEqual([path.includes('.h0') && cell.includes('projection') ? 2 : H]);
        expect(data.every((value) => value === 0)).toBe(true);
      }
      const plain = network(cell, backend, { numLayers: 2, bidirectional: true, learnInitialState: false });
      expect(await model.predict(ragged)).toEqual(await plain.predict(ragged));
    });

    test('a session begins there, and goes back there', async () => {
      const one: Batch = { inputs: noise(5, 1, 6, 2) };
      const model = await scatter(network(cell, backend, { numLayers: 2 }), one);
      const expected = [...(await model.predict(one)).data];
      const session = model.session();
      const { data } = one.inputs as { data: Float32Array };
      const stream = () => Array.from({ length: 6 }, (_, t) => [...session.step(data.slice(2 * t, 2 * t + 2))]).flat();
      expect(stream()).toEqual(expected);
      expect(stream()).not.toEqual(expected);
      session.reset();
      expect(stream()).toEqual(expected);
    });

    test('a carried stream begins there, in every pass, and gives it a gradient in its first batch alone', async () => {
      const model = await scatter(network(cell, backend), whole);
      const one = (await model.evaluate([whole], { loss })).loss;
      expect((await model.evaluate(parts, { loss, carryState: true })).loss).toBeCloseTo(one, 6);
      const losses: number[] = [];
      const still = { loss, optimizer: sgd({ lr: 0 }), carryState: true, epochs: 2 };
      await model.fit(parts, still).on('step', ({ loss: value }) => losses.push(value));
      expect(losses.slice(3)).toEqual(losses.slice(0, 3));
      expect(losses.slice(0, 3).reduce((a, b) => a + b) / 3).toBeCloseTo(one, 6);

      const other = await scatter(network(cell, backend), whole);
      await other.trainStep(parts[0]!, { loss, optimizer: sgd({ lr: 1 }) });
      const options = { loss, optimizer: sgd({ lr: 1 }), carryState: true };
      const learned = async (of: Module) => Object.entries(await copies(of)).filter(([path]) => isLearned(path));
      const before = await learned(model);
      await model.trainStep(parts[0]!, options);
      const after = await learned(model);
      expect(after).toEqual(await learned(other));
      after.forEach(([, values], index) => expect(values).not.toEqual(before[index]![1]));
      const weights = await copies(model);
      for (const next of parts.slice(1)) await model.trainStep(next, options);
      expect(await learned(model)).toEqual(after);
      expect((await copies(model))['0.weight_hh_l0']).not.toEqual(weights['0.weight_hh_l0']);
    });

    test('a step that failed begins again', async () => {
      const model = await scatter(network(cell, backend), whole);
      const options = { loss, optimizer: sgd({ lr: 1 }), carryState: true };
      const { targets } = parts[0]!;
      const bad = { ...parts[0]!, targets: { ...targets!, data: Float32Array.from(targets!.data, () => 3e38) } };
      const before = await copies(model);
      // Only float32 is past its range there.
      if (backend === 'native') await expect(model.trainStep(bad, options)).rejects.toThrow(NonFiniteError);
      await model.trainStep(parts[0]!, options);
      expect((await copies(model))['0.h0_l0']).not.toEqual(before['0.h0_l0']);
    });

    test('a model saved and loaded predicts the same bits', async () => {
      const folder = await mkdtemp(join(tmpdir(), 'initial-'));
      try {
        const model = await scatter(network(cell, backend, { bidirectional: true, output: 'last' }), ragged);
        const expected = await model.predict(ragged);
        await model.save(join(folder, 'model.safetensors'));
        expect(await (await load(join(folder, 'model.safetensors'), { backend })).predict(ragged)).toEqual(expected);
      } finally {
        await rm(folder, { recursive: true });
      }
    });
  });
});

describe.each(names)('%s', (cell) => {
  test('the gradient of the learned states is that of finite differences', async () => {
    for (const output of ['sequence', 'last'] as const) {
      const model = network(cell, 'reference', { numLayers: 2, bidirectional: true, output });
      await scatter(model, ragged);
      const cotangent = noise(6, 3, ...(output === 'last' ? [] : [4]), 1);
      const { gradients } = await vjp(model, ragged, cotangent, { backend: 'reference' });
      const state = await model.stateDict();
      const scalar = async (path: string, index: number, step: number) => {
        const data = Float64Array.from(state[path]!.data);
        data[index]! += step;
        await model.loadStateDict({ ...state, [path]: { ...state[path]!, data } });
        const result = await model.predict<Float64Array>(ragged);
        return result.data.reduce((sum, value, k) => sum + value * cotangent.data[k]!, 0);
      };
      for (const path of Object.keys(state).filter(isLearned)) {
        for (let index = 0; index < state[path]!.data.length; index++) {
          const difference = ((await scalar(path, index, 1e-6)) - (await scalar(path, index, -1e-6))) / 2e-6;
          expect(Math.abs(gradients[path]!.data[index]! - difference)).toBeLessThan(1e-5 + 1e-3 * Math.abs(difference));
        }
      }
    }
  });

  test('every equation of a training step is what the reference makes of its operands', async () => {
    const { ok, worst } = await verify(await scatter(network(cell, 'native', { bidirectional: true }), ragged), ragged);
    expect(ok ? null : worst).toBeNull();
  });
});

test('what is neither true nor false is refused', () => {
  expect(() => gru(3, { learnInitialState: 1 as never })).toThrow(OptionError);
  expect(() => gru(3, { learnInitialState: 1 as never })).toThrow(
    'gru: learnInitialState: expected true or false, received 1',
  );
});
