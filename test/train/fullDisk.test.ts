/** What is left when writing a checkpoint goes wrong, at every call of the file system. */
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
import { modelMetadata } from '../../lib/model/save';
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
const options = (runDir: string, onFailure: 'stop' | 'continue' = 'continue'): FitOptions => ({
  loss: crossEntropy(),
  optimizer: sgd({ momentum: 0.9 }),
  runDir,
  checkpoint: { everySteps: 1, keepLast: 1, onFailure },
});

/** A training whose checkpoints go through this file system. */
function train(runDir: string, fileSystem: FaultyFileSystem, onFailure?: 'stop' | 'continue'): Run {
  const model = make();
  return fit(
    model.network,
    data,
    options(runDir, onFailure),
    {},
    {
      check: () => {},
      metadata: (inputs) => modelMetadata(model.network, model, inputs),
      restore: () => {},
      save: async () => {},
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

test('each checkpoint is synced before it takes its name, its folder after that, and only then is the one before removed', async () => {
  const calls = await untroubled(join(folder, 'run'));
  const text = calls.join(', ').replaceAll(/write(, write)+/g, 'writes');
  const one = 'open file, writes, sync file, close file, rename, open folder, sync folder, close folder';
  // The last one is written again at the end of the pass.
  expect(text).toBe([one, one, 'remove', one, 'remove', one].join(', '));
  expect(await wholeSteps(join(folder, 'run'))).toEqual([3]);
});

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
  const { length } = await untroubled(join(folder, 'counted'));
  for (let at = 0; at < length; at++) {
    const runDir = join(folder, `stopped-${at}`);
    const fileSystem = new FaultyFileSystem(at, 'stop');
    const { warnings } = await train(runDir, fileSystem);
    expect(warnings.length).toBeGreaterThan(0);
    const steps = await wholeSteps(runDir);
    // The first one has its name from the rename on.
    if (fileSystem.calls.slice(0, at).includes('rename')) expect(steps.length).toBeGreaterThan(0);
    expect(await resumed(runDir)).toEqual(expected);
  }
}, 120_000);

test('a call that fails once keeps the checkpoint before, is told of, and the training goes on', async () => {
  const calls = await untroubled(join(folder, 'counted'));
  for (const [at, call] of calls.entries()) {
    const runDir = join(folder, `failed-${at}`);
    const { steps, warnings } = await train(runDir, new FaultyFileSystem(at));
    expect(steps).toBe(3);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]!.message).toMatch(
      call === 'remove'
        ? /an old checkpoint could not be removed: ENOSPC/
        : /safetensors: could not be written: ENOSPC/,
    );
    const kept = await wholeSteps(runDir);
    // Where the last one failed, the one before is still there; a later one has cleared up.
    expect(kept[0]).toBeGreaterThanOrEqual(2);
  }
}, 120_000);

test('by choice, a full disk ends the training', async () => {
  const calls = await untroubled(join(folder, 'counted'));
  const second = calls.indexOf('open file', 1);
  const runDir = join(folder, 'stops');
  const run = train(runDir, new FaultyFileSystem(second), 'stop');
  await expect(run).rejects.toThrow(CheckpointError);
  await expect(run).rejects.toThrow('step-00000002.safetensors: could not be written: ENOSPC');
  expect(await wholeSteps(runDir)).toEqual([1]);
});
