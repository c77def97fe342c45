import type { Series } from '../data/series/series';
import type { Module } from '../model/module';
import { applyCalibration } from './calibration';
import { checkPredictionOptions, planOf, type PredictionOptions } from './options';
import { Forecaster } from './predict';

export interface ForecastOptions extends PredictionOptions {
  /**
   * What is known ahead, where the table has columns among its covariates of the future: a record for each time to come,
   * with time, key and those columns, as far as the model forecasts at once, or a multiple of that. Default: the rows
   * without targets at the table's end.
   */
  readonly future?: Iterable<object>;
}

/** One time of a forecast, in the units of the series: `mean`, or quantiles such as `q10`, `q50` and `q90`. */
export type ForecastRecord = {
  readonly time: Date;
  /** Of the series; left out where the table is one. */
  readonly key?: string;
  /** Left out where there is one target. */
  readonly target?: string;
} & Readonly<Record<`q${number}` | 'mean', number>>;

/**
 * What comes after the last row of each series, by a model that was trained on windows of it.
 *
 *     const next = await births.forecast(model); // [{ time, q10, q50, q90 }, ...], in births
 *     const further = await births.forecast(model, { horizon: 90, samples: 200 });
 *     const planned = await sales.forecast(model, { future: [{ date: '2024-03-01', promotion: 1 }] });
 *
 * The table may be another than the trained one, read with `{ format: model.series }`. Covariates of the future are those of
 * `future`, or of rows without targets at the table's end; those of the calendar are computed.
 *
 * `mean` is that of the distribution in the units of the series, where the logarithm was taken as well; a point head's is
 * then e to the number that it gives, nearer the median.
 *
 * @throws StateError for a model without a head, or one that was not trained on series; DataError where the table is
 *   shorter than the lookback, lacks covariates of rows to come, or is of other columns or scaling than the model's;
 *   OptionError for options out of range, and for a recursive forecast with covariates of the past.
 */
export async function forecast(
  series: Series,
  model: Module,
  options: ForecastOptions = {},
): Promise<ForecastRecord[]> {
  checkPredictionOptions('forecast', options, ['future']);
  const plan = planOf('forecast', model, series, options);
  const { targets } = series.format;
  const origins = series.keys.map((key) => series.end(key));
  const known = options.future === undefined ? series : series.withFuture(options.future);
  const predictions = await new Forecaster(model, known, plan).predict(origins);
  if (options.calibration !== undefined) applyCalibration(options.calibration, plan.columns, predictions.flat());
  return origins.flatMap((origin, index) =>
    series.times(origin, plan.horizon).flatMap((time, step) =>
      targets.map((target, place) => {
        const prediction = predictions[index]![place]!;
        return {
          time,
          ...(origin.key === '' ? {} : { key: origin.key }),
          ...(targets.length === 1 ? {} : { target }),
          ...Object.fromEntries(plan.columns.map(({ name }) => [name, prediction[name]![step]!])),
        } as ForecastRecord;
      }),
    ),
  );
}
