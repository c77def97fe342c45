/** Trainings that are ended by kill -9 at random moments, most of them while a checkpoint is being written. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readCheckpoint } from '../../lib/checkpoint/checkpoint';
import { RunFolder } from '../../lib/train/runFolder';
import { copies } from '../support/models';
import { Random } from '../support/random';
import { metricsIn, timelessHistory } from '../support/trainings';
import { transpileTo } from '../support/transpile';
import { killedData, killedModel, killedOptions } from './killedTraining';

const folder = mkdtempSync(join(tmpdir(), 'kill-'));
const runDir = join(folder, 'run');
const program = join(folder, 'test/train/killedTraining.js');

beforeAll(() => transpileTo(folder, join(__dirname, 'killedTraining.ts')), 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** How many checkpoints it takes to be killed in the middle of 200. */
const writes = 200;

/** Goes on with the run for some steps and then, some time into the next, kills it. The steps that it took. */
async function runAndKill(steps: number, milliseconds: number): Promise<number> {
  const child = spawn(process.execPath, [program, runDir], { stdio: ['ignore', 'pipe', 'inherit'] });
  let taken = 0;
  child.stdout.on('data', (lines: Buffer) => {
    const before = taken;
    taken += lines.toString().split('\n').length - 1;
    if (before >= steps || taken < steps) return;
    // Timers are too coarse for moments within a write.
    const end = performance.now() + milliseconds;
    while (performance.now() < end);
    child.kill('SIGKILL');
  });
  const [, signal] = (await once(child, 'close')) as [number | null, string | null];
  expect(signal).toBe('SIGKILL');
  return taken;
}

const temporaries = () => readdirSync(join(runDir, 'checkpoints')).filter((name) => name.endsWith('.tmp')).length;

test('killed at random moments of 200 checkpoint writes, a training always goes on, to the same bits', async () => {
  const random = new Random(1);
  let [written, newest, torn] = [0, 0, 0];
  while (written < writes) {
    const [steps, delay] = [1 + random.integers(25, 1).data[0]!, random.integers(8000, 1).data[0]! / 1000];
    written += await runAndKill(steps, delay);
    torn += temporaries();
    // All that have their names are whole, and none is lost that was there.
    const checkpoints = await new RunFolder(runDir).checkpoints();
    for (const { path } of checkpoints) await readCheckpoint(path);
    const step = checkpoints[0]?.step ?? 0;
    expect(step).toBeGreaterThanOrEqual(newest);
    newest = step;
  }
  expect(torn).toBeGreaterThan(0);
  expect(newest).toBeGreaterThan(0);
  const outcome = async (path: string) => {
    const model = killedModel();
    const history = timelessHistory(await model.fit(killedData, killedOptions(path)));
    return { history, weights: await copies(model), metrics: await metricsIn(path) };
  };
  expect(await outcome(runDir)).toEqual(await outcome(join(folder, 'uninterrupted')));
  // Nothing is left of what was being written.
  expect(temporaries()).toBe(0);
}, 300_000);
