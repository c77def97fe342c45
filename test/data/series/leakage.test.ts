/** Nothing of the future leaks into scaling, features or targets. */
import fc from 'fast-check';
import type { BatchInputs } from '../../../lib/data/batch';
import { calendar } from '../../../lib/data/series/calendar';
import type { SeriesOptions } from '../../../lib/data/series/options';
import { series } from '../../../lib/data/series/readers';
import { dateOf, inputs } from './support';

type Cells = Readonly<Record<'births' | 'wind' | 'price' | 'weather', number | string>>;
const keys = ['north', 'south'];
const rows = 24;
const sizes = { lookback: 4, horizon: 3 };

const cell = fc.oneof(fc.double({ min: 0.5, max: 1e4, noNaN: true }), fc.constant(''));
const cells: fc.Arbitrary<Cells> = fc.record({
  births: cell,
  wind: cell,
  price: cell,
  weather: fc.constantFrom('rain', 'sun', ''),
});
const tables = fc.array(cells, { minLength: 2 * rows, maxLength: 2 * rows });

const options = fc.record({
  scaling: fc.constantFrom('standard', 'minMax', 'scale', 'none', { births: { log: true } } as const),
  missing: fc.constantFrom('forwardFill', 'mask'),
}) as fc.Arbitrary<Partial<SeriesOptions>>;

/** Both series in one table; the first row and all categories are known, so that the training part can be fitted, and the last, so that the parts are the same. */
const read = (table: readonly Cells[], trainRows: number, more: Partial<SeriesOptions>) =>
  series.fromRecords<object>(
    table.map((row, index) => ({
      ...row,
      ...([0, rows - 1].includes(index % rows) ? { births: 7, wind: 3, price: 2, weather: 'rain' } : {}),
      ...(index % rows === 1 ? { weather: 'sun' } : {}),
      shop: keys[Math.floor(index / rows)],
      date: dateOf(index % rows),
    })),
    {
      time: 'date',
      key: 'shop',
      target: 'births',
      covariates: { past: ['wind', 'weather'], future: ['price', calendar('weekday')] },
      categorical: 'weather',
      split: { validation: dateOf(trainRows), test: dateOf(rows - 2) },
      ...more,
    } as SeriesOptions<object>,
  );

const bits = (all: BatchInputs | undefined) =>
  Object.entries(inputs({ inputs: all! })).map(([name, { data, shape }]) => [name, shape, [...data]]);

/** `table` with the rows of `other` from row `from` on in each series. */
const changedFrom = (
  from: number,
  table: readonly Cells[],
  other: readonly Cells[],
  known: readonly (keyof Cells)[] = [],
) =>
  table.map((row, index) =>
    index % rows < from ? row : { ...other[index]!, ...Object.fromEntries(known.map((name) => [name, row[name]])) },
  );

test('values after the training part change no bit of scaling, categories, and training windows', () => {
  fc.assert(
    fc.property(tables, tables, fc.integer({ min: 10, max: 20 }), options, (table, other, trainRows, more) => {
      const [one, two] = [table, changedFrom(trainRows, table, other)].map((rows) => read(rows, trainRows, more));
      expect(JSON.stringify(two!.format)).toBe(JSON.stringify(one!.format));
      const windows = [one!, two!].map(({ train }) => [...train.windows({ ...sizes, seed: 3 })]);
      windows[0]!.forEach((batch, index) => {
        const same = windows[1]![index]!;
        expect(bits(same.inputs)).toEqual(bits(batch.inputs));
        expect([...same.targets!.data]).toEqual([...batch.targets!.data]);
        expect(same.weights?.data).toEqual(batch.weights?.data);
      });
    }),
    { numRuns: 60 },
  );
});

test('values from an origin on change no bit of what a model is given there, but for covariates of the future', () => {
  fc.assert(
    fc.property(tables, tables, fc.integer({ min: 12, max: 21 }), options, (table, other, origin, more) => {
      const trainRows = 10;
      const known = changedFrom(origin, table, other, ['price']);
      const [one, two] = [table, known].map((rows) =>
        bits(
          read(rows, trainRows, more).windowAt(
            keys.map((key) => ({ key, row: origin })),
            sizes,
          ).inputs,
        ),
      );
      expect(two).toEqual(one);
    }),
    { numRuns: 60 },
  );
});

test('values of one series change nothing of another', () => {
  fc.assert(
    fc.property(tables, tables, options, (table, other, more) => {
      const changed = table.map((row, index) => (index < rows ? row : other[index]!));
      const [one, two] = [table, changed].map((rows) => read(rows, 14, more));
      expect(two!.format.scaler('births', 'north')).toEqual(one!.format.scaler('births', 'north'));
      const at = { key: 'north', row: 20 };
      expect(bits(two!.windowAt([at], sizes).inputs)).toEqual(bits(one!.windowAt([at], sizes).inputs));
    }),
    { numRuns: 30 },
  );
});

test('a change before an origin is seen, so that these comparisons can fail', () => {
  const plain = Array.from({ length: 2 * rows }, (_, index): Cells => ({
    births: index + 1,
    wind: 1,
    price: 1,
    weather: 'sun',
  }));
  const changed = plain.map((row, index) => (index === 11 ? { ...row, births: 99 } : row));
  const [one, two] = [plain, changed].map((rows) =>
    bits(read(rows, 10, { missing: 'mask' }).windowAt([{ key: 'north', row: 12 }], sizes).inputs),
  );
  expect(two).not.toEqual(one);
  const [fitted, other] = [plain, changed].map((rows) => JSON.stringify(read(rows, 12, { missing: 'mask' }).format));
  expect(other).not.toBe(fitted);
});
