/**
 * Results as a chart: for each suite and pass the ratios to other engines, a point for each case and the geometric mean,
 * and the percent of the roof, a point for each case and the median.
 */
import { createRequire } from 'node:module';
import { median } from './measure';
import { UsageError } from './options';
import { peerNames } from './peers';
import type { Report, Row } from './report';
import type { Results } from './show';
import { suites } from './suites';

/** What is used of ECharts, written here so that this compiles where it is not installed. */
interface ECharts {
  init(
    dom: null,
    theme: null,
    options: Readonly<Record<string, unknown>>,
  ): { setOption(option: object): void; renderToSVGString(): string; dispose(): void };
}

/** Colours that stay apart in print and for the colour-blind (Okabe & Ito 2008). */
const colors: Readonly<Record<string, string>> = {
  onednn: '#D55E00',
  onnxruntime: '#009E73',
  pytorch: '#CC79A7',
  tfjs: '#E69F00',
};
const ownColor = '#0072B2';

/** Pixels for each suite and pass, and beside them. */
const band = 84;
const [width, top, bottom] = [1000, 92, 52];

function loadEcharts(): ECharts {
  try {
    return createRequire(__filename)('echarts') as ECharts;
  } catch (cause) {
    throw new UsageError(`--chart: ECharts is not installed\n  npm ci --prefix benchmarks`, { cause });
  }
}

/** SVG. @throws UsageError where there is nothing to draw. */
export function drawChart(results: Results): string {
  const groups = groupsOf(results.rows);
  if (groups.length === 0) {
    const names = Object.keys(suites).filter((name) => suites[name]!.peers);
    throw new UsageError(`--chart: expected rows of ${names.join(', ')}, received none`);
  }
  const size = { width, height: top + band * groups.length + bottom };
  const chart = loadEcharts().init(null, null, { renderer: 'svg', ssr: true, ...size });
  try {
    chart.setOption(optionOf(results, groups));
    return `${chart.renderToSVGString()}\n`;
  } finally {
    chart.dispose();
  }
}

interface Group {
  readonly name: string;
  readonly rows: readonly Row[];
}

/** Rows of the suites that have a roof and may have peers, by suite and pass. */
function groupsOf(rows: readonly Row[]): Group[] {
  const groups = new Map<string, Row[]>();
  for (const row of rows.filter(({ suite }) => suites[suite]?.peers)) {
    const name = `${row.suite}.${row.pass}`;
    groups.set(name, [...(groups.get(name) ?? []), row]);
  }
  return [...groups].map(([name, rows]) => ({ name, rows }));
}

function optionOf({ machines, geomean }: Results, groups: readonly Group[]): object {
  const ratios = groups.flatMap(({ rows }) => rows.flatMap(({ ratio }) => Object.entries(ratio)));
  const peers = peerNames.filter((peer) => ratios.some(([name]) => name === peer));
  const grids =
    peers.length > 0
      ? [
          { left: 140, width: 500 },
          { left: 720, width: 230 },
        ]
      : [{ left: 140, width: 800 }];
  const roof = grids.length - 1;
  // More than the roof happens where a bandwidth was measured at a bad moment.
  const percents = groups.flatMap(({ rows }) => rows.map(({ rooflinePercent }) => rooflinePercent));
  const highest = Math.max(100, 20 * Math.ceil(Math.max(...percents) / 20));
  const decades = ratios.map(([, ratio]) => Math.log10(ratio));
  const [least, most] = [10 ** Math.floor(Math.min(...decades, -1)), 10 ** Math.ceil(Math.max(...decades, 1))];
  return {
    animation: false,
    backgroundColor: '#fff',
    textStyle: { fontFamily: 'sans-serif' },
    title: { ...titleOf(peers), subtext: subtitle(machines), left: 16, top: 8 },
    legend: { data: [...peers, own], right: 40, top: 60, itemWidth: 10, itemGap: 18, icon: 'circle' },
    grid: grids.map((grid) => ({ ...grid, top, bottom })),
    xAxis: grids.map((_, gridIndex) =>
      gridIndex === roof
        ? { gridIndex, ...axis, type: 'value', min: 0, max: highest, name: '% of the roof; median' }
        : {
            gridIndex,
            ...axis,
            type: 'log',
            min: least,
            max: most,
            name: 'x; geometric mean. Beyond 1 lstm-native is faster',
          },
    ),
    yAxis: grids.flatMap((_, gridIndex) => groupAxes(gridIndex, groups)),
    series: [
      ...peers.flatMap((peer, place) => ratioSeries(peer, (place + 0.5) / peers.length - 0.5, groups, geomean, most)),
      ...roofSeries(roof, groups, highest),
    ],
  };
}

const own = 'lstm-native';

const titleOf = (peers: readonly string[]) => ({
  text: peers.length > 0 ? 'Time of others over that of lstm-native, and percent of the roof' : 'Percent of the roof',
  textStyle: { fontSize: 16 },
});

const axis = {
  nameLocation: 'middle',
  nameGap: 28,
  axisLine: { onZero: false },
  axisLabel: { formatter: (value: number) => String(value) },
  splitLine: { lineStyle: { color: '#eee' } },
};

/** A machine once a day, and the peaks that it had in the runs of that day. */
function subtitle(machines: Results['machines']): string {
  const peaks = new Map<string, number[]>();
  for (const { cpu, isa, threads, peakGflops, date } of machines) {
    const name = `${cpu}, ${isa}, ${threads} threads, ${String(date).slice(0, 10)}`;
    peaks.set(name, [...(peaks.get(name) ?? []), Number(peakGflops)]);
  }
  const range = (values: readonly number[]) => [
    ...new Set([Math.min(...values), Math.max(...values)].map((value) => value.toFixed(0))),
  ];
  return [...peaks].map(([name, values]) => `${name}, peak ${range(values).join(' to ')} GFLOP/s`).join('; ');
}

/** Of each grid two: the names of the groups, on the left only, and whole numbers, at which they lie. */
const groupAxes = (gridIndex: number, groups: readonly Group[]) => [
  {
    gridIndex,
    type: 'category',
    inverse: true,
    data: groups.map(({ name }) => name),
    axisTick: { show: false },
    axisLabel: { show: gridIndex === 0, color: '#222' },
    splitLine: { show: true, lineStyle: { color: '#ccc' } },
  },
  { gridIndex, type: 'value', inverse: true, min: -0.5, max: groups.length - 0.5, show: false },
];

const axesOf = (grid: number) => ({ xAxisIndex: grid, yAxisIndex: 2 * grid + 1 });
const line = { silent: true, symbol: 'none', lineStyle: { color: '#555', type: 'solid' }, label: { show: false } };

/** Part of a group's band in which its peers lie. */
const used = 0.8;

function ratioSeries(
  peer: string,
  offset: number,
  groups: readonly Group[],
  geomean: Report['geomean'],
  edge: number,
): object[] {
  const data = groups.flatMap(({ rows }, index) =>
    rows.flatMap(({ ratio }) => (ratio[peer] === undefined ? [] : [[ratio[peer], index + used * offset]])),
  );
  const means = groups.flatMap(({ name }, index) => {
    const mean = geomean[name]?.[peer];
    return mean === undefined ? [] : [[mean, index + used * offset] as const];
  });
  const colored = { name: peer, itemStyle: { color: colors[peer] }, ...axesOf(0) };
  return [
    { ...pointSeries(colored, data), markLine: { ...line, data: [{ xAxis: 1 }] } },
    ...markSeries(colored, means, edge, (mean) => mean.toFixed(2)),
  ];
}

function roofSeries(grid: number, groups: readonly Group[], edge: number): object[] {
  const percent = ({ rows }: Group) => rows.map(({ rooflinePercent }) => rooflinePercent);
  const data = groups.flatMap((group, index) => percent(group).map((value) => [value, index]));
  const medians = groups.map((group, index) => [median(percent(group)), index] as const);
  const colored = { name: own, itemStyle: { color: ownColor }, ...axesOf(grid) };
  return [pointSeries(colored, data), ...markSeries(colored, medians, edge, (value) => value.toFixed(0))];
}

interface Colored {
  readonly itemStyle: { readonly color: string | undefined };
}

const pointSeries = (colored: Colored, data: unknown) => ({
  ...colored,
  type: 'scatter',
  symbolSize: 6,
  itemStyle: { ...colored.itemStyle, opacity: 0.35 },
  data,
});

/** Means or medians: a diamond each, and its number beyond the edge of the grid, where no point covers it. */
const markSeries = (
  colored: Colored,
  marks: readonly (readonly [value: number, height: number])[],
  edge: number,
  text: (value: number) => string,
) => [
  {
    ...colored,
    type: 'scatter',
    symbol: 'diamond',
    symbolSize: 14,
    itemStyle: { ...colored.itemStyle, borderColor: '#fff' },
    data: marks,
  },
  ...marks.map(([value, height]) => ({
    ...colored,
    type: 'scatter',
    symbolSize: 0,
    data: [[edge, height]],
    label: { show: true, position: 'right', fontSize: 12, color: '#222', formatter: () => text(value) },
  })),
];
