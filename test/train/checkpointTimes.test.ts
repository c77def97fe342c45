/** Checkpoints by time, by a clock that is set by hand. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crossEntropy, sgd } from '../../lib';
import { languageModel, tokenBatch } from '../support/models';

let folder = '';
beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'times-'))));
afterEach(async () => {
  jest.restoreAllMocks();
  await rm(folder, { recursive: true });
});

/** The steps of the checkpoints of a training whose steps take so many seconds each. */
async function checkpointsOf(checkpoint: object, secondsOfStep: number): Promise<number[]> {
  let milliseconds = 5e6;
  jest.spyOn(performance, 'now').mockImplementation(() => milliseconds);
  const written = new Set<number>();
  const run = languageModel({ backend: 'reference', seed: 3 }).fit([tokenBatch(1, 2, 3)], {
    loss: crossEntropy(),
    optimizer: sgd(),
    maxSteps: 11,
    runDir: join(folder, 'run'),
    checkpoint,
  });
  run.on('step', () => (milliseconds += 1000 * secondsOfStep));
  await run.on('checkpoint', ({ step }) => written.add(step));
  return [...written];
}

test.each([
  ['two minutes are four steps of 30 seconds', { everyMinutes: 2 }, 30, [4, 8, 11]],
  ['half a minute is three steps of 10 seconds', { everyMinutes: 0.5 }, 10, [3, 6, 9, 11]],
  ['an hour does not pass in 11 steps of five minutes', { everyMinutes: 60 }, 300, [11]],
  ['five minutes by default, five steps of 60 seconds', {}, 60, [5, 10, 11]],
  ['no time by default beside steps', { everySteps: 4 }, 3600, [4, 8, 11]],
  ['steps begin the time anew', { everySteps: 5, everyMinutes: 3 }, 60, [3, 5, 8, 10, 11]],
])('checkpoints are counted in minutes: %s', async (_, checkpoint, secondsOfStep, steps) => {
  expect(await checkpointsOf(checkpoint, secondsOfStep)).toEqual(steps);
});
