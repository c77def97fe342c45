/** What a resumption refuses, and where it begins. */
import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  adam,
  CheckpointError,
  crossEntropy,
  DataError,
  embedding,
  linear,
  lstm,
  mean,
  meanSquaredError,
  OptionError,
  pointHead,
  sequences,
  sequential,
  series,
  sgd,
  synthetic,
  text,
  type Data,
  type FitOptions,
  type Sequential,
} from '../../lib';
import { copies, languageModel, tokenBatch } from '../support/models';

let folder = '';
beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'resumption-'))));
afterEach(() => rm(folder, { recursive: true }));

const data = [1, 2, 3].map((seed) => tokenBatch(seed, 2, 3));
const validation = [tokenBatch(11, 2, 3)];
const loss = crossEntropy();
const make = (seed = 3) => languageModel({ backend: 'reference', seed });

describe('at a resumption', () => {
  const options = (): FitOptions => ({ loss, optimizer: adam(), clipNorm: 1, epochs: 2, validation });
  const begun = async () => {
    const runDir = join(folder, 'run');
    const model = make();
    await model.fit(data, { ...options(), runDir, checkpoint: { everySteps: 2 } });
    return { runDir, model };
  };

  test.each<[string, object, string]>([
    ['a clip norm', { clipNorm: 2 }, 'clipNorm: expected 1, received 2'],
    ['a loss', { loss: (output: never) => mean(output) }, 'loss: expected "crossEntropy'],
    ['an optimizer', { optimizer: sgd() }, 'optimizer.name: expected "adam", received "sgd"'],
    ['a rate', { optimizer: adam({ lr: 0.5 }) }, 'optimizer.lr: expected 0.001, received 0.5'],
    ['betas', { optimizer: adam({ betas: [0.8, 0.9] }) }, 'optimizer.betas'],
    ['carried state', { carryState: true }, 'carryState: expected false, received true'],
    ['metrics', { metrics: ['accuracy'] }, 'metrics.accuracy'],
    ['no validation', { validation: undefined }, 'validation: expected true, received false'],
    ['early stopping', { earlyStopping: 3 }, 'earlyStopping: expected null, received {'],
    ['skipping', { onNonFinite: 'skip' }, 'onNonFinite: expected "stop"'],
  ])('%s that differs is refused and named', async (_, other, message) => {
    const { runDir } = await begun();
    const run = make().fit(data, { ...options(), ...other, resume: runDir });
    await expect(run).rejects.toThrow(OptionError);
    await expect(run).rejects.toThrow(message);
  });

  test('all that differs is named at once; so are another model, another seed, and other data', async () => {
    const { runDir } = await begun();
    await expect(
      make().fit(data, { ...options(), clipNorm: 2, metrics: ['accuracy'], resume: runDir }),
    ).rejects.toThrow(/clipNorm.*|metrics.*\n.*/);
    await expect(make(4).fit(data, { ...options(), resume: runDir })).rejects.toThrow('seed: expected 3, received 4');
    const larger = languageModel({ backend: 'reference', seed: 3, lstm: { numLayers: 2 } });
    await expect(larger.fit(data, { ...options(), resume: runDir })).rejects.toThrow(
      'architecture.layers[1].options.numLayers: expected none, received 2',
    );
    await expect(make().fit(data.slice(1), { ...options(), resume: runDir })).rejects.toThrow(
      'data.batches: expected 3, received 2',
    );
  });

  test('an array of as many batches of other sizes is refused, and the sizes are named', async () => {
    const { runDir } = await begun();
    const resumedOn = (others: Data) => make().fit(others, { ...options(), epochs: 3, resume: runDir });
    const other = resumedOn([data[0]!, tokenBatch(2, 4, 5), data[2]!]);
    await expect(other).rejects.toThrow(OptionError);
    await expect(other).rejects.toThrow('data.shapes[1]: expected none, received');
    await expect(resumedOn([1, 2, 3].map((seed) => tokenBatch(seed, 4, 5)))).rejects.toThrow(
      /shapes\[0\]\.inputs: expected "\[2, 3\]", received "\[4, 5\]"\n.*shapes\[0\]\.targets: expected "\[2, 3\]"/,
    );
    const lengths = { data: Int32Array.of(3, 3), shape: [2] };
    await expect(resumedOn(data.map((batch) => ({ ...batch, lengths })))).rejects.toThrow(
      'data.shapes[0].lengths: expected none, received "[2]"',
    );
    expect(await resumedOn([...data])).toMatchObject({ ended: 'done', steps: 9 });
  });

  test('batches of the same number, made in another way, are refused and what differs is named', async () => {
    const rows = Array.from({ length: 40 }, (_, day) => ({
      day: new Date(Date.UTC(2024, 0, 1 + day)).toISOString(),
      y: day % 7,
    }));
    const table = series.fromRecords(rows, { time: 'day', target: 'y', split: [1, 0, 0] });
    const windows = (seed: number) => table.train.windows({ lookback: 5, horizon: 2, seed });
    const words = await sequences.from(['aba', 'bab'], {
      inputs: (word) => word,
      label: (word) => word,
      split: () => 'train',
    });
    const corpus = text.fromString('to be or not to be', { split: [1, 0, 0] });
    const forecaster = () => sequential([lstm(2), pointHead({ horizon: 2 })], { backend: 'reference' });
    const tagger = () =>
      sequential([embedding(2, 2), lstm(2, { output: 'last' }), linear(2)], { backend: 'reference' });
    const writer = () =>
      sequential([embedding(corpus.vocabulary.size, 2), lstm(2), linear(corpus.vocabulary.size)], {
        backend: 'reference',
      });
    const adder = () => sequential([lstm(2, { output: 'last' }), linear(1)], { backend: 'reference' });
    const adding = (seed: number) => synthetic.addingProblem({ steps: 4, batches: 2, batchSize: 2, seed });
    const cases: [() => Sequential, Data, Data, string][] = [
      [forecaster, windows(0), windows(9), 'data.seed: expected 0, received 9'],
      [tagger, words.train.batches({ batchSize: 2 }), words.train.batches({ batchSize: 2, seed: 9 }), 'data.seed'],
      [
        writer,
        corpus.train.batches({ batchSize: 2, sequenceLength: 8 }),
        corpus.train.batches({ batchSize: 2, sequenceLength: 9 }),
        'data.sequenceLength: expected 8, received 9',
      ],
      [adder, adding(0), adding(9), 'data.seed: expected 0, received 9'],
    ];
    for (const [index, [model, before, now, message]] of cases.entries()) {
      const given = { loss: index === 0 ? undefined : index === 3 ? meanSquaredError() : loss, optimizer: adam() };
      const runDir = join(folder, `run ${index}`);
      await model().fit(before, { ...given, runDir });
      await expect(model().fit(now, { ...given, epochs: 2, resume: runDir })).rejects.toThrow(message);
      expect(await model().fit(before, { ...given, epochs: 2, resume: runDir })).toMatchObject({ ended: 'done' });
    }
  });

  test('a run that is done gives its history, and goes on when epochs have been added', async () => {
    const { runDir, model } = await begun();
    const again = make();
    const steps: number[] = [];
    const history = await again.fit(data, { ...options(), resume: runDir }).on('step', ({ step }) => steps.push(step));
    expect([steps, history.steps, history.ended, history.epochs.length]).toEqual([[], 6, 'done', 2]);
    expect(await copies(again)).toEqual(await copies(model));
    const longer = make();
    await longer.fit(data, { ...options(), epochs: 3, resume: runDir });
    const whole = make();
    await whole.fit(data, { ...options(), epochs: 3 });
    expect(await copies(longer)).toEqual(await copies(whole));
  });

  test('a run that maxSteps ended in the middle of a pass goes on as if it had not', async () => {
    const runDir = join(folder, 'run');
    const budgeted = await make().fit(data, { ...options(), maxSteps: 4, runDir });
    expect(budgeted).toMatchObject({ ended: 'budget', steps: 4 });
    expect(await make().fit(data, { ...options(), maxSteps: 4, resume: runDir })).toMatchObject({
      ended: 'budget',
      steps: 4,
    });
    const longer = make();
    const history = await longer.fit(data, { ...options(), resume: runDir });
    expect(history.epochs.map(({ step }) => step)).toEqual([3, 6]);
    const whole = make();
    expect((await whole.fit(data, options())).epochs[1]!.train).toEqual(history.epochs[1]!.train);
    expect(await copies(longer)).toEqual(await copies(whole));
  });

  test('stop() writes a checkpoint, from which the run goes on', async () => {
    const runDir = join(folder, 'run');
    const run = make().fit(data, { ...options(), runDir });
    run.on('step', ({ step }) => {
      if (step === 2) void run.stop();
    });
    expect(await run).toMatchObject({ ended: 'stopped', steps: 2 });
    const resumed = make();
    await resumed.fit(data, { ...options(), resume: true, runDir });
    const whole = make();
    await whole.fit(data, options());
    expect(await copies(resumed)).toEqual(await copies(whole));
  });

  test.each(['cut short', 'changed in one byte'])(
    'a newest checkpoint that is %s is put aside with a warning, for the one before',
    async (damage) => {
      const { runDir, model } = await begun();
      const newest = join(runDir, 'checkpoints', 'step-00000006.safetensors');
      const bytes = await readFile(newest);
      if (damage === 'cut short') await truncate(newest, bytes.length - 8);
      else await writeFile(newest, bytes.with(bytes.length - 5, bytes.at(-5)! ^ 1));
      const resumed = make();
      const run = resumed.fit(data, { ...options(), resume: runDir });
      const from: number[] = [];
      run.on('resume', ({ step }) => from.push(step));
      const { warnings } = await run;
      expect(from).toEqual([4]);
      expect(warnings.map(({ message }) => message)).toEqual([
        expect.stringMatching(/step-00000006.*kept as .*damaged/),
      ]);
      expect(await copies(resumed)).toEqual(await copies(model));
      expect(await readdir(join(runDir, 'checkpoints'))).toContain('step-00000006.safetensors.damaged');
    },
  );

  test('checkpoints of which none can be read are an error, and stay', async () => {
    const { runDir } = await begun();
    const names = await readdir(join(runDir, 'checkpoints'));
    for (const name of names) await writeFile(join(runDir, 'checkpoints', name), 'nothing');
    const run = make().fit(data, { ...options(), resume: runDir });
    await expect(run).rejects.toThrow(CheckpointError);
    await expect(run).rejects.toThrow(`none of its ${names.length} checkpoints can be read`);
    expect(await readdir(join(runDir, 'checkpoints'))).toEqual(names);
  });

  test('events of checkpoints and resumptions name the pass of the last step, also at its end', async () => {
    const runDir = join(folder, 'run');
    const heard: string[] = [];
    const run = make().fit(data, { ...options(), runDir, checkpoint: { everySteps: 1, best: false } });
    run.on('checkpoint', ({ epoch, step }) => heard.push(`${epoch} ${step}`));
    await run;
    // Those of the ends of passes are written again, so that they go on with the next.
    expect(new Set(heard)).toEqual(new Set(['1 1', '1 2', '1 3', '2 4', '2 5', '2 6']));
    const from: unknown[] = [];
    const resumed = make().fit(data, { ...options(), resume: runDir });
    await resumed.on('resume', ({ epoch, step }) => from.push([epoch, step]));
    expect(from).toEqual([[2, 6]]);
  });

  test.each<[string, (path: string) => Promise<void>, number]>([
    ['are gone', (path) => rm(path), 0],
    ['were cut short', (path) => truncate(path, 300), 1],
  ])('metrics that %s are warned of, and those from there on are whole lines', async (_, spoil, kept) => {
    const { runDir } = await begun();
    const path = join(runDir, 'metrics.jsonl');
    await spoil(path);
    const types: string[] = [];
    const run = make().fit(data, { ...options(), epochs: 3, resume: runDir });
    run.on('resume', ({ type }) => types.push(type)).on('warning', ({ type }) => types.push(type));
    const { warnings } = await run;
    expect(types).toEqual(['resume', 'warning']);
    expect(warnings[0]!.message).toMatch(
      /metrics\.jsonl: expected the \d+ bytes that the run had written of its metrics/,
    );
    const lines = (await readFile(path, 'utf8')).trimEnd().split('\n');
    const steps = lines.map((line) => JSON.parse(line) as { type: string; step: number });
    expect(steps.map(({ type, step }) => `${type} ${step}`)).toEqual([
      ...['step 1'].slice(0, kept),
      ...['step 7', 'step 8', 'step 9', 'epoch 9'],
    ]);
  });

  test.each([1, 2])(
    'data of unknown length that have become shorter are refused, %i batches to a step',
    async (accumulate) => {
      const runDir = join(folder, 'run');
      const given = { ...options(), accumulate };
      const reading = (batches: number) => () => [...data, ...data].slice(0, batches);
      const maxSteps = 4 / accumulate;
      await make().fit(reading(6), { ...given, maxSteps, runDir });
      const run = make().fit(reading(accumulate === 1 ? 3 : 2), { ...given, resume: runDir });
      await expect(run).rejects.toThrow(DataError);
      await expect(run).rejects.toThrow(
        /expected at least the \d batches of this pass that have been taken before, received/,
      );
      expect(await make().fit(reading(6), { ...given, resume: runDir })).toMatchObject({ steps: 12 / accumulate });
    },
  );

  test('a pass whose last step took fewer batches is known to be over', async () => {
    const runDir = join(folder, 'run');
    const given = { ...options(), epochs: 1, accumulate: 2 };
    const reading = () => data;
    const whole = await make().fit(reading, { ...given, maxSteps: 2, runDir });
    expect(whole).toMatchObject({ steps: 2, ended: 'budget' });
    expect(await make().fit(reading, { ...given, resume: runDir })).toMatchObject({ steps: 2, ended: 'done' });
  });

  test('a folder without a run is refused by name, and begun by true', async () => {
    const runDir = join(folder, 'none');
    await expect(make().fit(data, { ...options(), resume: runDir })).rejects.toThrow('holds no run to go on with');
    expect(await make().fit(data, { ...options(), resume: true, runDir })).toMatchObject({ steps: 6 });
  });

  test.each<[string, FitOptions['resume'], object, string]>([
    ['true without a folder', true, {}, 'fit: resume: true: expected a runDir'],
    ['one folder, with another', 'one', { runDir: 'other' }, 'a run goes on in its own'],
    ['both, with overwrite', true, { runDir: 'one', overwrite: true }, 'received both'],
    ['a number', 3 as never, {}, 'fit: resume: expected the name of a folder, received 3'],
  ])('%s is refused', async (_, resume, others, message) => {
    await expect(make().fit(data, { ...options(), resume, ...others })).rejects.toThrow(message);
  });
});
