import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  adam,
  attentionLstm,
  CheckpointError,
  DataError,
  linear,
  load,
  lstm,
  meanSquaredError,
  Module,
  OptionError,
  sequential,
  ShapeError,
  verify,
  vjp,
  type AttentionLstmOptions,
  type AttentionScore,
  type Inputs,
  type ModuleOptions,
} from '../../lib';
import { eachBackend } from '../support/eachBackend';
import { floats32, ints, noise } from '../support/models';

type Names = 'x' | 'memory' | 'lengths' | 'memoryLengths';

/** Reads a memory of slots of size 3 along a sequence. */
class Reader extends Module {
  override readonly inputShapes = { memory: ['B', 'S', 'D'] };
  readonly reader;
  readonly head = linear(2);

  constructor(options: ModuleOptions = {}, layer: AttentionLstmOptions = {}) {
    super(options);
    this.reader = attentionLstm(9, layer);
  }

  override forward({ x, memory, lengths, memoryLengths }: Inputs<Names>) {
    return this.head(this.reader(x, { memory, lengths, memoryLengths }).output);
  }
}

const scores: readonly AttentionScore[] = ['multiplicative', 'additive'];
const batch = {
  inputs: { x: noise(1, 3, 6, 4), memory: noise(2, 3, 5, 3), memoryLengths: ints([5, 0, 2]) },
  lengths: ints([6, 3, 0]),
};
const withTargets = { ...batch, targets: noise(3, 3, 6, 2) };

eachBackend((backend) => {
  describe.each(scores)('with the %s score', (score) => {
    const model = (layer: AttentionLstmOptions = {}) => new Reader({ backend, seed: 4 }, { score, ...layer });

    test('the parameters are those of an LSTM and of the attention', () => {
      const names = (layer: AttentionLstmOptions) =>
        Object.fromEntries(
          model(layer)
            .bind(batch)
            .parameters()
            .filter(({ path }) => /key|query|score|value/.test(path))
            .map(({ path, shape }) => [path.replace('reader.', ''), shape]),
        );
      const value = { weight_value_l0: [9, 3], bias_value_l0: [9] };
      expect(names(score === 'additive' ? { attentionSize: 4 } : {})).toEqual(
        score === 'additive'
          ? { weight_key_l0: [4, 3], bias_key_l0: [4], ...value, weight_query_l0: [4, 9], weight_score_l0: [4] }
          : { weight_key_l0: [9, 3], ...value },
      );
      const stack = Object.keys(names({ numLayers: 2, bidirectional: true, bias: false }));
      expect(stack).toHaveLength(4 * (score === 'additive' ? 4 : 2));
      expect(stack).toContain('weight_key_l1_reverse');
    });

    test('a sequence without slots is not changed by the memory, the others are', async () => {
      const network = model({ numLayers: 2 });
      const expected = await network.predict(batch);
      const inputs = { ...batch.inputs, memory: noise(9, 3, 5, 3) };
      const received = await network.predict({ ...batch, inputs });
      const row = (data: Float32Array, b: number) => [...data.subarray(b * 12, (b + 1) * 12)];
      expect(row(received.data, 1)).toEqual(row(expected.data, 1));
      expect(row(received.data, 0)).not.toEqual(row(expected.data, 0));
      expect([...received.data, ...expected.data].every((value) => Number.isFinite(value))).toBe(true);
    });

    test('slots added past the lengths change no bit', async () => {
      const network = model({ bidirectional: true });
      const expected = await network.predict(batch);
      const { data } = batch.inputs.memory;
      const padded = floats32(noise(8, 3, 11, 3).data, [3, 11, 3]);
      for (let b = 0; b < 3; b++) padded.data.set(data.subarray(b * 15, (b + 1) * 15), b * 33);
      const received = await network.predict({ ...batch, inputs: { ...batch.inputs, memory: padded } });
      expect(received.data).toEqual(expected.data);
    });

    test('gradients reach the slots that count, and no others', async () => {
      const network = model({ numLayers: 2, bidirectional: true }).bind(batch);
      const { gradients } = await vjp(network, batch, { output: noise(5, 3, 6, 2) }, { backend });
      const memory = gradients.memory!;
      for (let slot = 0; slot < 15; slot++) {
        const gradient = [...memory.data.subarray(slot * 3, slot * 3 + 3)];
        // Sequence 2 has slots, but no steps.
        expect(gradient.every((value) => value === 0)).toBe(slot >= 5);
      }
    });

    test('a model saved and loaded predicts the same bits', async () => {
      const folder = await mkdtemp(join(tmpdir(), 'attention-'));
      try {
        const network = model({ numLayers: 2, bidirectional: true, bias: false });
        const expected = await network.predict(batch);
        await network.save(join(folder, 'model.safetensors'));
        const modules = { Reader: (options: ModuleOptions) => new Reader(options, network.reader.options) };
        const loaded = await load(join(folder, 'model.safetensors'), { backend, modules });
        expect((await loaded.predict(batch)).data).toEqual(expected.data);
      } finally {
        await rm(folder, { recursive: true });
      }
    });

    test('a stream of steps has the bits of the whole sequence, whatever the sizes of its memories before', async () => {
      const [x, memory] = [noise(4, 1, 6, 4), noise(5, 1, 7, 3)];
      const memoryLengths = ints([6]);
      const network = model({ numLayers: 2 });
      const whole = await network.predict({ inputs: { x, memory, memoryLengths } });
      const session = network.session();
      session.step({ x: noise(6, 1, 1, 4), memory: noise(7, 1, 2, 3), memoryLengths: ints([1]) });
      session.reset();
      const streamed = Array.from({ length: 6 }, (_, t) => {
        const step = floats32(x.data.slice(4 * t, 4 * t + 4), [1, 1, 4]);
        return [...session.step({ x: step, memory, memoryLengths })];
      });
      expect(streamed.flat()).toEqual([...whole.data]);
      const step = noise(6, 1, 1, 4);
      expect(() => session.step({ x: step, memory: noise(1, 1, 2, 3), memoryLengths: ints([3]) })).toThrow(
        'memoryLengths: expected integers in 0..2, received 3 at index 0',
      );
    });

    test('training lowers the loss, with dropout and carried state', async () => {
      const network = model({ numLayers: 2, dropout: 0.1, inputDropout: 0.1, weightDrop: 0.1 });
      const options = { loss: meanSquaredError(), optimizer: adam({ lr: 0.02 }), carryState: true };
      const losses: number[] = [];
      for (let step = 0; step < 60; step++) losses.push((await network.trainStep(withTargets, options)).loss);
      expect(losses.at(-1)!).toBeLessThan(0.6 * losses[0]!);
    });
  });
});

test.each(scores)('native and reference agree on each equation of a training step, %s', async (score) => {
  const layer = { score, numLayers: 2, bidirectional: true, attentionSize: score === 'additive' ? 5 : 9 } as const;
  const { ok, worst } = await verify(new Reader({ seed: 2 }, layer), withTargets);
  expect([ok, worst]).toEqual([true, worst]);
});

/** What the memory holds at the slot whose first number is largest: nothing that x could tell. */
test('fit learns to find something in the memory', async () => {
  const batches = Array.from({ length: 40 }, (_, k) => {
    const memory = noise(100 + k, 16, 4, 3);
    const targets = Array.from({ length: 16 }, (_, b) => {
      const slots = Array.from({ length: 4 }, (_, s) => [
        ...memory.data.subarray((b * 4 + s) * 3, (b * 4 + s) * 3 + 3),
      ]);
      const [, first, second] = slots.reduce((best, slot) => (slot[0]! > best[0]! ? slot : best));
      return Array<number[]>(3).fill([first!, second!]).flat();
    });
    const x = floats32(new Float32Array(16 * 3), [16, 3, 1]);
    return { inputs: { x, memory }, targets: floats32(targets.flat(), [16, 3, 2]) };
  });
  const network = new Reader({ seed: 1 });
  const { epochs } = await network.fit(batches, {
    loss: meanSquaredError(),
    optimizer: adam({ lr: 0.02 }),
    epochs: 12,
  });
  const losses = epochs.map(({ train }) => train.loss);
  // The best without the memory is the variance of a target, 1.
  expect(losses.at(-1)!).toBeLessThan(0.5);
});

test('the state of an lstm is refused by one that attends, and the other way round', () => {
  class Plain extends Module {
    readonly reader = lstm(9);
    override forward({ x }: Inputs<'x'>) {
      return this.reader(x).output;
    }
  }
  const { x, memory } = batch.inputs;
  const attending = new Reader().bind({ inputs: { x, memory } }).session();
  const plain = new Plain().bind({ inputs: { x } }).session();
  for (const [session, other, message] of [
    [attending, plain, 'session/reader.h_l0: expected the state of attentionLstm, received that of lstm'],
    [plain, attending, 'session/reader.h_l0: expected the state of lstm, received that of attentionLstm'],
  ] as const) {
    const before = session.exportState();
    expect(() => session.importState(other.exportState())).toThrow(CheckpointError);
    expect(() => session.importState(other.exportState())).toThrow(message);
    expect(session.exportState()).toEqual(before);
  }
});

describe.each<[AttentionLstmOptions]>([
  [{ score: 'additive', peepholes: true, zoneout: 0.2, recurrentDropout: 0.3 }],
  [{ variant: 'FGR', learnInitialState: true }],
  [{ score: 'additive', projSize: 4, layerNorm: true, zoneout: { hidden: 0.3 } }],
  [{ coupledGates: true, cellClip: 0.5, gateClip: 0.8, forgetBias: undefined }],
])('with the options %j of the cell', (options) => {
  test('a training step is the same equation by equation on both backends', async () => {
    const { ok, worst } = await verify(new Reader({ seed: 4 }, { ...options, numLayers: 2 }), withTargets);
    expect(ok ? null : worst).toBeNull();
  });

  test('a stream of steps has the bits of the whole sequence', async () => {
    const network = new Reader({ seed: 4 }, options).bind(batch);
    const [steps, width] = [6, 4];
    const x = noise(1, 1, steps, width);
    const memory = noise(2, 1, 5, 3);
    const memoryLengths = ints([4]);
    const whole = await network.predict({ inputs: { x, memory, memoryLengths } });
    const session = network.session();
    const streamed = Array.from({ length: steps }, (_, t) => [
      ...session.step({
        x: floats32(x.data.slice(t * width, (t + 1) * width), [1, 1, width]),
        memory,
        memoryLengths,
      }),
    ]);
    expect(streamed.flat()).toEqual([...whole.data]);
  });
});

describe('what has no meaning is refused by name', () => {
  test.each([
    [{ score: 'dot' }, "attentionLstm: score: expected 'multiplicative' or 'additive', received 'dot'"],
    [{ attentionSize: 8 }, 'attentionLstm: attentionSize: expected 9, the hidden size, with the multiplicative score'],
    [{ score: 'additive', attentionSize: 0 }, 'attentionLstm: attentionSize: expected a positive integer, received 0'],
    [{ memorySize: -1 }, 'attentionLstm: memorySize: expected a positive integer, received -1'],
    [{ projSize: 4, attentionSize: 9 }, 'attentionLstm: attentionSize: expected 4, the hidden size, with'],
    [{ projSize: 9 }, 'attentionLstm: projSize: expected an integer from 1 to 8, below the hidden size, received 9'],
    [
      { coupledGates: true, inputGate: false },
      'attentionLstm: coupledGates: without an input gate, 1 - i would always',
    ],
    [{ zoneout: 1 }, 'attentionLstm: zoneout: expected a number in [0, 1), received 1'],
    [{ gateClip: 0 }, 'attentionLstm: gateClip: expected a positive number within float32, received 0'],
    [{ forgetBias: 1, forgetGate: false }, 'attentionLstm: forgetBias: there is no forget gate'],
    [{ peephole: true }, "attentionLstm: unknown option 'peephole'"],
  ])('%j', (options, message) => {
    const make = () => attentionLstm(9, options as AttentionLstmOptions);
    expect(make).toThrow(OptionError);
    expect(make).toThrow(message);
  });

  const inputs = batch.inputs;
  test.each([
    [{ ...inputs, memory: noise(1, 2, 5, 3) }, 'memory'],
    [{ ...inputs, memory: noise(1, 3, 5) }, 'memory: expected [B, S, D], received [3, 5]'],
    [{ ...inputs, memory: noise(1, 3, 5, 4) }, 'attentionLstm: memory: expected [B, S, 3], received [B, S, 4]'],
    [{ ...inputs, memoryLengths: ints([5, 6, 2]) }, 'memoryLengths: expected integers in 0..5, received 6 at index 1'],
    [
      { ...inputs, memoryLengths: ints([5, -1, 2]) },
      'memoryLengths: expected integers in 0..5, received -1 at index 1',
    ],
    [{ ...inputs, memoryLengths: ints([5, 1]) }, 'memoryLengths: expected [B] with B = 3, received [2]'],
    [{ ...inputs, memoryLengths: floats32([5, 1, 2]) }, 'memoryLengths: expected Int32Array, received Float32Array'],
    [{ ...inputs, memoryLengths: ints([5, 1, 2], [3, 1]) }, 'memoryLengths: expected [B], received [3, 1]'],
  ])('inputs %#', async (wrong, message) => {
    const network = new Reader({}, { memorySize: 3 });
    await expect(network.predict({ inputs: wrong, lengths: batch.lengths })).rejects.toThrow(message);
  });

  test('a memory of another width than the first', async () => {
    const network = new Reader().bind(batch);
    const wrong = { ...batch, inputs: { ...inputs, memory: noise(1, 3, 5, 4) } };
    await expect(network.predict(wrong)).rejects.toThrow(ShapeError);
    await expect(network.predict(wrong)).rejects.toThrow('memory: expected [B, S, 3] as bound, received [B, S, 4]');
  });

  test('no memory', async () => {
    const { x, memoryLengths } = inputs;
    const missing = new Reader().predict({ inputs: { x, memoryLengths } });
    await expect(missing).rejects.toThrow('memory: forward reads this input, and the batch holds x, memoryLengths');
    const alone = sequential([attentionLstm(4)]).predict({ inputs: x });
    await expect(alone).rejects.toThrow(DataError);
    await expect(alone).rejects.toThrow('attentionLstm: memory: expected a Variable, received undefined');
  });
});
