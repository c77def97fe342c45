import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  attentionLstm,
  gru,
  layerNorm,
  linear,
  load,
  lstm,
  Module,
  OptionError,
  residual,
  rnn,
  sequential,
  ShapeError,
  slstm,
  verify,
  type AttentionLstmCallOptions,
  type Inputs,
  type Tensor,
  type Variable,
} from '../../lib';
import type { RecurrentOptions } from '../../lib/nn/recurrent';
import { eachBackend } from '../support/eachBackend';
import { expectModelGradients } from '../support/modelGradients';
import { ints, noise } from '../support/models';

const cells = { lstm, gru, rnn, slstm } as const;
type Cell = (size: number, options?: RecurrentOptions) => ReturnType<typeof lstm>;
const named = Object.entries(cells) as unknown as [string, Cell][];
const ragged = ints([4, 0, 1]);
const inputs = noise(1, 3, 4, 5);

describe.each(named)('%s', (_, cell) => {
  eachBackend((backend) => {
    test.each([false, true])('each layer above the first adds its input (bidirectional %p)', async (bidirectional) => {
      const stack = sequential([cell(3, { numLayers: 3, bidirectional, residual: true })], { backend });
      const alone = [0, 1, 2].map(() => sequential([cell(3, { bidirectional })], { backend }));
      const batch = { inputs, lengths: ragged };
      const parameters = Object.entries(await stack.bind(batch).stateDict());
      let x: Tensor = inputs;
      for (const [k, layer] of alone.entries()) {
        const own = parameters.filter(([name]) => name.includes(`_l${k}`));
        await layer
          .bind({ inputs: x })
          .loadStateDict(Object.fromEntries(own.map(([name, value]) => [name.replace(`_l${k}`, '_l0'), value])));
        const { data, shape } = await layer.predict({ inputs: x, lengths: ragged });
        x = { data: k === 0 ? data : data.map((value, i) => Math.fround(value + x.data[i]!)), shape };
      }
      const { data } = await stack.predict(batch);
      expect(Math.max(...data.map((value, i) => Math.abs(value - x.data[i]!)))).toBeLessThan(1e-6);
      data.forEach((value, i) => {
        const width = bidirectional ? 6 : 3;
        const [b, t] = [Math.floor(i / width / 4), Math.floor(i / width) % 4];
        expect(value === 0).toBe(t >= ragged.data[b]!);
      });
    });

    test.each([false, true])(
      "the output 'last' is the end of the sequence (bidirectional %p)",
      async (bidirectional) => {
        const options = { numLayers: 3, bidirectional, residual: true };
        const batch = { inputs, lengths: ints([4, 2, 1]) };
        const whole = await sequential([cell(3, options)], { backend, seed: 1 }).predict(batch);
        const last = await sequential([cell(3, { ...options, output: 'last' })], { backend, seed: 1 }).predict(batch);
        const width = bidirectional ? 6 : 3;
        const row = (b: number, t: number) => [...whole.data.slice((b * 4 + t) * width, (b * 4 + t + 1) * width)];
        const expected = [...batch.lengths.data].flatMap((length, b) => [
          ...row(b, length - 1).slice(0, 3),
          ...row(b, 0).slice(3),
        ]);
        expect([...last.data]).toEqual(expected);
      },
    );

    test('a stream of steps has the bits of the whole sequence', async () => {
      const one = noise(4, 1, 6, 3);
      const layers = [cell(5, { numLayers: 2, residual: true }), residual(cell(5)), linear(2)];
      const model = sequential(layers, { backend, seed: 3 });
      const whole = await model.predict({ inputs: one });
      const session = model.session();
      const streamed = Array.from({ length: 6 }, (_, t) => [...session.step(one.data.slice(3 * t, 3 * t + 3))]);
      expect(streamed.flat()).toEqual([...whole.data]);
    });
  });

  test.each([undefined, 'last'] as const)('every gradient meets finite differences with output %p', async (output) => {
    const options = { numLayers: 2, bidirectional: true, residual: true, output };
    const model = sequential([cell(2, options)], { backend: 'reference', seed: 2 });
    await expectModelGradients(model, { inputs: noise(3, 3, 4, 2), lengths: ragged });
  });

  test('natively, every equation of a training step agrees with the reference', async () => {
    const options = { numLayers: 3, bidirectional: true, residual: true, dropout: 0.3 };
    const model = sequential([cell(17, options), linear(2)], { seed: 2 });
    const { ok, worst } = await verify(model, { inputs, lengths: ragged, targets: noise(4, 3, 4, 2) });
    expect({ ok, worst }).toEqual({ ok: true, worst });
  });
});

eachBackend((backend) => {
  test('a residual around a layer adds its input, and hands on its states', async () => {
    class Own extends Module {
      readonly around = residual(lstm(5));
      override forward({ x, lengths }: Inputs<'x' | 'lengths'>) {
        const { output, hiddenState } = this.around(x, { lengths });
        return { output, hiddenState };
      }
    }
    const model = new Own({ backend, seed: 6 });
    const batch = { inputs: { x: inputs }, lengths: ragged };
    const { output, hiddenState } = await model.predict(batch);
    const inner = sequential([lstm(5)], { backend }).bind({ inputs });
    const parameters = Object.entries(await model.stateDict());
    expect(parameters.every(([name]) => name.startsWith('around.layer.'))).toBe(true);
    await inner.loadStateDict(
      Object.fromEntries(parameters.map(([name, value]) => [name.replace('around.layer', '0'), value])),
    );
    const { data } = await inner.predict({ inputs, lengths: ragged });
    output!.data.forEach((value, k) => {
      const within = Math.floor(k / 5) % 4 < ragged.data[Math.floor(k / 20)]!;
      expect(value).toBeCloseTo(within ? data[k]! + inputs.data[k]! : 0, 6);
    });
    expect(hiddenState!.shape).toEqual([1, 3, 5]);
  });

  test('a residual around a layer that attends hands it the memory', async () => {
    class Reader extends Module {
      override readonly inputShapes = { memory: ['B', 'S', 'D'] };
      constructor(readonly layer: (x: Variable, options: AttentionLstmCallOptions) => { readonly output: Variable }) {
        super({ backend, seed: 6 });
      }
      override forward({ x, memory, memoryLengths, lengths }: Inputs<'x' | 'memory' | 'memoryLengths' | 'lengths'>) {
        const { output } = this.layer(x, { memory, memoryLengths, lengths });
        return output;
      }
    }
    const batch = {
      inputs: { x: inputs, memory: noise(2, 3, 6, 4), memoryLengths: ints([6, 0, 2]) },
      lengths: ragged,
    };
    const around = new Reader(residual(attentionLstm(5)));
    const alone = new Reader(attentionLstm(5)).bind(batch);
    const { data } = await around.predict(batch);
    const parameters = Object.entries(await around.stateDict());
    await alone.loadStateDict(
      Object.fromEntries(parameters.map(([name, value]) => [name.replace('layer.layer', 'layer'), value])),
    );
    const changed = await alone.predict(batch);
    data.forEach((value, k) => {
      const within = Math.floor(k / 5) % 4 < ragged.data[Math.floor(k / 20)]!;
      expect(value).toBeCloseTo(within ? changed.data[k]! + inputs.data[k]! : 0, 6);
    });
  });

  test('residual stacks, residuals and layer norms are loaded as they were saved', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'residual-'));
    try {
      const block = () => residual(sequential([layerNorm({ eps: 0.01 }), gru(5)]));
      const layers = [block(), block(), lstm(3, { numLayers: 2, residual: true, output: 'max' })];
      const model = sequential(layers, { backend, seed: 7 });
      const batch = { inputs, lengths: ragged };
      const expected = await model.predict(batch);
      await model.save(join(folder, 'model.safetensors'));
      const loaded = await load(join(folder, 'model.safetensors'), { backend });
      expect((await loaded.predict(batch)).data).toEqual(expected.data);
      expect(loaded.summary()).toBe(model.summary());
      expect(loaded.program()).toBe(model.program());
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

test('every gradient of a residual around a layer meets finite differences', async () => {
  const layers = [residual(sequential([layerNorm(), gru(3)])), residual(linear(3))];
  const model = sequential(layers, { backend: 'reference', seed: 2 });
  await expectModelGradients(model, { inputs: noise(3, 3, 4, 3), lengths: ragged });
});

describe('refused by name', () => {
  test('a residual stack of one layer, which could add nothing', () => {
    for (const numLayers of [undefined, 1]) {
      const make = () => gru(3, { residual: true, numLayers });
      expect(make).toThrow(OptionError);
      expect(make).toThrow('gru: residual: expected numLayers of 2 or more, since nothing is added to the first layer');
    }
  });

  test('what is no flag, and what is no layer', () => {
    const wrong = 'yes' as never;
    expect(() => lstm(3, { residual: wrong, numLayers: 2 })).toThrow('lstm: residual: expected true or false');
    expect(() => residual(3 as never)).toThrow('residual: layer: expected a layer, received 3');
  });

  test('a layer whose output has another shape than its input', async () => {
    const model = sequential([residual(gru(3))], { backend: 'reference' });
    await expect(model.predict({ inputs })).rejects.toThrow(ShapeError);
    await expect(model.predict({ inputs })).rejects.toThrow(
      "0: residual: the layer's output: expected [T, B, 5], as its input, received [T, B, 3]",
    );
  });
});
