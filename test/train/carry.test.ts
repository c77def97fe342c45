import { adam, crossEntropy, DataError, OptionError, sgd, text, type Batch } from '../../lib';
import { eachBackend } from '../support/eachBackend';
import { languageModel, tokenBatch } from '../support/models';

const loss = crossEntropy();
const whole = tokenBatch(1, 2, 12);

/** Steps [begin, end) of every row. */
function steps(batch: Batch, begin: number, end: number): Batch {
  const cut = (tensor: { data: ArrayLike<number>; shape: readonly number[] }) => {
    const [B, T] = tensor.shape as [number, number];
    const data = Int32Array.from(
      Array.from({ length: B }, (_, b) => Array.from(tensor.data).slice(b * T + begin, b * T + end)).flat(),
    );
    return { data, shape: [B, end - begin] };
  };
  return { inputs: cut(batch.inputs as never), targets: cut(batch.targets!) };
}
const parts = [steps(whole, 0, 4), steps(whole, 4, 8), steps(whole, 8, 12)];

eachBackend((backend) => {
  const model = () => languageModel({ backend, seed: 1, lstm: { numLayers: 2 } }).bind(whole);
  // A learning rate of 0 keeps the parameters, so that only the carried state can differ.
  const still = () => sgd({ lr: 0 });

  async function losses(carryState: boolean, epochs = 1): Promise<number[]> {
    const received: number[] = [];
    const run = model().fit(parts, { loss, optimizer: still(), carryState, epochs });
    await run.on('step', ({ loss: value }) => received.push(value));
    return received;
  }
  const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;

  test('carried over its parts, a long sequence has the loss of the whole', async () => {
    const one = (await model().evaluate([whole], { loss })).loss;
    expect(mean(await losses(true))).toBeCloseTo(one, 6);
    expect(mean(await losses(false))).not.toBeCloseTo(one, 6);
    expect((await model().evaluate(parts, { loss, carryState: true })).loss).toBeCloseTo(one, 6);
    expect((await model().evaluate(parts, { loss })).loss).toBeCloseTo(mean(await losses(false)), 6);
  });

  test('each pass begins from zero: epochs, trainings and evaluations', async () => {
    const [first, second, third, ...again] = await losses(true, 2);
    expect(again).toEqual([first, second, third]);
    const network = model();
    const fit = async () => {
      const received: number[] = [];
      const run = network.fit(parts, { loss, optimizer: still(), carryState: true });
      await run.on('step', ({ loss: value }) => received.push(value));
      return received;
    };
    expect(await fit()).toEqual([first, second, third]);
    expect(await fit()).toEqual([first, second, third]);
    const evaluate = () => network.evaluate(parts, { loss, carryState: true });
    expect(await evaluate()).toEqual(await evaluate());
  });

  test('an evaluation in the middle does not disturb the carried state', async () => {
    const network = model();
    const optimizer = still();
    const received: number[] = [];
    for (const part of parts) {
      received.push((await network.trainStep(part, { loss, optimizer, carryState: true })).loss);
      await network.evaluate(parts, { loss, carryState: true });
      await network.predict(part);
    }
    expect(received).toEqual(await losses(true));
  });

  test('evaluations at once carry states of their own', async () => {
    const network = model();
    const evaluate = () => network.evaluate(parts, { loss, carryState: true });
    const alone = await evaluate();
    expect(await Promise.all([evaluate(), evaluate(), evaluate()])).toEqual([alone, alone, alone]);
  });

  test('an evaluation ends with its signal while it waits for data, and none waits for another', async () => {
    const network = model();
    async function* slow(): AsyncGenerator<Batch> {
      yield parts[0]!;
      await new Promise(() => {});
    }
    const controller = new AbortController();
    const options = { loss, carryState: true };
    const stalled = network.evaluate(slow, { ...options, signal: controller.signal });
    expect(await network.evaluate(parts, options)).toEqual(await model().evaluate(parts, options));
    controller.abort(new Error('enough'));
    await expect(stalled).rejects.toThrow('enough');
  });

  test('text says by itself that it continues', async () => {
    const corpus = text.fromString('abcdefg'.repeat(40));
    const data = corpus.train.batches({ batchSize: 2, sequenceLength: 5 });
    const figures = async (carryState?: boolean) => (await model().evaluate(data, { loss, carryState })).loss;
    expect(await figures()).toBe(await figures(true));
    expect(await figures()).not.toBe(await figures(false));
  });

  test('the validation of a training carries state as the training does', async () => {
    const network = model();
    const validated = async (carryState?: boolean) => {
      const { epochs } = await network.fit(parts, { loss, optimizer: still(), carryState, validation: parts });
      return epochs[0]!.validation!.loss;
    };
    const evaluated = async (carryState: boolean) => (await network.evaluate(parts, { loss, carryState })).loss;
    expect(await validated(true)).toBe(await evaluated(true));
    expect(await validated()).toBe(await evaluated(false));
    expect(await evaluated(true)).not.toBe(await evaluated(false));
  });

  test('with carried state the number of rows cannot change', async () => {
    const mixed = [tokenBatch(1, 2, 3), tokenBatch(1, 3, 3)];
    const training = model().fit(mixed, { loss, optimizer: adam(), carryState: true });
    await expect(training).rejects.toThrow(DataError);
    await expect(training).rejects.toThrow('every batch needs 2 rows, received 3');
    const network = model();
    const evaluate = () => network.evaluate(mixed, { loss, carryState: true });
    await expect(evaluate()).rejects.toThrow('every batch needs 2 rows');
    expect([...network.network.store.states.keys()].filter((name) => name.includes('rows 3'))).toEqual([]);
    const { size } = network.network.store.states;
    await expect(evaluate()).rejects.toThrow(DataError);
    expect(network.network.store.states.size).toBe(size);
  });

  test('the number of steps can', async () => {
    const mixed = [steps(whole, 0, 3), steps(whole, 3, 10), steps(whole, 10, 12)];
    const received: number[] = [];
    const run = model().fit(mixed, { loss, optimizer: still(), carryState: true });
    await run.on('step', ({ loss: value }) => received.push(value));
    const one = (await model().evaluate([whole], { loss })).loss;
    expect((3 * received[0]! + 7 * received[1]! + 2 * received[2]!) / 12).toBeCloseTo(one, 6);
  });
});

test('a bidirectional network cannot carry', async () => {
  const network = languageModel({ backend: 'reference', lstm: { bidirectional: true } });
  const training = network.fit(parts, { loss, optimizer: adam(), carryState: true });
  await expect(training).rejects.toThrow(OptionError);
});
