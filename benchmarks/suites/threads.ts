/**
 * The same layers on different numbers of threads, in turn. `x 2 threads` is the time of a team of 2 over the row's: more
 * threads than CPUs should not fall below 0.5. `speedUp` is the time of one thread over the row's.
 */
import { getThreads, measurePeak, setThreads } from '../../lib/backend/native/native';
import { LstmLayer, nameOf, operationsOf, type LayerSize } from '../lstmLayer';
import type { Setting } from '../contest';
import { alternate, medianRatio, type Contender } from '../measure';
import { rowBesidePeak, type Pass, type Row, type Rows } from '../report';
import { passes, sizes as layerSizes } from './layer';

/** The last one is split by hidden units: its threads meet after each of its steps. */
const crowded: readonly LayerSize[] = [...layerSizes, { T: 50, B: 8, I: 128, H: 128 }];
/** Layers whose work should divide by two. */
const shared: readonly LayerSize[] = [
  ...[16, 32].map((B) => ({ T: 50, B, I: 256, H: 256 })),
  ...[16, 64].map((B) => ({ T: 25, B, I: 512, H: 512 })),
];
const groups = [
  { teams: [1, 2, 4, 8], sizes: crowded },
  { teams: [1, 2], sizes: shared },
] as const;
const anchor = 2;

export async function* threads({ rounds, wanted }: Setting): Rows {
  const before = getThreads();
  try {
    for (const { teams, sizes } of groups) {
      for (const size of sizes.filter((size) => wanted(nameOf(size)))) {
        for (const pass of passes) yield* await measureRows(size, pass, teams, rounds);
      }
    }
  } finally {
    setThreads(before);
  }
}

async function measureRows(size: LayerSize, pass: Pass, teams: readonly number[], rounds: number): Promise<Row[]> {
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
    const name = { suite: 'threads', case: `${nameOf(size)}, ${team} ${team === 1 ? 'thread' : 'threads'}`, pass };
    const row = rowBesidePeak(name, operationsOf(size, pass), { seconds, peak: samples.peak! }, ratio);
    return { ...row, figures: { speedUp: medianRatio(samples[1]!, seconds) } };
  });
}
