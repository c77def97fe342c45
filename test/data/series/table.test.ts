import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { DataError, OptionError } from '../../../lib/errors';
import { calendar } from '../../../lib/data/series/calendar';
import { series } from '../../../lib/data/series/readers';
import { births, daily, dateOf, options } from './support';

let folder: string;
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'series-'))));
afterAll(() => rmSync(folder, { recursive: true }));
const csv = (text: string | readonly string[]) => Readable.from(typeof text === 'string' ? [text] : text);
const lines = (...rows: string[]) => csv(['date,births\n', ...rows.map((row) => `${row}\n`)]);

describe('a table', () => {
  test('is the same from a CSV file, a stream, records and columns', async () => {
    const rows = daily(12);
    const text = ['date,births', ...rows.map(({ date, births }) => `${date},${births}`)].join('\r\n');
    const path = join(folder, 'births.csv');
    writeFileSync(path, `\uFEFF${text}\r\n\r\n`);
    const tables = [
      await series.fromCsv(path, options),
      await series.fromCsv(csv(text.match(/.{1,7}/gs)!), options),
      await series.fromCsv(csv(text.replaceAll(',', ' ; ')), { ...options, delimiter: ';' }),
      series.fromRecords(rows, options),
      series.fromColumns(
        { time: rows.map(({ date }) => new Date(date)), births: Float64Array.from(rows, ({ births }) => births) },
        { ...options, time: 'time' },
      ),
    ];
    for (const table of tables) {
      expect([...table.column('births')]).toEqual(rows.map(({ births }) => births));
      expect(table.format.scaler('births')).toEqual(tables[0]!.format.scaler('births'));
      expect(table.end()).toEqual({ key: '', row: 12, time: new Date(dateOf(12)) });
      expect([table.train.length, table.validation.length, table.test.length]).toEqual([8, 2, 2]);
    }
  });

  test('takes its time from a function of the row', async () => {
    const text = 'year,month,day,births\n1969,1,31,5\n1969,2,1,6\n1969,2,2,7\n';
    const table = await series.fromCsv(csv(text), {
      time: (row) => new Date(Date.UTC(Number(row.year), Number(row.month) - 1, Number(row.day))),
      target: 'births',
      split: [1, 0, 0],
    });
    expect(table.times({ key: '', row: 2 }, 2).map((time) => time.toISOString().slice(0, 10))).toEqual([
      '1969-02-02',
      '1969-02-03',
    ]);
    expect(table.format.spec).toMatchObject({ time: null, frequency: { unit: 'millisecond', count: 86_400_000 } });
  });

  test('may mix rows of several series, each in order and with parts of its own', () => {
    const rows = daily(10).flatMap((row) => [
      { ...row, shop: 1 },
      { ...row, births: -row.births, shop: 2 },
    ]);
    const table = series.fromRecords(rows, { ...options, key: 'shop' });
    expect(table.keys).toEqual(['1', '2']);
    expect(table.train.length).toBe(14);
    expect(table.format.scaler('births', '1').offset).toBe(4);
    expect(table.format.scaler('births', '2').offset).toBe(-4);
    expect(() => table.column('births')).toThrow("expected the key of one of '1', '2', received undefined");
    expect(() => table.column('births', '3')).toThrow("received '3'");
  });

  test('is cut at fractions, at times, or at numbers of rows', () => {
    const lengths = (split: object) => {
      const { train, validation, test } = births(20, { split } as never);
      return [train.length, validation.length, test.length];
    };
    expect(lengths([0.7, 0.15, 0.15])).toEqual([14, 3, 3]);
    expect(lengths({ validation: dateOf(10), test: new Date(dateOf(16)) })).toEqual([10, 6, 4]);
    expect(lengths({ validation: 2, test: 3 })).toEqual([15, 2, 3]);
    expect(lengths({ validation: 0, test: dateOf(99) })).toEqual([20, 0, 0]);
    const other = births(20).withSplit({ validation: 5, test: 5 });
    expect([other.train.length, other.format.scaler('births').offset]).toEqual([10, 5.5]);
    const kept = births(20).withSplit({ validation: 5, test: 5 }, { keepScaling: true });
    expect(kept.format.equals(births(20).format)).toBe(true);
    expect(() => lengths({ validation: 15, test: 6 })).toThrow(
      'expected validation and test to begin in this order among 20 rows',
    );
    expect(() => lengths({ validation: dateOf(0), test: 1 })).toThrow('expected one or more rows in the training part');
    for (const split of [[0.5, 0.4, 0.2], [1, 0], { validation: 2 }, { validation: 2, test: 'x' }, null, 0.9])
      expect(() => lengths(split as never)).toThrow(OptionError);
  });
});

describe('a table is refused, naming row and column,', () => {
  test.each<[string, readonly string[], string]>([
    [
      'out of order',
      ['2024-01-02,1', '2024-01-03,2', '2024-01-01,3'],
      'line 4: time: expected a time after 2024-01-03 (line 3), received 2024-01-01',
    ],
    [
      'with a time twice',
      ['2024-01-02,1', '2024-01-03,2', '2024-01-03,3'],
      'line 4: time: expected each time once, received 2024-01-03 again, after line 3',
    ],
    [
      'with a gap',
      ['2024-01-01,1', '2024-01-02,2', '2024-01-04,3'],
      "line 4: time: expected 2024-01-03, one day after line 3, received 2024-01-04; gaps: 'fill'",
    ],
    ['with text for a number', ['2024-01-01,1', '2024-01-02,n/a'], "line 3: births: expected a number, received 'n/a'"],
    ['with an infinite number', ['2024-01-01,1e999'], "line 2: births: expected a number, received '1e999'"],
    [
      'with a missing number',
      ['2024-01-01,1', '2024-01-02,', '2024-01-03,4'],
      "line 3: births: expected a value, received none; choose missing: 'forwardFill' or 'mask'",
    ],
    [
      'with a day that is none',
      ['2024-02-30,1'],
      "line 2: date: expected a time (a Date, milliseconds, or ISO 8601 such as 2024-03-01), received '2024-02-30'",
    ],
    ['with a time in other order', ['02/03/2024,1'], "received '02/03/2024'"],
    ['with a cell too many', ['2024-01-01,1,2'], 'not CSV: Invalid Record Length'],
    ['without rows', [], 'expected a table with rows, received none'],
    ['with one row and no frequency', ['2024-01-01,1'], 'expected two rows or more'],
  ])('%s', async (_, rows, message) => {
    const reading = series.fromCsv(lines(...rows), options);
    await expect(reading).rejects.toThrow(message);
    await expect(reading).rejects.toThrow(DataError);
  });

  test('with irregular times', async () => {
    const rows = ['2024-01-01,1', '2024-01-02,2', '2024-01-03,2', '2024-01-04T12:00,3'];
    await expect(series.fromCsv(lines(...rows), options)).rejects.toThrow(
      'line 5: time: expected one row every day from 2024-01-01 on, received 2024-01-04T12:00:00 between two',
    );
  });

  test('with a column that is missing, or twice', async () => {
    const without = series.fromCsv(csv('date,birth\n2024-01-01,1\n'), options);
    await expect(without).rejects.toThrow("series: expected a column 'births', received 'date', 'birth'");
    await expect(series.fromCsv(csv('date,births,date\n'), options)).rejects.toThrow("received 'date' twice");
    expect(() => births(9, { covariates: { past: 'wind' }, missing: 'mask' })).toThrow(
      "expected a column 'wind' with values, received none in any row",
    );
    expect(() => series.fromColumns({ births: [1] }, options)).toThrow("expected a column 'date'");
  });

  test('with a column that has no value in the training part', () => {
    const make = () =>
      births(9, { covariates: { past: 'wind' }, missing: 'mask' }, (row) => ({
        births: row,
        wind: row < 6 ? null : 1,
      }));
    expect(make).toThrow('series: wind: expected numbers in the training part, received none in 6 rows');
  });

  test('from a file that is missing, a stream that fails, or what is neither', async () => {
    const missing = join(folder, 'missing.csv');
    const reading = series.fromCsv(missing, options);
    await expect(reading).rejects.toMatchObject({ code: 'ERR_DATA', cause: { code: 'ENOENT' } });
    await expect(reading).rejects.toThrow(missing);
    const broken = new Readable({
      read() {
        this.destroy(Object.assign(new Error('gone'), { code: 'EIO' }));
      },
    });
    await expect(series.fromCsv(broken, options)).rejects.toMatchObject({ code: 'ERR_DATA', cause: { code: 'EIO' } });
    await expect(series.fromCsv({} as never, options)).rejects.toThrow(OptionError);
    await expect(series.fromCsv(csv('date,births\n2024-01-01,"1\n'), options)).rejects.toThrow('not CSV');
    const thrown = new Error('mine');
    const time = () => {
      throw thrown;
    };
    await expect(series.fromCsv(lines('2024-01-01,1'), { ...options, time })).rejects.toBe(thrown);
  });

  test('from a stream that was destroyed, or is before its end', async () => {
    const reads = 'the table could not be read';
    await expect(series.fromCsv(lines('2024-01-01,1').destroy(), options)).rejects.toThrow(reads);
    const endless = new Readable({ read() {} });
    endless.push('date,births\n2024-01-01,1\n');
    setTimeout(() => endless.destroy(), 10);
    const reading = series.fromCsv(endless, options);
    await expect(reading).rejects.toMatchObject({ code: 'ERR_DATA', cause: { code: 'ERR_STREAM_PREMATURE_CLOSE' } });
  });

  test('with a quote that is left open, before the rest of the file is taken for a cell', async () => {
    let read = 0;
    const rows = Readable.from(
      (function* () {
        yield 'date,births\n2024-01-01,"1\n';
        for (; read < 200; read++) yield '2024-01-02,12345\n'.repeat(1000);
      })(),
    );
    await expect(series.fromCsv(rows, options)).rejects.toThrow(
      /not CSV: expected rows of at most 1048576 bytes, .* line 6\d{4}; is a quote left open\?/,
    );
    expect(read).toBeLessThan(150);
  });

  test('of records and columns that are none', () => {
    expect(() => series.fromRecords(3 as never, options)).toThrow(OptionError);
    expect(() => series.fromRecords([null] as never, options)).toThrow('records[0]: expected an object, received null');
    expect(() => series.fromRecords([{ date: dateOf(0), births: {} }], options)).toThrow(
      'records[0]: births: expected a number',
    );
    expect(() => series.fromColumns(3 as never, options)).toThrow(OptionError);
    expect(() => series.fromColumns({ date: 3 } as never, options)).toThrow('series: date: expected an array');
    expect(() => series.fromColumns({ date: [0, 1], births: [1] }, options)).toThrow(
      "births: expected 2 values, as many as 'date', received 1",
    );
    expect(() => series.fromColumns({ date: [0, 1, 3], births: [1, 2, 3] }, options)).toThrow(
      'row 2 (from 0): time: expected',
    );
  });
});

test.each([
  [{ target: 'births' }, 'series: time: expected the name of a column, received undefined'],
  [{ time: 'date' }, 'series: target'],
  [{ ...options, target: [] }, 'series: target: expected one or more columns'],
  [{ ...options, targets: 'x' }, "unknown option 'targets'"],
  [{ ...options, key: 3 }, 'series: key'],
  [{ ...options, frequency: 'fortnight' }, "received 'fortnight'"],
  [{ ...options, gaps: 'drop' }, 'series: gaps'],
  [{ ...options, gaps: 'fill' }, "choose missing: 'forwardFill' or 'mask'"],
  [{ ...options, missing: 'zero' }, 'series: missing'],
  [{ ...options, covariates: { now: 'x' } }, "series: covariates: unknown option 'now'"],
  [{ ...options, covariates: { past: 'births' } }, "expected each column in one role, received 'births' in two"],
  [{ ...options, covariates: { future: 3 } }, 'series: covariates: future'],
  [{ ...options, categorical: 'births' }, "expected covariates, received 'births'"],
  [{ ...options, covariates: { past: 'w' }, categorical: { w: [] } }, 'series: categorical: w'],
  [{ format: {} }, 'series: format'],
])('the options %j are refused', (given, message) => {
  const read = () => series.fromRecords(daily(9), given as never);
  expect(read).toThrow(OptionError);
  expect(read).toThrow(message);
});

describe('missing values', () => {
  const rows = daily(10, (row) => ({ births: row % 3 === 1 ? null : row })).filter((_, row) => row !== 5);
  const shown = (missing: 'forwardFill' | 'mask') => {
    const table = series.fromRecords(rows, { ...options, missing, gaps: 'fill', scaling: 'none', split: [1, 0, 0] });
    const { inputs } = table.windowAt([{ key: '', row: 8 }], { lookback: 8, horizon: 1 });
    return [table.format.inputs.past, [...(inputs.data as Float32Array)]];
  };

  test('are the last one that was known', () => {
    expect(shown('forwardFill')).toEqual([['births'], [0, 0, 2, 3, 3, 3, 6, 6]]);
  });

  test('or 0 beside a column that says whether it is known', () => {
    const known = [0, 2, 3, 6];
    const expected = [0, 1, 2, 3, 4, 5, 6, 7].flatMap((row) => (known.includes(row) ? [row, 1] : [0, 0]));
    expect(shown('mask')).toEqual([['births', 'births observed'], expected]);
  });

  test('may be said in words', async () => {
    const rows = ['2024-01-01,1', '2024-01-02,NA', '2024-01-03,-', '2024-01-04,4'];
    const table = await series.fromCsv(lines(...rows), { ...options, missing: 'mask', missingText: ['NA', '-'] });
    expect([...table.column('births')]).toEqual([1, NaN, NaN, 4]);
    await expect(series.fromCsv(lines(...rows), { ...options, missingText: 'NA' })).rejects.toThrow(
      "line 4: births: expected a number, received '-'",
    );
  });

  test('in the truth are NaN', () => {
    const table = series.fromRecords(rows, { ...options, missing: 'mask', gaps: 'fill' });
    expect([...table.values({ key: '', row: 8 }, 4)]).toEqual([8, 9, NaN, NaN]);
    expect(table.length()).toBe(10);
  });
});

test('rows without targets after the last one are the future of covariates', () => {
  const rows = daily(12, (row) => ({ births: row < 9 ? row : '', price: row }));
  const known = { ...options, covariates: { future: ['price', calendar('weekday')] }, scaling: 'none' } as const;
  const table = series.fromRecords(rows, known);
  expect([table.length(), table.end().row]).toEqual([9, 9]);
  const { future } = table.windowAt([table.end()], { lookback: 2, horizon: 3 }).inputs as never as Record<
    string,
    { data: Float32Array }
  >;
  expect([0, 3, 6].map((index) => future!.data[index])).toEqual([9, 10, 11]);
  expect(() => table.windowAt([table.end()], { lookback: 2, horizon: 4 })).toThrow(
    'series: 2024-01-13: price: expected to be known so far ahead, received rows up to 2024-01-12; give more to forecast as future, or add rows without targets to the table',
  );
});
