/**
 * What other engines got wrong about lengths and layers, each as a test named after the report, or where it is tested:
 *
 * | report | what went wrong | tested |
 * | --- | --- | --- |
 * | onnxruntime #1193 | outputs past a length are left as the memory was | here; native/ragged_test.cc |
 * | onnxruntime #3797, #3893 | a GRU without bias reads a buffer that is not there, from three rows on | here |
 * | onnxruntime #1607 | a bidirectional layer mixes up the initial states of its directions | here |
 * | onnxruntime #1400, mxnet #19323 | ragged lengths are wrong on one of the backends | here; ops/recurrent/ragged.test.ts |
 * | onnx-tensorflow #342 | the reverse direction begins in the padding | here |
 * | pytorch #4582, #11514 | a row of no steps is refused, or wrong | here; ops/recurrent/ragged.test.ts |
 * | tensorflow #43103 | a batch of nothing but padding is wrong; a row whose every slot is masked is NaN | here; train/loss.test.ts |
 * | pytorch #95137 | layers take each other's initial state, unseen where states are zero | here |
 * | pytorch #96416 | no gradient where only h_n or c_n has one | here; ops/recurrent/lstm.test.ts, cells.test.ts: against finite differences |
 */
import {
  attentionLstm,
  crossEntropy,
  gru,
  linear,
  lstm,
  Module,
  sequential,
  sgd,
  vjp,
  type AttentionScore,
  type Inputs,
} from '../../lib';
import type { ArrayView } from '../../lib/backend/backend';
import { eachBackend, type BackendName } from '../support/eachBackend';
import { expectClose } from '../support/expectClose';
import { copies, floats32, ints, noise } from '../support/models';
import { cellNames, RecurrentStack } from './recurrentStack';

const [B, T, I, H] = [3, 5, 2, 4];
const x = noise(1, B, T, I);
const lengths = ints([2, 0, 5]);
const cells = cellNames.map((cell) => [cell] as const);

const rowsOf = ({ data, shape }: ArrayView, b: number) => {
  const width = data.length / shape[0]!;
  return Array.from(data.slice(b * width, (b + 1) * width));
};
/** Rows of the first axis. */
const part = ({ data, shape }: ArrayView, begin: number, end: number) => {
  const width = data.length / shape[0]!;
  return floats32(data.slice(begin * width, end * width), [end - begin, ...shape.slice(1)]);
};
/** Initial states of `layers` layers, none like another. */
const initial = (model: RecurrentStack, layers: number, seed = 5): Record<string, ArrayView> =>
  Object.fromEntries(
    model.states.map((state, k) => {
      const { data, shape } = noise(seed + k, layers, B, H);
      // A normalizer is positive once something has been seen.
      return [`${state}0`, { shape, data: state === 'n' ? data.map((value) => Math.abs(value) + 0.5) : data }];
    }),
  );

/** An LSTM that attends to a memory, which the lengths of it may hide. */
class Attending extends Module {
  override readonly inputShapes = { memory: ['B', 'S', I] };
  private readonly layer;

  constructor(score: AttentionScore, backend: BackendName) {
    super({ backend, seed: 4 });
    this.layer = attentionLstm(H, { score, bidirectional: true });
  }

  override forward({ x, memory, memoryLengths, lengths }: Inputs<'x' | 'memory' | 'memoryLengths' | 'lengths'>) {
    return this.layer(x, { memory, memoryLengths, lengths }).output;
  }
}

/** The same numbers under other names: `rename` gives the name in the copy, or null for what it lacks. */
async function copyParameters(from: RecurrentStack, to: RecurrentStack, rename: (name: string) => string | null) {
  const entries = Object.entries(await from.stateDict()).map(([name, value]) => [rename(name), value] as const);
  await to.loadStateDict(Object.fromEntries(entries.filter(([name]) => name !== null)) as Record<string, ArrayView>);
}

eachBackend((backend) => {
  const stack = (cell: (typeof cellNames)[number], options = {}) => new RecurrentStack(cell, options, backend);

  test.each(cells)('onnxruntime #1193: outputs past a length are 0 where memory held others, %s', async (cell) => {
    const model = stack(cell, { bidirectional: true });
    const full = await model.predict({ inputs: { x } });
    expect(Array.from(full.output!.data).every((value) => value !== 0)).toBe(true);
    const { output } = await model.predict({ inputs: { x }, lengths });
    output!.data.forEach((value, k) => {
      const [b, t] = [Math.floor(k / (T * 2 * H)), Math.floor(k / (2 * H)) % T];
      if (t >= lengths.data[b]!) expect(Object.is(value, 0)).toBe(true);
      else expect(value).not.toBe(0);
    });
  });

  test.each([3, 5, 8])(
    'onnxruntime #3797, #3893: a gru without bias is one whose bias is 0, for %d rows',
    async (rows) => {
      const inputs = noise(2, rows, T, I);
      const none = sequential([gru(H, { bias: false })], { backend, seed: 4 });
      const zero = sequential([gru(H)], { backend, seed: 4 });
      const [batch, zeros] = [{ inputs }, floats32(new Float32Array(3 * H))];
      none.bind(batch);
      zero.bind(batch);
      await zero.loadStateDict({ ...(await none.stateDict()), '0.bias_ih_l0': zeros, '0.bias_hh_l0': zeros });
      const [one, other] = [await none.predict(batch), await zero.predict(batch)];
      expect(one.data).toEqual(other.data);
      expect(Array.from(one.data).every((value) => Number.isFinite(value) && value !== 0)).toBe(true);
    },
  );

  test.each(cells)('onnxruntime #1607: each direction goes on from its own initial state, %s', async (cell) => {
    const both = stack(cell, { bidirectional: true });
    const states = initial(both, 2);
    const batch = { inputs: { x, ...states }, lengths };
    const together = await both.predict(batch);
    const forward = stack(cell);
    const own = Object.fromEntries(Object.entries(states).map(([name, value]) => [name, part(value, 0, 1)]));
    forward.bind({ inputs: { x, ...own }, lengths });
    await copyParameters(both, forward, (name) => (name.endsWith('_reverse') ? null : name));
    const alone = await forward.predict({ inputs: { x, ...own }, lengths });
    // The other direction is the forward one over the steps of each row in reverse.
    const mirrored = mirror(x);
    const other = Object.fromEntries(Object.entries(states).map(([name, value]) => [name, part(value, 1, 2)]));
    await copyParameters(both, forward, (name) => (name.endsWith('_reverse') ? name.slice(0, -8) : null));
    const reversed = await forward.predict({ inputs: { x: mirrored, ...other }, lengths });
    for (const state of forward.states) {
      expect(part(together[state]!, 0, 1).data).toEqual(floats32(alone[state]!.data).data);
      expect(part(together[state]!, 1, 2).data).toEqual(floats32(reversed[state]!.data).data);
    }
  });

  test.each(cells)(
    'onnx-tensorflow #342: the reverse direction begins at the last step, not in the padding, %s',
    async (cell) => {
      const both = stack(cell, { bidirectional: true });
      const { output } = await both.predict({ inputs: { x }, lengths });
      for (const b of [0, 2]) {
        const length = lengths.data[b]!;
        const row = part(x, b, b + 1);
        const cut = floats32(row.data.slice(0, length * I), [1, length, I]);
        const alone = await both.predict({ inputs: { x: cut } });
        expect(rowsOf(output!, b).slice(0, length * 2 * H)).toEqual(Array.from(alone.output!.data));
      }
    },
  );

  test.each(cells)(
    'pytorch #4582, #11514: a row of no steps has zeros, its initial state, and no gradient, %s',
    async (cell) => {
      const model = stack(cell, { numLayers: 2, bidirectional: true });
      const states = initial(model, 4);
      const batch = { inputs: { x, ...states }, lengths };
      const { outputs, gradients } = await vjp(model, batch, { output: noise(9, B, T, 2 * H) }, { backend });
      expect(rowsOf(outputs.output!, 1).every((value) => value === 0)).toBe(true);
      for (let layer = 0; layer < 4; layer++) {
        for (const state of model.states) {
          const at = (value: ArrayView) => rowsOf(part(value, layer, layer + 1), 0).slice(H, 2 * H);
          expect(at(outputs[state]!)).toEqual(at(states[`${state}0`]!));
          expect(at(gradients[`${state}0`]!).every((value) => value === 0)).toBe(true);
        }
      }
      expect(rowsOf(gradients.x!, 1).every((value) => value === 0)).toBe(true);
      expect(rowsOf(gradients.x!, 0).some((value) => value !== 0)).toBe(true);
    },
  );

  test.each(cells)(
    'tensorflow #43103: a batch of nothing but padding has zeros and changes no weight, %s',
    async (cell) => {
      const model = stack(cell, { bidirectional: true });
      const none = ints([0, 0, 0]);
      const { output, h } = await model.predict({ inputs: { x }, lengths: none });
      for (const { data } of [output!, h!]) expect(data.every((value) => value === 0)).toBe(true);
      const classifier = sequential([gru(H), linear(3)], { backend });
      const batch = { inputs: x, targets: ints(Array<number>(B * T).fill(1), [B, T]), lengths: none };
      classifier.bind(batch);
      const before = await copies(classifier);
      const { loss } = await classifier.trainStep(batch, { loss: crossEntropy(), optimizer: sgd({ lr: 1 }) });
      expect(loss).toBe(0);
      expect(await copies(classifier)).toEqual(before);
    },
  );

  test.each(['multiplicative', 'additive'] as const)(
    'tensorflow #43103: a row whose every slot is masked is the lstm without attention, %s',
    async (score) => {
      const model = new Attending(score, backend);
      const inputs = { x, memory: noise(3, B, 6, I), memoryLengths: ints([0, 4, 0]) };
      const batch = { inputs, lengths };
      const { outputs, gradients } = await vjp(model, batch, noise(9, B, T, 2 * H), { backend });
      const plain = sequential([lstm(H, { bidirectional: true })], { backend }).bind({ inputs: x });
      const own = Object.entries(await model.stateDict()).filter(([name]) => !/key|value|query|score/.test(name));
      await plain.loadStateDict(Object.fromEntries(own.map(([name, value]) => [name.replace('layer', '0'), value])));
      const { data, shape } = await plain.predict({ inputs: x, lengths });
      for (const b of [0, 2]) expect(rowsOf(outputs.output!, b)).toEqual(rowsOf({ data, shape }, b));
      for (const [name, gradient] of Object.entries(gradients))
        expect([name, Array.from(gradient.data).every(Number.isFinite)]).toEqual([name, true]);
      // Nothing of what is masked, and the row that sees four slots has no steps.
      expect(gradients.memory!.data.every((value) => value === 0)).toBe(true);
      expect(rowsOf(gradients.x!, 0).some((value) => value !== 0)).toBe(true);
    },
  );

  test.each(cells)('pytorch #96416: a gradient through one final state alone is whole, %s', async (cell) => {
    const model = stack(cell, { bidirectional: true });
    const states = initial(model, 2);
    const given = { inputs: { x, ...states }, lengths };
    const cotangents = Object.fromEntries(model.states.map((state, k) => [state, noise(20 + k, 2, B, H)]));
    const all = await vjp(model, given, cotangents, { backend });
    const alone = await Promise.all(
      model.states.map((state) => vjp(model, given, { [state]: cotangents[state]! }, { backend })),
    );
    for (const [name, { data, shape }] of Object.entries(all.gradients)) {
      const parts = alone.map(({ gradients }) => gradients[name]);
      // A first step's normalizer has no part in an input map, but the state of each row has one in itself.
      expect(parts.some((part) => part?.data.some((value) => value !== 0))).toBe(true);
      const sum = Array.from(data, (_, k) => parts.reduce((total, part) => total + (part?.data[k] ?? 0), 0));
      expectClose({ data: Float64Array.from(sum), shape }, { data, shape }, { absolute: 2e-5, relative: 1e-5 });
    }
    for (const [k, { gradients }] of alone.entries())
      expect([model.states[k], gradients[`${model.states[k]!}0`]!.data.some((v) => v !== 0)]).toEqual([
        model.states[k],
        true,
      ]);
  });

  test.each(cells)('pytorch #95137: each layer of a stack begins with its own state, %s', async (cell) => {
    const whole = stack(cell, { numLayers: 3 });
    const states = initial(whole, 3);
    const together = await whole.predict({ inputs: { x, ...states }, lengths });
    let sequence: ArrayView = x;
    for (let layer = 0; layer < 3; layer++) {
      const one = stack(cell);
      const own = Object.fromEntries(
        Object.entries(states).map(([name, value]) => [name, part(value, layer, layer + 1)]),
      );
      const batch = { inputs: { x: floats32(sequence.data, sequence.shape), ...own }, lengths };
      one.bind(batch);
      await copyParameters(whole, one, (name) => (name.endsWith(`_l${layer}`) ? name.replace(/\d$/, '0') : null));
      const outputs = await one.predict(batch);
      for (const state of one.states) {
        // The reference hands float64 from layer to layer, and here float32.
        const exact = backend === 'native' ? {} : { absolute: 1e-6 };
        expectClose(outputs[state]!, { ...part(together[state]!, layer, layer + 1) }, exact);
      }
      sequence = outputs.output!;
    }
  });
});

test.each(cells)('onnxruntime #1400, mxnet #19323: both backends agree on ragged lengths, %s', async (cell) => {
  const results = await Promise.all(
    (['reference', 'native'] as const).map(async (backend: BackendName) => {
      const model = new RecurrentStack(cell, { numLayers: 2, bidirectional: true }, backend);
      const batch = { inputs: { x, ...initial(model, 4) }, lengths };
      const cotangents = { output: noise(9, B, T, 2 * H), h: noise(10, 4, B, H) };
      const { outputs, gradients } = await vjp(model, batch, cotangents, { backend });
      return { ...outputs, ...gradients };
    }),
  );
  const [expected, received] = results as [Record<string, ArrayView>, Record<string, ArrayView>];
  expect(Object.keys(received)).toEqual(Object.keys(expected));
  for (const [name, value] of Object.entries(expected)) expectClose(received[name]!, value, { absolute: 2e-6 });
});

/** The steps of each row in reverse, up to its length. */
function mirror({ data, shape }: ArrayView) {
  const turned = Float32Array.from(data);
  for (let b = 0; b < B; b++) {
    const length = lengths.data[b]!;
    for (let t = 0; t < length; t++) {
      const [from, to] = [(b * T + length - 1 - t) * I, (b * T + t) * I];
      turned.set(Array.from(data.slice(from, from + I)), to);
    }
  }
  return floats32(turned, shape);
}
