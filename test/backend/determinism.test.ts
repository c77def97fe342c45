import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { nativeInfo } from '../../lib';
import { caseNames, predictRow, train } from './trajectory';
import type { Report } from './trajectoryProcess';

const isas = nativeInfo().isas;
const teams = [1, 2, 3, 4, 8, null];

/** What a process says that may use only this instruction set and this number of threads; null leaves the number to it. */
function play(isa: string, threads: number | null): Report {
  const environment: NodeJS.ProcessEnv = { ...process.env, LSTM_NATIVE_ISA: isa };
  delete environment.LSTM_NATIVE_THREADS;
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    ['--import', 'tsx', join(__dirname, 'trajectoryProcess.ts')],
    {
      env: { ...environment, ...(threads && { LSTM_NATIVE_THREADS: `${threads}` }) },
      encoding: 'utf8',
    },
  );
  if (status !== 0) throw new Error(`${isa}, ${threads} threads: status ${status}\n${stderr}`);
  return JSON.parse(stdout) as Report;
}

describe.each(isas)('on %s', (isa) => {
  let reports: Report[];
  beforeAll(() => {
    reports = teams.map((threads) => play(isa, threads));
  }, 120_000);

  test('processes use what the environment asks for', () => {
    expect(reports.map((report) => [report.isa, report.threads])).toEqual(
      teams.map((threads) => [isa, threads ?? (expect.any(Number) as number)]),
    );
  });

  test.each(caseNames)('a hundred training steps end with the same bits on any number of threads: %s', async (name) => {
    // This process chose its own instruction set and number of threads.
    const { digest } = await train(name);
    expect(reports.map(({ training }) => training[name])).toEqual(teams.map(() => digest));
  });

  test('streaming gives the bits of the whole sequence, and neighbours in the batch change none', async () => {
    const expected = (await predictRow()).inBatch;
    for (const { prediction } of reports) {
      expect(prediction).toEqual({ inBatch: expected, alone: expected, streamed: expected });
    }
  });
});
