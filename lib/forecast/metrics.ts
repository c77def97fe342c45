/**
 * Metrics of forecasts over arrays of numbers, in the units of the data: `metrics.mae(observed, predicted)`.
 *
 * An observation that is missing (NaN) counts nowhere. Each throws DataError where lengths differ, where no observation
 * is left, or where a prediction is not finite.
 */
import { DataError, OptionError } from '../errors';
import { checkOptions, describe, positiveInteger } from '../options';

type Numbers = ArrayLike<number>;

/** The mean over all observations of what `term` gives of each and of the predictions beside it. */
function meanOver(
  metric: string,
  observed: Numbers,
  predicted: readonly Numbers[],
  term: (observed: number, ...predicted: number[]) => number,
): number {
  expectNumbers(metric, 'observed', observed);
  for (const one of predicted) {
    expectNumbers(metric, 'predicted', one);
    if (one.length !== observed.length)
      throw new DataError(
        `metrics: ${metric}: expected as many predictions as observations, ${observed.length}, received ${one.length}`,
      );
  }
  let [sum, count] = [0, 0];
  for (let index = 0; index < observed.length; index++) {
    const value = observed[index]!;
    if (Number.isNaN(value)) continue;
    const beside = predicted.map((one) => one[index]!);
    if (!beside.every(Number.isFinite))
      throw new DataError(`metrics: ${metric}: expected finite predictions, received ${beside.join(', ')} at ${index}`);
    sum += term(value, ...beside);
    count++;
  }
  if (count === 0) throw new DataError(`metrics: ${metric}: expected one or more observations, received none`);
  return sum / count;
}

function expectNumbers(metric: string, name: string, values: unknown): void {
  const length = (values as Partial<Numbers> | null | undefined)?.length;
  if (typeof values !== 'object' || typeof length !== 'number')
    throw new DataError(`metrics: ${metric}: ${name}: expected an array of numbers, received ${describe(values)}`);
}

function expectLevel(metric: string, level: unknown): void {
  if (typeof level !== 'number' || !(level > 0 && level < 1))
    throw new OptionError(`metrics: ${metric}: level: expected a number in (0, 1), received ${describe(level)}`);
}

/** Mean absolute error, Σ |y − ŷ| / n, in the units of the data. */
export const mae = (observed: Numbers, predicted: Numbers): number =>
  meanOver('mae', observed, [predicted], (y, one) => Math.abs(y - one));

/** Root mean squared error, √(Σ (y − ŷ)² / n), in the units of the data. */
export const rmse = (observed: Numbers, predicted: Numbers): number =>
  Math.sqrt(meanOver('rmse', observed, [predicted], (y, one) => (y - one) ** 2));

/** Mean error, Σ (ŷ − y) / n: above 0 where the forecasts are too high. */
export const bias = (observed: Numbers, predicted: Numbers): number =>
  meanOver('bias', observed, [predicted], (y, one) => one - y);

/**
 * Symmetric mean absolute percentage error in per cent, 100/n · Σ 2|y − ŷ| / (|y| + |ŷ|), between 0 and 200; a term with
 * y = ŷ = 0 is 0. This is the definition of the M4 competition (Makridakis et al. 2020). Others leave out the 2 or take
 * no absolutes in the denominator, so figures of other sources may differ.
 */
export const smape = (observed: Numbers, predicted: Numbers): number =>
  meanOver('smape', observed, [predicted], (y, one) => {
    const size = Math.abs(y) + Math.abs(one);
    return size === 0 ? 0 : (200 * Math.abs(y - one)) / size;
  });

/**
 * The mean absolute error of the seasonal naive forecast within the training data, one season of `m` rows ahead:
 * Σ_{t>m} |y_t − y_{t−m}| / (n − m). What `mase` divides by.
 *
 * @throws DataError where that is 0 or where no two observations are `m` rows apart.
 */
export function seasonalScale(training: Numbers, m: number): number {
  positiveInteger('metrics: seasonalScale', 'm', m);
  expectNumbers('seasonalScale', 'training', training);
  let [sum, count] = [0, 0];
  for (let row = m; row < training.length; row++) {
    const difference = Math.abs(training[row]! - training[row - m]!);
    if (Number.isNaN(difference)) continue;
    sum += difference;
    count++;
  }
  if (count === 0)
    throw new DataError(
      `metrics: seasonalScale: expected observations that are m = ${m} rows apart, received ${training.length} rows without any`,
    );
  if (sum === 0)
    throw new DataError(
      `metrics: seasonalScale: the seasonal naive forecast, m = ${m}, has no error within the training data`,
    );
  return sum / count;
}

/**
 * Mean absolute scaled error, MAE / `seasonalScale(training, m)`: below 1, the forecasts are better than the one-season-ahead
 * naive forecast within the training data. `m` is the season's rows, 1 the plain naive forecast. Source: Hyndman & Koehler 2006.
 */
export function mase(
  observed: Numbers,
  predicted: Numbers,
  options: { readonly training: Numbers; readonly m: number },
): number {
  checkOptions('metrics: mase', options, ['training', 'm']);
  return mae(observed, predicted) / seasonalScale(options.training, options.m);
}

/**
 * 1 − MAE / MAE of another forecast of the same observations: 0 is as good as it, 1 is perfect, below 0 is worse.
 *
 * @throws DataError where the other forecast has no error.
 */
export function skill(observed: Numbers, predicted: Numbers, other: Numbers): number {
  const reference = mae(observed, other);
  if (reference === 0) throw new DataError('metrics: skill: the other forecast has no error');
  return 1 - mae(observed, predicted) / reference;
}

/**
 * Pinball (quantile) loss, Σ max(p·(y − q), (p − 1)·(y − q)) / n, of forecasts `q` of the quantile of level `p`.
 * The median's is half its MAE. Source: Koenker & Bassett 1978.
 */
export function pinball(observed: Numbers, quantile: Numbers, level: number): number {
  expectLevel('pinball', level);
  return meanOver('pinball', observed, [quantile], (y, q) => Math.max(level * (y - q), (level - 1) * (y - q)));
}

/**
 * The continuous ranked probability score, read off quantiles: the mean over the levels of twice the pinball loss, which
 * tends to the CRPS as evenly spaced levels get dense; of few levels it is a coarse one. In the units of the data; of the
 * median alone it is the MAE. Source: Gneiting & Ranjan 2011.
 */
export function crps(observed: Numbers, quantiles: readonly Numbers[], levels: readonly number[]): number {
  for (const [name, list] of Object.entries({ quantiles, levels }))
    if (!Array.isArray(list))
      throw new DataError(`metrics: crps: ${name}: expected an array, received ${describe(list)}`);
  if (levels.length === 0 || quantiles.length !== levels.length)
    throw new DataError(
      `metrics: crps: expected one array of quantiles for each level, received ${quantiles.length} for ${levels.length} levels`,
    );
  const losses = levels.map((level, index) => 2 * pinball(observed, quantiles[index]!, level));
  return losses.reduce((sum, loss) => sum + loss, 0) / levels.length;
}

/** The fraction of observations within [lower, upper]; of a band from q10 to q90 it should be 0.8. */
export const coverage = (observed: Numbers, lower: Numbers, upper: Numbers): number =>
  meanOver('coverage', observed, [lower, upper], (y, low, high) => (y >= low && y <= high ? 1 : 0));

/** Σ (upper − lower) / n where there are observations, in the units of the data: of two bands that cover alike, the narrow one is better. */
export const meanWidth = (observed: Numbers, lower: Numbers, upper: Numbers): number =>
  meanOver('meanWidth', observed, [lower, upper], (_, low, high) => high - low);
