import type { EChartsOption, SeriesOption } from 'echarts';
import { palette } from './chart';
import { alarmsIn, beginnings, type Alarm } from './detectors';
import { channels, readingsPerHour, type Mote } from './sensors';

/** By kind of injected anomaly, what each detector found. */
export type DetectionRates = Readonly<Record<string, readonly number[]>>;

const lines = { humidity: '#8a9ba8', temperature: '#444444' } as const;
const top = (panel: number): number => 80 + panel * 250;

/** The readings of each mote with its event and the alarms, and below, what was found of the injected anomalies. */
export function sensorsChart(motes: readonly Mote[], alarms: readonly Alarm[], rates: DetectionRates): EChartsOption {
  const kinds = Object.keys(rates);
  const below = motes.length;
  const names = ['mote 1', 'mote 4'];
  return {
    title: [
      { text: 'Sensors watched as they report: an LSTM forecaster beside a rolling z-score', left: 20, top: 10 },
      ...motes.map((_, panel) => ({
        text: `${names[panel]!}: the labelled event (shaded), and where alarms begin`,
        left: 60,
        top: top(panel) - 28,
        textStyle: heading,
      })),
      {
        text: 'Injected anomalies (synthetic), put into quiet readings of both motes: fraction found within 5 minutes',
        left: 60,
        top: top(below) - 28,
        textStyle: heading,
      },
    ],
    legend: {
      top: 795,
      left: 'center',
      itemGap: 30,
      data: [...channels, ...alarms.map(({ detector }) => detector.name)],
    },
    grid: [...motes, null].map((_, panel) => ({
      left: 60,
      right: 60,
      top: top(panel),
      height: panel < below ? 180 : 190,
    })),
    xAxis: [
      ...motes.map((_, gridIndex) => ({
        type: 'value' as const,
        gridIndex,
        name: 'hours',
        max: 'dataMax' as const,
        splitLine: hidden,
      })),
      { type: 'category', gridIndex: below, data: kinds },
    ],
    yAxis: [
      ...motes.flatMap((_, gridIndex) => [
        { type: 'value' as const, gridIndex, name: '%', min: 0, max: 100, splitLine: hidden },
        { type: 'value' as const, gridIndex, name: '°C', min: 0, max: 60, splitLine: hidden },
      ]),
      { type: 'value', gridIndex: below, max: 1, axisLabel: { formatter: inPercent } },
    ],
    series: [
      ...motes.flatMap((mote, panel) => panelOf(mote, panel, alarms)),
      ...alarms.map(({ detector }, index): SeriesOption => ({
        type: 'bar',
        name: detector.name,
        xAxisIndex: below,
        yAxisIndex: 2 * below,
        color: palette[index],
        data: kinds.map((kind) => rates[kind]![index]!),
        label: { show: true, position: 'top', formatter: ({ value }) => inPercent(Number(value)) },
      })),
    ],
  };
}

const heading = { fontSize: 13, fontWeight: 'normal' } as const;
const hidden = { show: false } as const;
const inPercent = (value: number): string => `${(100 * value).toFixed(0)} %`;

function panelOf({ readings, event }: Mote, panel: number, alarms: readonly Alarm[]): SeriesOption[] {
  const hour = (index: number) => index / readingsPerHour;
  const curves = channels.map((channel, index): SeriesOption => ({
    type: 'line',
    name: channel,
    xAxisIndex: panel,
    yAxisIndex: 2 * panel + index,
    color: lines[channel],
    lineStyle: { width: 1.2 },
    showSymbol: false,
    data: readings.map((reading, at) => [hour(at), reading[channel]]),
    markArea:
      index > 0 || !event
        ? undefined
        : { itemStyle: { color: '#f4d03f', opacity: 0.35 }, data: [event.map((at) => ({ xAxis: hour(at) })) as never] },
  }));
  const raised = alarms.map((alarm, index): SeriesOption => ({
    type: 'scatter',
    name: alarm.detector.name,
    xAxisIndex: panel,
    yAxisIndex: 2 * panel,
    color: palette[index],
    symbol: index === 0 ? 'triangle' : 'diamond',
    symbolSize: 9,
    data: beginnings(alarmsIn(alarm, readings)).map((at) => [hour(at), 12 - 9 * index]),
  }));
  return [...curves, ...raised];
}
