/** What a run of the benchmarks says: a table to read, JSON to keep. */
import { cpus } from 'node:os';
import { getThreads, measurePeak, nativeInfo } from '../lib/backend/native/native';
import { median, medianRatio } from './measure';

export type Pass = 'infer' | 'train' | 'step';

export interface Row {
  readonly suite: string;
  readonly case: string;
  readonly pass: Pass;
  /** Median milliseconds of one run. */
  readonly ms: number;
  readonly gflops: number;
  /** Percent of the peak measured beside it. */
  readonly rooflinePercent: number;
  /** A peer's time over ours, by peer. */
  readonly ratio: Readonly<Record<string, number>>;
  /** What a suite says beside this, by column. */
  readonly figures?: Readonly<Record<string, number>>;
}

export interface Report {
  readonly machine: Readonly<Record<string, string | number>>;
  readonly rows: readonly Row[];
  /** Geometric means of the ratios by `suite.pass`, then by peer. */
  readonly geomean: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

/** A row of medians; each time is divided by the peak that was measured just before it. */
export function rowBesidePeak(
  name: Pick<Row, 'suite' | 'case' | 'pass'>,
  operations: number,
  { seconds, peak }: { readonly seconds: readonly number[]; readonly peak: readonly number[] },
  ratio: Row['ratio'] = {},
): Row {
  const speeds = seconds.map((duration) => operations / duration);
  return {
    ...name,
    ms: median(seconds) * 1e3,
    gflops: median(speeds) / 1e9,
    rooflinePercent: 100 * medianRatio(speeds, peak),
    ratio,
  };
}

export async function describeMachine(): Promise<Report['machine']> {
  const { isa, cpus: count } = nativeInfo();
  const peaks: number[] = [];
  for (let round = 0; round < 7; round++) peaks.push(await measurePeak());
  return {
    date: new Date().toISOString(),
    cpu: cpus()[0]?.model ?? 'unknown',
    cpus: count,
    isa,
    threads: getThreads(),
    peakGflops: median(peaks) / 1e9,
    node: process.version,
  };
}

export function geometricMeans(rows: readonly Row[]): Report['geomean'] {
  const logs = new Map<string, Map<string, number[]>>();
  for (const { suite, pass, ratio } of rows) {
    const key = `${suite}.${pass}`;
    const peers = logs.get(key) ?? new Map<string, number[]>();
    logs.set(key, peers);
    for (const [peer, value] of Object.entries(ratio)) peers.set(peer, [...(peers.get(peer) ?? []), Math.log(value)]);
  }
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  return Object.fromEntries(
    [...logs].map(([key, peers]) => [
      key,
      Object.fromEntries([...peers].map(([peer, values]) => [peer, Math.exp(mean(values))])),
    ]),
  );
}

export function formatReport({ machine, rows }: Report): string {
  const peers = [...new Set(rows.flatMap(({ ratio }) => Object.keys(ratio)))];
  const columns = [...new Set(rows.flatMap(({ figures = {} }) => Object.keys(figures)))];
  const header = [
    'suite',
    'case',
    'pass',
    'ms',
    'GFLOP/s',
    '% of peak',
    ...peers.map((peer) => `x ${peer}`),
    ...columns,
  ];
  const lines = rows.map(({ suite, case: name, pass, ms, gflops, rooflinePercent, ratio, figures }) => [
    suite,
    name,
    pass,
    ms.toFixed(2),
    gflops.toFixed(1),
    rooflinePercent.toFixed(0),
    ...peers.map((peer) => ratio[peer]?.toFixed(2) ?? ''),
    ...columns.map((column) => figures?.[column]?.toFixed(2) ?? ''),
  ]);
  const table = [header, ...lines];
  const widths = header.map((_, column) => Math.max(...table.map((cells) => cells[column]!.length)));
  // Words to the left, numbers to the right.
  const align = (text: string, column: number) =>
    column < 3 ? text.padEnd(widths[column]!) : text.padStart(widths[column]!);
  const { cpu, isa, threads, peakGflops, date } = machine;
  return [
    `${cpu}, ${isa}, ${threads} threads, peak ${Number(peakGflops).toFixed(1)} GFLOP/s, ${date}`,
    '',
    ...table.map((cells) => cells.map(align).join('  ').trimEnd()),
  ].join('\n');
}
