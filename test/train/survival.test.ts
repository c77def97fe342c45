/** Early stopping, skipped steps, and options that are refused. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  add,
  adam,
  crossEntropy,
  load,
  log,
  mean,
  multiply,
  NonFiniteError,
  OptionError,
  sgd,
  type FitOptions,
  type TrainingEvent,
  type Variable,
} from '../../lib';
import { eachBackend } from '../support/eachBackend';
import { copies, floats32, languageModel, tokenBatch } from '../support/models';

let folder = '';
beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'survival-'))));
afterEach(() => rm(folder, { recursive: true }));

const data = [1, 2, 3].map((seed) => tokenBatch(seed, 2, 3));
const validation = [tokenBatch(11, 2, 3)];
const loss = crossEntropy();
const make = () => languageModel({ backend: 'reference', seed: 3 });

/** Learns its three batches by heart, so that others soon become worse. */
const overfitting = (): FitOptions => ({ loss, optimizer: sgd({ lr: 0.3 }), validation, epochs: 60 });

describe('early stopping', () => {
  test('ends when the validation is not better for so many epochs, with the weights of the best', async () => {
    const model = make();
    const history = await model.fit(data, { ...overfitting(), earlyStopping: 3 });
    const losses = history.epochs.map((epoch) => epoch.validation!.loss);
    const best = Math.min(...losses);
    expect(history.ended).toBe('earlyStopping');
    expect(losses.indexOf(best)).toBe(2);
    expect(history.best).toEqual({
      epoch: losses.indexOf(best) + 1,
      step: 3 * (losses.indexOf(best) + 1),
      metric: 'loss',
      value: best,
      checkpoint: null,
    });
    expect(losses.length).toBe(losses.indexOf(best) + 1 + 3);
    expect((await model.evaluate(validation, { loss })).loss).toBe(best);
  });

  test('leaves the last weights by choice, and counts only what is better by minDelta', async () => {
    const model = make();
    const history = await model.fit(data, {
      ...overfitting(),
      earlyStopping: { patience: 1, minDelta: 100, restoreBest: false },
    });
    expect(history.epochs).toHaveLength(2);
    expect((await model.evaluate(validation, { loss })).loss).toBe(history.epochs[1]!.validation!.loss);
  });

  test('watches a metric of which more is better', async () => {
    const earlyStopping = { metric: 'accuracy', mode: 'max', patience: 2 } as const;
    const history = await make().fit(data, { ...overfitting(), metrics: ['accuracy'], earlyStopping });
    const accuracies = history.epochs.map((epoch) => epoch.validation!.accuracy!);
    expect(history.best!.value).toBe(Math.max(...accuracies));
    expect(history.best!.epoch).toBe(accuracies.indexOf(Math.max(...accuracies)) + 1);
  });

  test('the best weights are restored whichever way the training ends, and are in the model file', async () => {
    const model = make();
    const runDir = join(folder, 'run');
    const history = await model.fit(data, { ...overfitting(), earlyStopping: 50, epochs: 20, runDir });
    expect(history).toMatchObject({ ended: 'done', best: { checkpoint: expect.stringContaining('step-') as string } });
    expect(history.best!.epoch).toBeLessThan(20);
    for (const path of [join(runDir, 'model.safetensors'), history.best!.checkpoint!]) {
      const loaded = await load(path, { backend: 'reference' });
      expect(await copies(loaded)).toEqual(await copies(model));
    }
  });

  test.each<[string, FitOptions['earlyStopping'], object, string]>([
    ['no validation', 3, { validation: undefined }, 'earlyStopping: expected validation data'],
    ['no patience', 0, {}, 'patience: expected a positive integer, received 0'],
    [
      'a metric of unknown sense',
      { metric: 'accuracy' },
      { metrics: ['accuracy'] },
      "mode: expected 'min' or 'max', to say which accuracy is better",
    ],
    [
      'an unknown figure',
      { metric: 'recall', mode: 'max' },
      { metrics: ['accuracy'] },
      "fit: earlyStopping: metric: expected one of the figures, loss, perplexity, bitsPerCharacter, accuracy, received 'recall'; others have to be among metrics",
    ],
    ['no end but its own', 3, { epochs: undefined }, 'earlyStopping: expected epochs, maxSteps or maxSeconds too'],
    ['another best', 3, { runDir: 'run', checkpoint: { best: 'loss' } }, 'early stopping says what is best'],
  ])('refuses %s', async (_, earlyStopping, others, message) => {
    const run = make().fit(data, { ...overfitting(), earlyStopping, ...others });
    await expect(run).rejects.toThrow(OptionError);
    await expect(run).rejects.toThrow(message);
  });
});

test('the last checkpoints are kept, and the best', async () => {
  const runDir = join(folder, 'run');
  const history = await make().fit(data, {
    ...overfitting(),
    epochs: 20,
    runDir,
    checkpoint: { everySteps: 2, keepLast: 2 },
  });
  const best = history.best!.step;
  expect(best).toBeLessThan(56);
  expect(await readdir(join(runDir, 'checkpoints'))).toEqual(
    [best, 58, 60].map((step) => `step-${String(step).padStart(8, '0')}.safetensors`),
  );
});

test.each<[string, object, number[]]>([
  ['as many steps', { everySteps: 2 }, [2, 4, 6, 7]],
  ['so many minutes, all of them past', { everyMinutes: 1e-9 }, [1, 2, 3, 4, 5, 6, 7]],
  ['so many minutes, which do not pass', { everyMinutes: 1000 }, [7]],
  ['steps or minutes, whichever come first', { everySteps: 3, everyMinutes: 1000 }, [3, 6, 7]],
  ['five minutes by default', {}, [7]],
])('checkpoints are written after %s, and at the end', async (_, checkpoint, steps) => {
  const runDir = join(folder, 'run');
  const written: number[] = [];
  const run = make().fit(data, {
    loss,
    optimizer: sgd(),
    maxSteps: 7,
    runDir,
    checkpoint: { ...checkpoint, keepLast: 100 },
  });
  await run.on('checkpoint', ({ step }) => written.push(step));
  expect([...new Set(written)]).toEqual(steps);
  expect(await readdir(join(runDir, 'checkpoints'))).toEqual(
    steps.map((step) => `step-${String(step).padStart(8, '0')}.safetensors`),
  );
});

eachBackend((backend) => {
  /** Not finite where all weights are 0. */
  const fragile = (output: Variable, _: Variable, weights: Variable | null) =>
    add(mean(multiply(output, output)), log(mean(weights!)));
  const weighted = (seed: number, weight: number) => ({
    ...tokenBatch(seed, 2, 3),
    weights: floats32([weight, weight]),
  });
  const broken = weighted(2, 0);
  const batches = [weighted(1, 1), broken, weighted(3, 1)];
  const fit = (options: Partial<FitOptions>, source = batches) => {
    const model = languageModel({ backend, seed: 3 });
    return { model, run: model.fit(source, { loss: fragile, optimizer: adam(), ...options }) };
  };

  test('a step whose loss is not finite ends the training, or is skipped and counted', async () => {
    await expect(fit({}).run).rejects.toThrow(NonFiniteError);
    const { run } = fit({ onNonFinite: 'skip', epochs: 2 });
    const events: TrainingEvent[] = [];
    for await (const event of run) events.push(event);
    expect(events.map(({ type, step }) => `${type} ${step}`)).toEqual([
      'step 1',
      'skip 2',
      'step 3',
      'epoch 3',
      'step 4',
      'skip 5',
      'step 6',
      'epoch 6',
    ]);
    expect(events[1]).toMatchObject({ message: expect.stringContaining('expected a finite') as string });
    const { skipped, epochs, steps } = await run;
    expect([skipped, steps]).toEqual([2, 6]);
    expect(epochs.every(({ train }) => Number.isFinite(train.loss))).toBe(true);
  });

  test('a skipped step changes no weight', async () => {
    const { model, run } = fit({ onNonFinite: 'skip', maxSteps: 2 });
    await run;
    const once = fit({ maxSteps: 1 });
    await once.run;
    expect(await copies(model)).toEqual(await copies(once.model));
  });

  test('too many skipped steps in a row end the training', async () => {
    const only = (options: Partial<FitOptions>) => fit({ epochs: 50, ...options }, [broken]).run;
    await expect(only({ onNonFinite: { maxInARow: 3 } })).rejects.toMatchObject({ step: 4 });
    await expect(only({ onNonFinite: 'skip' })).rejects.toMatchObject({ step: 11 });
    expect(await only({ onNonFinite: 'skip', epochs: 2 })).toMatchObject({ skipped: 2, steps: 2 });
  });
});

test.each<[object, string]>([
  [{ checkpoint: {} }, 'fit: checkpoint: expected a runDir'],
  [{ runDir: 'run', checkpoint: { every: 3 } }, "fit: checkpoint: unknown option 'every'"],
  [{ runDir: 'run', checkpoint: { everySteps: 0 } }, 'everySteps: expected a positive integer'],
  [{ runDir: 'run', checkpoint: { everyMinutes: -1 } }, 'everyMinutes: expected a positive number'],
  [{ runDir: 'run', checkpoint: { keepLast: 0 } }, 'keepLast: expected a positive integer'],
  [{ runDir: 'run', checkpoint: { onFailure: 'ignore' } }, "onFailure: expected 'stop' or 'continue'"],
  [{ runDir: 'run', checkpoint: { best: 'loss' } }, 'checkpoint: best: expected validation data'],
  [{ runDir: 3 }, 'fit: runDir: expected the name of a folder, received 3'],
  [{ overwrite: true }, 'fit: overwrite: expected a runDir'],
  [{ onNonFinite: 'ignore' }, "onNonFinite: expected 'stop', 'skip' or { maxInARow }"],
  [{ onNonFinite: { maxInARow: 0 } }, 'maxInARow: expected a positive integer'],
])('the options %j are refused', async (options, message) => {
  await expect(make().fit(data, { loss, optimizer: adam(), ...options })).rejects.toThrow(message);
});
