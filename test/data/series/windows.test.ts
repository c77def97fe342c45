import { DataError, OptionError } from '../../../lib/errors';
import { iterate } from '../../../lib/data/batch';
import { calendar } from '../../../lib/data/series/calendar';
import { series } from '../../../lib/data/series/readers';
import { births, daily, inputs, nested, options } from './support';
import fc from 'fast-check';

const sizes = { lookback: 3, horizon: 2 };
const unscaled = { scaling: 'none' } as const;
const column = (rows: readonly number[]) => rows.map((row) => [row]);

describe('windows', () => {
  test('hold the rows before an origin and the targets from it on', () => {
    const { train } = births(10, { ...unscaled, split: [1, 0, 0] });
    const [batch] = [...train.windows({ ...sizes, stride: 2, shuffle: false })];
    expect(nested(inputs(batch!).past!)).toEqual([column([1, 2, 3]), column([3, 4, 5]), column([5, 6, 7])]);
    expect(nested(batch!.targets!)).toEqual([column([4, 5]), column([6, 7]), column([8, 9])]);
    expect(batch!.weights).toBeUndefined();
  });

  test('have targets of their part alone, and may look back into the part before', () => {
    const { train, validation, test } = births(10, { ...unscaled, split: { validation: 3, test: 2 } });
    const targets = (part: typeof train) =>
      [...part.windows({ ...sizes, shuffle: false })].flatMap((batch) => nested(batch.targets!));
    expect(targets(train)).toEqual([column([4, 5])]);
    expect(targets(validation)).toEqual([column([6, 7]), column([7, 8])]);
    expect(targets(test)).toEqual([column([9, 10])]);
    const [batch] = [...test.windows(sizes)];
    expect(nested(inputs(batch!).past!)).toEqual([column([6, 7, 8])]);
  });

  test('equal slices of the table, whatever lookback, horizon, stride, batch size and parts', () => {
    const integer = (min: number, max: number) => fc.integer({ min, max });
    const cases = fc.record({
      rows: integer(12, 40),
      lookback: integer(1, 6),
      horizon: integer(1, 4),
      stride: integer(1, 5),
      batchSize: integer(1, 7),
      trainPart: integer(0, 100),
    });
    fc.assert(
      fc.property(cases, ({ rows, trainPart, lookback, horizon, stride, batchSize }) => {
        const trainFraction = Math.max(10 / rows, trainPart / 100);
        const split = [trainFraction, 1 - trainFraction, 0] as const;
        const table = births(rows, { ...unscaled, split });
        const trainEnd = table.train.length;
        for (const [part, begin, end] of [
          [table.train, 0, trainEnd],
          [table.validation, trainEnd, rows],
        ] as const) {
          const expected: unknown[] = [];
          const all = Array.from({ length: rows }, (_, row) => row + 1);
          for (let o = Math.max(begin, lookback); o + horizon <= end; o += stride)
            expected.push([column(all.slice(o - lookback, o)), column(all.slice(o, o + horizon))]);
          const make = () => part.windows({ lookback, horizon, stride, batchSize, shuffle: false });
          if (expected.length === 0) {
            expect(make).toThrow(DataError);
            continue;
          }
          const batches = [...make()];
          const received = batches.flatMap((batch) => {
            const targets = nested(batch.targets!) as unknown[];
            return (nested(inputs(batch).past!) as unknown[]).map((past, index) => [past, targets[index]]);
          });
          expect(received).toEqual(expected);
          expect(make()).toMatchObject({ count: expected.length, length: batches.length });
          expect(batches.slice(0, -1).every(({ targets }) => targets!.shape[0] === batchSize)).toBe(true);
        }
      }),
      { numRuns: 60 },
    );
  });

  test('of several series are sampled together, each scaled by its own', () => {
    const rows = ['a', 'b'].flatMap((shop, index) =>
      daily(index === 0 ? 6 : 8, (row) => ({ shop, births: (row % 2) + 100 * index })),
    );
    const table = series.fromRecords(rows, { ...options, key: 'shop', split: [1, 0, 0] });
    expect(table.keys).toEqual(['a', 'b']);
    const batches = [...table.train.windows({ ...sizes, batchSize: 3, shuffle: false })];
    expect(batches.map(({ targets }) => targets!.shape[0])).toEqual([3, 3]);
    const first = nested(batches[0]!.targets!) as number[][][];
    expect(first[0]).toEqual(column([1, -1]));
    expect(first[2]).toEqual(column([1, -1]));
    expect(table.origins('train', sizes).map(({ key, row }) => `${key}${row}`)).toEqual([
      'a3',
      'a4',
      'b3',
      'b4',
      'b5',
      'b6',
    ]);
  });

  test('have covariates by name where some are of the future or static', () => {
    const table = series.fromRecords(
      daily(8, (row) => ({ births: row, price: 10 * row, wind: 100 * row, shop: 'a', size: 7 })),
      {
        ...options,
        key: 'shop',
        covariates: { past: 'wind', future: ['price', calendar('weekday')], static: ['size'] },
        ...unscaled,
        split: [1, 0, 0],
      },
    );
    expect(table.format.inputs).toEqual({
      past: ['births', 'wind', 'price', 'weekday.sin', 'weekday.cos'],
      future: ['price', 'weekday.sin', 'weekday.cos'],
      static: ['size'],
    });
    const [batch] = [...table.train.windows({ ...sizes, shuffle: false, batchSize: 1 })];
    const { past, future, static: still } = inputs(batch!);
    const weekday = (row: number) => [
      Math.fround(Math.sin((2 * Math.PI * row) / 7)),
      Math.fround(Math.cos((2 * Math.PI * row) / 7)),
    ];
    expect(nested(past!)).toEqual([[0, 1, 2].map((row) => [row, 100 * row, 10 * row, ...weekday(row)])]);
    expect(nested(future!)).toEqual([[3, 4].map((row) => [10 * row, ...weekday(row)])]);
    expect(nested(still!)).toEqual([[7]]);
  });

  test('are in another order each pass, the same for equal seeds, and a pass can begin at any batch', async () => {
    const { train } = births(60, { split: [1, 0, 0] });
    const windows = (seed: number) => train.windows({ ...sizes, batchSize: 7, seed });
    const pass = (epoch: number, begin = 0, seed = 1) =>
      [...windows(seed).pass(epoch, begin)].map(({ targets }) => [...targets!.data]);
    const ordered = [...train.windows({ ...sizes, batchSize: 7, shuffle: false })].flatMap((batch) => [
      ...batch.targets!.data,
    ]);
    expect(pass(0)).not.toEqual(pass(1));
    expect(pass(0)).not.toEqual(pass(0, 0, 2));
    expect(pass(3)).toEqual(pass(3));
    expect(pass(3, 4)).toEqual(pass(3).slice(4));
    expect(pass(3).flat()).not.toEqual(ordered);
    expect(pass(3).flat().sort()).toEqual([...ordered].sort());
    const iterated = [];
    for await (const { targets } of iterate(windows(1), { epoch: 3, begin: 4 })) iterated.push([...targets!.data]);
    expect(iterated).toEqual(pass(3, 4));
  });

  test('weigh nothing where a target is missing', () => {
    const rows = (row: number) => ({ births: row === 4 || row === 8 ? '' : row });
    const { train } = births(10, { ...unscaled, missing: 'forwardFill', split: [1, 0, 0] }, rows);
    const [batch] = [...train.windows({ ...sizes, shuffle: false, stride: 3 })];
    expect(nested(batch!.weights!)).toEqual([
      [1, 0],
      [1, 1],
    ]);
    expect(nested(inputs(batch!).past!)).toEqual([column([0, 1, 2]), column([3, 3, 5])]);
  });

  test('are refused where the part is shorter than one, saying how long it must be', () => {
    const table = births(10, { split: { validation: 2, test: 2 } });
    expect(() => table.train.windows({ lookback: 5, horizon: 2 })).toThrow(
      'train: expected 7 rows or more for lookback 5 and horizon 2, received 6',
    );
    expect(() => table.test.windows({ lookback: 5, horizon: 3 })).toThrow(
      'test: expected 3 rows or more, 5 before them, for lookback 5 and horizon 3; received 2, 8 before them',
    );
    expect(() => table.test.windows({ lookback: 9, horizon: 2 })).toThrow(DataError);
  });

  test.each([
    [{ horizon: 2 }, 'windows: lookback: expected a positive integer, received undefined'],
    [{ lookback: 3, horizon: 1.5 }, 'horizon'],
    [{ ...sizes, stride: 0 }, 'stride'],
    [{ ...sizes, batchSize: -1 }, 'batchSize'],
    [{ ...sizes, shuffle: 1 }, 'shuffle'],
    [{ ...sizes, seed: 0.5 }, 'seed'],
    [{ ...sizes, window: 1 }, "unknown option 'window'"],
  ])('refuse the options %j', (given, message) => {
    const make = () => births(10).train.windows(given as never);
    expect(make).toThrow(OptionError);
    expect(make).toThrow(message);
  });
});

test('windows of a million rows take no memory but for a batch', () => {
  const count = 1_000_000;
  const values = Float64Array.from({ length: count }, (_, row) => row % 100);
  const time = Float64Array.from({ length: count }, (_, row) => row * 1000);
  const table = series.fromColumns({ time, births: values }, { ...options, time: 'time', split: [1, 0, 0] });
  const before = process.memoryUsage().arrayBuffers;
  const windows = table.train.windows({ lookback: 1000, horizon: 100, shuffle: false });
  const made = process.memoryUsage().arrayBuffers - before;
  expect(windows.count).toBe(count - 1099);
  // Copied windows would be 4.4 GB.
  expect(made).toBeLessThan(1e5);
  const last = [...windows.pass(0, windows.length - 1)].at(-1)!;
  expect(last.targets!.shape[0]).toBe(windows.count % 32 || 32);
});
