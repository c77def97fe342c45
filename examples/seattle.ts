/**
 * Forecasts Seattle's daily maximum temperature a week ahead, beside persistence, climatology and a damped anomaly.
 *
 *     npm ci --prefix examples && npm run example -- seattle.ts
 *     npm run example -- seattle.ts --quick          a smaller budget
 *
 * Fitted on 2012 to 2014, judged at 52 origins of 2015. Writes seattle.svg and summary.json to runs/seattle (or --run DIR).
 */
import { parseArgs } from 'node:util';
import {
  adamW,
  calendar,
  climatology,
  cosine,
  dampedAnomaly,
  dropout,
  lstm,
  naive,
  quantileHead,
  seasonalNaive,
  sequential,
  series,
} from 'lstm-native';
import { writeForecastChart } from './support/forecastChart';
import { printBacktest, writeSummary } from './support/forecastReport';
import { script } from './support/script';
import { seattleWeather } from './support/seattle';

const usage = 'seattle.ts [--quick] [--run runs/seattle]';
const window = { lookback: 14, horizon: 7 };

async function main(): Promise<void> {
  const { values: options } = parseArgs({
    options: { quick: { type: 'boolean', default: false }, run: { type: 'string', default: 'runs/seattle' } },
  });
  const weather = await series.fromCsv(seattleWeather(), {
    time: 'date',
    target: 'temp_max',
    covariates: {
      past: ['temp_min', 'precipitation', 'wind'],
      future: calendar('dayOfYear', halfYear),
    },
    // The network and its budget were chosen with 2014 in the place of 2015.
    split: { validation: 0, test: 365 },
  });

  const model = sequential(
    [lstm(16, { output: 'last' }), dropout(0.4), quantileHead([0.1, 0.5, 0.9], { horizon: 7, anchor: 'last' })],
    { seed: 1 },
  );
  await model.fit(weather.train.windows({ ...window, seed: 1 }), {
    optimizer: adamW({ lr: cosine(3e-3, { warmup: 20 }), weightDecay: 0.01 }),
    clipNorm: 1,
    epochs: options.quick ? 12 : 30,
  });

  const backtest = await weather.backtest(model, {
    stride: 7,
    season: 1,
    baselines: [seasonalNaive(365), naive(), climatology(), dampedAnomaly()],
  });
  printBacktest("Seattle's daily maximum temperature, 7 days ahead", backtest);
  await writeForecastChart(`${options.run}/seattle.svg`, backtest, {
    title: "Seattle's daily maximum temperature, forecast 7 days ahead",
    unit: '°C',
    origins: 20,
  });
  await writeSummary(`${options.run}/summary.json`, backtest);
  console.log(`\nWritten to ${options.run}: seattle.svg, summary.json.`);
}

/** The second harmonic of the year, beside that of `dayOfYear`: summers are not winters upside down. */
function halfYear(time: Date): number[] {
  const days = (time.getTime() - Date.UTC(time.getUTCFullYear(), 0, 1)) / 86_400_000;
  const angle = (4 * Math.PI * days) / 365.25;
  return [Math.sin(angle), Math.cos(angle)];
}

script(usage, main);
