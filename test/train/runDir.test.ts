import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { adam, CheckpointError, crossEntropy, load, type TrainingEvent } from '../../lib';
import { copies, languageModel, tokenBatch } from '../support/models';

let folder = '';
beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'run-'))));
afterEach(() => rm(folder, { recursive: true }));
const data = [tokenBatch(1, 2, 3), tokenBatch(2, 2, 3)];
const options = () => ({ loss: crossEntropy(), optimizer: adam(), epochs: 2 });

test('a run folder holds every event as a line, and the model at the end', async () => {
  const model = languageModel({ backend: 'reference' });
  const runDir = join(folder, 'runs', 'first');
  const events: TrainingEvent[] = [];
  for await (const event of model.fit(data, { ...options(), runDir })) events.push(event);
  const lines = (await readFile(join(runDir, 'metrics.jsonl'), 'utf8')).trimEnd().split('\n');
  expect(lines.map((line) => JSON.parse(line) as TrainingEvent)).toEqual(events);
  const loaded = await load(join(runDir, 'model.safetensors'), { backend: 'reference' });
  expect(await copies(loaded)).toEqual(await copies(model));
});

test('a run folder that cannot be made is refused before any step', async () => {
  await writeFile(join(folder, 'file'), '');
  const model = languageModel({ backend: 'reference' });
  let steps = 0;
  const run = model.fit(data, { ...options(), runDir: join(folder, 'file', 'run') }).on('step', () => steps++);
  await expect(run).rejects.toThrow(CheckpointError);
  expect(steps).toBe(0);
});

// A device on which every write fails as on a full disk; Linux has it.
const onLinux = existsSync('/dev/full') ? test : test.skip;

onLinux('metrics that can no longer be written end in a CheckpointError, not in silence', async () => {
  await symlink('/dev/full', join(folder, 'metrics.jsonl'));
  const run = languageModel({ backend: 'reference' }).fit(data, { ...options(), runDir: folder });
  await expect(run).rejects.toThrow(CheckpointError);
  await expect(run).rejects.toThrow('metrics.jsonl: cannot be written: ENOSPC');
});
