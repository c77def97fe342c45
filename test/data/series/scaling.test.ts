import fc from 'fast-check';
import { DataError, OptionError } from '../../../lib/errors';
import { fitScaler, scale, scalingOptions, unscale, type ScalingKind } from '../../../lib/data/series/scaling';
import { births, inputs, nested } from './support';

const kinds: readonly ScalingKind[] = ['standard', 'minMax', 'scale', 'none'];

test('what is scaled and taken back is what it was, up to rounding', () => {
  const values = fc.array(fc.double({ min: 1e-3, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(values, fc.constantFrom(...kinds), fc.boolean(), (list, kind, log) => {
      const scaler = fitScaler(list, list.length, { kind, log });
      const largest = Math.max(...list);
      for (const value of list)
        expect(Math.abs(unscale(scaler, scale(scaler, value)) - value)).toBeLessThanOrEqual(1e-12 * largest);
    }),
  );
});

test.each<[ScalingKind, number, number]>([
  ['standard', 3, Math.sqrt(8 / 3)],
  ['minMax', 1, 4],
  ['scale', 0, 3],
  ['none', 0, 1],
])('%s has offset %d and deviation %d for 1, 3, 5', (kind, offset, deviation) => {
  const scaler = fitScaler([1, NaN, 3, 5, 1e9], 4, { kind, log: false });
  expect(scaler).toEqual({ log: false, offset, deviation });
  const { offset: logged } = fitScaler([1, Math.E ** 2], 2, { kind: 'standard', log: true });
  expect(logged).toBeCloseTo(1, 12);
});

test.each(kinds)('a constant column has a deviation above 0 with %s, and comes back', (kind) => {
  const scaler = fitScaler([0.1, 0.1, 0.1], 3, { kind, log: false });
  expect(scaler.deviation).toBeCloseTo(kind === 'scale' ? 0.1 : 1, 12);
  expect(unscale(scaler, scale(scaler, 0.7))).toBeCloseTo(0.7, 12);
  expect(fitScaler([0, 0], 2, { kind, log: false }).deviation).toBe(1);
  expect(fitScaler([NaN], 1, { kind, log: false })).toEqual({ log: false, offset: 0, deviation: 1 });
});

test('a constant column of a table trains as zeros', () => {
  const table = births(8, { split: [1, 0, 0] }, () => ({ births: 5 }));
  const [batch] = [...table.train.windows({ lookback: 2, horizon: 1 })];
  expect(new Set(inputs(batch!).past!.data)).toEqual(new Set([0]));
  expect([...table.format.unscale([0, 2])]).toEqual([5, 7]);
});

test('each column has its own, and what a model says is taken back to units', () => {
  const table = births(
    10,
    {
      target: ['births', 'deaths'],
      scaling: { births: 'minMax', deaths: { kind: 'standard', log: true } },
      split: { validation: 4, test: 1 },
    },
    (row) => ({ births: row, deaths: Math.exp(row) }),
  );
  expect(table.format.scaler('births')).toEqual({ log: false, offset: 0, deviation: 4 });
  expect(table.format.scaler('deaths').offset).toBeCloseTo(2, 12);
  expect([...table.format.unscale([0, 1, 2])]).toEqual([0, 4, 8]);
  expect(table.format.unscale([0], { target: 'deaths' })[0]).toBeCloseTo(Math.exp(2), 9);
  expect(() => table.format.unscale([0], { target: 'wind' })).toThrow(
    "expected one of the columns 'births', 'deaths', received 'wind'",
  );
  expect(() => table.format.unscale([0], { key: 'a' })).toThrow(DataError);
  const { inputs: at } = table.windowAt([{ key: '', row: 3 }], { lookback: 3, horizon: 1 });
  const deviation = Math.sqrt(2);
  const rows = nested(inputs({ inputs: at }).past!) as number[][][];
  rows[0]!
    .flat()
    .forEach((value, index) => expect(value).toBeCloseTo([0, -2 / deviation, 0.25, -1 / deviation, 0.5, 0][index]!, 6));
});

test('options are checked, and logarithms of what is not positive', () => {
  expect(scalingOptions('x')).toEqual({ kind: 'standard', log: false });
  for (const scaling of ['max', { kind: 'minmax' }, { log: 1 }, { Log: true }])
    expect(() => births(10, { scaling: { births: scaling } as never })).toThrow(OptionError);
  expect(() => births(10, { scaling: 'max' as never })).toThrow(
    "series: scaling: all columns: expected 'standard', 'minMax', 'scale', 'none', received 'max'",
  );
  expect(() => births(10, { scaling: { deaths: 'none' } })).toThrow("unknown option 'deaths'; it has births");
  const logged = { scaling: { births: { log: true } } };
  expect(() => births(10, logged, (row) => ({ births: row - 3 }))).toThrow(
    'series: 2024-01-01: births: expected a positive number, as its logarithm is taken, received -3',
  );
  expect(() => births(10, logged, (row) => ({ births: 8 - row }))).toThrow('series: 2024-01-09: births');
  expect(() => births(10, { scaling: 'none' }, () => ({ births: 1e39 }))).toThrow('finite in float32');
});
