/** Processes that are ended by kill -9 at random moments of the writing of checkpoints. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CheckpointError } from '../../lib';
import { readCheckpoint } from '../../lib/checkpoint/checkpoint';
import { RunFolder } from '../../lib/train/runFolder';
import { killWithinWrite } from '../support/killing';
import { copies } from '../support/models';
import { Random } from '../support/random';
import { metricsIn, timelessHistory } from '../support/trainings';
import { transpileTo } from '../support/transpile';
import { firstContent, nextContent, tensorsOf } from './checkpointWriter';
import { killedData, killedModel, killedOptions } from './killedTraining';

const folder = mkdtempSync(join(tmpdir(), 'kill-'));
const writer = join(folder, 'test/train/checkpointWriter.js');
const training = join(folder, 'test/train/killedTraining.js');

beforeAll(
  () => transpileTo(folder, join(__dirname, 'killedTraining.ts'), join(__dirname, 'checkpointWriter.ts')),
  120_000,
);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const temporaries = (runDir: string) =>
  readdirSync(join(runDir, 'checkpoints')).filter((name) => name.endsWith('.tmp')).length;

/** Kills a program, started again and again on one run folder, within each of so many writes; `look` sees what each left. */
async function killWithinWrites(
  program: string,
  runDir: string,
  writes: number,
  look: (newest: number) => void | Promise<void> = () => {},
): Promise<{ torn: number; renamed: number }> {
  const random = new Random(1);
  const drawn = (below: number) => random.integers(below, 1).data[0]!;
  let [torn, renamed, newest, tries] = [0, 0, 0, 0];
  /** About as long as a write takes here and now: so that some kills come too late, which do not count. */
  let longest = 5;
  while (torn + renamed < writes) {
    expect(tries++).toBeLessThan(4 * writes);
    const isWithin = await killWithinWrite(program, [runDir], 1 + drawn(3), (drawn(1000) / 1000) * longest);
    longest *= isWithin ? 1.05 : 0.8;
    const isTorn = temporaries(runDir) > 0;
    if (isTorn) torn++;
    else if (isWithin) renamed++;
    // All that have their names are whole, and none is lost that was there.
    const checkpoints = await new RunFolder(runDir).checkpoints();
    for (const { path } of checkpoints) await readCheckpoint(path);
    const step = checkpoints[0]?.step ?? 0;
    expect(step).toBeGreaterThanOrEqual(newest);
    newest = step;
    await look(newest);
  }
  return { torn, renamed };
}

test('killed within each of 200 writes, a process leaves the old checkpoint or the new one, whole, and goes on from it', async () => {
  const runDir = join(folder, 'written');
  let [step, content] = [0, firstContent()];
  const { torn, renamed } = await killWithinWrites(writer, runDir, 200, async (newest) => {
    for (; step < newest; step++) content = nextContent(content);
    if (newest === 0) return;
    const { parameters } = await readCheckpoint(new RunFolder(runDir).checkpointPath(newest));
    const found = Object.fromEntries([...parameters].map(([name, { data }]) => [name, data]));
    for (const [name, { data }] of Object.entries(tensorsOf(content)))
      expect(Buffer.compare(bytesOf(found[name]!), bytesOf(data))).toBe(0);
  });
  expect(torn + renamed).toBe(200);
  // Moments before the rename, and between it and the end, are both among them.
  expect(torn).toBeGreaterThan(60);
  expect(renamed).toBeGreaterThan(0);
}, 300_000);

test('the check sees a writer that does not rename', async () => {
  let broken = 0;
  for (let at = 0; at < 40 && broken === 0; at++) {
    const runDir = join(folder, `careless-${at}`);
    await killWithinWrite(writer, [runDir, 'careless'], 2, 0);
    for (const { path } of await new RunFolder(runDir).checkpoints())
      await readCheckpoint(path).catch((error: unknown) => {
        expect(error).toBeInstanceOf(CheckpointError);
        broken++;
      });
  }
  expect(broken).toBeGreaterThan(0);
}, 120_000);

const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView) => Buffer.from(buffer, byteOffset, byteLength);

test('killed within each of 20 writes, a training always goes on, to the same bits', async () => {
  const runDir = join(folder, 'run');
  const { torn } = await killWithinWrites(training, runDir, 20);
  expect(torn).toBeGreaterThan(0);
  const outcome = async (path: string) => {
    const model = killedModel();
    const history = timelessHistory(await model.fit(killedData, killedOptions(path)));
    return { history, weights: await copies(model), metrics: await metricsIn(path) };
  };
  expect(await outcome(runDir)).toEqual(await outcome(join(folder, 'uninterrupted')));
  // Nothing is left of what was being written.
  expect(temporaries(runDir)).toBe(0);
}, 300_000);
