/** Each optimizer, schedule and option of `fit`, interrupted and resumed, comes to the bits of a training that was not. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  adagrad,
  adam,
  adamW,
  add,
  cosine,
  cosineRestarts,
  crossEntropy,
  embedding,
  exponentialDecay,
  gru,
  linear,
  linearDecay,
  log,
  lstm,
  mean,
  multiply,
  multiStepDecay,
  oneCycle,
  perEpoch,
  pointHead,
  reduceOnPlateau,
  rmsprop,
  sequences,
  sequential,
  series,
  sgd,
  stepDecay,
  text,
  warmup,
  type Data,
  type FitOptions,
  type History,
  type Optimizer,
  type Schedule,
  type Sequential,
  type StepEvent,
  type Variable,
} from '../../lib';
import { readCheckpoint } from '../../lib/checkpoint/checkpoint';
import { RunFolder } from '../../lib/train/runFolder';
import { eachBackend, type BackendName } from '../support/eachBackend';
import { copies, floats32, languageModel, tokenBatch } from '../support/models';
import { metricsIn, timeless, timelessHistory } from '../support/trainings';

let folder = '';
beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'resume-'))));
afterEach(() => rm(folder, { recursive: true }));

/** Data, and a model for them; made anew for each training, as by a new process. */
interface Task {
  readonly data: () => Data;
  readonly validation: () => Data;
  readonly model: (backend: BackendName) => Sequential;
  readonly options: Partial<FitOptions>;
}

const corpus = () => text.fromString('to be or not to be, that is the question: ', { split: [0.6, 0.4, 0] });
const reading = { batchSize: 2, sequenceLength: 4 };

/** Text with state carried from batch to batch, and dropout. */
const onText: Task = {
  data: () => corpus().train.batches(reading),
  validation: () => corpus().validation.batches(reading),
  model: (backend) => {
    const { size } = corpus().vocabulary;
    return sequential([embedding(size, 3), lstm(4, { numLayers: 2, dropout: 0.3 }), linear(size)], {
      backend,
      seed: 2,
    });
  },
  options: { loss: crossEntropy() },
};

const table = () =>
  series.fromRecords(
    Array.from({ length: 30 }, (_, day) => ({
      day: new Date(Date.UTC(2024, 0, 1 + day)).toISOString(),
      y: 3 + Math.sin(day) + (day % 7),
    })),
    { time: 'day', target: 'y', split: [0.7, 0.3, 0] },
  );
const windowSizes = { lookback: 5, horizon: 2, batchSize: 4, seed: 4 };

/** Windows of a series, shuffled in each pass. */
const onWindows: Task = {
  data: () => table().train.windows(windowSizes),
  validation: () => table().validation.windows(windowSizes),
  model: (backend) => sequential([gru(4), pointHead({ horizon: 2 })], { backend, seed: 3 }),
  options: {},
};

const words = ['a', 'ab', 'aba', 'b', 'bbab', 'baa', 'abba', 'bb', 'aab', 'babab', 'ba', 'bba'];
const labelled = () =>
  sequences.from(words, {
    inputs: (word) => word,
    label: (word) => word.at(-1)!,
    split: (_, index) => (index < 9 ? 'train' : 'validation'),
  });
let read: Awaited<ReturnType<typeof labelled>>;
beforeAll(async () => void (read = await labelled()));

/** Sequences of unequal length, in buckets, with an uneven last batch. */
const onSequences: Task = {
  data: () => read.train.batches({ batchSize: 2, seed: 5 }),
  validation: () => read.validation.batches({ batchSize: 2 }),
  model: (backend) =>
    sequential([embedding(2, 3, { dropout: 0.1 }), lstm(3, { bidirectional: true, output: 'last' }), linear(2)], {
      backend,
      seed: 4,
    }),
  options: { loss: crossEntropy() },
};

/** Not finite for the second of its batches. */
const onBrokenTokens: Task = {
  data: () => [1, 2, 3].map((seed) => ({ ...tokenBatch(seed, 2, 3), weights: floats32(seed === 2 ? [0, 0] : [1, 1]) })),
  validation: () => [{ ...tokenBatch(9, 2, 3), weights: floats32([1, 1]) }],
  model: (backend) => languageModel({ backend, seed: 3, lstm: { numLayers: 2, dropout: 0.3 } }),
  options: {
    loss: (output: Variable, _: Variable, weights: Variable | null) =>
      add(mean(multiply(output, output)), log(mean(weights!))),
  },
};

interface Case {
  readonly task: Task;
  /** Made anew for each training, too. */
  readonly options: () => Partial<FitOptions>;
  /** Shows that the training did what the case is for. */
  readonly shows?: (history: History, steps: readonly StepEvent[]) => void;
}

const optimizers: Record<string, () => Optimizer> = {
  'plain SGD': () => sgd({ lr: 0.1, weightDecay: 0.01 }),
  momentum: () => sgd({ lr: 0.1, momentum: 0.9, dampening: 0.1 }),
  Nesterov: () => sgd({ lr: 0.1, momentum: 0.9, nesterov: true }),
  Adagrad: () => adagrad({ lr: 0.1, lrDecay: 0.1, initialAccumulatorValue: 0.1 }),
  RMSprop: () => rmsprop({ lr: 0.01 }),
  'RMSprop, centred, with momentum': () => rmsprop({ lr: 0.01, centered: true, momentum: 0.9 }),
  Adam: () => adam({ lr: 0.05 }),
  AMSGrad: () => adam({ lr: 0.05, amsgrad: true }),
  AdamW: () => adamW({ lr: 0.05, weightDecay: 0.1 }),
  'groups of parameters': () =>
    adamW({
      lr: cosine(0.05),
      groups: [
        { match: /bias/, weightDecay: 0, lrFactor: 0.5 },
        { match: '0', lr: stepDecay(0.1, { stepSize: 2 }) },
      ],
    }),
};

const schedules: Record<string, () => Schedule> = {
  steps: () => stepDecay(0.1, { stepSize: 3, gamma: 0.5 }),
  'steps by epochs': () => perEpoch(stepDecay(0.1, { stepSize: 1, gamma: 0.5 })),
  milestones: () => multiStepDecay(0.1, { milestones: [2, 5] }),
  'an exponential': () => exponentialDecay(0.1, { gamma: 0.9 }),
  'a line': () => linearDecay(0.1),
  'a cosine': () => cosine(0.1),
  restarts: () => cosineRestarts(0.1, { period: 2, periodFactor: 2 }),
  'a warm-up': () => warmup(cosine(0.1), { steps: 4 }),
  'one cycle': () => oneCycle(0.1),
  // A figure that is never better by 5: reduced after each pass.
  'a plateau': () => reduceOnPlateau(0.1, { patience: 0, factor: 0.5, threshold: 5, thresholdMode: 'abs' }),
};

const manyRates = (_: History, steps: readonly StepEvent[]) =>
  expect(new Set(steps.map(({ learningRate }) => learningRate)).size).toBeGreaterThan(1);

const settings: Record<string, Case> = {
  'clipping by norm': {
    task: onWindows,
    options: () => ({ clipNorm: 0.01 }),
    shows: (_, steps) => expect(steps.every(({ gradientNorm }) => gradientNorm > 0.01)).toBe(true),
  },
  'clipping by value and norm': { task: onText, options: () => ({ clipNorm: 0.5, clipValue: 0.01 }) },
  accumulation: {
    task: onSequences,
    options: () => ({ accumulate: 2, metrics: ['accuracy', 'f1'] }),
    shows: ({ steps }) => expect(steps).toBe(9),
  },
  'accumulation with carried state': { task: onText, options: () => ({ accumulate: 2 }) },
  'accumulation over windows': { task: onWindows, options: () => ({ accumulate: 3, clipNorm: 0.1 }) },
  'skipped steps': {
    task: onBrokenTokens,
    options: () => ({ onNonFinite: 'skip' }),
    shows: ({ skipped }) => expect(skipped).toBe(3),
  },
  'skipped steps within accumulated ones': {
    task: onBrokenTokens,
    options: () => ({ onNonFinite: 'skip', accumulate: 2 }),
    shows: ({ skipped, steps }) => expect([skipped, steps]).toEqual([3, 6]),
  },
  'early stopping with metrics': {
    task: onSequences,
    options: () => ({
      optimizer: sgd({ lr: 0.5 }),
      epochs: 20,
      metrics: ['accuracy'],
      earlyStopping: { patience: 2, minDelta: 0.2 },
    }),
    shows: ({ ended, epochs }) => expect([ended, epochs.length > 1]).toEqual(['earlyStopping', true]),
  },
  'early stopping on text, the last weights kept': {
    task: onText,
    options: () => ({ epochs: 9, earlyStopping: { patience: 2, minDelta: 1, restoreBest: false } }),
    shows: ({ ended }) => expect(ended).toBe('earlyStopping'),
  },
};

const tasks = [onText, onWindows, onSequences];

const ofOptimizers: Record<string, Case> = Object.fromEntries(
  Object.entries(optimizers).map(([name, optimizer], index) => [
    name,
    { task: tasks[index % 3]!, options: () => ({ optimizer: optimizer() }) },
  ]),
);

const ofSchedules: Record<string, Case> = Object.fromEntries(
  Object.entries(schedules).map(([name, lr], index) => [
    `a rate that follows ${name}`,
    { task: tasks[(index + 1) % 3]!, options: () => ({ optimizer: adam({ lr: lr() }) }), shows: manyRates },
  ]),
);

const fitOptions = ({ task, options }: Case): FitOptions => ({
  optimizer: adam({ lr: 0.05 }),
  epochs: 3,
  validation: task.validation(),
  ...task.options,
  ...options(),
});

/** All that a training left: its last checkpoint without the clock, its metrics, its weights. */
async function left(runDir: string, model: Sequential, history: History) {
  const [newest] = await new RunFolder(runDir).checkpoints();
  const { states, record } = await readCheckpoint(newest!.path);
  return {
    states: Object.fromEntries([...states].map(([name, { data }]) => [name, Array.from(data)])),
    record: timeless({ ...(record as object), metricsBytes: null }),
    weights: await copies(model),
    metrics: await metricsIn(runDir),
    history: timelessHistory(history),
  };
}

eachBackend((backend) => {
  // Rates are made beside the backends, and are inputs to both.
  const cases = { ...ofOptimizers, ...settings, ...(backend === 'reference' && ofSchedules) };

  async function whole(training: Case, runDir: string) {
    const model = training.task.model(backend);
    const steps: StepEvent[] = [];
    const run = model.fit(training.task.data(), { ...fitOptions(training), runDir });
    const history = await run.on('step', (event) => steps.push(event));
    training.shows?.(history, steps);
    return { expected: await left(runDir, model, history), history };
  }

  /** As by a kill: everything is gone but what is on disk. */
  async function endAfter(step: number, training: Case, runDir: string): Promise<void> {
    const controller = new AbortController();
    const { signal } = controller;
    const options = { ...fitOptions(training), runDir, checkpoint: { everySteps: 1 }, signal };
    const run = training.task.model(backend).fit(training.task.data(), options);
    // At the next step, so that this step's checkpoint is begun.
    const end = (event: { readonly step: number }) => event.step > step && controller.abort(new Error('killed'));
    await expect(run.on('step', end).on('skip', end)).rejects.toThrow('killed');
  }

  test.each(Object.entries(cases))('a training goes on to the same bits: %s', async (name, training) => {
    const { expected, history } = await whole(training, join(folder, 'whole'));
    const perPass = history.epochs[0]!.step;
    // At the end of a pass, and within the first or the last; or both, for what depends on what has happened so far.
    const within = [1, history.steps - 1].filter(
      (_, index) => name in settings || Object.keys(cases).indexOf(name) % 2 === index,
    );
    for (const step of new Set([perPass, ...within])) {
      const runDir = join(folder, `ended-${step}`);
      await endAfter(step, training, runDir);
      const model = training.task.model(backend);
      const run = model.fit(training.task.data(), { ...fitOptions(training), resume: runDir });
      const from: number[] = [];
      const resumed = await run.on('resume', (event) => from.push(event.step));
      expect(from).toEqual([step]);
      expect(await left(runDir, model, resumed)).toEqual(expected);
    }
  });
});
