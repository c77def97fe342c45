/** Bands widened (or narrowed) by how far they missed on rows that the model was not trained on. */
import { DataError, OptionError } from '../errors';
import { describe } from '../options';
import { bandsOf, type OriginForecast } from './scores';
import type { Column } from './reading';
import type { Prediction } from './predict';

/** By how much each band moves outwards, by its columns: `{ 'q10 q90': 31.5 }`, in the units of the series. */
export type Calibration = Readonly<Record<string, number>>;

const nameOf = (lower: string, upper: string): string => `${lower} ${upper}`;

/**
 * Conformalized quantile regression: a band [lower, upper] becomes [lower − e, upper + e], e the ⌈(n + 1)·nominal⌉-th smallest
 * of max(lower − y, y − upper) over n observations of a backtest that the model has not seen. Then it covers at least
 * `nominal` of observations that are exchangeable with those; where the series changes, as series do, about that.
 * Pass a backtest of the validation part. Source: Romano, Patterson & Candès 2019.
 *
 * @throws DataError where a band has fewer observations than its nominal coverage needs, or a forecast is not a number.
 */
export function calibrate(backtest: {
  readonly columns: readonly Column[];
  readonly forecasts: readonly OriginForecast[];
}): Calibration {
  const isWhole =
    Array.isArray(backtest?.columns) &&
    backtest.columns.every((one: Partial<Column> | null) => typeof one?.name === 'string') &&
    Array.isArray(backtest.forecasts) &&
    backtest.forecasts.every((one: Partial<OriginForecast> | null) => one?.observed && one.columns);
  if (!isWhole)
    throw new DataError(`calibrate: expected what series.backtest(...) gave, received ${describe(backtest)}`);
  const bands = bandsOf(backtest.columns);
  if (bands.length === 0)
    throw new DataError('calibrate: expected a model with a band, such as q10 and q90; the backtest has none');
  return Object.fromEntries(
    bands.map(({ lower, upper, nominal }) => {
      const misses = backtest.forecasts
        .flatMap(({ observed, columns }) =>
          Array.from(observed, (y, index) =>
            Number.isNaN(y) ? [] : Math.max(columns[lower.name]![index]! - y, y - columns[upper.name]![index]!),
          ).flat(),
        )
        .sort((a, b) => a - b);
      if (misses.some(Number.isNaN))
        throw new DataError(
          `calibrate: ${nameOf(lower.name, upper.name)}: expected forecasts that are numbers, received NaN`,
        );
      const rank = Math.ceil((misses.length + 1) * nominal);
      if (rank > misses.length)
        throw new DataError(
          `calibrate: ${nameOf(lower.name, upper.name)}: expected ${Math.ceil(nominal / (1 - nominal))} observations or more, received ${misses.length}`,
        );
      return [nameOf(lower.name, upper.name), misses[rank - 1]!];
    }),
  );
}

/** Moves the bands of a prediction, inwards no further than to the median; where there is none, to the band's middle. */
export function applyCalibration(
  calibration: unknown,
  columns: readonly Column[],
  predictions: readonly Prediction[],
): void {
  if (typeof calibration !== 'object' || calibration === null)
    throw new OptionError(`forecast: calibration: expected what calibrate() gave, received ${describe(calibration)}`);
  const bands = bandsOf(columns);
  if (bands.length === 0)
    throw new OptionError('forecast: calibration: the model has no band, such as q10 and q90, to move');
  const center = columns.find(({ level }) => level === 0.5);
  for (const { lower, upper } of bands) {
    const margin = (calibration as Calibration)[nameOf(lower.name, upper.name)];
    if (typeof margin !== 'number' || !Number.isFinite(margin))
      throw new OptionError(
        `forecast: calibration: expected a finite number for ${nameOf(lower.name, upper.name)}, received ${describe(margin)}`,
      );
    for (const prediction of predictions) {
      const [low, high] = [prediction[lower.name]!, prediction[upper.name]!];
      const median = center && prediction[center.name]!;
      for (let index = 0; index < low.length; index++) {
        const middle = median ? median[index]! : (low[index]! + high[index]!) / 2;
        low[index] = Math.min(low[index]! - margin, middle);
        high[index] = Math.max(high[index]! + margin, middle);
      }
    }
  }
}
