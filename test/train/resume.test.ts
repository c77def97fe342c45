import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  adam,
  adamW,
  cosine,
  crossEntropy,
  sgd,
  text,
  type Batch,
  type Data,
  type FitOptions,
  type History,
  type Sequential,
} from '../../lib';
import { eachBackend } from '../support/eachBackend';
import { copies, languageModel, tokenBatch } from '../support/models';
import { Random } from '../support/random';

let folder = '';
beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'resume-'))));
afterEach(() => rm(folder, { recursive: true }));

const batches = [1, 2, 3].map((seed) => tokenBatch(seed, 2, 3));
const loss = crossEntropy();

/** In another order in each pass, which depends on the number of the pass alone. */
const shuffled: Data = {
  length: batches.length,
  [Symbol.iterator]: () => batches[Symbol.iterator](),
  pass(epoch: number, begin: number): Batch[] {
    const random = new Random(epoch);
    const order = random.integers(1000, batches.length).data;
    return batches
      .map((batch, index) => ({ batch, key: order[index]! }))
      .sort((a, b) => a.key - b.key)
      .slice(begin)
      .map(({ batch }) => batch);
  },
};

const reading = () =>
  text.fromString('to be or not to be, that is the question: ', { split: [0.7, 0.3, 0] }).train.batches({
    batchSize: 3,
    sequenceLength: 4,
  });

interface Case {
  readonly data: () => Data;
  readonly options: () => FitOptions;
}

const cases: Record<string, Case> = {
  'Adam, dropout and a cosine': {
    data: () => batches,
    options: () => ({ loss, optimizer: adam({ lr: cosine(0.05, { warmup: 2 }) }), clipNorm: 1, epochs: 2 }),
  },
  'AdamW on shuffled data': {
    data: () => shuffled,
    options: () => ({ loss, optimizer: adamW({ lr: 0.05 }), epochs: 3 }),
  },
  'momentum on text with carried state': {
    data: reading,
    options: () => ({ loss, optimizer: sgd({ lr: 0.1, momentum: 0.9 }), epochs: 2 }),
  },
  'early stopping, with metrics': {
    data: () => batches,
    options: () => ({
      loss,
      optimizer: sgd({ lr: 0.2 }),
      epochs: 5,
      metrics: ['accuracy'],
      validation: [tokenBatch(9, 2, 3)],
      earlyStopping: 1,
    }),
  },
};

/** Without what depends on the clock. */
const timeless = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, (key, part: unknown) => (key === 'seconds' ? undefined : part)));

const timelessHistory = ({ epochs, steps, skipped, best, ended }: History) =>
  timeless({ epochs, steps, skipped, best: best && { ...best, checkpoint: null }, ended });

const metricsIn = async (runDir: string) =>
  (await readFile(join(runDir, 'metrics.jsonl'), 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => timeless(JSON.parse(line)));

eachBackend((backend) => {
  /** A model of this text's or these tokens' size. */
  const make = (data: Data): Sequential =>
    data.vocabulary
      ? languageModel({ backend, seed: 3, lstm: { numLayers: 2 }, size: data.vocabulary.size })
      : languageModel({ backend, seed: 3, lstm: { numLayers: 2, dropout: 0.3 } });

  async function whole({ data, options }: Case, runDir: string) {
    const model = make(data());
    const history = await model.fit(data(), { ...options(), runDir, checkpoint: { everySteps: 1, keepLast: 100 } });
    return {
      history: timelessHistory(history),
      weights: await copies(model),
      metrics: await metricsIn(runDir),
      steps: history.steps,
    };
  }

  /** As by a kill: everything is gone but what is on disk. */
  async function endAt(step: number, { data, options }: Case, runDir: string): Promise<void> {
    const controller = new AbortController();
    const run = make(data()).fit(data(), {
      ...options(),
      runDir,
      checkpoint: { everySteps: 1 },
      signal: controller.signal,
    });
    // At the next step, so that this step's checkpoint is begun.
    run.on('step', (event) => {
      if (event.step > step) controller.abort(new Error('killed'));
    });
    await expect(run).rejects.toThrow('killed');
  }

  test.each(Object.entries(cases))(
    'killed after any step, a training goes on to the same bits: %s',
    async (_, training) => {
      const { steps, ...expected } = await whole(training, join(folder, 'whole'));
      for (let step = 0; step < steps; step++) {
        const runDir = join(folder, `killed-${step}`);
        await endAt(step, training, runDir);
        const model = make(training.data());
        const run = model.fit(training.data(), { ...training.options(), resume: true, runDir });
        const from: number[] = [];
        run.on('resume', (event) => from.push(event.step));
        const history = timelessHistory(await run);
        expect(from).toEqual(step === 0 ? [] : [step]);
        expect({ weights: await copies(model), history, metrics: await metricsIn(runDir) }).toEqual(expected);
      }
    },
  );
});
