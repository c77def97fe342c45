/** Checkpoints with the right digest but a record or states that no training wrote are refused, and change nothing. */
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { adam, CheckpointError, crossEntropy, type FitOptions } from '../../lib';
import { checkpointChunks, readCheckpoint, type Tensors } from '../../lib/checkpoint/checkpoint';
import { copies, languageModel, tokenBatch } from '../support/models';

let folder = '';
beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'record-'))));
afterEach(() => rm(folder, { recursive: true }));

const data = [1, 2, 3].map((seed) => tokenBatch(seed, 2, 3));
const make = () => languageModel({ backend: 'reference', seed: 3 });
const options = (): FitOptions => ({
  loss: crossEntropy(),
  optimizer: adam(),
  epochs: 5,
  validation: [tokenBatch(11, 2, 3)],
  earlyStopping: 50,
});

interface Content {
  record: Record<string, unknown>;
  states: Record<string, Tensors[string]>;
}

/** A run whose only checkpoint holds what `change` made of it. */
async function runWith(change: (content: Content) => void): Promise<string> {
  const runDir = join(folder, 'run');
  await make().fit(data, { ...options(), epochs: 1, maxSteps: 2, runDir });
  const checkpoints = join(runDir, 'checkpoints');
  const [name, ...others] = await readdir(checkpoints);
  expect(others).toEqual([]);
  const path = join(checkpoints, name!);
  const { parameters, metadata, ...rest } = await readCheckpoint(path);
  const content: Content = {
    record: rest.record as Content['record'],
    states: Object.fromEntries(rest.states),
  };
  change(content);
  const chunks = await checkpointChunks(Object.fromEntries(parameters), content.states, metadata, content.record);
  await writeFile(path, Buffer.concat(chunks));
  return runDir;
}

type Change = (content: Content) => void;
const within =
  (name: string, part: object): Change =>
  ({ record }) =>
    void (record[name] = { ...(record[name] as object), ...part });

test.each<[string, Change, RegExp]>([
  ['no stepper', ({ record }) => delete record.stepper, /at stepper/],
  ['a stepper of null', ({ record }) => (record.stepper = null), /at stepper/],
  ['steps that are none', within('stepper', { step: -1 }), /at stepper\.step/],
  ['figures that are no list', within('stepper', { figures: 3 }), /at stepper\.figures/],
  ['a batch size that is a word', within('stepper', { carriedBatchSize: 'two' }), /at stepper\.carriedBatchSize/],
  ['no means', ({ record }) => delete record.means, /at means/],
  ['means that are numbers', within('means', { means: [1, 2] }), /at means\.means\[0\]/],
  ['sums of words', within('means', { sums: { f1: { hits: ['a'] } } }), /at means\.sums\.f1\.hits\[0\]/],
  ['an epoch without figures', ({ record }) => (record.epochs = [{ type: 'epoch' }]), /at epochs\[0\]/],
  ['a best without a step', ({ record }) => (record.best = { epoch: 1, metric: 'loss', value: 1 }), /at best\.step/],
  [
    'no moments of a parameter',
    ({ states }) => delete states['adam.first_moment.0.weight'],
    /adam\.first_moment\.0\.weight: expected \[7, 4\], received no such state/,
  ],
  [
    'moments of another shape',
    ({ states }) => (states['adam.first_moment.0.weight'] = { data: new Float32Array(3), shape: [3] }),
    /adam\.first_moment\.0\.weight: expected \[7, 4\], received \[3\]/,
  ],
  [
    'best weights of some parameters only',
    ({ states }) => (states['best/0.weight'] = { data: new Float32Array(28), shape: [7, 4] }),
    /best\/1\..*: expected .*, received no such state/,
  ],
])('%s', async (_, change, message) => {
  const runDir = await runWith(change);
  const model = make().bind(data[0]!);
  const before = await copies(model);
  const run = model.fit(data, { ...options(), resume: runDir });
  await expect(run).rejects.toThrow(CheckpointError);
  await expect(run).rejects.toThrow(message);
  expect(await copies(model)).toEqual(before);
  // Nothing of it is in the way of another training.
  expect(await model.fit(data, { ...options(), epochs: 1 })).toMatchObject({ steps: 3 });
});

test('what was written is read', async () => {
  const runDir = await runWith(() => {});
  expect(await make().fit(data, { ...options(), resume: runDir })).toMatchObject({ ended: 'done', steps: 15 });
});
