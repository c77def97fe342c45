/** Every cell, ragged: neither the instruction set, nor threads, nor neighbours, nor streaming change a bit. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { nativeInfo } from '../../lib';
import { cellCases } from './cellTrajectory';
import type { CellReport } from './cellTrajectoryProcess';

/** What a process says that may use only this instruction set and this number of threads. */
function play(isa: string, threads: number): CellReport {
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    ['--import', 'tsx', join(__dirname, 'cellTrajectoryProcess.ts')],
    { env: { ...process.env, LSTM_NATIVE_ISA: isa, LSTM_NATIVE_THREADS: `${threads}` }, encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(`${isa}, ${threads} threads: status ${status}\n${stderr}`);
  return JSON.parse(stdout) as CellReport;
}

const ways = nativeInfo().isas.flatMap((isa) => [1, 2, 3, 8].map((threads) => ({ isa, threads })));
let reports: CellReport[];
beforeAll(() => {
  reports = ways.map(({ isa, threads }) => play(isa, threads));
}, 240_000);

test('processes use what the environment asks for', () => {
  expect(reports.map(({ isa, threads }) => ({ isa, threads }))).toEqual(ways);
});

test.each(cellCases)('%s: weights after training have the same bits on every instruction set and team', (name) => {
  for (const size of ['few', 'many']) {
    const digests = reports.map(({ cells }) => cells[name]![size]);
    expect(digests).toEqual(ways.map(() => digests[0]));
  }
});

test.each(cellCases)('%s: a row has the same bits in its batch, alone and streamed', (name) => {
  const [expected] = reports.map(({ cells }) => cells[name]!.inBatch);
  for (const { cells } of reports)
    expect(cells[name]).toMatchObject({ inBatch: expected, alone: expected, streamed: expected });
});
