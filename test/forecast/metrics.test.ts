import fc from 'fast-check';
import * as metrics from '../../lib/forecast/metrics';

const observed = [1, 2, 4, 8];
const predicted = [2, 2, 3, 4];

test('mae, rmse and bias are those computed by hand', () => {
  expect(metrics.mae(observed, predicted)).toBe((1 + 0 + 1 + 4) / 4);
  expect(metrics.rmse(observed, predicted)).toBe(Math.sqrt((1 + 0 + 1 + 16) / 4));
  expect(metrics.bias(observed, predicted)).toBe((1 + 0 - 1 - 4) / 4);
});

test('smape takes 2|y - f| over |y| + |f| in per cent, and 0 for two zeros', () => {
  expect(metrics.smape([1, 0, -3, 2], [3, 0, 3, 2])).toBeCloseTo((100 * (2 * (2 / 4) + 0 + 2 * (6 / 6) + 0)) / 4, 12);
  expect(metrics.smape([5], [0])).toBe(200);
});

test('mase divides by the in-sample error of the seasonal naive forecast', () => {
  // Two rows apart: |4-1|, |3-2|, |5-4|.
  const training = [1, 2, 4, 3, 5];
  expect(metrics.seasonalScale(training, 2)).toBeCloseTo(5 / 3, 12);
  expect(metrics.seasonalScale(training, 1)).toBeCloseTo((1 + 2 + 1 + 2) / 4, 12);
  expect(metrics.mase(observed, predicted, { training, m: 2 })).toBeCloseTo(1.5 / (5 / 3), 12);
});

test('skill is 1 - MAE / MAE of the other forecast', () => {
  expect(metrics.skill(observed, predicted, [1, 2, 4, 4])).toBe(1 - 1.5 / 1);
  expect(metrics.skill(observed, observed, predicted)).toBe(1);
  expect(metrics.skill(observed, predicted, predicted)).toBe(0);
});

test('pinball weighs what lies above a quantile by its level and what lies below by the rest', () => {
  expect(metrics.pinball([10, 10], [8, 13], 0.9)).toBeCloseTo((0.9 * 2 + 0.1 * 3) / 2, 12);
});

test('crps is twice the mean pinball loss over the levels', () => {
  const [low, mid, high] = [[0], [2], [3]];
  const losses = [0.1 * 4, 0.5 * 2, 0.9 * 1];
  expect(metrics.crps([4], [low, mid, high], [0.1, 0.5, 0.9])).toBeCloseTo(
    (2 * (losses[0]! + losses[1]! + losses[2]!)) / 3,
    12,
  );
});

test('the crps over many levels tends to that of the distribution', () => {
  // Of the uniform distribution on [0, 1] at y: ∫ (F(x) − 1{x ≥ y})² dx = y³/3 + (1 − y)³/3.
  const levels = Array.from({ length: 999 }, (_, index) => (index + 1) / 1000);
  const y = 0.3;
  const exact = (y ** 3 + (1 - y) ** 3) / 3;
  expect(
    metrics.crps(
      [y],
      levels.map((level) => [level]),
      levels,
    ),
  ).toBeCloseTo(exact, 3);
});

test('coverage counts both ends in, and meanWidth is the mean of upper - lower', () => {
  expect(metrics.coverage([1, 2, 3, 4], [1, 3, 0, 0], [5, 4, 3, 3.9])).toBe(0.5);
  expect(metrics.meanWidth([1, 2], [0, 1], [2, 5])).toBe(3);
});

test('a missing observation counts nowhere, whatever the forecast of it', () => {
  const holed = [1, NaN, 4, 8];
  const others = [2, NaN, 3, 4];
  expect(metrics.mae(holed, others)).toBe(2);
  expect(metrics.coverage(holed, [0, NaN, 5, 0], [1, NaN, 6, 9])).toBeCloseTo(2 / 3, 12);
  expect(metrics.seasonalScale([1, NaN, 3, 4], 1)).toBe(1);
});

const series = fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 20 });

test('mae is at most rmse, scales with the data, and does not see a common shift', () => {
  fc.assert(
    fc.property(series, fc.double({ min: 0.1, max: 10, noNaN: true }), fc.nat(1000), (values, factor, shift) => {
      const forecast = values.map((value, index) => value + Math.sin(index) * 10);
      const [error, squared] = [metrics.mae(values, forecast), metrics.rmse(values, forecast)];
      expect(error).toBeLessThanOrEqual(squared * (1 + 1e-12));
      const scaled = (xs: readonly number[]) => xs.map((x) => x * factor + shift);
      expect(metrics.mae(scaled(values), scaled(forecast))).toBeCloseTo(error * factor, 6);
    }),
  );
});

test('smape stays within 0 and 200, and the pinball loss of the median is half the mae', () => {
  fc.assert(
    fc.property(series, series, (a, b) => {
      const [y, f] = [a, a.map((_, index) => b[index % b.length]!)];
      expect(metrics.smape(y, f)).toBeGreaterThanOrEqual(0);
      expect(metrics.smape(y, f)).toBeLessThanOrEqual(200 * (1 + 1e-12));
      const error = metrics.mae(y, f);
      // Half of a subnormal number may have no float64 of its own.
      expect(Math.abs(2 * metrics.pinball(y, f, 0.5) - error)).toBeLessThanOrEqual(
        1e-12 * error + a.length * Number.MIN_VALUE,
      );
      expect(metrics.crps(y, [f], [0.5])).toBe(2 * metrics.pinball(y, f, 0.5));
    }),
  );
});

test('the pinball loss of level p is least at a quantile of level p', () => {
  fc.assert(
    fc.property(series, fc.double({ min: 0.05, max: 0.95, noNaN: true }), fc.nat(19), (values, level, other) => {
      const sorted = [...values].sort((a, b) => a - b);
      const constant = (value: number) =>
        metrics.pinball(
          values,
          values.map(() => value),
          level,
        );
      const best = constant(sorted[Math.ceil(level * values.length) - 1]!);
      expect(best).toBeLessThanOrEqual(constant(sorted[other % values.length]!) * (1 + 1e-9) + 1e-9);
    }),
  );
});

test('what cannot be compared is refused, saying what came', () => {
  expect(() => metrics.mae([1, 2], [1])).toThrow(
    'metrics: mae: expected as many predictions as observations, 2, received 1',
  );
  expect(() => metrics.rmse([], [])).toThrow('metrics: rmse: expected one or more observations, received none');
  expect(() => metrics.mae([NaN], [1])).toThrow('expected one or more observations');
  expect(() => metrics.mae([1, 2], [1, Infinity])).toThrow('expected finite predictions, received Infinity at 1');
  expect(() => metrics.mae(3 as never, [1])).toThrow('observed: expected an array of numbers, received 3');
  expect(() => metrics.pinball([1], [1], 1)).toThrow(
    'metrics: pinball: level: expected a number in (0, 1), received 1',
  );
  expect(() => metrics.crps([1], [[1]], [0.1, 0.9])).toThrow('received 1 for 2 levels');
  expect(() => metrics.seasonalScale([1, 2, 3], 3)).toThrow('expected observations that are m = 3 rows apart');
  expect(() => metrics.seasonalScale([1, 1, 1], 1)).toThrow('has no error within the training data');
  expect(() => metrics.seasonalScale([1, 2], 0)).toThrow('m: expected a positive integer, received 0');
  expect(() => metrics.skill([1], [1], [1])).toThrow('the other forecast has no error');
});
