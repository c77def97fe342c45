/** Everything that a cell did is there for those who ask, and costs those nothing who do not. */
import {
  attentionLstm,
  gru,
  linear,
  lstm,
  meanSquaredError,
  Module,
  OptionError,
  residual,
  rnn,
  sequential,
  sgd,
  slstm,
  transpose,
  vjp,
  type Batch,
} from '../../lib';
import type { ArrayView } from '../../lib/backend/backend';
import type { Network } from '../../lib/nn/network';
import type { RecurrentOptions } from '../../lib/nn/recurrent';
import type { Variable } from '../../lib/ops/op';
import { plan } from '../../lib/program/plan';
import { prepareBatch } from '../../lib/train/batch';
import { writeStep } from '../../lib/train/step';
import { eachBackend, type BackendName } from '../support/eachBackend';
import { relativeDistance } from '../support/expectClose';
import { ints, noise } from '../support/models';

const [B, T, I, H] = [3, 4, 2, 5];
const cells = {
  lstm: (options: RecurrentOptions) => lstm(H, options),
  gru: (options: RecurrentOptions) => gru(H, options),
  rnn: (options: RecurrentOptions) => rnn(H, options),
  slstm: (options: RecurrentOptions) => slstm(H, options),
  attentionLstm: (options: RecurrentOptions) => attentionLstm(H, options),
};
type CellName = keyof typeof cells;
/** Widths of what each cell shows, in H; of the attention, which has one for each slot, none. */
const shown: Readonly<Record<CellName, Readonly<Record<string, number>>>> = {
  lstm: { hidden: 1, gates: 4, cells: 1 },
  gru: { hidden: 1, gates: 3, recurrent: 1 },
  rnn: { hidden: 1, gates: 1 },
  slstm: { hidden: 1, gates: 4, cells: 1, normalizers: 1, stabilizers: 1 },
  attentionLstm: { hidden: 1, gates: 4, cells: 1, attention: 0, unattended: 1 },
};
const opOf = (cell: CellName) => (cell === 'attentionLstm' ? 'attention_lstm' : cell);
const width = (multiple: number) => (multiple === 0 ? T : multiple * H);
/** And of what its backward equation does. */
const felt: Readonly<Record<CellName, Readonly<Record<string, number>>>> = {
  lstm: { dgates: 4, dh: 1, dcells: 1 },
  gru: { dgates: 3, drecurrent: 1, dh: 1 },
  rnn: { dgates: 1, dh: 1 },
  slstm: { dgates: 4, dh: 1, dcells: 1 },
  attentionLstm: { dgates: 4, dh: 1, dcells: 1 },
};
const names = Object.keys(cells) as CellName[];
const lengths = ints([4, 0, 2]);
const batch = { inputs: noise(1, B, T, I), lengths };
interface Layers {
  output: Variable;
  layers: readonly Readonly<Record<string, Variable>>[];
}

class Encoder extends Module {
  readonly encoder;
  constructor(
    private readonly cell: CellName,
    backend: BackendName,
    options: RecurrentOptions = {},
    private readonly returned: (result: Layers) => Readonly<Record<string, Variable>> | Variable = ({ output }) =>
      output,
  ) {
    super({ backend, seed: 3 });
    this.encoder = cells[cell](options);
  }
  override forward(input: Variable, options: { lengths?: Variable | null } = {}) {
    // Who attends, attends to the steps of the sequence.
    const memory = { memory: transpose(input, [1, 0, 2]), memoryLengths: options.lengths };
    const call = this.cell === 'attentionLstm' ? { ...options, ...memory } : options;
    return this.returned(this.encoder(input, call as never));
  }
}

const allLayers = ({ output, layers }: Layers) => ({
  output,
  ...Object.fromEntries(
    layers.flatMap((record, k) => Object.entries(record).map(([name, variable]) => [`${k}.${name}`, variable])),
  ),
});
const at = ({ data, shape }: ArrayView, b: number, t: number) => {
  const width = shape[2]!;
  return Array.from(data).slice((b * T + t) * width, (b * T + t + 1) * width);
};
const bytes = (network: Network) =>
  plan(network.writePrediction(network.requireBound()).program, { T, B, S: 1 }).arenaBytes;

eachBackend((backend) => {
  const digits = backend === 'reference' ? 12 : 5;

  describe.each(names)('%s', (cell) => {
    test('records of every layer and direction may be returned by name, in the order of time, 0 past a length', async () => {
      const options = { numLayers: 2, bidirectional: true };
      const model = new Encoder(cell, backend, options, allLayers);
      const { output, ...records } = (await model.predict(batch)) as unknown as Record<string, ArrayView>;
      const expected = [0, 1, 2, 3].flatMap((k) =>
        Object.entries(shown[cell]).map(([name, multiple]) => [`${k}.${name}`, [B, T, width(multiple)]] as const),
      );
      expect(Object.entries(records).map(([name, { shape }]) => [name, shape])).toEqual(expected);
      for (let b = 0; b < B; b++) {
        for (let t = 0; t < T; t++) {
          for (const array of Object.values(records)) {
            const shares = at(array, b, t);
            if (t >= lengths.data[b]!) expect(shares.every((value) => value === 0)).toBe(true);
            else expect(shares.some((value) => value !== 0)).toBe(true);
          }
          expect([...at(records['2.hidden']!, b, t), ...at(records['3.hidden']!, b, t)]).toEqual(at(output!, b, t));
        }
      }
    });

    test('what is recorded is what the equations say of each other', async () => {
      const model = new Encoder(cell, backend, {}, allLayers);
      const { output, ...records } = (await model.predict(batch)) as unknown as Record<string, ArrayView>;
      for (let b = 0; b < B; b++) {
        let before = Array<number>(H).fill(0);
        let cellBefore = before;
        for (let t = 0; t < lengths.data[b]!; t++) {
          const gates = at(records['0.gates']!, b, t);
          const gate = (k: number, j: number) => gates[k * H + j]!;
          const c = records['0.cells'] ? at(records['0.cells'], b, t) : [];
          const n = records['0.normalizers'] ? at(records['0.normalizers'], b, t) : [];
          const h = before.map((previous, j) => {
            if (cell === 'rnn') return gate(0, j);
            if (cell === 'gru') return (1 - gate(1, j)) * gate(2, j) + gate(1, j) * previous;
            expect(c[j]).toBeCloseTo(gate(1, j) * cellBefore[j]! + gate(0, j) * gate(2, j), digits);
            if (cell === 'lstm') return gate(3, j) * Math.tanh(c[j]!);
            if (cell === 'slstm') return (gate(3, j) * c[j]!) / n[j]!;
            expect(at(records['0.unattended']!, b, t)[j]).toBeCloseTo(gate(3, j) * Math.tanh(c[j]!), digits);
            return at(output!, b, t)[j]!;
          });
          if (cell === 'attentionLstm') {
            const attention = at(records['0.attention']!, b, t);
            expect(attention.reduce((sum, share) => sum + share)).toBeCloseTo(1, digits);
            expect(attention.slice(lengths.data[b]).every((share) => share === 0)).toBe(true);
          }
          at(output!, b, t).forEach((value, j) => expect(value).toBeCloseTo(h[j]!, digits));
          [before, cellBefore] = [at(output!, b, t), c];
        }
      }
    });

    test('nobody who does not ask pays for it', () => {
      const silent = new Encoder(cell, backend).bind(batch);
      const asking = new Encoder(cell, backend, {}, allLayers).bind(batch);
      const { program } = silent.network.writePrediction(silent.network.requireBound());
      const { placements } = plan(program, { T, B, S: 1 });
      const equation = program.compute.find(({ op }) => op === opOf(cell))!;
      const planned = Object.entries(equation.outputs).filter(
        ([, value]) => placements[value as number]!.kind !== 'unplanned',
      );
      expect(planned.map(([slot]) => slot)).toEqual(['y']);
      expect(bytes(asking.network)).toBeGreaterThan(bytes(silent.network));
    });

    test('nor who trains: what reaches each h and c is not kept', () => {
      const model = new Encoder(cell, backend);
      const prepared = prepareBatch({ ...batch, targets: noise(8, B, T, H) }, model.readings());
      model.network.bind(prepared.inputSignature);
      const { program } = writeStep(
        model.network,
        prepared.inputSignature,
        prepared.supervisionSignature,
        { training: true, recurrentState: 'zero' },
        { loss: meanSquaredError() },
        { optimizer: sgd({ lr: 1 }), clipNorm: null, clipValue: null },
      );
      const { placements } = plan(program, { T, B, S: 1 });
      const { outputs } = program.compute.find(({ op }) => op === `${opOf(cell)}_backward`)!;
      const isPlanned = (slot: string) => placements[outputs[slot] as number]!.kind !== 'unplanned';
      expect(Object.keys(felt[cell]).filter(isPlanned)).toEqual(
        Object.keys(felt[cell]).filter((slot) => slot !== 'dh' && slot !== 'dcells'),
      );
    });

    test('vjp gives what each step did and felt, by layer and direction, and changes no bit of the rest', async () => {
      const model = new Encoder(cell, backend, { numLayers: 2, bidirectional: true });
      const cotangents = noise(2, B, T, 2 * H);
      const { perStep, ...rest } = await vjp(model, batch, cotangents, { backend, perStep: true });
      const without = await vjp(model, batch, cotangents, { backend });
      expect(without).toEqual({ ...rest, perStep: {} });
      const paths = ['l0', 'l0_reverse', 'l1', 'l1_reverse'].map((place) => `encoder_${place}`);
      expect(Object.keys(perStep)).toEqual(paths);
      for (const path of paths) {
        const widths = { ...shown[cell], ...felt[cell] };
        const shapes = Object.entries(perStep[path]!).map(([name, { shape }]) => [name, shape]);
        expect(Object.fromEntries(shapes)).toMatchObject(
          Object.fromEntries(Object.entries(widths).map(([name, multiple]) => [name, [B, T, width(multiple)]])),
        );
        for (const array of Object.values(perStep[path]!)) {
          expect(
            at(array, 1, 0)
              .concat(at(array, 2, 2))
              .every((value) => value === 0),
          ).toBe(true);
        }
      }
    });
  });

  // What the sLSTM and the attending one felt, their ops' tests hold against finite differences: they carry more than h and c.
  const withStates = names.filter((cell) => !['slstm', 'attentionLstm'].includes(cell));
  test.each(withStates)(
    '%s: dh is the cotangent and what the rest of the sequence makes of the state',
    async (cell) => {
      const inputs = noise(4, 1, T, I);
      const model = new Encoder(cell, backend).bind({ inputs });
      const cotangents = noise(5, 1, T, H);
      const { perStep } = await vjp(model, { inputs }, cotangents, { backend, perStep: true });
      const { hidden, gates, dh, cells: c, dcells } = perStep.encoder_l0!;
      const bound = backend === 'reference' ? 1e-12 : 1e-5;
      const from = ({ data, shape }: ArrayView, t: number) => ({
        data: Float64Array.from(data).slice(t * shape[2]!),
        shape: [1, T - t, shape[2]!],
      });
      for (let t = 0; t < T - 1; t++) {
        const initialStates = {
          'initial/encoder.h_l0': { data: Float64Array.from(at(hidden!, 0, t)), shape: [1, H] },
          ...(c && { 'initial/encoder.c_l0': { data: Float64Array.from(at(c, 0, t)), shape: [1, H] } }),
        };
        const rest = { inputs: from(inputs, t + 1) } as Batch;
        const { gradients } = await vjp(model, rest, from(cotangents, t + 1), { backend, initialStates });
        const later = gradients['initial/encoder.h_l0']!.data;
        const expected = at(cotangents, 0, t).map((value, j) => value + later[j]!);
        expect(relativeDistance(at(dh!, 0, t), expected)).toBeLessThan(bound);
        if (!c || !dcells) continue;
        // Through h_t = o tanh(c_t) too.
        const [output, ofState] = [at(gates!, 0, t).slice(3 * H), at(dh!, 0, t)];
        const ofRest = gradients['initial/encoder.c_l0']!.data;
        const whole = at(c, 0, t).map((v, j) => ofRest[j]! + ofState[j]! * output[j]! * (1 - Math.tanh(v) ** 2));
        expect(relativeDistance(at(dcells, 0, t), whole)).toBeLessThan(bound);
      }
      expect(at(dh!, 0, T - 1)).toEqual(at(cotangents, 0, T - 1));
    },
  );

  test('a layer that is called twice is told apart by number, and a layer in a stack has its number as path', async () => {
    class Twice extends Module {
      readonly encoder = gru(I);
      override forward(input: Variable) {
        return this.encoder(this.encoder(input).output).output;
      }
    }
    const { perStep } = await vjp(new Twice({ backend }), { inputs: batch.inputs }, noise(6, B, T, I), {
      backend,
      perStep: true,
    });
    expect(Object.keys(perStep)).toEqual(['encoder_l0', 'encoder_l0 (call 2)']);
    expect(perStep['encoder_l0']!.dh!.data).not.toEqual(perStep['encoder_l0 (call 2)']!.dh!.data);
    const stack = sequential([linear(2), rnn(3)], { backend });
    const inStack = await vjp(stack, { inputs: batch.inputs }, noise(7, B, T, 3), { backend, perStep: true });
    expect(Object.keys(inStack.perStep)).toEqual(['1_l0']);
  });

  test('a layer around a recurrent one hands its records on', async () => {
    class Around extends Module {
      readonly encoder = residual(gru(I));
      override forward(input: Variable) {
        const { output, layers } = this.encoder(input);
        return { output, hidden: layers[0]!.hidden };
      }
    }
    const given = await new Around({ backend }).predict({ inputs: batch.inputs });
    const { output, hidden } = given as unknown as Record<string, ArrayView>;
    const sum = Array.from(batch.inputs.data, (value, k) => value + hidden!.data[k]!);
    expect(relativeDistance(output!.data, sum)).toBeLessThan(1e-6);
  });

  test('a forward may still return all that a layer gives', async () => {
    class All extends Module {
      readonly encoder = lstm(H);
      override forward(input: Variable) {
        return this.encoder(input);
      }
    }
    const outputs = await new All({ backend }).predict({ inputs: batch.inputs });
    expect(Object.keys(outputs)).toEqual(['output', 'hiddenState', 'cellState']);
  });
});

test('perStep is true or false', async () => {
  const model = new Encoder('gru', 'reference').bind(batch);
  const asked = vjp(model, batch, noise(1, B, T, H), { perStep: 'dh' as never });
  await expect(asked).rejects.toThrow(OptionError);
  await expect(asked).rejects.toThrow("vjp: perStep: expected true or false, received 'dh'");
});

test('gradients that belong to options which a layer does not have are not shown', async () => {
  const model = new Encoder('lstm', 'native');
  const { perStep } = await vjp(model, batch, noise(2, B, T, H), { perStep: true });
  expect(Object.keys(perStep.encoder_l0!).sort()).toEqual(['cells', 'dcells', 'dgates', 'dh', 'gates', 'hidden']);
});
