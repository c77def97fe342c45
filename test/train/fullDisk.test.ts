/** What is left when writing goes wrong, at every call of the file system: of folders, metrics, checkpoints and the model. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  CheckpointError,
  crossEntropy,
  embedding,
  linear,
  sequential,
  sgd,
  type FitOptions,
  type Run,
} from '../../lib';
import { readCheckpoint } from '../../lib/checkpoint/checkpoint';
import { modelMetadata, saveModel } from '../../lib/model/save';
import { RunFolder } from '../../lib/train/runFolder';
import { fit } from '../../lib/train/trainer';
import { FaultyFileSystem } from '../support/crash';
import { copies, tokenBatch, vocabularySize } from '../support/models';
import { metricsIn } from '../support/trainings';

let folder = '';
beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'full-'))));
afterEach(() => rm(folder, { recursive: true }));

const data = [1, 2, 3].map((seed) => tokenBatch(seed, 2, 3));
/** Few parameters, for few calls. */
const make = () => sequential([embedding(vocabularySize, 4), linear(vocabularySize)], { backend: 'reference' });
const checkpoint = { everySteps: 1, keepLast: 1 };
const options = (runDir: string): FitOptions => ({
  loss: crossEntropy(),
  optimizer: sgd({ momentum: 0.9 }),
  runDir,
  checkpoint,
});

/** A training whose files go through this file system. */
function train(runDir: string, fileSystem: FaultyFileSystem, others: Partial<FitOptions> = {}): Run {
  const model = make();
  return fit(
    model.network,
    data,
    { ...options(runDir), ...others },
    {},
    {
      check: () => {},
      metadata: (inputs) => modelMetadata(model.network, model, inputs),
      restore: () => {},
      save: (path) => saveModel(model.network, model, path, fileSystem),
      fileSystem,
    },
  );
}

/** Every checkpoint by its name, read whole. */
async function wholeSteps(runDir: string): Promise<number[]> {
  const files = await new RunFolder(runDir).checkpoints();
  await Promise.all(files.map(({ path }) => readCheckpoint(path)));
  return files.map(({ step }) => step);
}

/** The calls of a training without trouble. */
async function untroubled(runDir: string): Promise<string[]> {
  const fileSystem = new FaultyFileSystem();
  await train(runDir, fileSystem);
  return fileSystem.calls;
}

const syncedFolder = 'open folder, sync folder, close folder';
const writtenFile = `open file, writes, sync file, close file, rename, ${syncedFolder}`;

test('new names are synced with their folders, metrics before the checkpoint that counts them, and each checkpoint before the one before is removed', async () => {
  const calls = await untroubled(join(folder, 'run'));
  // Lines are written when they come.
  const inOrder = calls.filter((call) => call !== 'write metrics').join(', ');
  const written = `sync metrics, ${writtenFile}`;
  const expected = [
    `make folder, ${syncedFolder}`,
    // There is none yet, so it is made.
    `open metrics, open metrics, ${syncedFolder}, cut metrics`,
    `sync metrics, make folder, ${syncedFolder}, ${writtenFile}`,
    `${written}, remove`,
    `${written}, remove`,
    // The last one is written again at the end of the pass; then the model.
    written,
    writtenFile,
    'close metrics',
  ];
  expect(inOrder.replaceAll(/write(, write)+/g, 'writes')).toBe(expected.join(', '));
  expect(await wholeSteps(join(folder, 'run'))).toEqual([3]);
});

test('all folders that a run needs are made and synced, those above it too', async () => {
  const calls = await untroubled(join(folder, 'new', 'runs', 'run'));
  const made = `make folder, ${syncedFolder}`;
  expect(calls.slice(0, 14).join(', ')).toBe(
    `make folder, make folder, ${made}, make folder, ${syncedFolder}, make folder, ${syncedFolder}`,
  );
});

/** The calls of a training without trouble, and which of them is the first after its beginning. */
async function counted() {
  const calls = await untroubled(join(folder, 'counted'));
  return { calls, length: calls.length, firstStep: calls.indexOf('cut metrics') + 1 };
}

/** Lines may be written together or not, so there may be fewer calls; and once all is written, closing loses nothing. */
const isTold = (call: string | undefined): call is string => call !== undefined && call !== 'close metrics';

async function uninterrupted() {
  const runDir = join(folder, 'whole');
  const model = make();
  await model.fit(data, options(runDir));
  return { weights: await copies(model), metrics: await metricsIn(runDir) };
}

async function resumed(runDir: string) {
  const model = make();
  const { steps } = await model.fit(data, { ...options(runDir), resume: true });
  expect(steps).toBe(3);
  return { weights: await copies(model), metrics: await metricsIn(runDir) };
}

test('a process that stops at any call leaves a checkpoint that is whole, and the training goes on to the same bits', async () => {
  const expected = await uninterrupted();
  const { length, firstStep } = await counted();
  for (let at = 0; at < length; at++) {
    const runDir = join(folder, `stopped-${at}`);
    const fileSystem = new FaultyFileSystem(at, 'stop');
    const run = train(runDir, fileSystem);
    // Where it cannot even open its metrics, a training does not begin.
    if (at < firstStep) await expect(run).rejects.toThrow(CheckpointError);
    else {
      const { warnings } = await run;
      if (isTold(fileSystem.calls[at])) expect(warnings.length).toBeGreaterThan(0);
    }
    const steps = await wholeSteps(runDir);
    // The first one has its name from the rename on.
    if (fileSystem.calls.slice(0, at).includes('rename')) expect(steps.length).toBeGreaterThan(0);
    expect(await resumed(runDir)).toEqual(expected);
  }
}, 120_000);

function messageOf(call: string): RegExp {
  if (call.endsWith('metrics')) return /metrics\.jsonl: cannot be written: ENOSPC/;
  if (call === 'remove') return /an old checkpoint could not be removed: ENOSPC/;
  return /safetensors: could not be written: ENOSPC/;
}

test('a call that fails once keeps the checkpoint before, is told of, and the training goes on', async () => {
  const { length, firstStep } = await counted();
  for (let at = 0; at < length; at++) {
    const runDir = join(folder, `failed-${at}`);
    const fileSystem = new FaultyFileSystem(at);
    const run = train(runDir, fileSystem);
    if (at < firstStep) {
      await expect(run).rejects.toThrow(/cannot be written: ENOSPC/);
      expect(await train(runDir, new FaultyFileSystem())).toMatchObject({ steps: 3, warnings: [] });
      continue;
    }
    const { steps, warnings } = await run;
    expect(steps).toBe(3);
    const call = fileSystem.calls[at];
    if (!isTold(call)) continue;
    expect(warnings).toHaveLength(1);
    expect(warnings[0]!.message).toMatch(messageOf(call));
    const kept = await wholeSteps(runDir);
    // Where the last one failed, the one before is still there; a later one has cleared up.
    expect(kept[0]).toBeGreaterThanOrEqual(2);
  }
}, 120_000);

test('by choice, a full disk ends the training', async () => {
  const fileSystem = new FaultyFileSystem((calls) => calls.filter((call) => call === 'open file').length === 2);
  const runDir = join(folder, 'stops');
  const run = train(runDir, fileSystem, { checkpoint: { ...checkpoint, onFailure: 'stop' } });
  await expect(run).rejects.toThrow(CheckpointError);
  await expect(run).rejects.toThrow('step-00000002.safetensors: could not be written: ENOSPC');
  expect(await wholeSteps(runDir)).toEqual([1]);
});

test('a process that stops while it removes a run leaves one to go on with, or a folder to begin in', async () => {
  const expected = await uninterrupted();
  const again = { overwrite: true, checkpoint };
  const beginning = async (runDir: string, fileSystem: FaultyFileSystem) => {
    await make().fit(data, options(runDir));
    return train(runDir, fileSystem, again);
  };
  const whole = new FaultyFileSystem();
  await beginning(join(folder, 'removed'), whole);
  const calls = whole.calls.slice(0, whole.calls.indexOf('open metrics'));
  expect(calls.filter((call) => call !== 'make folder').join(', ')).toBe(
    // The run's file of the model and of its metrics, and then its checkpoint.
    [syncedFolder, 'remove, remove', syncedFolder, 'remove', syncedFolder].join(', '),
  );
  for (let at = 0; at < calls.length; at++) {
    const runDir = join(folder, `removed-${at}`);
    await expect(beginning(runDir, new FaultyFileSystem(at, 'stop'))).rejects.toThrow(CheckpointError);
    const { weights } = await resumed(runDir);
    expect(weights).toEqual(expected.weights);
  }
}, 60_000);
