import { existsSync, mkdirSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { adam, CheckpointError, crossEntropy, load, OptionError, type TrainingEvent } from '../../lib';
import { copies, languageModel, tokenBatch } from '../support/models';

let folder = '';
beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'run-'))));
afterEach(() => rm(folder, { recursive: true }));
const data = [tokenBatch(1, 2, 3), tokenBatch(2, 2, 3)];
const options = () => ({ loss: crossEntropy(), optimizer: adam(), epochs: 2 });
const model = () => languageModel({ backend: 'reference' });

test('a run folder holds every step and epoch as a line, and the model at the end', async () => {
  const trained = model();
  const runDir = join(folder, 'runs', 'first');
  const events: TrainingEvent[] = [];
  for await (const event of trained.fit(data, { ...options(), runDir }))
    if (event.type === 'step' || event.type === 'epoch') events.push(event);
  expect(events).toHaveLength(6);
  const lines = (await readFile(join(runDir, 'metrics.jsonl'), 'utf8')).trimEnd().split('\n');
  expect(lines.map((line) => JSON.parse(line) as TrainingEvent)).toEqual(events);
  const loaded = await load(join(runDir, 'model.safetensors'), { backend: 'reference' });
  expect(await copies(loaded)).toEqual(await copies(trained));
});

test('a run folder that cannot be made is refused before any step', async () => {
  await writeFile(join(folder, 'file'), '');
  let steps = 0;
  const run = model()
    .fit(data, { ...options(), runDir: join(folder, 'file', 'run') })
    .on('step', () => steps++);
  await expect(run).rejects.toThrow(CheckpointError);
  expect(steps).toBe(0);
});

test('a training that failed before its first step leaves its folder to the next', async () => {
  const runDir = join(folder, 'run');
  const { inputs } = tokenBatch(1, 2, 3);
  await expect(model().fit([{ inputs }], { ...options(), runDir })).rejects.toThrow(/has no targets/);
  await expect(model().fit(data, { ...options(), runDir })).resolves.toMatchObject({ steps: 4 });
});

test('a folder that holds a run is not written over, unless that is asked for', async () => {
  const runDir = join(folder, 'run');
  await model().fit(data, { ...options(), runDir, checkpoint: { everySteps: 1 } });
  const before = await Promise.all(['metrics.jsonl', 'model.safetensors'].map((name) => readFile(join(runDir, name))));
  const again = model().fit(data, { ...options(), epochs: 1, runDir });
  await expect(again).rejects.toThrow(OptionError);
  await expect(again).rejects.toThrow(
    `fit: runDir: ${runDir} holds a run already; go on with it by resume: true, take another folder, or remove the run by overwrite: true`,
  );
  expect(await Promise.all(['metrics.jsonl', 'model.safetensors'].map((name) => readFile(join(runDir, name))))).toEqual(
    before,
  );
  await writeFile(join(runDir, 'notes.txt'), 'mine');
  expect(await model().fit(data, { ...options(), epochs: 1, runDir, overwrite: true })).toMatchObject({ steps: 2 });
  expect((await readFile(join(runDir, 'metrics.jsonl'), 'utf8')).trimEnd().split('\n')).toHaveLength(3);
  expect(await readdir(join(runDir, 'checkpoints'))).toEqual(['step-00000002.safetensors']);
  expect(await readFile(join(runDir, 'notes.txt'), 'utf8')).toBe('mine');
});

test.each(['metrics.jsonl', 'model.safetensors'])('a folder with %s holds a run', async (name) => {
  await writeFile(join(folder, name), '{}');
  await expect(model().fit(data, { ...options(), runDir: folder })).rejects.toThrow('holds a run already');
});

test('what a killed run left of files that it was writing is cleared away at the next start', async () => {
  const left = '.step-00000001.safetensors.01234567-89ab-cdef-0123-456789abcdef.tmp';
  await mkdir(join(folder, 'checkpoints'));
  await writeFile(join(folder, 'checkpoints', left), 'half');
  await writeFile(join(folder, 'checkpoints', '.mine.tmp'), 'mine');
  await model().fit(data, { ...options(), runDir: folder });
  expect((await readdir(join(folder, 'checkpoints'))).sort()).toEqual(['.mine.tmp', 'step-00000004.safetensors']);
});

test.each(['continue', 'stop'] as const)('a model that cannot be written at the end: %s', async (onFailure) => {
  const runDir = join(folder, 'run');
  const run = model().fit(data, { ...options(), runDir, checkpoint: { onFailure } });
  // A folder in the file's place.
  run.on('epoch', ({ epoch }) => epoch === 2 && mkdirSync(join(runDir, 'model.safetensors')));
  if (onFailure === 'stop') return expect(run).rejects.toThrow(/model\.safetensors: could not be written/);
  const { epochs, warnings } = await run;
  expect(epochs).toHaveLength(2);
  expect(warnings.map(({ message }) => message)).toEqual([
    expect.stringMatching(/model\.safetensors: could not be written/),
  ]);
});

// A device on which every write fails as on a full disk; Linux has it.
const onLinux = existsSync('/dev/full') ? test : test.skip;

/** A run folder whose metrics cannot be written; it looks like one whose run was killed before its first checkpoint. */
const fullDisk = async () => {
  await symlink('/dev/full', join(folder, 'metrics.jsonl'));
  return { ...options(), runDir: folder, resume: true };
};

onLinux('metrics that can no longer be written end the training by choice', async () => {
  const run = model().fit(data, { ...(await fullDisk()), checkpoint: { onFailure: 'stop' } });
  await expect(run).rejects.toThrow(CheckpointError);
  await expect(run).rejects.toThrow('metrics.jsonl: cannot be written: ENOSPC');
});

onLinux('metrics that can no longer be written are told of once, and the training goes on', async () => {
  const run = model().fit(data, await fullDisk());
  const heard: string[] = [];
  run.on('warning', ({ message }) => heard.push(message));
  const { warnings, steps } = await run;
  expect(steps).toBe(4);
  expect(warnings.map(({ message }) => message)).toEqual(heard);
  expect(heard[0]).toMatch('metrics.jsonl: cannot be written: ENOSPC');
  await load(join(folder, 'model.safetensors'), { backend: 'reference' });
});
