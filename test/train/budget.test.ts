import { adam, cosine, crossEntropy, DataError, OptionError, sgd, type Batch } from '../../lib';
import { eachBackend } from '../support/eachBackend';
import { copies, languageModel, tokenBatch } from '../support/models';

const data = [1, 2, 3].map((seed) => tokenBatch(seed, 2, 3));
const loss = crossEntropy();

eachBackend((backend) => {
  const fit = (options: object, source: Parameters<ReturnType<typeof languageModel>['fit']>[0] = data) =>
    languageModel({ backend }).fit(source, { loss, optimizer: sgd(), ...options });

  test('without a budget there is one epoch', async () => {
    expect(await fit({})).toMatchObject({ steps: 3, ended: 'done' });
  });

  test('maxSteps goes through the data as often as it takes, and ends in the middle of an epoch', async () => {
    const history = await fit({ maxSteps: 7 });
    expect(history).toMatchObject({ steps: 7, ended: 'budget' });
    expect(history.epochs.map(({ step }) => step)).toEqual([3, 6, 7]);
  });

  test('maxSteps does not exceed the epochs', async () => {
    expect(await fit({ maxSteps: 100, epochs: 2 })).toMatchObject({ steps: 6, ended: 'done' });
  });

  test('maxSeconds ends after the step during which the time has passed', async () => {
    const history = await fit({ maxSeconds: 1e-9 });
    expect(history).toMatchObject({ steps: 1, ended: 'budget' });
  });

  test('a function gives new data for each epoch, an async one too', async () => {
    let passes = 0;
    async function* batches(): AsyncGenerator<Batch> {
      passes++;
      yield* data;
    }
    expect((await fit({ epochs: 2 }, batches)).steps).toBe(6);
    expect(passes).toBe(2);
  });

  test('an iterator that is used up by the first epoch is refused', async () => {
    const once = data[Symbol.iterator]();
    const training = fit({ epochs: 2 }, once);
    await expect(training).rejects.toThrow(DataError);
    await expect(training).rejects.toThrow('an iterator that is used up');
  });

  test('data without a batch, and what is no data, are refused', async () => {
    await expect(fit({}, [])).rejects.toThrow(DataError);
    await expect(fit({}, null as never)).rejects.toThrow(DataError);
    await expect(fit({}, 5 as never)).rejects.toThrow('expected an iterable of batches');
  });

  test('an error of the data ends the training', async () => {
    const reason = new Error('the disk is gone');
    function* batches() {
      yield data[0]!;
      throw reason;
    }
    await expect(fit({}, batches)).rejects.toBe(reason);
  });

  test('the data are told when the training ends before them', async () => {
    let closed = false;
    function* batches() {
      try {
        for (;;) yield data[0]!;
      } finally {
        closed = true;
      }
    }
    await fit({ maxSteps: 2 }, batches);
    expect(closed).toBe(true);
  });

  test('an aborted training rejects with the reason, the weights as before the step', async () => {
    const controller = new AbortController();
    const model = languageModel({ backend });
    const reason = new Error('shutting down');
    const run = model.fit(data, { loss, optimizer: sgd({ lr: 0.1 }), epochs: 1000, signal: controller.signal });
    let weights: Promise<Record<string, number[]>> | null = null;
    run.on('step', ({ step }) => {
      if (step !== 4) return;
      weights = copies(model);
      controller.abort(reason);
    });
    await expect(run).rejects.toBe(reason);
    expect(await copies(model)).toEqual(await weights!);
    await model.fit(data, { loss, optimizer: sgd() });
  });

  test('a training that is aborted before it begins changes nothing', async () => {
    const model = languageModel({ backend }).bind(data[0]!);
    const before = await copies(model);
    const signal = AbortSignal.abort(new Error('never mind'));
    await expect(model.fit(data, { loss, optimizer: sgd(), signal })).rejects.toThrow('never mind');
    expect(await copies(model)).toEqual(before);
  });

  test('neither an abort nor a stop waits for data that do not come', async () => {
    async function* slow(): AsyncGenerator<Batch> {
      yield data[0]!;
      await new Promise(() => {});
    }
    const controller = new AbortController();
    const aborted = fit({ signal: controller.signal }, slow);
    aborted.on('step', () => setImmediate(() => controller.abort(new Error('enough'))));
    await expect(aborted).rejects.toThrow('enough');
    const stopped = fit({}, slow);
    stopped.on('step', () => setImmediate(() => void stopped.stop()));
    expect(await stopped).toMatchObject({ steps: 1, ended: 'stopped' });
  });

  test('a budget that is spent does not wait for data that do not come, and asks for no batch beyond it', async () => {
    let asked = 0;
    async function* slow(): AsyncGenerator<Batch> {
      for (asked = 1; asked <= 2; asked++) yield data[0]!;
      await new Promise(() => {});
    }
    expect(await fit({ maxSteps: 2 }, slow)).toMatchObject({ steps: 2, ended: 'budget' });
    expect(asked).toBe(2);
    expect(await fit({ maxSeconds: 1 }, slow)).toMatchObject({ steps: 2, ended: 'budget' });
  });

  test('the learning rate follows a cosine over the steps of the fit', async () => {
    const rates: number[] = [];
    await fit({ optimizer: adam({ lr: cosine(0.1, { warmup: 2, final: 0.01 }) }), epochs: 2 }).on(
      'step',
      ({ learningRate }) => rates.push(learningRate),
    );
    const after = [0, 1, 2, 3].map((step) => 0.01 + 0.09 * ((1 + Math.cos((Math.PI * step) / 4)) / 2));
    expect(rates.map((rate) => rate.toFixed(12))).toEqual([0.05, 0.1, ...after].map((rate) => rate.toFixed(12)));
  });

  test('the gradient is clipped to the given norm', async () => {
    const move = async (clipNorm: number | undefined) => {
      const model = languageModel({ backend, seed: 1 }).bind(data[0]!);
      const before = await copies(model);
      const { gradientNorm } = await model.trainStep(data[0]!, { loss, optimizer: sgd({ lr: 1 }), clipNorm });
      const after = await copies(model);
      const squares = Object.keys(before).flatMap((name) =>
        before[name]!.map((value, k) => (value - after[name]![k]!) ** 2),
      );
      return { gradientNorm, moved: Math.sqrt(squares.reduce((a, b) => a + b, 0)) };
    };
    const free = await move(undefined);
    expect(free.moved).toBeCloseTo(free.gradientNorm, 5);
    const clipped = await move(free.gradientNorm / 3);
    expect(clipped.gradientNorm).toBe(free.gradientNorm);
    // The factor is norm / (gradient norm + 1e-6), and weights are rounded to float32.
    expect(clipped.moved).toBeCloseTo(free.gradientNorm / 3, 5);
    expect((await move(free.gradientNorm * 3)).moved).toBe(free.moved);
  });
});

describe('options refuse', () => {
  const model = languageModel({ backend: 'reference' });
  test.each([
    ['an unknown one', { epoch: 3 }, "fit: unknown option 'epoch'"],
    ['a missing loss', { loss: undefined }, 'fit: loss: expected a loss such as crossEntropy()'],
    ['a loss by name', { loss: 'mse' }, 'fit: loss: expected a loss'],
    ['a missing optimizer', { optimizer: undefined }, 'fit: optimizer: expected an optimizer such as adam()'],
    ['0 epochs', { epochs: 0 }, 'fit: epochs: expected a positive integer, received 0'],
    ['half a step', { maxSteps: 0.5 }, 'fit: maxSteps'],
    ['no time', { maxSeconds: 0 }, 'fit: maxSeconds: expected a positive number'],
    ['a clip norm of 0', { clipNorm: 0 }, 'fit: clipNorm: expected a positive number'],
    ['numbers as text', { maxSeconds: '1' }, "fit: maxSeconds: expected a positive number, received '1'"],
    ['a clip norm as text', { clipNorm: '1' }, 'fit: clipNorm: expected a positive number, finite in float32'],
    ['a clip norm that float32 cannot hold', { clipNorm: 1e39 }, 'fit: clipNorm: expected a positive number'],
    ['a schedule that says NaN', { optimizer: sgd({ lr: () => NaN }) }, 'lr: step 1: the schedule: expected a number'],
    ['an unknown metric', { metrics: ['hits'] }, "metrics: unknown metric 'hits'; this loss has accuracy"],
    ['metrics that are no functions', { metrics: { recall: 3 } }, 'fit: metrics: expected names, or functions'],
  ])('%s', async (_, options, message) => {
    const training = model.fit(data, { loss, optimizer: sgd(), ...options } as never);
    await expect(training).rejects.toThrow(OptionError);
    await expect(training).rejects.toThrow(message);
  });

  test('a cosine whose end nobody knows', async () => {
    const training = model.fit(() => data, { loss, optimizer: sgd({ lr: cosine(0.1) }), maxSeconds: 1 });
    await expect(training).rejects.toThrow('cosine: totalSteps');
  });

  test('unknown options of evaluate and trainStep', async () => {
    await expect(model.evaluate(data, { loss, metric: [] } as never)).rejects.toThrow(
      "evaluate: unknown option 'metric'",
    );
    await expect(model.evaluate(data, undefined as never)).rejects.toThrow('evaluate: loss: expected');
    await expect(model.trainStep(data[0]!, { loss, optimizer: sgd(), epochs: 2 } as never)).rejects.toThrow(
      "trainStep: unknown option 'epochs'",
    );
  });
});
