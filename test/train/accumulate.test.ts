import {
  adam,
  adamW,
  crossEntropy,
  DataError,
  log,
  mean,
  meanSquaredError,
  multiply,
  NonFiniteError,
  sgd,
  sequential,
  linear,
  subtract,
  type Batch,
  type SchedulePoint,
  type Variable,
} from '../../lib';
import { eachBackend, type BackendName } from '../support/eachBackend';
import { copies, floats32, ints, languageModel, noise, tokenBatch } from '../support/models';

/** Rows of several batches, one below the other; all of them tokens with targets and weights. */
function joined(batches: readonly Batch[]): Batch {
  const join = (
    tensors: readonly { data: ArrayLike<number>; shape: readonly number[] }[],
    make: (data: number[]) => Float32Array | Int32Array,
  ) => ({
    data: make(tensors.flatMap(({ data }) => Array.from(data))),
    shape: [tensors.reduce((rows, { shape }) => rows + shape[0]!, 0), ...tensors[0]!.shape.slice(1)],
  });
  const all = <K extends 'inputs' | 'targets' | 'weights'>(name: K) => batches.map((batch) => batch[name] as never);
  return {
    inputs: join(all('inputs'), (data) => Int32Array.from(data)),
    targets: join(all('targets'), (data) => Int32Array.from(data)),
    weights: join(all('weights'), (data) => Float32Array.from(data)),
  };
}

/** Some rows of a batch of tokens, up to so many steps. */
function cut(batch: Batch, [begin, end]: readonly [number, number], steps: number): Batch {
  const rows = ({ data, shape }: { data: ArrayLike<number>; shape: readonly number[] }) => {
    const [, T = 1] = shape;
    const kept = Array.from(data).filter((_, k) => k >= begin * T && k < end * T && k % T < steps);
    const size = shape.length === 1 ? [end - begin] : [end - begin, steps];
    return data instanceof Float32Array ? floats32(kept, size) : ints(kept, size);
  };
  return Object.fromEntries(Object.entries(batch).map(([name, tensor]) => [name, rows(tensor as never)])) as never;
}

const weighted = (seed: number, B: number): Batch => {
  const { data, shape } = noise(seed, B, 3);
  return { ...tokenBatch(seed, B, 3), weights: { data: data.map(Math.abs), shape } };
};
/** Of different sizes and total weights, one of them without any. */
const parts = [
  weighted(1, 2),
  weighted(2, 1),
  { ...weighted(3, 2), weights: floats32(new Array(6).fill(0), [2, 3]) },
  weighted(4, 3),
];
const loss = crossEntropy();

function expectClose(
  received: Record<string, ArrayLike<number>>,
  expected: Record<string, ArrayLike<number>>,
  bound: number,
) {
  for (const [path, values] of Object.entries(expected)) {
    let [difference, norm] = [0, 0];
    Array.from(values).forEach((value, k) => {
      difference += (received[path]![k]! - value) ** 2;
      norm += value ** 2;
    });
    expect([path, Math.sqrt(difference / norm) <= bound]).toEqual([path, true]);
  }
}

/** The rule of weight gradients, over 24 rows and steps; float64 has 2⁻⁵³. */
const bounds: Record<BackendName, number> = {
  native: 2 * (16 + Math.sqrt(24)) * 2 ** -24,
  reference: 2 * (16 + Math.sqrt(24)) * 2 ** -53,
};

eachBackend((backend) => {
  const model = (seed = 1) => languageModel({ backend, seed }).bind(parts[0]!);

  test.each([
    ['the step', { loss, optimizer: () => sgd({ lr: 0.5 }) }],
    ['the step, clipped in both ways', { loss, optimizer: () => sgd({ lr: 0.5 }), clipNorm: 0.01, clipValue: 0.002 }],
    // With a small ε the first steps have the size of the rate, and the sign of a gradient that rounding may turn.
    ['two steps of adamW', { loss, optimizer: () => adamW({ lr: 0.01, eps: 0.01 }) }],
  ])('%s of several batches is that of the one larger batch', async (_, { optimizer, ...options }) => {
    const [one, other] = [model(), model()];
    const [first, second] = [optimizer(), optimizer()];
    for (let step = 0; step < 2; step++) {
      const large = await one.trainStep(joined(parts), { ...options, optimizer: first });
      const small = await other.trainStep(parts, { ...options, optimizer: second });
      expect(small.step).toBe(large.step);
      for (const name of ['loss', 'gradientNorm'] as const)
        expect(Math.abs(small[name] / large[name] - 1)).toBeLessThan(bounds[backend]);
      expect(small.figures.perplexity).toBeCloseTo(large.figures.perplexity!, 4);
    }
    expectClose(await copies(other), await copies(one), bounds[backend]);
  });

  test.each([
    ['read in one direction', {}, {}],
    ['read in both directions', { bidirectional: true }, {}],
    ['weighted as well', { bidirectional: true }, { weights: weighted(6, 8).weights! }],
  ])('the step of several batches of ragged lengths is that of the one larger batch: %s', async (_, lstm, more) => {
    const large = { ...tokenBatch(6, 8, 3), ...more, lengths: ints([3, 1, 0, 2, 1, 3, 2, 3]) };
    // Padded to their own longest; the second is all padding.
    const small = [cut(large, [0, 2], 3), cut(large, [2, 3], 1), cut(large, [3, 5], 2), cut(large, [5, 8], 3)];
    const ragged = () => languageModel({ backend, seed: 1, lstm }).bind(large);
    const [one, other] = [ragged(), ragged()];
    const [first, second] = [sgd({ lr: 0.5 }), sgd({ lr: 0.5 })];
    for (let step = 0; step < 2; step++) {
      const together = await one.trainStep(large, { loss, optimizer: first });
      const apart = await other.trainStep(small, { loss, optimizer: second });
      for (const name of ['loss', 'gradientNorm'] as const)
        expect(Math.abs(apart[name] / together[name] - 1)).toBeLessThan(bounds[backend]);
    }
    expectClose(await copies(other), await copies(one), bounds[backend]);
    // Without the lengths it is another loss.
    const evaluated = async (batch: Batch) => (await ragged().evaluate([batch], { loss })).loss;
    const whole = { inputs: large.inputs, targets: large.targets!, ...more };
    expect(Math.abs((await evaluated(whole)) / (await evaluated(large)) - 1)).toBeGreaterThan(1e-4);
  });

  test('one batch in a list is that batch', async () => {
    const [one, other] = [model(), model()];
    await one.trainStep(parts[0]!, { loss, optimizer: sgd({ lr: 0.5 }) });
    await other.trainStep([parts[0]!], { loss, optimizer: sgd({ lr: 0.5 }) });
    expectClose(await copies(other), await copies(one), bounds[backend]);
  });

  test('batches without any weight change nothing', async () => {
    const network = model();
    const before = await copies(network);
    const result = await network.trainStep([parts[2]!, parts[2]!], { loss, optimizer: sgd({ lr: 0.5 }) });
    expect(result).toMatchObject({ step: 1, loss: 0, gradientNorm: 0 });
    expect(await copies(network)).toEqual(before);
  });

  test("a loss of one's own counts each batch alike", async () => {
    const line = () => sequential([linear(1, { bias: false })], { backend }).bind({ inputs: floats32([1], [1, 1]) });
    const square = (y: Variable, targets: Variable) => mean(multiply(subtract(y, targets), subtract(y, targets)));
    const batch = (x: number[], y: number[]) => ({
      inputs: floats32(x, [x.length, 1]),
      targets: floats32(y, [y.length, 1]),
    });
    const network = line();
    await network.loadStateDict({ '0.weight': floats32([1], [1, 1]) });
    // d/dw mean (w x - y)²: 2·(1·1 − 3)·1 = −4 and the mean of 2·(2 − 1)·2 = 4 and 2·(4 − 4)·4 = 0.
    await network.trainStep([batch([1], [3]), batch([2, 4], [1, 4])], { loss: square, optimizer: sgd({ lr: 0.5 }) });
    expect((await network.stateDict())['0.weight']!.data[0]).toBeCloseTo(1 - 0.5 * ((-4 + 2) / 2), 6);
    // The built-in loss weighs rows.
    await network.loadStateDict({ '0.weight': floats32([1], [1, 1]) });
    await network.trainStep([batch([1], [3]), batch([2, 4], [1, 4])], {
      loss: meanSquaredError(),
      optimizer: sgd({ lr: 0.5 }),
    });
    expect((await network.stateDict())['0.weight']!.data[0]).toBeCloseTo(1 - 0.5 * ((-4 + 2 * 2) / 3), 6);
  });

  test('what a step before has summed does not count', async () => {
    const [one, other] = [model(), model()];
    const optimizer = sgd({ lr: 0.5 });
    await one.trainStep(parts, { loss, optimizer });
    await other.loadStateDict(await one.stateDict());
    await one.trainStep([parts[3]!, parts[0]!], { loss, optimizer });
    await other.trainStep([parts[3]!, parts[0]!], { loss, optimizer: sgd({ lr: 0.5 }) });
    expect(await copies(one)).toEqual(await copies(other));
  });

  test('carried state goes from batch to batch within a step', async () => {
    const long = tokenBatch(5, 2, 6);
    const half = ({ data, shape }: { data: ArrayLike<number>; shape: readonly number[] }, begin: number) =>
      ints(
        [0, 1].flatMap((b) => Array.from(data).slice(b * shape[1]! + begin, b * shape[1]! + begin + 3)),
        [2, 3],
      );
    const halves = [0, 3].map((begin) => ({ inputs: half(long.inputs, begin), targets: half(long.targets!, begin) }));
    const [one, other] = [model(), model()];
    const options = { loss, carryState: true };
    const whole = await one.trainStep(long, { ...options, optimizer: sgd({ lr: 0 }) });
    const parted = await other.trainStep(halves, { ...options, optimizer: sgd({ lr: 0 }) });
    expect(parted.loss).toBeCloseTo(whole.loss, 5);
    const apart = await model().trainStep(halves, { loss, optimizer: sgd({ lr: 0 }) });
    expect(Math.abs(apart.loss - whole.loss)).toBeGreaterThan(1e-5);
  });

  test('a batch that is not finite undoes the step', async () => {
    const network = sequential([linear(1)], { backend }).bind({ inputs: floats32([1], [1, 1]) });
    const logarithm = (y: Variable, targets: Variable) => mean(log(subtract(targets, y)));
    const batch = (target: number) => ({ inputs: floats32([0], [1, 1]), targets: floats32([target], [1, 1]) });
    const optimizer = adam();
    const before = await copies(network);
    const failing = network.trainStep([batch(2), batch(-9), batch(2)], { loss: logarithm, optimizer });
    await expect(failing).rejects.toThrow(NonFiniteError);
    expect(await copies(network)).toEqual(before);
    expect((await network.trainStep([batch(2)], { loss: logarithm, optimizer })).step).toBe(2);
  });

  test('no batch is refused', async () => {
    await expect(model().trainStep([], { loss, optimizer: sgd() })).rejects.toThrow(DataError);
    await expect(model().trainStep([], { loss, optimizer: sgd() })).rejects.toThrow('expected at least one batch');
  });

  describe('in fit', () => {
    const batches = [1, 2, 3, 4, 5].map((seed) => weighted(seed, 2));

    test('so many batches make one step, the last of a pass those that are left', async () => {
      const [fitted, stepped] = [model(), model()];
      const events: number[] = [];
      const totals: (number | null)[] = [];
      const schedule = (point: SchedulePoint) => {
        totals.push(point.totalSteps);
        return 0.5;
      };
      const options = { loss, accumulate: 2, epochs: 2 };
      const run = fitted.fit(batches, { ...options, optimizer: sgd({ lr: schedule }) });
      const history = await run.on('step', ({ step }) => events.push(step));
      expect(history.steps).toBe(6);
      expect(events).toEqual([1, 2, 3, 4, 5, 6]);
      expect(totals).toEqual([6, 6, 6, 6, 6, 6]);
      const optimizer = sgd({ lr: 0.5 });
      for (let pass = 0; pass < 2; pass++)
        for (const list of [batches.slice(0, 2), batches.slice(2, 4), batches.slice(4)])
          await stepped.trainStep(list, { loss, optimizer });
      expect(await copies(fitted)).toEqual(await copies(stepped));
    });

    test('figures of a pass are those of all its batches', async () => {
      const options = { loss, optimizer: sgd({ lr: 0 }), metrics: ['accuracy'] };
      const [one] = (await model().fit(batches, options)).epochs;
      const [other] = (await model().fit(batches, { ...options, accumulate: 3 })).epochs;
      for (const name of ['loss', 'accuracy', 'perplexity'])
        expect(other!.train[name]).toBeCloseTo(one!.train[name]!, 5);
    });

    test('dropout draws other units for each batch', async () => {
      const dropping = () => languageModel({ backend, lstm: { dropout: 0.5, numLayers: 2 } }).bind(batches[0]!);
      const options = { loss, optimizer: sgd({ lr: 0 }) };
      const apart = (await dropping().fit([batches[0]!, batches[0]!], options)).epochs[0]!.train.loss;
      const together = (await dropping().fit([batches[0]!, batches[0]!], { ...options, accumulate: 2 })).epochs[0]!;
      const first = (await dropping().fit([batches[0]!], options)).epochs[0]!.train.loss;
      expect(together.train.loss).toBeCloseTo(apart, 5);
      expect(Math.abs(together.train.loss - first)).toBeGreaterThan(1e-4);
    });

    test('what ends the training is looked at between steps, and a step is complete or not taken', async () => {
      const [fitted, stepped] = [model(), model()];
      const optimizer = sgd({ lr: 0.5 });
      const run = fitted.fit(batches, { loss, optimizer, accumulate: 2, maxSteps: 1, epochs: 3 });
      expect((await run).steps).toBe(1);
      await stepped.trainStep(batches.slice(0, 2), { loss, optimizer: sgd({ lr: 0.5 }) });
      expect(await copies(fitted)).toEqual(await copies(stepped));
      const waiting = model();
      const before = await copies(waiting);
      const never = async function* () {
        yield batches[0]!;
        await new Promise(() => {});
      };
      const stopped = waiting.fit(never, { loss, optimizer: sgd({ lr: 0.5 }), accumulate: 2, maxSeconds: 0.2 });
      expect(await stopped).toMatchObject({ steps: 0, ended: 'budget' });
      expect(await copies(waiting)).toEqual(before);
    });

    test.each([0, 1.5, '2'])('accumulate %p is refused', async (accumulate) => {
      const run = model().fit(batches, { loss, optimizer: sgd(), accumulate: accumulate as number });
      await expect(run).rejects.toThrow('fit: accumulate: expected a positive integer, received');
    });
  });
});
