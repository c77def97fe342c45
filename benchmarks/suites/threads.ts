/**
 * The same layers on 1, 2, 4 and 8 threads, in turn. The ratio says how many times as fast a team is as one of 2: more
 * threads than CPUs should not fall below 0.5.
 */
import { getThreads, measurePeak, setThreads } from '../../lib/backend/native/native';
import { LstmLayer, nameOf, operationsOf, type LayerSize } from '../lstmLayer';
import type { Setting } from '../contest';
import { alternate, medianRatio, type Contender } from '../measure';
import { rowBesidePeak, type Pass, type Row } from '../report';
import { passes, sizes as layerSizes } from './layer';

/** The last one is split by hidden units: its threads meet after each of its steps. */
const sizes: readonly LayerSize[] = [...layerSizes, { T: 50, B: 8, I: 128, H: 128 }];

const teams = [1, 2, 4, 8] as const;
const anchor = 2;

export async function threads({ rounds, wanted }: Setting): Promise<Row[]> {
  const before = getThreads();
  const rows: Row[] = [];
  try {
    for (const size of sizes.filter((size) => wanted(nameOf(size)))) {
      for (const pass of passes) rows.push(...(await measureRows(size, pass, rounds)));
    }
  } finally {
    setThreads(before);
  }
  return rows;
}

async function measureRows(size: LayerSize, pass: Pass, rounds: number): Promise<Row[]> {
  const lstmLayer = new LstmLayer(size, pass);
  const timed = (team: number) => async () => {
    setThreads(team);
    // The first run of a team makes its threads and its workspace.
    await lstmLayer.time();
    return lstmLayer.time();
  };
  const peak = async () => {
    setThreads(anchor);
    return measurePeak();
  };
  const contenders: Record<string, Contender> = { peak };
  for (const team of teams) contenders[team] = timed(team);
  const samples = await alternate(contenders, rounds);
  lstmLayer.dispose();
  return teams.map((team) => {
    const seconds = samples[team]!;
    const ratio = { [`${anchor} threads`]: medianRatio(samples[anchor]!, seconds) };
    const name = { suite: 'threads', case: `${nameOf(size)}, ${team} threads`, pass };
    return rowBesidePeak(name, operationsOf(size, pass), { seconds, peak: samples.peak! }, ratio);
  });
}
