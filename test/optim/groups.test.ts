import {
  adam,
  adamW,
  adagrad,
  layerNorm,
  linear,
  lstm,
  OptionError,
  rmsprop,
  sequential,
  sgd,
  stepDecay,
  meanSquaredError,
  type GroupedOptions,
  type Optimizer,
  type ParameterGroup,
} from '../../lib';
import { eachBackend, type BackendName } from '../support/eachBackend';
import { copies, noise } from '../support/models';

const batch = { inputs: noise(1, 2, 3, 4), targets: noise(2, 2, 3, 2) };
const make = (backend: BackendName) => sequential([lstm(3), layerNorm(), linear(2)], { backend, seed: 3 }).bind(batch);
const loss = meanSquaredError();

/** How each parameter ends, in relation to where it began, after a step of rate 0 but for decay. */
async function changed(backend: BackendName, groups: readonly ParameterGroup[]): Promise<string[]> {
  const model = make(backend);
  const before = await copies(model);
  await model.trainStep(batch, { loss, optimizer: sgd({ lr: 0, groups }) });
  const after = await copies(model);
  return Object.keys(before).filter((path) => before[path]!.some((value, k) => value !== after[path]![k]));
}

eachBackend((backend) => {
  test.each<[string, ParameterGroup['match'], string[]]>([
    ['a pattern', /bias/, ['0.bias_ih_l0', '0.bias_hh_l0', '1.bias', '2.bias']],
    ['a global pattern', /weight_hh/g, ['0.weight_hh_l0']],
    ['a path', '2.weight', ['2.weight']],
    ['a path with all below it', '0', ['0.weight_ih_l0', '0.weight_hh_l0', '0.bias_ih_l0', '0.bias_hh_l0']],
    ['a function', ({ shape }) => shape.length === 1, ['0.bias_ih_l0', '0.bias_hh_l0', '1.weight', '1.bias', '2.bias']],
  ])('%s chooses parameters', async (_, match, expected) => {
    expect((await changed(backend, [{ match, lr: 0.1 }])).sort()).toEqual([...expected].sort());
  });

  test('the first group that matches counts', async () => {
    expect(
      await changed(backend, [
        { match: /bias_ih/, lr: 0 },
        { match: /^0\.bias/, lr: 0.1 },
      ]),
    ).toEqual(['0.bias_hh_l0']);
  });

  test('a factor follows the schedule of all, a rate of its own does not', async () => {
    const [grouped, one, two] = [make(backend), make(backend), make(backend)];
    const groups = [
      { match: '0', lrFactor: 0.5 },
      { match: '1', lr: stepDecay(0.3, { stepSize: 2, gamma: 0.1 }) },
    ];
    const schedule = stepDecay(0.4, { stepSize: 1, gamma: 0.5 });
    const optimizer = sgd({ lr: schedule, groups });
    const rates: number[] = [];
    for (let step = 0; step < 3; step++) rates.push((await grouped.trainStep(batch, { loss, optimizer })).learningRate);
    expect(rates).toEqual([0.4, 0.2, 0.1]);
    // A third of the parameters at a time, with the others frozen, does not make the same steps; one step does.
    const first = make(backend);
    await first.trainStep(batch, { loss, optimizer: sgd({ lr: schedule, groups }) });
    await one.trainStep(batch, { loss, optimizer: sgd({ lr: 0.2 }) });
    await two.trainStep(batch, { loss, optimizer: sgd({ lr: 0.3 }) });
    const [received, half, own] = [await copies(first), await copies(one), await copies(two)];
    expect(received['0.weight_ih_l0']).toEqual(half['0.weight_ih_l0']);
    expect(received['1.weight']).toEqual(own['1.weight']);
  });

  // With a small ε the first step of these has the size of the rate, whatever the gradient.
  const eps = 1;
  test.each<[string, (options: GroupedOptions) => Optimizer]>([
    ['adam', (options) => adam({ eps, ...options })],
    ['adamW', (options) => adamW({ eps, ...options })],
    ['adagrad', (options) => adagrad({ eps, ...options })],
    ['rmsprop', (options) => rmsprop({ eps, ...options })],
    ['sgd', sgd],
  ])('%s decays no biases in one line', async (_, optimizer) => {
    const [none, grouped, decayed] = [make(backend), make(backend), make(backend)];
    await none.trainStep(batch, { loss, optimizer: optimizer({ weightDecay: 0 }) });
    await grouped.trainStep(batch, {
      loss,
      optimizer: optimizer({ weightDecay: 0.5, groups: [{ match: /bias/, weightDecay: 0 }] }),
    });
    await decayed.trainStep(batch, { loss, optimizer: optimizer({ weightDecay: 0.5 }) });
    const [plain, received, all] = [await copies(none), await copies(grouped), await copies(decayed)];
    for (const path of Object.keys(plain))
      expect([path, received[path]]).toEqual([path, path.includes('bias') ? plain[path] : all[path]]);
    expect(all['2.weight']).not.toEqual(plain['2.weight']);
  });

  test('a group of frozen parameters is none too few', async () => {
    const model = make(backend);
    model.freeze('0');
    const before = await copies(model);
    await model.trainStep(batch, { loss, optimizer: sgd({ lr: 0.1, groups: [{ match: '0', lr: 9 }] }) });
    expect((await copies(model))['0.weight_ih_l0']).toEqual(before['0.weight_ih_l0']);
  });

  test('a pattern that matches no parameter is named, and nothing has changed', async () => {
    const model = make(backend);
    const before = await copies(model);
    const optimizer = adamW({
      groups: [
        { match: /bias/, weightDecay: 0 },
        { match: /nrom/, weightDecay: 0 },
      ],
    });
    const step = model.trainStep(batch, { loss, optimizer });
    await expect(step).rejects.toThrow(OptionError);
    await expect(step).rejects.toThrow(
      'adamW: groups[1]: match: /nrom/ matches no parameter; there are 0.weight_ih_l0, 0.weight_hh_l0, 0.bias_ih_l0, 0.bias_hh_l0, 1.weight, 1.bias, 2.weight, 2.bias',
    );
    expect(await copies(model)).toEqual(before);
    const fit = model.fit([batch], { loss, optimizer });
    await expect(fit).rejects.toThrow('groups[1]: match: /nrom/ matches no parameter');
  });
});

test.each<[string, unknown, string]>([
  [
    'no list',
    { match: /a/ },
    'adam: groups: expected an array, [{ match: /bias/, weightDecay: 0 }], received { match }',
  ],
  [
    'no match',
    [{ weightDecay: 0 }],
    'adam: groups[0]: match: expected a regular expression, a path or a function, received undefined',
  ],
  ['another option', [{ match: 'a', eps: 1 }], "adam: groups[0]: unknown option 'eps'"],
  [
    'a rate and a factor',
    [{ match: 'a', lr: 1, lrFactor: 2 }],
    'adam: groups[0]: lrFactor: expected either lr or lrFactor, received both',
  ],
  ['a negative factor', [{ match: 'a', lrFactor: -1 }], 'adam: groups[0]: lrFactor: expected a number in [0'],
  ['a negative decay', [{ match: 'a', weightDecay: -1 }], 'adam: groups[0]: weightDecay: expected a number in [0'],
  ['a rate that is none', [{ match: 'a' }, { match: 'b', lr: NaN }], 'adam: groups[1]: lr: expected a number >= 0'],
])('groups are refused: %s', (_, groups, message) => {
  expect(() => adam({ groups } as never)).toThrow(OptionError);
  expect(() => adam({ groups } as never)).toThrow(message);
});

test('a schedule of a group that gives no rate is named', async () => {
  const optimizer = sgd({ groups: [{ match: /bias/, lr: () => NaN }] });
  await expect(make('reference').trainStep(batch, { loss, optimizer })).rejects.toThrow(
    'groups[0]: match: /bias/: lr: step 1: the schedule: expected a number >= 0',
  );
});

test('settings hold all options as plain JSON', () => {
  const optimizer = adamW({
    lr: stepDecay(1, { stepSize: 2 }),
    groups: [{ match: /bias/, weightDecay: 0, lrFactor: 2 }],
  });
  expect(JSON.parse(JSON.stringify(optimizer.settings))).toEqual({
    name: 'adamW',
    betas: [0.9, 0.999],
    eps: 1e-8,
    amsgrad: false,
    lr: { schedule: 'stepDecay', lr: 1, stepSize: 2, gamma: 0.1 },
    weightDecay: 0.01,
    groups: [{ match: '/bias/', lr: null, lrFactor: 2, weightDecay: 0 }],
  });
});
