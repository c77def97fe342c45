import {
  adam,
  crossEntropy,
  DataError,
  gaussianHead,
  linear,
  load,
  lstm,
  mean,
  negativeBinomialHead,
  OptionError,
  pointHead,
  QuantileHead,
  quantileHead,
  sequential,
  sgd,
  ShapeError,
  square,
  studentTHead,
  subtract,
  verify,
  type Batch,
  type HeadOptions,
  type Layer,
} from '../../lib';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eachBackend } from '../support/eachBackend';
import { floats32, ints, noise } from '../support/models';

const [B, T, C, h, F, S] = [3, 6, 4, 5, 2, 3];
const past = noise(1, B, T, C);
const future = noise(2, B, h, F);
const fixed = noise(3, B, S);
const named = { past, future, static: fixed };
const quantiles = [0.1, 0.5, 0.9];
const lengths = ints([6, 2, 4]);

interface Case {
  readonly head: (options?: HeadOptions) => Layer;
  /** The axis of numbers for each target. */
  readonly last: readonly number[];
  /** Whether it predicts counts, which have no anchor. */
  readonly counts?: boolean;
}
const heads: Record<string, Case> = {
  pointHead: { head: pointHead, last: [] },
  quantileHead: { head: (options) => quantileHead(quantiles, options), last: [3] },
  gaussianHead: { head: gaussianHead, last: [2] },
  studentTHead: { head: studentTHead, last: [3] },
  negativeBinomialHead: { head: negativeBinomialHead, last: [2], counts: true },
};
const targetsOf = (M = 1): Batch['targets'] => ({
  data: noise(4, B, h, M).data.map((value) => Math.abs(Math.round(3 * value))),
  shape: [B, h, M],
});

describe.each(Object.entries(heads))('%s', (_, { head, last, counts = false }) => {
  const [lastValue, season]: HeadOptions[] = counts ? [{}, {}] : [{ anchor: 'last' }, { anchor: { season: 2 } }];
  /** Which numbers of a target an anchor moves: all quantiles, of other distributions the location. */
  const moves = (j: number) => j === 0 || head({}) instanceof QuantileHead;

  eachBackend((backend) => {
    const build = (options: HeadOptions, layers: readonly Layer[] = [lstm(5)]) =>
      sequential([...layers, head(options)], { backend, seed: 3 });

    test('with a horizon it predicts all steps of it at once', async () => {
      const { shape } = await build({ horizon: h, targets: 2 }).predict({ inputs: past });
      expect(shape).toEqual([B, h, 2, ...last]);
    });

    test('without one it predicts at every step, or once for a state', async () => {
      expect((await build({}).predict({ inputs: past })).shape).toEqual([B, T, 1, ...last]);
      const summary = build({}, [lstm(5, { output: 'last' })]);
      expect((await summary.predict({ inputs: past })).shape).toEqual([B, 1, ...last]);
    });

    test('a row begins from the last step within its length', async () => {
      const model = build({ horizon: h });
      const { data } = await model.predict({ inputs: past, lengths });
      const width = data.length / B;
      for (let b = 0; b < B; b++) {
        const steps = lengths.data[b]!;
        const own = floats32(past.data.slice(b * T * C, (b * T + steps) * C), [1, steps, C]);
        const alone = await model.predict({ inputs: own });
        expect(Array.from(alone.data)).toEqual(Array.from(data.slice(b * width, (b + 1) * width)));
      }
    });

    test('each step of the horizon sees its own covariates, and no other', async () => {
      const model = build({ horizon: h, hiddenSize: 7 });
      const before = await model.predict({ inputs: named });
      const changed = floats32(future.data, [B, h, F]);
      changed.data[2 * F] = 9; // row 0, step 2
      const after = await model.predict({ inputs: { ...named, future: changed } });
      const width = before.data.length / (B * h);
      const moved = Array.from(before.data, (value, k) => (value === after.data[k] ? -1 : Math.floor(k / width)));
      expect(new Set(moved)).toEqual(new Set([-1, 2]));
    });

    test('static covariates reach every step of their row, and no other row', async () => {
      const model = build({ horizon: h });
      const before = await model.predict({ inputs: { past, static: fixed } });
      const changed = floats32(fixed.data, [B, S]);
      changed.data[S] = 9;
      const after = await model.predict({ inputs: { past, static: changed } });
      const width = before.data.length / (B * h);
      const moved = new Set(
        Array.from(before.data, (value, k) => (value === after.data[k] ? -1 : Math.floor(k / width))),
      );
      expect(moved).toEqual(new Set([-1, 5, 6, 7, 8, 9]));
    });

    if (!counts)
      test('an anchor adds what was observed last, or a season before', async () => {
        const plain = await build({ horizon: h, targets: 2 }).predict({ inputs: past, lengths });
        const expectAdded = async (options: HeadOptions, step: (b: number, k: number) => number) => {
          const { data } = await build({ horizon: h, targets: 2, ...options }).predict({ inputs: past, lengths });
          const width = data.length / (B * h * 2);
          data.forEach((value, index) => {
            const [b, k, m] = [
              Math.floor(index / (h * 2 * width)),
              Math.floor(index / (2 * width)) % h,
              Math.floor(index / width) % 2,
            ];
            const observed = past.data[(b * T + step(b, k)) * C + m]!;
            expect(value - plain.data[index]!).toBeCloseTo(moves(index % width) ? observed : 0, 5);
          });
        };
        await expectAdded({ anchor: 'last' }, (b) => lengths.data[b]! - 1);
        await expectAdded({ anchor: { season: 2 } }, (b, k) => lengths.data[b]! - 2 + (k % 2));
      });

    test('a training without a loss takes that of the head, and learns', async () => {
      const model = build({ horizon: h, hiddenSize: 6, ...lastValue });
      const batch = { inputs: named, targets: targetsOf(), lengths };
      const before = await model.evaluate([batch]);
      await model.fit([batch], { optimizer: adam({ lr: 1e-2 }), epochs: 40 });
      expect((await model.evaluate([batch])).loss).toBeLessThan(before.loss);
      const step = await model.trainStep(batch, { optimizer: sgd({ lr: 1e-3 }) });
      expect(step.loss).toBeCloseTo((await model.evaluate([batch])).loss, 1);
    });

    test('weights count rows, or steps of the horizon, which lengths do not mask', async () => {
      const model = build({ horizon: h });
      const lossOf = async (change: Partial<Batch>) =>
        (await model.evaluate([{ inputs: past, targets: targetsOf()!, ...change }])).loss;
      const only = (keep: (b: number, k: number) => boolean) =>
        floats32(
          Array.from({ length: B * h }, (_, i) => (keep(Math.floor(i / h), i % h) ? 1 : 0)),
          [B, h],
        );
      const rows = await Promise.all([0, 1, 2].map((row) => lossOf({ weights: only((b) => b === row) })));
      expect(await lossOf({})).toBeCloseTo((rows[0]! + rows[1]! + rows[2]!) / 3, 5);
      expect(await lossOf({ weights: floats32([1, 0, 3]) })).toBeCloseTo((rows[0]! + 3 * rows[2]!) / 4, 5);
      const halves = [
        await lossOf({ weights: only((_, k) => k < 2) }),
        await lossOf({ weights: only((_, k) => k >= 2) }),
      ];
      expect(await lossOf({})).toBeCloseTo((2 * halves[0]! + 3 * halves[1]!) / 5, 5);
      expect(await lossOf({ lengths: ints([T, T, T]) })).toBe(await lossOf({}));
    });
  });

  test('verify finds its equations alike on both backends', async () => {
    const model = sequential([lstm(5), head({ horizon: h, hiddenSize: 7, ...season })], { seed: 5 });
    const { ok, worst } = await verify(model, { inputs: named, targets: targetsOf(), lengths });
    expect({ ok, worst }).toMatchObject({ ok: true });
  });

  test('a file keeps it', async () => {
    const model = sequential([lstm(5), head({ horizon: h, hiddenSize: 7, ...season })], { seed: 5 });
    const before = await model.predict({ inputs: named });
    const path = join(await mkdtemp(join(tmpdir(), 'heads-')), 'model.safetensors');
    await model.save(path);
    const loaded = await load(path);
    expect(await loaded.predict({ inputs: named })).toEqual(before);
    expect(await loaded.evaluate([{ inputs: named, targets: targetsOf()! }])).toEqual(
      await model.evaluate([{ inputs: named, targets: targetsOf()! }]),
    );
  });

  test('a session gives the horizon after each step', async () => {
    const model = sequential([lstm(5), head({ horizon: h, ...lastValue })], { seed: 5 });
    const { data } = await model.predict({ inputs: past });
    const session = model.session();
    let last: Float32Array = new Float32Array();
    for (let t = 0; t < T; t++) last = session.step(past.data.slice(t * C, (t + 1) * C)).slice();
    expect(Array.from(last)).toEqual(Array.from(data.slice(0, last.length)));
  });

  test('options that no head could have are refused', () => {
    const wrong = (options: object) => () => head(options);
    expect(wrong({ horizon: 0 })).toThrow('Head: horizon: expected a positive integer, received 0');
    expect(wrong({ targets: 1.5 })).toThrow('Head: targets: expected a positive integer, received 1.5');
    expect(wrong({ hidden: 3 })).toThrow("Head: unknown option 'hidden'");
    expect(wrong({ anchor: 'first' })).toThrow(OptionError);
    if (counts) return expect(wrong({ anchor: 'last' })).toThrow("Head: unknown option 'anchor'");
    expect(wrong({ anchor: { season: 7 } })).toThrow('Head: anchor: a season needs a horizon');
    expect(wrong({ horizon: 2, anchor: { season: 0 } })).toThrow('anchor: season: expected a positive integer');
  });
});

test('inputs that do not fit the head are refused', async () => {
  const model = sequential([lstm(5), pointHead({ horizon: h, targets: 2, anchor: 'last' })]);
  await expect(model.predict({ inputs: { past, future: noise(1, B, h + 1, F) } })).rejects.toThrow(
    'future: expected [B, 5, F], received [3, 6, 2]',
  );
  await expect(model.predict({ inputs: { past, futur: future } })).rejects.toThrow(
    'sequential: expected a single input beside future, static, which its layers read, received past, futur by name',
  );
  await expect(model.predict({ inputs: { future } })).rejects.toThrow(DataError);
  await expect(model.predict({ inputs: noise(1, B, T, 1) })).rejects.toThrow(
    'expected observed targets in the first 2 columns of the input',
  );
  await expect(model.evaluate([{ inputs: past, targets: noise(1, B, h + 1, 2) }])).rejects.toThrow(
    'targets: expected [B, 5, 2], received [3, 6, 2]',
  );
  await expect(
    model.evaluate([{ inputs: past, targets: noise(1, B, h, 2), weights: floats32([1, 1, 1, 1]) }]),
  ).rejects.toThrow(ShapeError);
  const stepwise = sequential([lstm(5), linear(2)]);
  await expect(stepwise.predict({ inputs: named })).rejects.toThrow(
    'sequential: expected a single input, received past, future, static by name',
  );
});

test('without a loss a model whose last layer brings none says so', async () => {
  const model = sequential([lstm(5), linear(2)]);
  const batch = { inputs: past, targets: noise(1, B, T, 2) };
  await expect(model.evaluate([batch])).rejects.toThrow('evaluate: loss: expected a loss such as crossEntropy()');
  await expect(model.fit([batch], { optimizer: adam() })).rejects.toThrow(OptionError);
  await expect(model.trainStep(batch, { optimizer: adam() })).rejects.toThrow(OptionError);
});

test('a loss that is given goes before that of the head', async () => {
  const model = sequential([lstm(5), pointHead({ horizon: h })]);
  const batch = { inputs: past, targets: targetsOf()! };
  const { loss } = await model.evaluate([batch], { loss: (y, t) => mean(square(subtract(y, t))) });
  expect(loss).toBeCloseTo((await model.evaluate([batch])).loss, 5);
  await expect(model.evaluate([batch], { loss: crossEntropy() })).rejects.toThrow('targets: expected Int32Array');
});

test('a part of a batch under a wrong name is refused', async () => {
  const model = sequential([lstm(5), pointHead({ horizon: h })]);
  const batch = { inputs: past, targets: targetsOf()!, lenghts: lengths };
  await expect(model.evaluate([batch])).rejects.toThrow(
    "batch: unknown part 'lenghts'; a batch has inputs, targets, lengths, weights",
  );
});
