import { StateError } from '../../lib/errors';
import { SeriesFormat } from '../../lib/data/series/format';
import { calendar } from '../../lib/data/series/calendar';
import type { Series } from '../../lib/data/series/series';
import type { Refit } from '../../lib/forecast/backtest';
import { series, type ForecastSeries } from '../../lib/forecast/series';
import { date, fakeModel, pointLike, uniformLike, type Rule } from './fakes';

const window = { lookback: 5, horizon: 4 };
const last: Rule = (past) => [past(1, 0)];
const split = { validation: 0, test: 20 };
const values = Array.from({ length: 60 }, (_, row) => 1 + row * row);
const records = values.map((y, row) => ({ date: date(row), y, kind: row % 2 ? 'odd' : 'even' }));

describe('a backtest with refitting, of a table that was read with a format fitted on later rows', () => {
  const later = series.fromRecords(records, {
    time: 'date',
    target: 'y',
    covariates: { future: ['kind', calendar('weekday')] },
    categorical: { kind: ['odd', 'even', 'never'] },
    scaling: { y: { kind: 'minMax', log: true } },
    split: [1, 0, 0],
  });
  const format = later.format.withWindow(window);
  const refitted = async (table: ForecastSeries, options: Partial<Refit> = {}) => {
    const formats: SeriesFormat[] = [];
    const fit = (known: ForecastSeries) => {
      formats.push(known.format);
      return fakeModel(known, window, pointLike, last);
    };
    const refit = { every: 2, fit, ...options };
    await table.backtest(fakeModel(table, window, pointLike, last), { refit });
    return formats;
  };

  test('scales by the rows before each origin alone, and keeps columns and categories', async () => {
    const formats = await refitted(series.fromRecords(records, { format, split }));
    expect(formats.map((one) => one.scaler('y'))).toEqual(
      [40, 48, 56].map((end) => ({ log: true, offset: 0, deviation: Math.log(values[end - 1]!) })),
    );
    for (const one of formats) expect(one.inputs).toEqual(later.format.inputs);
  });

  test('keeps the scaling where it is told to', async () => {
    const formats = await refitted(series.fromRecords(records, { format, split }), { keepScaling: true });
    for (const one of formats) expect(one.scaler('y')).toEqual(format.scaler('y'));
  });

  test('is refused where the format is from a file, which does not say how to scale anew', async () => {
    const fromFile = SeriesFormat.fromJSON(JSON.parse(JSON.stringify(format)));
    const table = series.fromRecords(records, { format: fromFile, split });
    await expect(refitted(table)).rejects.toThrow(StateError);
    await expect(refitted(table)).rejects.toThrow('the format was read from a file');
    expect(await refitted(table, { keepScaling: true })).toHaveLength(3);
  });
});

describe('paths of a recursive forecast are drawn by series and row', () => {
  const noise: Rule = () => [0, 1];
  const options = { horizon: 8, samples: 3 };
  const tableOf = (keys: readonly string[]) =>
    series.fromRecords(
      keys.flatMap((region) => records.map(({ date, y }) => ({ region, date, y }))),
      { time: 'date', key: 'region', target: 'y', scaling: 'none', split },
    );
  const modelOf = (table: Series) => fakeModel(table, window, uniformLike, noise);

  test('so that every refit has draws of its own, those of a backtest without', async () => {
    const table = tableOf(['south']);
    const backtest = async (refit?: Refit) =>
      (await table.backtest(modelOf(table), { ...options, ...(refit ? { refit } : {}) })).forecasts.map((one) =>
        Array.from(one.columns.mean!.subarray(4)),
      );
    const forecasts = await backtest({ every: 1, fit: modelOf });
    expect(forecasts).toHaveLength(2);
    expect(forecasts[0]).not.toEqual(forecasts[1]);
    expect(forecasts).toEqual(await backtest());
  });

  test('so that a series beside another has the draws that it has alone', async () => {
    const [both, alone] = [tableOf(['north', 'south']), tableOf(['south'])];
    const forecasts = await both.forecast(modelOf(both), options);
    expect(forecasts.slice(8)).toEqual(await alone.forecast(modelOf(alone), options));
    expect(forecasts[7]!.mean).not.toBe(forecasts[15]!.mean);
  });
});
