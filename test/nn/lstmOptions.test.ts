import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  linear,
  load,
  lstm,
  meanSquaredError,
  OptionError,
  sequential,
  sgd,
  verify,
  type Batch,
  type LstmOptions,
  type LstmVariant,
  type Module,
} from '../../lib';
import { Random } from '../support/random';

const [B, T, I, H] = [5, 4, 3, 6];
/** Normally distributed float32 numbers, the same in every run. */
const noise = (seed: number, ...shape: number[]) => ({
  data: Float32Array.from(new Random(seed).normal(...shape).data),
  shape,
});
const copies = async (model: Module): Promise<Record<string, number[]>> =>
  Object.fromEntries(Object.entries(await model.stateDict()).map(([name, { data }]) => [name, Array.from(data)]));
const batch: Batch = {
  inputs: noise(1, B, T, I),
  targets: noise(2, B, T, 1),
  lengths: { data: Int32Array.of(4, 0, 2, 4, 1), shape: [B] },
};
const regressor = (options: LstmOptions, backend: 'native' | 'reference' = 'native') =>
  sequential([lstm(H, options), linear(1)], { seed: 1, backend });

/** Options that reach every part of the layer, alone and together. */
const cases: readonly (readonly [string, LstmOptions])[] = [
  ['peepholes', { peepholes: true }],
  ['coupled gates', { coupledGates: true }],
  ['no gates at all', { inputGate: false, forgetGate: false, outputGate: false }],
  ['other activations', { gateActivation: 'hardSigmoid', cellActivation: 'relu', outputActivation: 'identity' }],
  ['cell clipping', { cellClip: 0.1 }],
  ['gate clipping', { gateClip: 0.3 }],
  ['full gate recurrence', { fullGateRecurrence: true, numLayers: 2, bidirectional: true }],
  ['full gate recurrence without a gate', { fullGateRecurrence: true, inputGate: false, peepholes: true }],
  ['layer normalization', { layerNorm: true, numLayers: 2 }],
  ['layer normalization without a gate', { layerNorm: true, coupledGates: true, bias: false }],
  ['a projection', { projSize: 2, numLayers: 2, bidirectional: true }],
  ['zoneout', { zoneout: 0.3 }],
  ['zoneout of the cell', { zoneout: { cell: 0.5 } }],
  ['weight drop', { weightDrop: 0.4 }],
  ['input dropout', { inputDropout: 0.4, numLayers: 2 }],
  ['recurrent dropout', { recurrentDropout: 0.4 }],
  [
    'all of them',
    {
      peepholes: true,
      coupledGates: true,
      gateActivation: 'hardSigmoid',
      cellClip: 0.5,
      projSize: 4,
      numLayers: 2,
      bidirectional: true,
      dropout: 0.2,
      inputDropout: 0.1,
      recurrentDropout: 0.3,
      weightDrop: 0.2,
      zoneout: { hidden: 0.2, cell: 0.1 },
      gateClip: 0.8,
      fullGateRecurrence: true,
      layerNorm: true,
    },
  ],
  [
    'all of them in one direction',
    {
      peepholes: true,
      projSize: 4,
      recurrentDropout: 0.3,
      weightDrop: 0.2,
      zoneout: 0.2,
      cellClip: 0.5,
      gateClip: 0.8,
      fullGateRecurrence: true,
      layerNorm: true,
    },
  ],
];
const variants: readonly LstmVariant[] = ['V', 'NIG', 'NFG', 'NOG', 'NIAF', 'NOAF', 'CIFG', 'NP', 'FGR'];

describe('a training step', () => {
  test.each([...cases, ...variants.map((variant) => [`the variant ${variant}`, { variant }] as const)])(
    'with %s is the same equation by equation on both backends',
    async (_, options) => {
      const model = regressor(options).bind(batch);
      const { ok, worst } = await verify(model, batch);
      expect(ok ? null : worst).toBeNull();
    },
  );

  test('leaves rows of a gate that is not there as they were', async () => {
    const model = regressor({ variant: 'NIG' }).bind(batch);
    const before = await copies(model);
    await model.trainStep(batch, { loss: meanSquaredError(), optimizer: sgd({ lr: 1 }) });
    const after = await copies(model);
    const weight = '0.weight_ih_l0';
    expect(after[weight]!.slice(0, H * I)).toEqual(before[weight]!.slice(0, H * I));
    expect(after[weight]!.slice(H * I, 2 * H * I)).not.toEqual(before[weight]!.slice(H * I, 2 * H * I));
    const peephole = '0.weight_peephole_l0';
    expect(after[peephole]!.slice(0, H)).toEqual(before[peephole]!.slice(0, H));
    expect(after[peephole]!.slice(H)).not.toEqual(before[peephole]!.slice(H));
  });
});

describe('a prediction', () => {
  test.each(cases)('with %s draws no random number', async (_, options) => {
    const model = regressor(options).bind(batch);
    const first = await model.predict(batch);
    expect(await model.predict(batch)).toEqual(first);
  });

  test.each(cases.filter(([, { bidirectional }]) => !bidirectional))(
    'with %s is what a session computes step by step',
    async (_, options) => {
      const whole: Batch = { inputs: noise(3, 1, T, I) };
      const model = regressor(options).bind(whole);
      const expected = (await model.predict(whole)) as { data: ArrayLike<number> };
      const session = model.session();
      const { data } = whole.inputs as { data: Float32Array };
      const steps = Array.from({ length: T }, (_, t) => {
        const output = session.step(data.slice(t * I, (t + 1) * I)) as ArrayLike<number>;
        return output[0]!;
      });
      expect(steps).toEqual(Array.from(expected.data));
    },
  );

  test.each(cases)('with %s survives saving and loading', async (_, options) => {
    const folder = mkdtempSync(join(tmpdir(), 'lstm-options-'));
    try {
      const model = regressor(options).bind(batch);
      const path = join(folder, 'model.safetensors');
      await model.save(path);
      const loaded = await load(path);
      expect(await loaded.predict(batch)).toEqual(await model.predict(batch));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('the variants of Greff et al. 2017', () => {
  const spelled: Readonly<Record<LstmVariant, LstmOptions>> = {
    V: { peepholes: true },
    NIG: { peepholes: true, inputGate: false },
    NFG: { peepholes: true, forgetGate: false },
    NOG: { peepholes: true, outputGate: false },
    NIAF: { peepholes: true, cellActivation: 'identity' },
    NOAF: { peepholes: true, outputActivation: 'identity' },
    CIFG: { peepholes: true, coupledGates: true },
    NP: {},
    FGR: { peepholes: true, fullGateRecurrence: true },
  };

  test.each(variants)('%s is the options that it stands for', async (variant) => {
    const predicted = async (options: LstmOptions) => (await regressor(options).bind(batch).predict(batch)).data;
    const expected = await predicted(spelled[variant]);
    expect(await predicted({ variant })).toEqual(expected);
    // What it stands for may be said beside it.
    expect(await predicted({ variant, ...spelled[variant] })).toEqual(expected);
    const others = variants.filter((other) => other !== variant);
    for (const other of others) expect(await predicted({ variant: other })).not.toEqual(expected);
  });
});

describe('parameters', () => {
  const shapes = (options: LstmOptions) =>
    Object.fromEntries(
      regressor(options)
        .bind(batch)
        .parameters()
        .map(({ path, shape }) => [path, shape]),
    );

  test('of a projection have the shapes of PyTorch', () => {
    expect(shapes({ projSize: 2, numLayers: 2, bias: false })).toEqual({
      '0.weight_ih_l0': [4 * H, I],
      '0.weight_hh_l0': [4 * H, 2],
      '0.weight_hr_l0': [2, H],
      '0.weight_ih_l1': [4 * H, 2],
      '0.weight_hh_l1': [4 * H, 2],
      '0.weight_hr_l1': [2, H],
      '1.weight': [1, 2],
      '1.bias': [1],
    });
  });

  test('of full gate recurrence are drawn like the others; layer normalization begins as no gain and no bias', async () => {
    const options: LstmOptions = { fullGateRecurrence: true, layerNorm: true };
    expect(shapes(options)).toMatchObject({
      '0.weight_gate_l0': [3 * H, 3 * H],
      '0.weight_ln_ih_l0': [4 * H],
      '0.weight_ln_hh_l0': [4 * H],
      '0.weight_ln_c_l0': [H],
      '0.bias_ln_c_l0': [H],
    });
    const drawn = await copies(regressor(options).bind(batch));
    const bound = 1 / Math.sqrt(H);
    expect(Math.max(...drawn['0.weight_gate_l0']!.map(Math.abs))).toBeLessThanOrEqual(bound);
    expect(new Set(drawn['0.weight_gate_l0']).size).toBeGreaterThan(9 * H * H - 5);
    expect(new Set(drawn['0.weight_ln_ih_l0'])).toEqual(new Set([1]));
    expect(new Set(drawn['0.weight_ln_hh_l0'])).toEqual(new Set([1]));
    expect(new Set(drawn['0.weight_ln_c_l0'])).toEqual(new Set([1]));
    expect(new Set(drawn['0.bias_ln_c_l0'])).toEqual(new Set([0]));
  });

  test('every variant but NP has peepholes, one for each of three gates', () => {
    for (const variant of variants) {
      expect(shapes({ variant })['0.weight_peephole_l0']).toEqual(variant === 'NP' ? undefined : [3 * H]);
    }
  });

  test('forgetBias is what the two biases add up to, and changes nothing else', async () => {
    const plain = await copies(regressor({}).bind(batch));
    const biased = await copies(regressor({ forgetBias: 1.5 }).bind(batch));
    for (const [path, values] of Object.entries(plain)) {
      const expected = [...values];
      if (path.includes('bias_')) expected.fill(path.includes('bias_ih') ? 1.5 : 0, H, 2 * H);
      expect([path, biased[path]]).toEqual([path, expected]);
    }
  });
});

describe('what has no meaning is refused, and why', () => {
  test.each<[LstmOptions, string]>([
    [{ coupledGates: true, inputGate: false }, 'coupledGates: without an input gate, 1 - i would always be 0'],
    [{ coupledGates: true, forgetGate: false }, 'coupledGates: the forget gate is 1 - i'],
    [{ coupledGates: true, forgetBias: 1 }, 'forgetBias: a coupled forget gate has no bias of its own'],
    [{ forgetGate: false, forgetBias: 1 }, 'forgetBias: there is no forget gate'],
    [{ bias: false, forgetBias: 1 }, 'forgetBias: there are no biases'],
    [{ variant: 'NIG', inputGate: true }, 'inputGate: true contradicts the variant NIG'],
    [
      { variant: 'XXX' as LstmVariant },
      "variant: expected one of V, NIG, NFG, NOG, NIAF, NOAF, CIFG, NP, FGR, received 'XXX'",
    ],
    [{ projSize: H }, 'projSize: expected an integer from 1 to 5, below the hidden size, received 6'],
    [{ projSize: 0 }, 'projSize: expected an integer from 1 to 5'],
    [{ projSize: H + 1 }, 'projSize: expected an integer from 1 to 5, below the hidden size, received 7'],
    [{ projSize: null as unknown as number }, 'projSize: expected an integer from 1 to 5'],
    [{ forgetBias: null as unknown as number }, 'forgetBias: expected a number, received null'],
    [{ cellClip: 0 }, 'cellClip: expected a positive number within float32, received 0'],
    [{ cellClip: 1e-50 }, 'cellClip: expected a positive number within float32, received 1e-50'],
    [{ cellClip: 1e39 }, 'cellClip: expected a positive number within float32, received 1e+39'],
    [{ cellClip: '1' as unknown as number }, "cellClip: expected a positive number within float32, received '1'"],
    [{ gateClip: -1 }, 'gateClip: expected a positive number within float32, received -1'],
    [{ gateClip: NaN }, 'gateClip: expected a positive number within float32, received NaN'],
    [{ forgetBias: 1e39 }, 'forgetBias: expected a number, received 1e+39'],
    [{ bias: 'no' as unknown as boolean }, "bias: expected true or false, received 'no'"],
    [{ bidirectional: 1 as unknown as boolean }, 'bidirectional: expected true or false, received 1'],
    [{ inputSize: '3' as unknown as number }, "inputSize: expected a positive integer, received '3'"],
    [null as unknown as LstmOptions, 'lstm: expected options as an object'],
    [{ variant: 'FGR', fullGateRecurrence: false }, 'fullGateRecurrence: false contradicts the variant FGR'],
    [
      { fullGateRecurrence: true, inputGate: false, forgetGate: false, outputGate: false },
      'fullGateRecurrence: there is no input, forget or output gate to recur',
    ],
    [{ layerNorm: 1 as unknown as boolean }, 'layerNorm: expected true or false, received 1'],
    [{ zoneout: { cells: 0.1 } as object }, "lstm: zoneout: unknown option 'cells'; it has hidden, cell"],
    [{ zoneout: 1 }, 'zoneout: expected a number in [0, 1), received 1'],
    [{ weightDrop: -0.1 }, 'weightDrop: expected a number in [0, 1)'],
    [{ inputDropout: 2 }, 'inputDropout: expected a number in [0, 1)'],
    [{ recurrentDropout: 1 }, 'recurrentDropout: expected a number in [0, 1)'],
    [{ gateActivation: 'softmax' as 'relu' }, 'gateActivation: expected one of sigmoid, hardSigmoid, tanh, relu'],
    [{ peepholes: 'yes' as unknown as boolean }, "peepholes: expected true or false, received 'yes'"],
    [{ peephole: true } as LstmOptions, "unknown option 'peephole'"],
  ])('%j', (options, message) => {
    expect(() => lstm(H, options)).toThrow(OptionError);
    expect(() => lstm(H, options)).toThrow(message);
  });
});
