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

/** What a suite measures, row by row, so that nothing is lost of a run that ends early. */
export type Rows = AsyncGenerator<Row, void, undefined>;

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
  const means = Object.entries(geomean).flatMap(([key, ratios]) =>
    Object.entries(ratios).map(([peer, ratio]) => `${key}: ${ratio.toFixed(2)} x ${peer} in the geometric mean`),
  );
  const suites = [...new Set(rows.map(({ suite }) => suite))];
  const tables = suites.map((suite) => formatTable(tableOf(rows.filter((row) => row.suite === suite))));
  return [describe(machine), ...tables, ...(means.length > 0 ? [means.join('\n')] : [])].join('\n\n');
}

/** Columns of words, which come first, and the cells of a table: its header, then its rows. */
export interface Table {
  readonly words: number;
  readonly cells: readonly (readonly string[])[];
}

/** The rows of one suite; why a peer was skipped stands in a last column, where `reasons` are wanted and there are some. */
export function tableOf(rows: readonly Row[], reasons = true): Table {
  const peers = [...new Set(rows.flatMap(({ ratio }) => Object.keys(ratio)))];
  const columns = [...new Set(rows.flatMap(({ figures = {} }) => Object.keys(figures)))];
  const skipped = reasons && rows.some(({ skipped }) => skipped) ? ['skipped'] : [];
  const header = ['suite', 'case', 'pass', 'ms', 'GFLOP/s', '% of roof', ...peers.map((peer) => `x ${peer}`)];
  const lines = rows.map((row) => [
    row.suite,
    row.case,
    row.pass,
    row.ms.toPrecision(4),
    row.gflops.toFixed(1),
    row.rooflinePercent.toFixed(0),
    ...peers.map((peer) => row.ratio[peer]?.toFixed(2) ?? (row.skipped?.[peer] === undefined ? '' : '-')),
    ...columns.map((column) => figure(column, row.figures?.[column])),
    ...skipped.map(() => listed(row.skipped ?? {})),
  ]);
  return { words: 3, cells: [[...header, ...columns, ...skipped], ...lines] };
}

/** Words to the left, numbers to the right. */
function formatTable({ words, cells }: Table): string {
  const widths = cells[0]!.map((_, column) => Math.max(...cells.map((line) => line[column]!.length)));
  const align = (text: string, column: number) =>
    column < words ? text.padEnd(widths[column]!) : text.padStart(widths[column]!);
  return cells.map((line) => line.map(align).join('  ').trimEnd()).join('\n');
}

/** Two digits after the point, but for a figure whose distance from 1 counts. */
function figure(column: string, value: number | undefined): string {
  if (value === undefined) return '';
  if (column === 'rSquared') return value.toFixed(5);
  return Number.isInteger(value) ? String(value) : value.toFixed(value >= 1000 ? 0 : 2);
}

/** A row as it is said while the run goes on. */
export const progressOf = ({ suite, case: name, pass, ms }: Row): string =>
  `${suite}  ${name}  ${pass}  ${ms.toPrecision(4)} ms`;

export function describe({ cpu, isa, threads, peakGflops, date, ...others }: Report['machine']): string {
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
