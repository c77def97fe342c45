/** What a user who made a common mistake is told. */
import { Readable } from 'node:stream';
import { adam, DataError, lstm, OptionError, pointHead, sequential, series } from '../../../lib';

const options = { time: 'date', target: 'y' } as const;
const day = (n: number) => new Date(Date.UTC(2024, 0, n));
const rows = (count: number, y: (n: number) => unknown = (n) => n) =>
  Array.from({ length: count }, (_, n) => ({ date: day(n + 1), y: y(n) }));

test('CSV itself in place of a path is recognised, and does not flood the message', async () => {
  const text = `date,y\n${'2024-01-01,1\n'.repeat(5000)}`;
  const error = await series.fromCsv(text, options).catch((error: Error) => error);
  expect(error).toBeInstanceOf(OptionError);
  expect((error as Error).message).toBe(
    'series: expected the path of a CSV file or a Readable stream, received text of several lines; is it the table itself? Readable.from([text]) makes a stream of it',
  );
  const long = await series.fromCsv('no-such-folder/'.repeat(200), options).catch((error: Error) => error.message);
  expect(long).toMatch(/^no-such-folder\/.*\.\.\..*: the table could not be read: ENOENT$/);
  expect((long as string).length).toBeLessThan(250);
});

test('cells apart by another delimiter are recognised by the header', async () => {
  const read = (text: string, more = {}) => series.fromCsv(Readable.from([text]), { ...options, ...more });
  await expect(read('date;y\n2024-01-01;1\n2024-01-02;2\n')).rejects.toThrow(
    `series: expected a column 'date', received 'date;y'; are the cells apart by ";"? Then pass it as delimiter`,
  );
  await expect(read('date\ty\n2024-01-01\t1\n')).rejects.toThrow('are the cells apart by "\\t"?');
  await expect(read('day,y\n2024-01-01,1\n')).rejects.toThrow(/received 'day', 'y'$/);
  const split = [1, 0, 0];
  expect((await read('date;y\n2024-01-01;1\n2024-01-02;2\n', { delimiter: ';', split })).length()).toBe(2);
});

test('times that begin again suggest that a key was forgotten, unless there is one', () => {
  const twice = [...rows(2), ...rows(2)];
  expect(() => series.fromRecords(twice, options)).toThrow(
    'records[2]: time: expected a time after 2024-01-02 (records[1]), received 2024-01-01; rows of several series need key, the column that tells them apart',
  );
  const again = [rows(1)[0]!, rows(1)[0]!];
  expect(() => series.fromRecords(again, options)).toThrow(
    '2024-01-01 again, after records[0]; rows of several series',
  );
  const keyed = again.map((row) => ({ ...row, region: 'north' }));
  expect(() => series.fromRecords(keyed, { ...options, key: 'region' })).toThrow(/after records\[0\]$/);
});

test('advice on missing values can be followed, also where a model says how a table is read', () => {
  const { format } = series.fromRecords(rows(10), options);
  const gap = rows(4).filter((_, index) => index !== 2);
  const absent = rows(4, (n) => (n === 2 ? null : n));
  const choose = /choose missing: 'forwardFill' or 'mask'$/;
  expect(() => series.fromRecords(absent, options)).toThrow(choose);
  expect(() => series.fromRecords(gap, { ...options, gaps: 'fill' })).toThrow(choose);
  const model = /the model was trained on a table without missing values, so fill it in, or train one/;
  expect(() => series.fromRecords(absent, { format })).toThrow(model);
  expect(() => series.fromRecords(gap, { format })).toThrow(model);
  expect(() => series.fromRecords(gap, { format, gaps: 'fill' })).toThrow(model);
});

test('options of windows that are null are refused, and those that are undefined have their defaults', () => {
  const { train } = series.fromRecords(rows(30), options);
  const window = { lookback: 4, horizon: 2 };
  for (const name of ['stride', 'batchSize', 'shuffle', 'seed'] as const) {
    expect(() => train.windows({ ...window, [name]: null })).toThrow(OptionError);
    expect(train.windows({ ...window, [name]: undefined }).settings).toEqual(train.windows(window).settings);
  }
  expect(() => train.origins({ ...window, stride: null as never })).toThrow('stride: expected a positive integer');
});

test('a window at an origin says what is wrong, and no range that runs backwards', () => {
  const table = series.fromRecords(rows(3), { ...options, split: [1, 0, 0] });
  const at = (origins: unknown, lookback: number) => () => table.windowAt(origins as [], { lookback, horizon: 1 });
  expect(at([table.end()], 5)).toThrow(
    'windowAt: expected an origin with 5 rows before it, received a series of 3 rows',
  );
  expect(at([{ key: '', row: 1 }], 2)).toThrow('so a row in 2..3, received 1');
  for (const wrong of [table.end(), undefined, [3]]) expect(at(wrong, 2)).toThrow(DataError);
});

test('a series that is too short for a forecast is named', async () => {
  const shops = [
    ...rows(30).map((row) => ({ ...row, shop: 'old' })),
    ...rows(3).map((row) => ({ ...row, shop: 'new' })),
  ];
  const table = series.fromRecords(shops, { ...options, key: 'shop', split: [1, 0, 0] });
  const model = sequential([lstm(2), pointHead({ horizon: 1 })]);
  await model.fit(table.train.windows({ lookback: 5, horizon: 1 }), { optimizer: adam(), maxSteps: 1 });
  await expect(table.forecast(model)).rejects.toThrow("received 'new', a series of 3 rows");
});
