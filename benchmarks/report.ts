/** What a run of the benchmarks says: a table to read, JSON to keep. */
import { cpus } from 'node:os';
import { getThreads, measurePeak, nativeInfo } from '../lib/backend/native/native';
import { median, medianRatio } from './measure';
import { leastSeconds, type Bandwidths, type Traffic } from './roofline';

export type Pass = 'infer' | 'train' | 'step';

export interface Row {
  readonly suite: string;
  readonly case: string;
  readonly pass: Pass;
  /** Median milliseconds of one run. */
  readonly ms: number;
  readonly gflops: number;
  /** Percent of the roofline measured beside it: of the peak, or of a bandwidth where that binds. */
  readonly rooflinePercent: number;
  /** A peer's time over ours, by peer. */
  readonly ratio: Readonly<Record<string, number>>;
  /** Peers that were not timed, and why. */
  readonly skipped?: Readonly<Record<string, string>>;
  /** What a suite says beside this, by column. */
  readonly figures?: Readonly<Record<string, number>>;
}

export interface Report {
  readonly machine: Readonly<Record<string, string | number>>;
  readonly rows: readonly Row[];
  /** Geometric means of the ratios by `suite.pass`, then by peer. */
  readonly geomean: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

/** As `rowBesidePeak`, beside the roofline: the peak where operations bind, a bandwidth where bytes do. */
export function rowBesideRoofline(
  name: Pick<Row, 'suite' | 'case' | 'pass'>,
  work: { readonly operations: number; readonly traffic: Traffic; readonly bandwidths: Bandwidths },
  { seconds, peak }: { readonly seconds: readonly number[]; readonly peak: readonly number[] },
  { ratio, skipped }: { readonly ratio: Row['ratio']; readonly skipped: NonNullable<Row['skipped']> },
): Row {
  const { operations, traffic, bandwidths } = work;
  const least = peak.map((rate) => leastSeconds(operations, rate, traffic, bandwidths));
  return {
    ...rowBesidePeak(name, operations, { seconds, peak }, ratio),
    rooflinePercent: 100 * medianRatio(least, seconds),
    ...(Object.keys(skipped).length > 0 && { skipped }),
  };
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

export async function describeMachine(bandwidths: Bandwidths): Promise<Report['machine']> {
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
    ...Object.fromEntries(bandwidths.map(({ name, bandwidth }) => [`${name}GBs`, bandwidth / 1e9])),
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

export function formatReport({ machine, rows, geomean }: Report): string {
  const peers = [...new Set(rows.flatMap(({ ratio }) => Object.keys(ratio)))];
  const hasSkipped = rows.some(({ skipped }) => skipped);
  const columns = [...new Set(rows.flatMap(({ figures = {} }) => Object.keys(figures)))];
  const header = [
    'suite',
    'case',
    'pass',
    'ms',
    'GFLOP/s',
    '% of roof',
    ...peers.map((peer) => `x ${peer}`),
    ...columns,
    ...(hasSkipped ? ['skipped'] : []),
  ];
  const lines = rows.map(({ suite, case: name, pass, ms, gflops, rooflinePercent, ratio, figures, skipped = {} }) => [
    suite,
    name,
    pass,
    ms.toPrecision(4),
    gflops.toFixed(1),
    rooflinePercent.toFixed(0),
    ...peers.map((peer) => ratio[peer]?.toFixed(2) ?? ''),
    ...columns.map((column) => figures?.[column]?.toFixed(2) ?? ''),
    ...(hasSkipped ? [listed(skipped)] : []),
  ]);
  const table = [header, ...lines];
  const widths = header.map((_, column) => Math.max(...table.map((cells) => cells[column]!.length)));
  // Words to the left, numbers to the right.
  const align = (text: string, column: number) =>
    column < 3 ? text.padEnd(widths[column]!) : text.padStart(widths[column]!);
  const means = Object.entries(geomean).flatMap(([key, ratios]) =>
    Object.entries(ratios).map(([peer, ratio]) => `${key}: ${ratio.toFixed(2)} x ${peer} in the geometric mean`),
  );
  return [
    describe(machine),
    '',
    ...table.map((cells) => cells.map(align).join('  ').trimEnd()),
    ...(means.length > 0 ? ['', ...means] : []),
  ].join('\n');
}

function describe({ cpu, isa, threads, peakGflops, date, ...others }: Report['machine']): string {
  const more = Object.entries(others)
    .filter(([name]) => name !== 'cpus')
    .map(([name, value]) => `${name} ${typeof value === 'number' ? value.toFixed(0) : value}`);
  return [
    `${cpu}, ${isa}, ${threads} threads, peak ${Number(peakGflops).toFixed(1)} GFLOP/s, ${date}`,
    more.join(', '),
  ].join('\n');
}

const listed = (skipped: Readonly<Record<string, string>>): string =>
  Object.entries(skipped)
    .map(([peer, reason]) => `${peer}: ${reason}`)
    .join('; ');
