/**
 * Simple forecasts that a model has to beat: `naive()`, `seasonalNaive(7)`, `drift()`, `climatology()`, `dampedAnomaly()`.
 *
 * Each sees what a model may see: the rows before the origin, and of what it learns only rows of the training. T is the
 * last row before the origin, h = 1, 2, ... the rows after it. A missing observation (NaN) counts nowhere.
 */
import { dayOfYear } from '../data/series/day';
import { DataError, OptionError } from '../errors';
import { checkOptions, describe, positiveInteger } from '../options';

/** The observations of one series up to some row, in its units. */
export interface SeriesHistory {
  /** NaN where an observation is missing. */
  readonly values: ArrayLike<number>;
  /** The time of a row in milliseconds since 1970, of rows to come too. */
  time(row: number): number;
}

/** Forecasts of `horizon` rows after the end of a history. */
export type BaselineForecast = (history: SeriesHistory, horizon: number) => ArrayLike<number>;

/** A forecast to compare with; an object of one's own with these two serves as well. */
export interface Baseline {
  readonly name: string;
  /** Learns what there is to learn, from the training alone. */
  fit(training: SeriesHistory): BaselineForecast;
}

const rows = (horizon: number, forecast: (h: number) => number): Float64Array =>
  Float64Array.from({ length: horizon }, (_, index) => forecast(index + 1));

/** The last row that has an observation, `row` itself or one `step`, 2·`step`, ... before it. */
function lastObserved(name: string, values: ArrayLike<number>, row: number, step = 1): number {
  for (let at = row; at >= 0; at -= step) if (!Number.isNaN(values[at]!)) return at;
  const where = step === 1 ? 'before the origin' : `at row ${row}, or ${step}, ${2 * step}, ... rows before it`;
  throw new DataError(`${name}: expected an observation ${where}, received none`);
}

/** Persistence: ŷ_{T+h} = y_T, the last observation. */
export function naive(): Baseline {
  const name = 'naive';
  const forecast: BaselineForecast = ({ values }, horizon) => {
    const last = values[lastObserved(name, values, values.length - 1)]!;
    return rows(horizon, () => last);
  };
  return { name, fit: () => forecast };
}

export interface SeasonalNaiveOptions {
  /**
   * Adds the mean over this many last rows t of y_t − y_{t−m}: the season's shape at today's level. Default none.
   */
  readonly levelCorrection?: number;
}

/**
 * ŷ_{T+h} = y_{T+h−km}, k = ⌈h/m⌉: the row of the last season that stands where T + h does; with `levelCorrection`, at
 * today's level. Named `seasonal naive m`. For daily data 364 is a year that keeps the weekdays.
 *
 * @throws OptionError unless `m` is a positive integer.
 */
export function seasonalNaive(m: number, options: SeasonalNaiveOptions = {}): Baseline {
  positiveInteger('seasonalNaive', 'm', m);
  checkOptions('seasonalNaive', options, ['levelCorrection']);
  const { levelCorrection } = options;
  if (levelCorrection !== undefined) positiveInteger('seasonalNaive', 'levelCorrection', levelCorrection);
  const name = `seasonal naive ${m}${levelCorrection === undefined ? '' : ', level corrected'}`;
  const forecast: BaselineForecast = ({ values }, horizon) => {
    const correction = levelCorrection === undefined ? 0 : levelChange(name, values, m, levelCorrection);
    return rows(horizon, (h) => {
      const row = values.length - 1 + h - Math.ceil(h / m) * m;
      if (row < 0)
        throw new DataError(`${name}: expected ${m} rows or more before the origin, received ${values.length}`);
      return values[lastObserved(name, values, row, m)]! + correction;
    });
  };
  return { name, fit: () => forecast };
}

function levelChange(name: string, values: ArrayLike<number>, m: number, count: number): number {
  let [sum, pairs] = [0, 0];
  for (let row = Math.max(m, values.length - count); row < values.length; row++) {
    const change = values[row]! - values[row - m]!;
    if (Number.isNaN(change)) continue;
    sum += change;
    pairs++;
  }
  if (pairs === 0)
    throw new DataError(
      `${name}: expected observations that are ${m} rows apart among the last ${count}, received none`,
    );
  return sum / pairs;
}

/** ŷ_{T+h} = y_T + h·(y_T − y_1)/(T − 1): the line through the first and the last observation. Source: Hyndman & Athanasopoulos 2021, 5.2. */
export function drift(): Baseline {
  const name = 'drift';
  const forecast: BaselineForecast = ({ values }, horizon) => {
    const last = lastObserved(name, values, values.length - 1);
    let first = 0;
    while (Number.isNaN(values[first]!)) first++;
    if (first === last) throw new DataError(`${name}: expected two observations before the origin, received one`);
    const slope = (values[last]! - values[first]!) / (last - first);
    return rows(horizon, (h) => values[last]! + slope * (values.length - 1 + h - last));
  };
  return { name, fit: () => forecast };
}

export interface ClimatologyOptions {
  /** Days on both sides of a day of the year that count into its mean. Default 10. */
  readonly halfWidth?: number;
}

/**
 * ŷ_{T+h} = c(T+h), where c of a day of the year is the mean of all training observations that fall within `halfWidth` days
 * of it, the turn of the year included. 29 February and the days after it stand one place later, as in any leap year.
 */
export function climatology(options: ClimatologyOptions = {}): Baseline {
  const halfWidth = halfWidthOf('climatology', options, ['halfWidth']);
  const name = 'climatology';
  return {
    name,
    fit(training) {
      const normal = dailyMeans(name, training, halfWidth);
      return (history, horizon) => rows(horizon, (h) => normal(history.time(history.values.length - 1 + h)));
    },
  };
}

export interface DampedAnomalyOptions extends ClimatologyOptions {
  /** φ, in [0, 1). Default: the correlation of the training's anomalies with those one row before. */
  readonly damping?: number;
}

/**
 * ŷ_{T+h} = c(T+h) + φ^h·(y_T − c(T)): the climatology c, and today's distance from it, which fades. φ is the training's own
 * Σ a_t·a_{t−1} / Σ a_{t−1}² over its anomalies a = y − c, unless `damping` gives it.
 */
export function dampedAnomaly(options: DampedAnomalyOptions = {}): Baseline {
  const halfWidth = halfWidthOf('dampedAnomaly', options, ['halfWidth', 'damping']);
  const { damping } = options;
  if (damping !== undefined && !(typeof damping === 'number' && damping >= 0 && damping < 1))
    throw new OptionError(`dampedAnomaly: damping: expected a number in [0, 1), received ${describe(damping)}`);
  const name = 'damped anomaly';
  return {
    name,
    fit(training) {
      const normal = dailyMeans(name, training, halfWidth);
      const anomaly = ({ values, time }: SeriesHistory, row: number) => values[row]! - normal(time(row));
      const factor = damping ?? autocorrelation(training.values.length, (row) => anomaly(training, row));
      return (history, horizon) => {
        const origin = history.values.length - 1;
        const last = lastObserved(name, history.values, origin);
        const today = anomaly(history, last);
        return rows(horizon, (h) => normal(history.time(origin + h)) + factor ** (origin + h - last) * today);
      };
    },
  };
}

function halfWidthOf(owner: string, options: ClimatologyOptions, known: readonly string[]): number {
  checkOptions(owner, options, known);
  const { halfWidth = 10 } = options;
  if (!Number.isInteger(halfWidth) || halfWidth < 0)
    throw new OptionError(`${owner}: halfWidth: expected an integer of 0 or more, received ${describe(halfWidth)}`);
  return halfWidth;
}

const daysPerYear = 365;

/** The smoothed mean of each day of the year, as a function of time. */
function dailyMeans(name: string, { values, time }: SeriesHistory, halfWidth: number): (time: number) => number {
  const sums = new Float64Array(daysPerYear + 1);
  const counts = new Float64Array(daysPerYear + 1);
  for (let row = 0; row < values.length; row++) {
    if (Number.isNaN(values[row]!)) continue;
    const day = dayOfYear(new Date(time(row)));
    sums[day]! += values[row]!;
    counts[day]!++;
  }
  const means = Array.from(sums, (_, day) => {
    let [sum, count] = [0, 0];
    for (let other = 0; other <= daysPerYear; other++) {
      const apart = Math.abs(other - day);
      if (Math.min(apart, daysPerYear - apart) > halfWidth) continue;
      sum += sums[other]!;
      count += counts[other]!;
    }
    return sum / count;
  });
  return (at) => {
    const mean = means[dayOfYear(new Date(at))]!;
    if (Number.isNaN(mean))
      throw new DataError(
        `${name}: expected training observations within ${halfWidth} days of each day of the year, ` +
          `received none around ${new Date(at).toISOString().slice(5, 10)}`,
      );
    return mean;
  };
}

/** Σ a_t·a_{t−1} / Σ a_{t−1}² over rows where both are known, kept within [0, 1]; 0 where there are none. */
function autocorrelation(length: number, anomaly: (row: number) => number): number {
  let [products, squares] = [0, 0];
  for (let row = 1; row < length; row++) {
    const [before, now] = [anomaly(row - 1), anomaly(row)];
    if (Number.isNaN(before * now)) continue;
    products += now * before;
    squares += before * before;
  }
  return squares === 0 ? 0 : Math.min(1, Math.max(0, products / squares));
}
