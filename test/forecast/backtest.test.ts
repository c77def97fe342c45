import { naive, seasonalNaive, type Baseline } from '../../lib/forecast/baselines';
import { calibrate } from '../../lib/forecast/calibration';
import * as metrics from '../../lib/forecast/metrics';
import { series } from '../../lib/forecast/series';
import type { Module } from '../../lib/model/module';
import { date, fakeModel, pointLike, quantilesLike, type Rule } from './fakes';

/** Numbers without a pattern, in [0, 100). */
const noise = (count: number, seed = 1) => {
  let state = seed;
  return Array.from({ length: count }, () => (state = (state * 48271) % 2147483647) % 100);
};
const tableOf = (values: readonly (number | null)[], options: object = {}) =>
  series.fromRecords(
    values.map((y, row) => ({ date: date(row), y })),
    { time: 'date', target: 'y', split: { validation: 20, test: 20 }, ...options },
  );
const values = noise(100);
const table = tableOf(values);
const window = { lookback: 5, horizon: 4 };
const twoBack: Rule = (past) => [past(2, 0)];
const band: Rule = (past) => [past(1, 0) - 0.5, past(1, 0), past(1, 0) + 0.5];

test('origins roll through the test part by the stride, and each forecast stands beside what came', async () => {
  const model = fakeModel(table, window, pointLike, twoBack);
  const { forecasts, horizon } = await table.backtest(model, { stride: 8 });
  expect(horizon).toBe(4);
  expect(forecasts.map(({ origin }) => origin)).toEqual([date(80), date(88), date(96)]);
  forecasts.forEach(({ observed, point, times }, index) => {
    const row = 80 + 8 * index;
    expect(Array.from(observed)).toEqual(values.slice(row, row + 4));
    for (const value of point) expect(value).toBeCloseTo(values[row - 2]!, 4);
    expect(times).toEqual([0, 1, 2, 3].map((step) => date(row + step)));
  });
  expect((await table.backtest(model)).forecasts).toHaveLength(5);
  expect((await table.backtest(model, { stride: 1 })).forecasts).toHaveLength(17);
  expect((await table.backtest(model, { origins: 2 })).forecasts).toHaveLength(2);
  expect((await table.backtest(model, { part: 'validation' })).forecasts[0]!.origin).toEqual(date(60));
});

test('figures are those of the forecasts, in all, by step, by origin and by band', async () => {
  const model = fakeModel(table, window, quantilesLike, band);
  const season = 3;
  const backtest = await table.backtest(model, { season });
  const { forecasts, overall, steps, origins, bands, crps, pinball } = backtest;
  expect(backtest.season).toBe(season);
  const all = (pick: (one: (typeof forecasts)[number]) => ArrayLike<number>) =>
    forecasts.flatMap((one) => Array.from(pick(one)));
  const [observed, point] = [all((one) => one.observed), all((one) => one.point)];
  const [low, high] = [all((one) => one.columns.q10!), all((one) => one.columns.q90!)];
  expect(overall.mae).toBe(metrics.mae(observed, point));
  expect(overall.rmse).toBe(metrics.rmse(observed, point));
  expect(overall.smape).toBe(metrics.smape(observed, point));
  expect(overall.mase).toBeCloseTo(metrics.mase(observed, point, { training: values.slice(0, 80), m: season }), 12);
  expect(bands).toEqual([
    {
      lower: 'q10',
      upper: 'q90',
      nominal: 0.8,
      coverage: metrics.coverage(observed, low, high),
      meanWidth: metrics.meanWidth(observed, low, high),
    },
  ]);
  expect(crps).toBeCloseTo(metrics.crps(observed, [low, point, high], [0.1, 0.5, 0.9]), 12);
  expect(pinball.q90).toBe(metrics.pinball(observed, high, 0.9));
  expect(steps.map(({ step }) => step)).toEqual([1, 2, 3, 4]);
  const third = (pick: (one: (typeof forecasts)[number]) => ArrayLike<number>) => forecasts.map((one) => pick(one)[2]!);
  expect(steps[2]!.mae).toBe(
    metrics.mae(
      third((one) => one.observed),
      third((one) => one.point),
    ),
  );
  expect(steps[2]!.coverage).toEqual([
    metrics.coverage(
      third((one) => one.observed),
      third((one) => one.columns.q10!),
      third((one) => one.columns.q90!),
    ),
  ]);
  expect(origins[1]).toEqual({
    origin: date(84),
    mae: metrics.mae(forecasts[1]!.observed, forecasts[1]!.point),
    baselines: { naive: metrics.mae(forecasts[1]!.observed, forecasts[1]!.baselines.naive!) },
  });
});

test('naive forecasts are made at the same origins, and skill is against each of them', async () => {
  const model = fakeModel(table, window, pointLike, (past) => [past(1, 0)]);
  const { baselines, forecasts, overall, steps } = await table.backtest(model, {
    baselines: [naive(), seasonalNaive(4)],
  });
  const [persistence, seasonal] = baselines;
  // The model is persistence itself.
  expect(persistence!.skill).toBeCloseTo(0, 5);
  expect(persistence!.mae).toBeCloseTo(overall.mae, 4);
  const observed = values.slice(80, 100);
  expect(seasonal!.mae).toBe(metrics.mae(observed, values.slice(76, 96)));
  expect(seasonal!.skill).toBeCloseTo(1 - overall.mae / seasonal!.mae, 12);
  expect(Array.from(forecasts[0]!.baselines['seasonal naive 4']!)).toEqual(values.slice(76, 80));
  expect(steps[0]!.baselines['seasonal naive 4']).toBe(
    metrics.mae(
      [80, 84, 88, 92, 96].map((row) => values[row]!),
      [76, 80, 84, 88, 92].map((row) => values[row]!),
    ),
  );
});

test('against a naive forecast without error there is no skill to speak of', async () => {
  const constant = tableOf(values.map(() => 7));
  for (const error of [0, 1]) {
    const model = fakeModel(constant, window, pointLike, (past) => [past(1, 0) + error]);
    const { baselines, overall } = await constant.backtest(model);
    expect(overall.mae).toBe(error);
    expect(baselines[0]).toMatchObject({ name: 'naive', mae: 0, skill: null });
  }
});

test('no forecast, naive ones included, depends on what comes at its origin or after it', async () => {
  const learnt: Baseline = {
    name: 'mean of training',
    fit: ({ values }) => {
      const mean = Array.from(values).reduce((sum, value) => sum + value, 0) / values.length;
      return (_, horizon) => new Array<number>(horizon).fill(mean);
    },
  };
  const options = { stride: 3, baselines: [naive(), learnt, seasonalNaive(5, { levelCorrection: 2 })] };
  const whole = (of: typeof table) => of.backtest(fakeModel(of, window, quantilesLike, band), options);
  const before = await whole(table);
  for (const row of [80, 86, 91]) {
    const after = await whole(tableOf(values.map((value, at) => (at < row ? value : value + 1000))));
    const known = before.forecasts.filter(({ origin }) => origin <= date(row));
    expect(known.length).toBeGreaterThan(0);
    known.forEach(({ columns, baselines }, index) => {
      expect(after.forecasts[index]!.columns).toEqual(columns);
      expect(after.forecasts[index]!.baselines).toEqual(baselines);
    });
    // And the check can fail: later ones do change, where any are left.
    const later = before.forecasts.length > known.length;
    if (later) expect(after.forecasts.at(-1)!.columns).not.toEqual(before.forecasts.at(-1)!.columns);
  }
});

test('with refitting, the model and its scaling know all rows before the origin and none after it', async () => {
  const fitted: { index: number; time: Date; rows: number; offset: number }[] = [];
  const learned: number[] = [];
  const counting: Baseline = {
    name: 'counting',
    fit: ({ values }) => (learned.push(values.length), (_, horizon) => new Float64Array(horizon)),
  };
  const { forecasts } = await table.backtest(fakeModel(table, window, pointLike, twoBack), {
    baselines: [counting],
    refit: {
      every: 2,
      fit: (known, { index, time }): Module => {
        fitted.push({ index, time, rows: known.train.length, offset: known.format.scaler('y').offset });
        return fakeModel(known, window, pointLike, (past) => [past(1, 0)]);
      },
    },
  });
  const mean = (end: number) => values.slice(0, end).reduce((sum, value) => sum + value, 0) / end;
  expect(fitted.map(({ index, time, rows }) => ({ index, time, rows }))).toEqual([
    { index: 0, time: date(80), rows: 80 },
    { index: 2, time: date(88), rows: 88 },
    { index: 4, time: date(96), rows: 96 },
  ]);
  fitted.forEach(({ rows, offset }) => expect(offset).toBeCloseTo(mean(rows), 10));
  expect(learned).toEqual([80, 88, 96]);
  forecasts.forEach(({ point }, index) => expect(point[0]).toBeCloseTo(values[79 + 4 * index]!, 4));
});

test('missing observations count nowhere, and origins without any are left out', async () => {
  const holed = values.map((value, row) => (row === 81 || (row >= 84 && row < 88) ? null : value));
  const of = tableOf(holed, { missing: 'forwardFill' });
  const model = fakeModel(of, window, pointLike, (past) => [past(1, 0)]);
  const { overall, origins, forecasts } = await of.backtest(model);
  expect(origins.map(({ origin }) => origin)).toEqual([80, 88, 92, 96].map(date));
  const errors = forecasts.flatMap(({ observed, point }) =>
    Array.from(observed, (value, step) => Math.abs(value - point[step]!)).filter((error) => !Number.isNaN(error)),
  );
  expect(errors).toHaveLength(15);
  expect(overall.mae).toBeCloseTo(errors.reduce((sum, error) => sum + error, 0) / 15, 10);
});

test('calibrated bands cover as they say: those of rows that were calibrated on, nearly those of others alike', async () => {
  const many = tableOf(noise(3000, 7), { split: { validation: 1000, test: 1000 } });
  const narrow: Rule = () => [-0.1, 0, 0.1];
  const model = fakeModel(many, window, quantilesLike, narrow);
  const validation = await many.backtest(model, { part: 'validation' });
  expect(validation.bands[0]!.coverage).toBeLessThan(0.3);
  const calibration = calibrate(validation);
  const again = await many.backtest(model, { part: 'validation', calibration });
  expect(again.bands[0]!.coverage).toBeGreaterThanOrEqual(0.8);
  expect(again.bands[0]!.coverage).toBeLessThan(0.805);
  const test = await many.backtest(model, { calibration });
  expect(Math.abs(test.bands[0]!.coverage - 0.8)).toBeLessThan(0.04);
  // Bands that are too wide become narrower, and none turns inside out.
  const wide = fakeModel(many, window, quantilesLike, () => [-9, 0, 9]);
  const shrunk = calibrate(await many.backtest(wide, { part: 'validation' }));
  const [band] = (await many.backtest(wide, { calibration: shrunk })).bands;
  expect(Math.abs(band!.coverage - 0.8)).toBeLessThan(0.04);
  const [record] = await many.forecast(model, { calibration: shrunk });
  expect(record!.q10!).toBeLessThanOrEqual(record!.q90!);
});

test('several series are forecast at their own origins, and the MASE is scaled by each', async () => {
  const rows = [1, 10].flatMap((factor, place) =>
    noise(60, place + 2).map((y, row) => ({ region: 'ab'[place], date: date(row), y: y * factor })),
  );
  const regions = series.fromRecords(rows, {
    time: 'date',
    key: 'region',
    target: 'y',
    split: { validation: 0, test: 16 },
  });
  const model = fakeModel(regions, window, pointLike, (past) => [past(1, 0)]);
  const { forecasts, overall } = await regions.backtest(model);
  expect(forecasts.map(({ key, origin }) => `${key} ${origin.toISOString().slice(5, 10)}`)).toEqual([
    ...['a 02-14', 'b 02-14', 'a 02-18', 'b 02-18', 'a 02-22', 'b 02-22', 'a 02-26', 'b 02-26'],
  ]);
  const scaled = ['a', 'b'].map((key, place) => {
    const own = forecasts.filter((one) => one.key === key);
    const training = noise(60, place + 2)
      .slice(0, 44)
      .map((y) => y * [1, 10][place]!);
    const joined = (pick: (one: (typeof own)[number]) => ArrayLike<number>) =>
      own.flatMap((one) => Array.from(pick(one)));
    return metrics.mase(
      joined((one) => one.observed),
      joined((one) => one.point),
      { training, m: 1 },
    );
  });
  expect(overall.mase).toBeCloseTo((scaled[0]! + scaled[1]!) / 2, 10);
});

test('what cannot be backtested is refused, saying why', async () => {
  const model = fakeModel(table, window, pointLike, twoBack);
  const refused = (options: object, message: string) => expect(table.backtest(model, options)).rejects.toThrow(message);
  await refused({ stride: 0 }, 'backtest: stride: expected a positive integer, received 0');
  await refused({ origins: 1.5 }, 'backtest: origins: expected a positive integer, received 1.5');
  await refused({ part: 'train' }, "backtest: part: expected 'test' or 'validation', received 'train'");
  await refused({ season: -1 }, 'backtest: season: expected a positive integer, received -1');
  await refused({ baselines: ['naive'] }, 'backtest: baselines: expected an array of { name, fit }');
  await refused({ baselines: [naive(), naive()] }, "backtest: baselines: two are named 'naive'");
  await refused(
    { refit: { every: 0, fit: () => model } },
    'backtest: refit: every: expected a positive integer, received 0',
  );
  await refused({ refit: { every: 1 } }, 'backtest: refit: fit: expected a function, received undefined');
  await refused({ refit: { every: 1, fit: () => model } }, 'backtest: refit: the series have other columns or scaling');
  await refused({ window: 3 }, "unknown option 'window'");
  await refused({ horizon: 21 }, 'test: expected 21 rows or more');
  await refused({ calibration: {} }, 'forecast: calibration: the model has no band, such as q10 and q90');
  const quantiles = fakeModel(table, window, quantilesLike, band);
  await expect(table.backtest(quantiles, { calibration: {} })).rejects.toThrow(
    'forecast: calibration: expected a finite number for q10 q90, received undefined',
  );
  expect(() => calibrate({ columns: [], forecasts: [] })).toThrow('calibrate: expected a model with a band');
});
