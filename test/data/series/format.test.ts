/** New rows for a trained model, and windows that go on after what was forecast. */
import { Readable } from 'node:stream';
import { DataError, OptionError } from '../../../lib/errors';
import { calendar } from '../../../lib/data/series/calendar';
import { SeriesFormat } from '../../../lib/data/series/format';
import { series } from '../../../lib/data/series/readers';
import { Series, type SeriesContents } from '../../../lib/data/series/series';
import { seriesReaders } from '../../../lib/data/series/readers';
import { births, daily, dateOf, inputs, nested, options } from './support';

const sizes = { lookback: 3, horizon: 2 };
const kept = (format: SeriesFormat) => SeriesFormat.fromJSON(JSON.parse(JSON.stringify(format)));

describe('new rows', () => {
  const weather = ['sun', 'rain', 'fog'];
  const rows = daily(30, (row) => ({
    births: 10 * row,
    shop: row % 1 ? 'b' : 'a',
    weather: weather[row % 3],
    size: 4,
  }));
  const trained = series.fromRecords(rows, {
    ...options,
    key: 'shop',
    covariates: { past: 'weather', future: calendar('month'), static: 'size' },
    categorical: 'weather',
    missing: 'mask',
  });

  test('are read as those that a model was trained on, from what its file keeps', async () => {
    const format = kept(trained.format);
    expect(format.equals(trained.format)).toBe(true);
    expect(format.inputs.past).toEqual([
      'births',
      'weather=fog',
      'weather=rain',
      'weather=sun',
      'births observed',
      'month.sin',
      'month.cos',
    ]);
    const text = ['date,births,shop,weather,size', ...rows.slice(20).map((row) => Object.values(row).join(','))].join(
      '\n',
    );
    const at = (table: Series, row: number) => inputs(table.windowAt([{ key: 'a', row }], sizes));
    for (const fresh of [
      series.fromRecords(rows.slice(20), { format }),
      await series.fromCsv(Readable.from([text]), { format }),
    ]) {
      expect(at(fresh, 10)).toEqual(at(trained, 30));
      expect(fresh.test.length).toBe(10);
      expect(fresh.format).toBe(format);
      expect([...fresh.test.windows(sizes)].length).toBe(1);
    }
  });

  test('of an unknown category or series are refused by name', () => {
    const odd = rows.slice(0, 9).map((row, index) => (index === 7 ? { ...row, weather: 'hail' } : row));
    expect(() => series.fromRecords(odd, { format: trained.format })).toThrow(
      "series of 'a': 2024-01-08: weather: expected a category of the training part ('fog', 'rain', 'sun'), received 'hail'",
    );
    const other = rows.map((row) => ({ ...row, shop: 'c' }));
    expect(() => series.fromRecords(other, { format: trained.format })).toThrow(
      "records[0]: shop: expected a series that the model knows ('a'), received 'c'",
    );
  });

  test('of another frequency, or without a column, are refused', () => {
    const hourly = rows.slice(0, 2).map((row, index) => ({ ...row, date: `2024-01-01T0${index}:00` }));
    expect(() => series.fromRecords(hourly, { format: trained.format })).toThrow('expected one row every day');
    const without = rows.map(({ date, births, shop, size }) => ({ date, births, shop, size }));
    expect(() => series.fromRecords(without, { format: trained.format })).toThrow("expected a column 'weather'");
    const wider = rows.map((row, index) => ({ ...row, size: index }));
    expect(() => series.fromRecords(wider, { format: trained.format })).toThrow(
      'records[1]: size: expected the same in all rows',
    );
  });

  test('need the functions again that no file keeps', () => {
    const holiday = (time: Date) => time.getUTCDate() === 1;
    const own = { ...options, time: ({ date }: { date: string }) => date, covariates: { future: calendar(holiday) } };
    const table = series.fromRecords(daily(10), own);
    const format = kept(table.format);
    expect(() => series.fromRecords(daily(10), { format })).toThrow(OptionError);
    const time = ({ date }: { date: string }) => date;
    expect(() => series.fromRecords(daily(10), { format, time })).toThrow('pass calendar(holiday)');
    const fresh = series.fromRecords(daily(10), { format, time, calendar: calendar(holiday) });
    expect(fresh.windowAt([fresh.end()], sizes)).toEqual(table.windowAt([table.end()], sizes));
  });

  test('may be given the categories beforehand, and one-hot columns stay 0 where none is known', () => {
    const given = {
      ...options,
      covariates: { past: 'weather' },
      categorical: { weather: ['hail', 'sun', 'rain', 'fog'] },
    };
    const holes = rows.map((row, index) => (index === 1 ? { ...row, weather: '' } : row));
    const table = series.fromRecords(holes, { ...given, missing: 'mask', scaling: 'none' });
    const { past } = inputs(table.windowAt([{ key: '', row: 3 }], sizes));
    expect(nested(past!)).toEqual([
      [
        [0, 0, 1, 0, 0, 1],
        [10, 0, 0, 0, 0, 1],
        [20, 0, 0, 0, 1, 1],
      ],
    ]);
  });
});

test('a format that is none is refused', () => {
  const json = births(10).format.toJSON();
  expect(SeriesFormat.fromJSON(json).equals(births(10).format)).toBe(true);
  for (const wrong of [
    null,
    {},
    { ...json, targets: [] },
    { ...json, scalers: { '': { births: { log: false, offset: 0, deviation: 0 } } } },
  ])
    expect(() => SeriesFormat.fromJSON(wrong)).toThrow(DataError);
});

describe('names', () => {
  const rows = (row: number) => ({ constructor: 2 * row, toString: row, valueOf: 3, births: row, shop: 'constructor' });

  test('may be those that every object inherits', () => {
    const table = births(
      10,
      {
        key: 'shop',
        target: ['constructor', 'births'],
        covariates: { future: ['toString', calendar('month')], static: 'valueOf' },
        scaling: 'none',
      },
      rows,
    );
    expect(table.format.inputs.past).toEqual(['constructor', 'births', 'toString', 'month.sin', 'month.cos']);
    const { past, static: still } = inputs(
      table.windowAt([{ key: 'constructor', row: 8 }], { lookback: 2, horizon: 1 }),
    );
    expect(nested(past!)).toEqual([
      [
        [12, 6, 6, 0, 1],
        [14, 7, 7, 0, 1],
      ],
    ]);
    expect(nested(still!)).toEqual([[3]]);
    expect([...table.column('constructor')].slice(0, 3)).toEqual([0, 2, 4]);
    expect(() => births(10).format.scaler('births', 'constructor')).toThrow(DataError);
    expect(() => births(10).format.scaler('constructor')).toThrow(DataError);
  });

  test('may not be that of the prototype', () => {
    expect(() => births(10, { covariates: { past: '__proto__' } })).toThrow(
      "series: expected a column of another name than '__proto__'",
    );
    expect(() => births(10, { key: 'shop' }, (row) => ({ births: row, shop: '__proto__' }))).toThrow(
      "records[0]: shop: expected a series of another name than '__proto__'",
    );
  });

  test('must tell all inputs apart', () => {
    const refused = (name: string, covariates: object, missing: 'mask' | 'refuse' = 'refuse') =>
      expect(() => births(10, { covariates, missing }, (row) => ({ births: row, [name]: row }))).toThrow(
        new DataError(
          `series: expected inputs of distinct names, received '${name}' twice; call a column or function otherwise`,
        ),
      );
    refused('births observed', { past: 'births observed' }, 'mask');
    refused('weekday.sin', { past: 'weekday.sin', future: calendar('weekday') });
  });
});

describe('windows after given values', () => {
  const covariates = { future: calendar('weekday') };
  const table = births(12, { covariates, missing: 'mask' });
  const later = (given: readonly number[], row: number, lookback = 4) =>
    inputs(
      table.windowAt([{ key: '', row }], {
        lookback,
        horizon: 2,
        given: { data: given, shape: [1, given.length, 1] },
      }),
    );

  test('are those of a table in which the values are', () => {
    for (const lookback of [1, 2, 4]) {
      const expected = inputs(table.windowAt([{ key: '', row: 9 }], { lookback, horizon: 2 }));
      expect(later([7, 8, 9], 6, lookback)).toEqual(expected);
      expect(later([7, 8, 10], 6, lookback)).not.toEqual(expected);
    }
    expect(later([], 6)).toEqual(inputs(table.windowAt([{ key: '', row: 6 }], { lookback: 4, horizon: 2 })));
  });

  test('go on past the last row', () => {
    const longer = births(14, { covariates, missing: 'mask', split: { validation: 2, test: 4 } });
    const same = births(12, { covariates, missing: 'mask', split: { validation: 2, test: 2 } });
    const given = { data: [13, 14], shape: [1, 2, 1] };
    expect(same.windowAt([same.end()], { ...sizes, given })).toEqual(longer.windowAt([longer.end()], sizes));
  });

  test('are refused where covariates of the past are not known, or the shape does not fit', () => {
    const windy = births(12, { covariates: { past: 'wind' } }, (row) => ({ births: row, wind: 1 }));
    const given = { data: [1], shape: [1, 1, 1] };
    expect(() => windy.windowAt([windy.end()], { ...sizes, given })).toThrow(
      "as none is known after the origin, received 'wind'",
    );
    for (const shape of [
      [1, 1],
      [2, 1, 1],
      [1, 1, 2],
    ])
      expect(() => table.windowAt([table.end()], { ...sizes, given: { data: [1], shape } })).toThrow(DataError);
  });
});

test('an origin without enough rows before it, or after the end, is refused', () => {
  const table = births(12);
  for (const row of [2, 13, 4.5, NaN])
    expect(() => table.windowAt([{ key: '', row }], sizes)).toThrow('so a row in 3..12');
  expect(() => table.windowAt([{ key: 'a', row: 4 }], sizes)).toThrow(DataError);
  expect(() => table.origins('all' as never, sizes)).toThrow(OptionError);
  expect(() => table.origins('test', { ...sizes, lag: 1 } as never)).toThrow("unknown option 'lag'");
  expect(() => table.column('wind')).toThrow("received 'wind'");
});

test('origins are the rows from which a part is forecast, with their times', () => {
  const table = births(20, { split: { validation: 3, test: 5 } });
  expect(table.origins('test', { ...sizes, stride: 2 })).toEqual(
    [15, 17].map((row) => ({ key: '', row, time: new Date(dateOf(row)) })),
  );
  expect([...table.values({ key: '', row: 15 }, 2)]).toEqual([16, 17]);
});

test('readers make objects of a class that extends Series, and so does another split', () => {
  class Forecasts extends Series {
    constructor(contents: SeriesContents) {
      super(contents);
    }
    last() {
      return this.column('births').at(-1);
    }
  }
  const table = seriesReaders(Forecasts).fromRecords(daily(10), options);
  expect([table.last(), table.withSplit([1, 0, 0]).last()]).toEqual([10, 10]);
});
