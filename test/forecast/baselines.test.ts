import fc from 'fast-check';
import {
  climatology,
  dampedAnomaly,
  drift,
  naive,
  seasonalNaive,
  type Baseline,
  type SeriesHistory,
} from '../../lib/forecast/baselines';

const day = 86_400_000;
const daily = (values: readonly number[], start = Date.UTC(2001, 0, 1)): SeriesHistory => ({
  values,
  time: (row) => start + row * day,
});
const forecast = (baseline: Baseline, history: SeriesHistory, horizon: number, training = history) =>
  Array.from(baseline.fit(training)(history, horizon));

test('naive repeats the last observation', () => {
  expect(forecast(naive(), daily([1, 5, 3]), 3)).toEqual([3, 3, 3]);
  expect(forecast(naive(), daily([1, 5, NaN]), 2)).toEqual([5, 5]);
});

test('seasonalNaive repeats the last season, over and over', () => {
  expect(forecast(seasonalNaive(3), daily([9, 1, 2, 3]), 7)).toEqual([1, 2, 3, 1, 2, 3, 1]);
  // What is missing there is taken from a season before.
  expect(forecast(seasonalNaive(2), daily([7, 1, NaN, 3]), 3)).toEqual([7, 3, 7]);
});

test('a level correction adds the mean change over a season, once for all seasons to come', () => {
  // The last two rows are 10 and 20 above those three rows before.
  const history = daily([0, 1, 2, 3, 11, 22]);
  expect(forecast(seasonalNaive(3, { levelCorrection: 2 }), history, 4)).toEqual([18, 26, 37, 18]);
});

test('drift goes on along the line through the first and the last observation', () => {
  expect(forecast(drift(), daily([1, 7, 5]), 2)).toEqual([7, 9]);
  expect(forecast(drift(), daily([NaN, 1, 9, 5, NaN]), 2)).toEqual([9, 11]);
});

test('climatology is the mean of the days of the year around, from the training alone', () => {
  const values = Array.from({ length: 730 }, (_, row) => (row < 365 ? row : row + 1000));
  const training = daily(values);
  const history = daily([...values, 1e9]);
  // 2 January after one more day: rows 0, 1, 2 of both years.
  expect(forecast(climatology({ halfWidth: 1 }), history, 1, training)[0]).toBe((0 + 1 + 2 + 1365 + 1366 + 1367) / 6);
  // Around the turn of the year.
  expect(forecast(climatology({ halfWidth: 1 }), training, 1)[0]).toBe((364 + 0 + 1 + 1729 + 1365 + 1366) / 6);
});

test('dampedAnomaly adds what is left of the last anomaly', () => {
  const training = daily(Array.from({ length: 730 }, () => 10));
  const history = daily([...Array.from({ length: 730 }, () => 10), 14]);
  const damped = dampedAnomaly({ halfWidth: 0, damping: 0.5 });
  expect(forecast(damped, history, 3, training)).toEqual([12, 11, 10.5]);
  // One row without an observation: the anomaly has faded for that long.
  expect(forecast(damped, daily([...Array.from(history.values), NaN]), 2, training)).toEqual([11, 10.5]);
});

test('dampedAnomaly finds the damping of an autoregression', () => {
  let state = 1;
  let anomaly = 0;
  const uniform = () => (state = (state * 48271) % 2147483647) / 2147483647 - 0.5;
  const values = Array.from({ length: 20 * 365 }, () => (anomaly = 0.8 * anomaly + uniform()));
  const training = daily(values);
  const [first, second] = forecast(dampedAnomaly({ halfWidth: 20 }), daily([...values, 100]), 2, training);
  expect(second! / first!).toBeCloseTo(0.8, 1);
});

test('no forecast changes with rows after the origin, and level corrected ones move with the level', () => {
  const numbers = fc.array(fc.double({ min: -1000, max: 1000, noNaN: true }), { minLength: 16, maxLength: 30 });
  fc.assert(
    fc.property(
      numbers,
      fc.integer({ min: -500, max: 500 }),
      fc.integer({ min: 1, max: 20 }),
      (values, shift, horizon) => {
        for (const baseline of [naive(), seasonalNaive(7), seasonalNaive(7, { levelCorrection: 3 }), drift()]) {
          const history = daily(values);
          const before = forecast(baseline, history, horizon);
          expect(before).toHaveLength(horizon);
          const after = forecast(baseline, daily(values.map((value) => value + shift)), horizon);
          after.forEach((value, index) => expect(value - before[index]!).toBeCloseTo(shift, 6));
        }
      },
    ),
  );
});

test('baselines say what they lack', () => {
  expect(() => forecast(naive(), daily([NaN]), 1)).toThrow(
    'naive: expected an observation before the origin, received none',
  );
  expect(() => forecast(seasonalNaive(7), daily([1, 2]), 1)).toThrow(
    'seasonal naive 7: expected 7 rows or more before the origin, received 2',
  );
  expect(() => forecast(seasonalNaive(2, { levelCorrection: 1 }), daily([1, 2, NaN]), 1)).toThrow('none');
  expect(() => forecast(drift(), daily([NaN, 2]), 1)).toThrow('drift: expected two observations');
  expect(() => forecast(climatology(), daily([1, 2, 3]), 30)).toThrow(
    'climatology: expected training observations within 10 days',
  );
  expect(() => seasonalNaive(0)).toThrow('seasonalNaive: m: expected a positive integer, received 0');
  expect(() => seasonalNaive(7, { level: 1 } as never)).toThrow("unknown option 'level'");
  expect(() => climatology({ halfWidth: -1 })).toThrow('halfWidth: expected an integer of 0 or more, received -1');
  expect(() => dampedAnomaly({ damping: 1 })).toThrow('damping: expected a number in [0, 1), received 1');
});
