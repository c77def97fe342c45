import type { EChartsOption, SeriesOption } from 'echarts';
import type { Backtest, OriginForecast } from 'lstm-native';
import { palette, writeChart } from './chart';

const [blue, orange] = palette;
const grey = '#8a8f98';

interface ForecastChartOptions {
  readonly title: string;
  /** What the vertical axis counts. */
  readonly unit: string;
  /** How many origins are drawn: the last ones, one after the other. */
  readonly origins: number;
}

/** Forecasts of the last origins with their band and what came; below, the errors beside those of naive forecasts, and by step. */
export async function writeForecastChart(
  path: string,
  backtest: Backtest,
  options: ForecastChartOptions,
): Promise<void> {
  const { bands, forecasts, overall, baselines } = backtest;
  const [band] = bands;
  const shown = forecasts.slice(-options.origins);
  const covered = `${Math.round(100 * band.nominal)} % band, covers ${(100 * band.coverage).toFixed(1)} % over all ${forecasts.length} origins`;
  const best = Math.min(...baselines.map(({ mae }) => mae));
  const option: EChartsOption = {
    title: {
      text: options.title,
      subtext: `${covered}; the LSTM's error is ${compared(overall.mae, best)} of the others`,
      left: 24,
      top: 12,
      textStyle: { fontSize: 18 },
    },
    legend: { top: 22, right: 32, data: ['observed', 'LSTM, median', `${Math.round(100 * band.nominal)} % band`] },
    grid: [
      { left: 72, right: 32, top: 96, height: 250 },
      { left: 250, width: 240, top: 412, height: 190 },
      { left: 570, right: 150, top: 412, height: 190 },
    ],
    xAxis: [
      {
        type: 'time',
        gridIndex: 0,
        axisLabel: { hideOverlap: true, formatter: { year: '{d} {MMM} {yyyy}', month: '{d} {MMM}', day: '{d} {MMM}' } },
      },
      {
        type: 'value',
        gridIndex: 1,
        name: `MAE, ${options.unit}`,
        nameLocation: 'middle',
        nameGap: 28,
        splitNumber: 3,
      },
      {
        type: 'value',
        gridIndex: 2,
        name: 'days ahead',
        nameLocation: 'middle',
        nameGap: 28,
        min: 1,
        max: backtest.horizon,
      },
    ],
    yAxis: [
      { type: 'value', gridIndex: 0, name: options.unit, scale: true },
      { type: 'category', gridIndex: 1, data: ranking(backtest).map(({ name }) => name), axisTick: { show: false } },
      { type: 'value', gridIndex: 2, name: 'MAE', scale: true, splitNumber: 3 },
    ],
    series: [...forecastSeries(shown, backtest), errorBars(backtest), ...errorLines(backtest)],
  };
  await writeChart(path, option, { width: 1100, height: 660 });
}

const compared = (mae: number, best: number): string =>
  mae < best
    ? `${(100 * (1 - mae / best)).toFixed(0)} % below the best`
    : `${(100 * (mae / best - 1)).toFixed(0)} % above the best`;

/** The worst first, so that the best stands on top. */
function ranking({ overall, baselines }: Backtest): { name: string; mae: number }[] {
  return [...baselines, { name: 'LSTM', mae: overall.mae }].sort((a, b) => b.mae - a.mae);
}

function forecastSeries(forecasts: readonly OriginForecast[], { bands }: Backtest): SeriesOption[] {
  const [{ lower, upper, nominal }] = bands;
  const points = (values: (forecast: OriginForecast) => ArrayLike<number>) =>
    forecasts.flatMap((one) => one.times.map((time, step) => [time.getTime(), values(one)[step]]));
  const line = { type: 'line', symbol: 'none', xAxisIndex: 0, yAxisIndex: 0 } as const;
  const band = { ...line, stack: 'band', stackStrategy: 'all', lineStyle: { opacity: 0 } } as const;
  return [
    { ...band, name: 'lower', data: points(({ columns }) => columns[lower]) },
    {
      ...band,
      name: `${Math.round(100 * nominal)} % band`,
      data: points(({ columns }) => columns[upper].map((value, step) => value - columns[lower][step])),
      areaStyle: { color: blue, opacity: 0.22 },
      itemStyle: { color: blue, opacity: 0.4 },
    },
    { ...line, name: 'LSTM, median', data: points(({ point }) => point), color: blue, lineStyle: { width: 2 } },
    {
      ...line,
      name: 'observed',
      data: points(({ observed }) => observed),
      color: '#222',
      lineStyle: { width: 1.2 },
      markLine: {
        symbol: 'none',
        silent: true,
        label: { show: false },
        lineStyle: { color: grey, type: 'dashed' },
        data: forecasts.map(({ origin }) => ({ xAxis: origin.getTime() })),
      },
    },
  ];
}

function errorBars(backtest: Backtest): SeriesOption {
  const digits = backtest.overall.mae < 20 ? 2 : 0;
  return {
    type: 'bar',
    xAxisIndex: 1,
    yAxisIndex: 1,
    barWidth: '60%',
    label: { show: true, position: 'right', formatter: ({ value }) => (value as number).toFixed(digits) },
    data: ranking(backtest).map(({ name, mae }) => ({
      value: mae,
      itemStyle: { color: name === 'LSTM' ? blue : '#c4c8ce' },
    })),
  };
}

/** The model's error by step, and that of the best of the others. */
function errorLines({ steps, baselines }: Backtest): SeriesOption[] {
  const best = [...baselines].sort((a, b) => a.mae - b.mae)[0].name;
  const line = (name: string, color: string, mae: (step: (typeof steps)[number]) => number): SeriesOption => ({
    type: 'line',
    xAxisIndex: 2,
    yAxisIndex: 2,
    symbol: 'none',
    color,
    endLabel: { show: true, formatter: name, color, offset: [4, 0] },
    labelLayout: { moveOverlap: 'shiftY' },
    data: steps.map((step) => [step.step, mae(step)]),
  });
  return [line('LSTM', blue, ({ mae }) => mae), line(best, orange, ({ baselines }) => baselines[best])];
}
