/** The sLSTM layer: its parameters, its options, its four states. */
import { linear, Module, OptionError, sequential, ShapeError, slstm, type Inputs, type SlstmOptions } from '../../lib';
import { eachBackend } from '../support/eachBackend';
import { expectClose } from '../support/expectClose';
import { noise } from '../support/models';

const H = 6;
const batch = { inputs: noise(1, 2, 5, 3) };

test('weight_hh has the columns of a head', () => {
  const model = sequential([slstm(H, { numHeads: 3, bidirectional: true })], { backend: 'reference' }).bind(batch);
  const shapes = Object.fromEntries(model.parameters().map(({ path, shape }) => [path, shape]));
  const ofDirection = (suffix: string) => ({
    [`0.weight_ih_l0${suffix}`]: [24, 3],
    [`0.weight_hh_l0${suffix}`]: [24, 2],
    [`0.bias_ih_l0${suffix}`]: [24],
    [`0.bias_hh_l0${suffix}`]: [24],
  });
  expect(shapes).toEqual({ ...ofDirection(''), ...ofDirection('_reverse') });
});

test('forgetBias is what the two biases add up to, and changes nothing else', async () => {
  const values = (options: SlstmOptions) =>
    sequential([slstm(H, options)], { backend: 'reference', seed: 2 })
      .bind(batch)
      .stateDict();
  const [plain, biased] = [await values({}), await values({ forgetBias: 1.5 })];
  for (const [path, { data }] of Object.entries(plain)) {
    const expected = [...data];
    if (path.includes('bias_')) expected.fill(path.includes('bias_ih') ? 1.5 : 0, H, 2 * H);
    expect([path, [...biased[path]!.data]]).toEqual([path, expected]);
  }
});

test.each<[SlstmOptions, string]>([
  [{ numHeads: 4 }, 'slstm: numHeads: expected a divisor of hiddenSize 6, received 4'],
  [{ numHeads: 1.5 }, 'slstm: numHeads: expected a positive integer, received 1.5'],
  [{ forgetGate: 'tanh' as 'exp' }, "slstm: forgetGate: expected 'sigmoid' or 'exp', received 'tanh'"],
  [{ forgetBias: NaN }, 'slstm: forgetBias: expected a number, received NaN'],
  [{ forgetBias: 1, bias: false }, 'slstm: forgetBias: there are no biases'],
  [{ heads: 2 } as SlstmOptions, "slstm: unknown option 'heads'"],
])('%j is refused, and why', (options, message) => {
  expect(() => slstm(H, options)).toThrow(OptionError);
  expect(() => slstm(H, options)).toThrow(message);
});

/** An sLSTM that begins where it is told to, and says where it ends. */
class Carried extends Module {
  override readonly inputShapes = { h: ['L', 'B', H], c: ['L', 'B', H], n: ['L', 'B', H], m: ['L', 'B', H] };
  private readonly layer = slstm(H, { numLayers: 2, numHeads: 2 });

  override forward({ input, h, c, n, m }: Inputs<'input' | 'h' | 'c' | 'n' | 'm'>) {
    const initialState = { hiddenState: h, cellState: c, normalizerState: n, stabilizerState: m };
    const { output, ...state } = this.layer(input, { initialState });
    return { output, ...state };
  }
}

eachBackend((backend) => {
  const part = (from: number, to: number) => {
    const { data, shape } = batch.inputs;
    const [rows, steps, width] = shape as [number, number, number];
    const cut = Array.from({ length: rows }, (_, b) =>
      Array.from(data.subarray((b * steps + from) * width, (b * steps + to) * width)),
    );
    return { data: Float32Array.from(cut.flat()), shape: [rows, to - from, width] };
  };

  test('a sequence in two parts, its four states handed over, is the sequence', async () => {
    const model = new Carried({ backend, seed: 3 });
    const zeros = { data: new Float32Array(2 * 2 * H), shape: [2, 2, H] };
    const begin = { h: zeros, c: zeros, n: zeros, m: zeros };
    const whole = await model.predict({ inputs: { input: batch.inputs, ...begin } });
    const first = await model.predict({ inputs: { input: part(0, 2), ...begin } });
    const handed = { h: first.hiddenState!, c: first.cellState!, n: first.normalizerState!, m: first.stabilizerState! };
    const second = await model.predict({ inputs: { input: part(2, 5), ...handed } });
    for (const name of ['hiddenState', 'cellState', 'normalizerState', 'stabilizerState']) {
      expect(second[name]).toEqual(whole[name]);
    }
  });

  test('a session goes on from an exported state with the same bits', () => {
    const model = sequential([slstm(H, { numHeads: 2, forgetGate: 'exp' }), linear(2)], { backend, seed: 3 }).bind(
      batch,
    );
    const steps = Array.from({ length: 4 }, (_, t) => batch.inputs.data.slice(3 * t, 3 * t + 3));
    const [one, other] = [model.session(), model.session()];
    one.step(steps[0]!);
    one.step(steps[1]!);
    other.importState(one.exportState());
    for (const step of steps.slice(2)) expect([...other.step(step)]).toEqual([...one.step(step)]);
  });

  test('an initial state of the wrong shape is refused by name', () => {
    const given = noise(3, 2, 2, H);
    const inputs = { input: batch.inputs, h: given, c: given, n: noise(3, 2, 2, H - 1), m: given };
    expect(() => new Carried({ backend }).bind({ inputs })).toThrow(ShapeError);
  });
});

test('both backends compute the same', async () => {
  const outputs = await Promise.all(
    (['native', 'reference'] as const).map((backend) =>
      sequential([slstm(20, { numHeads: 4, numLayers: 2, bidirectional: true })], { backend, seed: 5 }).predict(batch),
    ),
  );
  expectClose(outputs[0]!, outputs[1]!, { absolute: 1e-6 });
});
