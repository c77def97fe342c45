import { DataError, OptionError } from '../../lib/errors';
import { calibrate } from '../../lib/forecast/calibration';
import { series } from '../../lib/forecast/series';
import { date, fakeModel, quantilesLike, uniformLike, type Rule } from './fakes';

const records = Array.from({ length: 60 }, (_, row) => ({ date: date(row), y: (row * 7) % 11 }));
const table = series.fromRecords(records, { time: 'date', target: 'y', scaling: 'none' });
const window = { lookback: 3, horizon: 2 };
/** The median is nearer to one end than to the other. */
const skewed: Rule = () => [4, 5, 9];

test('a margin inwards moves no bound past the median', async () => {
  const model = fakeModel(table, window, quantilesLike, skewed);
  const bandOf = async (margin: number) => {
    const [first] = await table.forecast(model, { calibration: { 'q10 q90': margin } });
    return [first!.q10, first!.q50, first!.q90];
  };
  expect(await bandOf(0.5)).toEqual([3.5, 5, 9.5]);
  expect(await bandOf(-0.5)).toEqual([4.5, 5, 8.5]);
  expect(await bandOf(-2)).toEqual([5, 5, 7]);
  expect(await bandOf(-6)).toEqual([5, 5, 5]);
});

test('without a median a margin inwards stops at the middle of the band', async () => {
  const model = fakeModel(table, window, uniformLike, () => [0, 10]);
  const [first] = await table.forecast(model, { quantiles: [0.2, 0.8], calibration: { 'q20 q80': -4 } });
  expect([first!.q20, first!.q80]).toEqual([5, 5]);
});

test('a margin that is no finite number is refused, and so are forecasts that would make one', async () => {
  const model = fakeModel(table, window, quantilesLike, skewed);
  for (const margin of [NaN, Infinity]) {
    const asked = table.forecast(model, { calibration: { 'q10 q90': margin } });
    await expect(asked).rejects.toThrow(OptionError);
    await expect(asked).rejects.toThrow(`expected a finite number for q10 q90, received ${margin}`);
  }
  const backtest = await table.backtest(model, { baselines: [] });
  expect(calibrate(backtest)).toEqual({ 'q10 q90': expect.any(Number) as number });
  backtest.forecasts[0]!.columns.q10!.fill(NaN);
  expect(() => calibrate(backtest)).toThrow(DataError);
});
