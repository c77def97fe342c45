/** Options that are none are refused before the first step, by an error that names them. */
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  adam,
  add,
  crossEntropy,
  DataError,
  log,
  mean,
  multiply,
  OptionError,
  perEpoch,
  reduceOnPlateau,
  sgd,
  warmup,
  type Variable,
} from '../../lib';
import { floats32, languageModel, tokenBatch } from '../support/models';

let folder = '';
beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'options-'))));
afterEach(() => rm(folder, { recursive: true }));

const data = [tokenBatch(1, 2, 3), tokenBatch(2, 2, 3)];
const loss = crossEntropy();
const model = () => languageModel({ backend: 'reference' });
const start = (options: object, runDir?: string) => {
  const steps: number[] = [];
  const run = model().fit(data, { loss, optimizer: adam(), epochs: 2, runDir, ...options });
  return { steps, run: run.on('step', ({ step }) => steps.push(step)) };
};

const plateau = (metric: string) => reduceOnPlateau(0.1, { metric, mode: 'max' });
const known = 'expected one of the figures, loss, perplexity, bitsPerCharacter, ';

test.each<[string, object, string]>([
  ['a signal that is none', { signal: {} }, 'fit: signal: expected an AbortSignal, received {'],
  ['a signal of null', { signal: null }, 'fit: signal: expected an AbortSignal, received null'],
  ['a controller as the signal', { signal: new AbortController() }, 'fit: signal: expected an AbortSignal'],
  ['metrics of null', { metrics: null }, 'fit: metrics: expected names, or functions by name, received null'],
  ['a metric by name alone', { metrics: 'accuracy' }, "expected names, or functions by name, received 'accuracy'"],
  ['a number of metrics', { metrics: 2 }, 'fit: metrics: expected names, or functions by name, received 2'],
  ['a list of numbers', { metrics: [1] }, 'fit: metrics: expected names'],
  ['early stopping that is true', { earlyStopping: true, validation: data }, 'fit: earlyStopping: expected options'],
  ['early stopping of null', { earlyStopping: null, validation: data }, 'fit: earlyStopping: expected options'],
  ['a checkpoint that is true', { checkpoint: true, runDir: 'run' }, 'fit: checkpoint: expected options'],
  ['a progress that is a word', { progress: 'bar' }, "fit: progress: expected true or false, received 'bar'"],
  ['a carried state that is a number', { carryState: 1 }, 'fit: carryState: expected true or false, received 1'],
  ['a policy of null', { onNonFinite: null }, 'fit: onNonFinite: expected options'],
  ['no number of epochs', { epochs: '2' }, "fit: epochs: expected a positive integer, received '2'"],
  ['epochs of null', { epochs: null }, 'fit: epochs: expected a positive integer, received null'],
  ['a folder of null', { runDir: null }, 'fit: runDir: expected the name of a folder, received null'],
  ['a best that is none', { runDir: 'run', validation: data, checkpoint: { best: 'recall' } }, known],
  [
    'a best of no figure',
    { runDir: 'run', validation: data, checkpoint: { best: { metric: 3 } } },
    `fit: checkpoint: best: metric: ${known.slice(0, -2)}, received 3`,
  ],
  [
    'early stopping by what is not measured',
    { validation: data, earlyStopping: { metric: 'accuracy', mode: 'max' } },
    `fit: earlyStopping: metric: ${known.slice(0, -2)}, received 'accuracy'; others have to be among metrics`,
  ],
  [
    'a plateau of what is not measured',
    { optimizer: sgd({ lr: plateau('f1') }), metrics: ['accuracy'] },
    `fit: optimizer: reduceOnPlateau: metric: ${known}accuracy, received 'f1'`,
  ],
  [
    'one within other schedules',
    { optimizer: sgd({ lr: warmup(perEpoch(plateau('f1')), { steps: 2 }) }) },
    'fit: optimizer: reduceOnPlateau: metric: ',
  ],
  [
    'one of a group',
    { optimizer: sgd({ groups: [{ match: /bias/, lr: plateau('f1') }] }) },
    'fit: optimizer: reduceOnPlateau: metric: ',
  ],
])('%s', async (_, options, message) => {
  const { run, steps } = start(options);
  await expect(run).rejects.toThrow(OptionError);
  await expect(run).rejects.toThrow(message);
  expect(steps).toEqual([]);
  expect(existsSync('run')).toBe(false);
});

test.each([5, null, {}, 'data'])(
  'validation data that are %j are refused before the first step',
  async (validation) => {
    const runDir = join(folder, 'run');
    const { run, steps } = start({ validation }, runDir);
    await expect(run).rejects.toThrow(DataError);
    await expect(run).rejects.toThrow(
      'fit: validation: expected an iterable of batches or a function that returns one',
    );
    expect(steps).toEqual([]);
    expect(existsSync(runDir)).toBe(false);
  },
);

test('validation data without a batch are refused before the first step', async () => {
  const { run, steps } = start({ validation: [] });
  await expect(run).rejects.toThrow('fit: validation: expected at least one batch, received none');
  expect(steps).toEqual([]);
});

test('a figure that is measured may be watched, whatever names it', async () => {
  const options = {
    metrics: ['accuracy'],
    validation: data,
    optimizer: sgd({ lr: plateau('accuracy') }),
    earlyStopping: { metric: 'perplexity', patience: 9 },
  };
  expect(await start(options).run).toMatchObject({ ended: 'done', best: { metric: 'perplexity' } });
});

test('evaluations and predictions refuse what is no signal', async () => {
  const evaluated = model().evaluate(data, { loss, signal: {} as AbortSignal });
  await expect(evaluated).rejects.toThrow('evaluate: signal: expected an AbortSignal, received {');
  await expect(model().evaluate(data, { loss, carryState: 'yes' as never })).rejects.toThrow('evaluate: carryState');
  const predicted = model().predict(data[0]!, { signal: true as never });
  await expect(predicted).rejects.toThrow('predict: signal: expected an AbortSignal, received true');
});

test('a plateau of a metric gets over a pass of which every step was skipped', async () => {
  const broken = [{ ...tokenBatch(1, 2, 3), weights: floats32([0, 0]) }];
  const history = await model().fit(broken, {
    loss: (output: Variable, _: Variable, weights: Variable | null) => add(mean(output), log(mean(weights!))),
    metrics: { size: (output: Variable) => mean(multiply(output, output)) },
    optimizer: sgd({ lr: reduceOnPlateau(0.1, { metric: 'size' }) }),
    onNonFinite: 'skip',
    epochs: 3,
  });
  expect(history).toMatchObject({ skipped: 3, ended: 'done' });
  expect(history.epochs[2]!.train).toEqual({ loss: NaN, size: NaN });
});
