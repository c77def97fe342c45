import { adam, DataError, lstm, OptionError, quantileHead, sequential, series } from '../../lib';
import { calendar } from '../../lib/data/series/calendar';
import { date, fakeModel, pointLike } from './fakes';

const split = [1, 0, 0] as const;
const past = Array.from({ length: 8 }, (_, row) => ({ date: date(row), sales: row ** 2, promotion: row % 3 }));
const ahead = (from: number, count: number) =>
  Array.from({ length: count }, (_, index) => ({ date: date(from + index), promotion: (from + index) % 3 }));
const options = {
  time: 'date',
  target: 'sales',
  covariates: { future: ['promotion', calendar('weekday')] },
  split,
} as const;
const table = series.fromRecords(past, options);
const window = { lookback: 3, horizon: 2 };
const model = () => fakeModel(table, window, pointLike, (rows) => [rows(1, 0)]);

/** What the model is told of the future in the first call. */
async function told(source: typeof table, given: object = {}) {
  const fake = model();
  const seen: { inputs: { future: { data: Float32Array } } }[] = [];
  const { predict } = fake;
  Object.assign(fake, { predict: (batch: never) => (seen.push(batch), predict.call(fake, batch)) });
  const records = await source.forecast(fake, given);
  return { future: Array.from(seen[0]!.inputs.future.data), records };
}

test('records for days to come tell a model what rows without targets at the end of the table would', async () => {
  const whole = series.fromRecords([...past, ...ahead(8, 2)], options);
  const expected = await told(whole);
  const given = await told(table, { future: ahead(8, 2) });
  expect(given).toEqual(expected);
  expect(given.future).toHaveLength(2 * 3);
  expect(given.records.map(({ time }) => time)).toEqual([date(8), date(9)]);
  // The table that was asked is as it was.
  await expect(table.forecast(model())).rejects.toThrow(DataError);
});

test('they may come in any order, as text, further than needed, and replace what the table had', async () => {
  const records = ahead(8, 4).map(({ date, promotion }) => ({
    date: date.toISOString().slice(0, 10),
    promotion: `${promotion}`,
  }));
  expect(await told(table, { future: records.reverse() })).toEqual(await told(table, { future: ahead(8, 2) }));
  const wrong = ahead(8, 2).map((row) => ({ ...row, promotion: 9 }));
  const whole = series.fromRecords([...past, ...wrong], options);
  expect((await told(whole, { future: ahead(8, 2) })).future).toEqual(
    (await told(table, { future: ahead(8, 2) })).future,
  );
});

test('a recursive forecast takes as many blocks of them', async () => {
  expect(await table.forecast(model(), { horizon: 6, future: ahead(8, 6) })).toHaveLength(6);
  await expect(table.forecast(model(), { horizon: 6, future: ahead(8, 5) })).rejects.toThrow(
    'series: 2020-01-14: promotion: expected to be known so far ahead, received rows up to 2020-01-13; ' +
      'give more to forecast as future, or add rows without targets to the table',
  );
});

test('those of several series are told apart by their key', async () => {
  const keyed = <R extends object>(rows: readonly R[]) =>
    ['north', 'south'].flatMap((region) => rows.map((row) => ({ region, ...row })));
  const many = series.fromRecords(keyed(past), { ...options, key: 'region' });
  const fake = fakeModel(many, window, pointLike, (rows) => [rows(1, 0)]);
  expect(await many.forecast(fake, { future: keyed(ahead(8, 2)) })).toHaveLength(4);
  await expect(many.forecast(fake, { future: keyed(ahead(8, 2)).slice(0, 3) })).rejects.toThrow(
    "series of 'south': 2020-01-10: promotion: expected to be known so far ahead, received rows up to 2020-01-09",
  );
  await expect(many.forecast(fake, { future: [{ region: 'west', ...ahead(8, 1)[0] }] })).rejects.toThrow(
    "future[0]: expected the key of one of 'north', 'south', received 'west'",
  );
  await expect(many.forecast(fake, { future: ahead(8, 2) })).rejects.toThrow('future[0]: region: expected text');
});

test('categories ahead are those of the training part', async () => {
  const weather = (rows: readonly object[]) => rows.map((row, index) => ({ ...row, sky: index % 2 ? 'sun' : 'rain' }));
  const skies = series.fromRecords(weather(past), {
    ...options,
    covariates: { future: ['sky'] },
    categorical: 'sky',
  });
  const known = skies.withFuture(weather(ahead(8, 2)));
  const { inputs } = known.windowAt([known.end()], window);
  expect(Array.from((inputs as unknown as { future: { data: Float32Array } }).future.data)).toEqual([1, 0, 0, 1]);
  expect(() => skies.withFuture([{ ...ahead(8, 1)[0], sky: 'hail' }])).toThrow(
    "sky: expected a category of the training part ('rain', 'sun'), received 'hail'",
  );
});

test('records that say too little, or of the wrong days, are refused by their number', async () => {
  const refused = (future: unknown, message: string) =>
    expect(table.forecast(model(), { future: future as [] })).rejects.toThrow(message);
  await refused('tomorrow', "future: expected an array of records with 'promotion', received 'tomorrow'");
  await refused([3], "future[0]: expected a record with 'promotion', received 3");
  await refused(
    [...ahead(8, 1), { date: date(9) }],
    "future[1]: expected the columns 'promotion', received { date } without 'promotion'",
  );
  await refused([{ date: date(8), promotion: null }], 'future[0]: promotion: expected a value, received none');
  await refused([{ date: date(8), promotion: 'no' }], "future[0]: promotion: expected a number, received 'no'");
  await refused([{ promotion: 1 }], 'future[0]: date: expected a time');
  await refused(ahead(7, 2), 'future[0]: time: expected one from 2020-01-09 on, the first without targets');
  await refused([{ date: new Date(date(8).getTime() + 3_600_000), promotion: 1 }], 'received 2020-01-09T01:00:00');
  await refused([...ahead(8, 2), ...ahead(8, 1)], 'future[2]: time: expected each once, received 2020-01-09 again');
  await refused(
    [...ahead(8, 1), ...ahead(11, 1)],
    'future: expected a row for each time up to 2020-01-12, received none for 2020-01-10, 2020-01-11',
  );
  await refused(ahead(400_000, 1), '2020-01-18, ...');
  await refused([], 'series: 2020-01-09: promotion: expected to be known so far ahead, received rows up to 2020-01-08');
});

test('where the calendar alone is known ahead, records are refused', async () => {
  const plain = series.fromRecords(past, { ...options, covariates: { future: calendar('weekday') } });
  const fake = fakeModel(plain, window, pointLike, (rows) => [rows(1, 0)]);
  await expect(plain.forecast(fake, { future: ahead(8, 2) })).rejects.toThrow(OptionError);
  expect(await plain.forecast(fake)).toHaveLength(2);
});

test('a trained model forecasts differently where other covariates are known', async () => {
  const days = Array.from({ length: 60 }, (_, row) => ({
    date: date(row),
    promotion: Number(row % 5 < 2),
    sales: 10 + 5 * Number(row % 5 < 2),
  }));
  const shop = series.fromRecords(days, { ...options, covariates: { future: 'promotion' } });
  const trained = sequential([lstm(4), quantileHead([0.1, 0.5, 0.9], { horizon: 2 })], { seed: 1 });
  await trained.fit(shop.train.windows({ lookback: 5, horizon: 2 }), { optimizer: adam({ lr: 3e-2 }), epochs: 60 });
  const medians = async (promotion: number) =>
    (await shop.forecast(trained, { future: ahead(60, 2).map((row) => ({ ...row, promotion })) })).map(
      ({ q50 }) => q50,
    );
  const [quiet, busy] = [await medians(0), await medians(1)];
  for (const step of [0, 1]) expect(busy[step]! - quiet[step]!).toBeGreaterThan(3);
});
