import { calendar } from '../../lib/data/series/calendar';
import { series } from '../../lib/forecast/series';
import { gaussianDistribution } from '../../lib/nn/heads/distribution';
import { date, fakeModel, pointLike, quantilesLike, uniformLike, type Rule } from './fakes';

const values = [3, 5, 4, 8, 10, 12, 11, 13];
const rows = values.map((births, row) => ({ date: date(row), births }));
const split = [1, 0, 0] as const;
const table = series.fromRecords(rows, { time: 'date', target: 'births', split });
const { deviation } = table.format.scaler('births');
const window = { lookback: 3, horizon: 2 };

/** The last value, and one deviation less and more. */
const persistence: Rule = (past) => [past(1, 0) - 1, past(1, 0), past(1, 0) + 1];

test('a direct forecast has a record for each row of the horizon, at its time and in the units of the series', async () => {
  const records = await table.forecast(fakeModel(table, window, quantilesLike, persistence));
  expect(records.map(({ time }) => time)).toEqual([date(8), date(9)]);
  for (const { q10, q50, q90 } of records) {
    expect(q50).toBeCloseTo(13, 5);
    expect(q10).toBeCloseTo(13 - deviation, 5);
    expect(q90).toBeCloseTo(13 + deviation, 5);
  }
  expect(Object.keys(records[0]!)).toEqual(['time', 'q10', 'q50', 'q90']);
});

test('a point head gives a mean, another distribution its mean and the quantiles asked for', async () => {
  const point = await table.forecast(fakeModel(table, window, pointLike, (past) => [past(2, 0)]));
  expect(Object.keys(point[0]!)).toEqual(['time', 'mean']);
  expect(point[0]!.mean).toBeCloseTo(11, 5);
  const uniform = fakeModel(table, window, uniformLike, (past) => [past(1, 0), past(1, 0) + 1]);
  const [first] = await table.forecast(uniform, { quantiles: [0.975, 0.25] });
  expect(Object.keys(first!)).toEqual(['time', 'mean', 'q25', 'q97.5']);
  expect(first!.mean).toBeCloseTo(13 + deviation / 2, 5);
  expect(first!['q97.5']).toBeCloseTo(13 + 0.975 * deviation, 5);
});

test('a horizon within that of the head is cut, one beyond it is recursive on the point forecast', async () => {
  // Each step goes on by the last difference, so feeding forecasts back goes on along the line 11, 13, 15, ...
  const line: Rule = (past, step) => [past(1, 0) + step * (past(1, 0) - past(2, 0))];
  const model = fakeModel(table, window, pointLike, line);
  const short = await table.forecast(model, { horizon: 1 });
  expect(short.map(({ mean }) => mean)).toEqual([expect.closeTo(15, 4)]);
  const long = await table.forecast(model, { horizon: 5 });
  expect(long.map(({ mean }) => mean)).toEqual([15, 17, 19, 21, 23].map((value) => expect.closeTo(value, 4) as number));
  expect(long.at(-1)!.time).toEqual(date(12));
});

test('paths of a random walk spread as the root of the horizon', async () => {
  // Steps of the uniform distribution on [-0.5, 0.5], of variance 1/12, in deviations.
  const walk: Rule = (past) => [past(1, 0) - 0.5, past(1, 0) + 0.5];
  const model = fakeModel(table, { lookback: 2, horizon: 1 }, uniformLike, walk);
  const records = await table.forecast(model, { horizon: 16, samples: 4000, seed: 3 });
  const width = ({ q10, q90 }: (typeof records)[number]) => (q90! - q10!) / deviation;
  expect(width(records[0]!)).toBeCloseTo(0.8, 5);
  // The sum of 16 is near normal: between the 10 % and 90 % quantiles lie 2.563 of its deviations.
  expect(width(records[15]!)).toBeCloseTo(2.563 * Math.sqrt(16 / 12), 1);
  expect(records[15]!.mean / 13).toBeCloseTo(1, 1);
  // Without paths, each band knows its own step alone.
  const without = await table.forecast(model, { horizon: 16, samples: 0 });
  expect(width(without[15]!)).toBeCloseTo(0.8, 4);
});

test('where the logarithm was taken, the mean is that of the distribution, within the horizon of the head and beyond', async () => {
  const scaling = { births: { kind: 'none', log: true } } as const;
  const logs = series.fromRecords(rows, { time: 'date', target: 'births', scaling, split });
  const [mu, sigma] = [2, 0.8];
  const model = fakeModel(logs, window, gaussianDistribution, () => [mu, sigma]);
  const records = await logs.forecast(model, { horizon: 4, samples: 4000 });
  const mean = Math.exp(mu + sigma ** 2 / 2);
  for (const one of records.slice(0, 2)) {
    expect(one.q50).toBeCloseTo(Math.exp(mu), 6);
    expect(Math.abs(one.mean / mean - 1)).toBeLessThan(1e-3);
  }
  // Four deviations of the mean of 4000 draws.
  const tolerance = 4 * Math.sqrt((Math.exp(sigma ** 2) - 1) / 4000);
  for (const one of records.slice(2)) expect(Math.abs(one.mean / mean - 1)).toBeLessThan(tolerance);
});

test('equal seeds give equal paths, other seeds others', async () => {
  const model = fakeModel(table, window, quantilesLike, persistence);
  const ask = (seed: number) => table.forecast(model, { horizon: 6, samples: 20, seed });
  expect(await ask(1)).toEqual(await ask(1));
  expect(await ask(1)).not.toEqual(await ask(2));
});

test('calendars of days to come are computed, and covariates known ahead come from rows without targets', async () => {
  const known = [
    ...rows.map((row, index) => ({ ...row, promotion: index })),
    ...[8, 9].map((row) => ({ date: date(row), promotion: row })),
  ];
  const ahead = series.fromRecords(known, {
    time: 'date',
    target: 'births',
    covariates: { future: ['promotion', calendar('weekday')] },
    scaling: 'none',
    split,
  });
  const model = fakeModel(ahead, window, pointLike, (past) => [past(1, 0)]);
  const seen: unknown[] = [];
  const { predict } = model;
  Object.assign(model, { predict: (batch: never) => (seen.push(batch), predict.call(model, batch)) });
  await ahead.forecast(model);
  const { future } = (seen[0] as { inputs: { future: { data: Float32Array; shape: number[] } } }).inputs;
  expect(future.shape).toEqual([1, 2, 3]);
  const angle = (row: number) => (2 * Math.PI * ((date(row).getUTCDay() + 6) % 7)) / 7;
  expect(Array.from(future.data)).toEqual(
    [8, 9].flatMap((row) =>
      [row, Math.sin(angle(row)), Math.cos(angle(row))].map((x) => expect.closeTo(x, 5) as number),
    ),
  );
  await expect(ahead.forecast(model, { horizon: 4 })).rejects.toThrow('promotion: expected to be known so far ahead');
});

test('several series and targets are told apart in the records', async () => {
  const many = series.fromRecords(
    ['north', 'south'].flatMap((region, place) =>
      rows.map((row, index) => ({ region, ...row, births: row.births * (place + 1), deaths: index })),
    ),
    { time: 'date', key: 'region', target: ['births', 'deaths'], split },
  );
  const model = fakeModel(many, { lookback: 2, horizon: 1 }, pointLike, (past, _, target) => [past(1, target)]);
  const records = await many.forecast(model);
  expect(records.map(({ key, target, mean }) => [key, target, Math.round(mean)])).toEqual([
    ['north', 'births', 13],
    ['north', 'deaths', 7],
    ['south', 'births', 26],
    ['south', 'deaths', 7],
  ]);
});

test('what cannot be forecast is refused, saying why', async () => {
  const model = fakeModel(table, window, quantilesLike, persistence);
  const refused = (options: object, message: string) => expect(table.forecast(model, options)).rejects.toThrow(message);
  await refused({ horizon: 0 }, 'forecast: horizon: expected a positive integer, received 0');
  await refused(
    { horizon: 3, method: 'direct' },
    'expected at most 2, that of the head, for a direct forecast, received 3',
  );
  await refused({ method: 'both' }, "forecast: method: expected 'direct' or 'recursive', received 'both'");
  await refused({ quantiles: [0.05] }, 'expected levels within those of the head, 0.1, 0.5, 0.9, received 0.05');
  await refused({ quantiles: [0.5, 0.5] }, 'expected one or more different numbers in (0, 1), received 0.5, 0.5');
  await refused({ samples: -1 }, 'samples: expected a positive integer, received -1');
  await refused({ seed: 0.5 }, 'seed: expected an integer in 0..4294967295, received 0.5');
  await refused({ step: 1 }, "unknown option 'step'");
  const point = fakeModel(table, window, pointLike, (past) => [past(1, 0)]);
  await expect(table.forecast(point, { quantiles: [0.5] })).rejects.toThrow('a point head has none');
  await expect(table.forecast(point, { samples: 5 })).rejects.toThrow('a point head has no distribution to draw from');
  const untrained = Object.assign(
    fakeModel(table, window, pointLike, () => [0]),
    { series: null },
  );
  await expect(table.forecast(untrained)).rejects.toThrow('the model was not trained on windows of series');
  await expect(table.forecast({} as never)).rejects.toThrow('forecast: expected a model, received {');
  const other = series.fromRecords(rows, { time: 'date', target: 'births', scaling: 'none', split });
  await expect(other.forecast(model)).rejects.toThrow(
    'the series have other columns or scaling than those of the model',
  );
  const headless = Object.assign(
    fakeModel(table, window, pointLike, () => [0]),
    { head: null },
  );
  await expect(table.forecast(headless)).rejects.toThrow('the model has no head');
  const wrong = fakeModel(table, window, quantilesLike, () => [0]);
  Object.assign(wrong, { predict: async () => ({ data: new Float32Array(4), shape: [1, 4] }) });
  await expect(table.forecast(wrong)).rejects.toThrow(
    "expected a head's output [1, 2, 1] or [1, 2, 1, K], received [1, 4]",
  );
});

test('a recursive forecast is refused where it would need covariates of the past', async () => {
  const table = series.fromRecords(
    rows.map((row, index) => ({ ...row, rain: index })),
    { time: 'date', target: 'births', covariates: { past: 'rain' }, split },
  );
  const model = fakeModel(table, window, pointLike, (past) => [past(1, 0)]);
  expect(await table.forecast(model)).toHaveLength(2);
  await expect(table.forecast(model, { horizon: 3 })).rejects.toThrow(
    'forecast: horizon: expected at most 2, that of the head: beyond it the model would need rain of rows to come, which nobody knows; received 3',
  );
});
