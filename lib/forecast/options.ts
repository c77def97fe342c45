/** Options that forecasts and backtests share. */
import { DataError, OptionError, StateError } from '../errors';
import { checkSeed } from '../data/draws';
import type { SeriesFormat } from '../data/series/format';
import { abortSignal, checkOptions, describe, positiveInteger } from '../options';
import type { Calibration } from './calibration';
import type { Plan } from './predict';
import { columnsOf, distributionOf } from './reading';
import type { Series } from '../data/series/series';
import type { Module } from '../model/module';

export interface PredictionOptions {
  /** Rows to forecast. Default: as many as the model's head does at once. */
  readonly horizon?: number;
  /**
   * `direct`: the head's own horizon, at once. `recursive`: block after block of the head's horizon, each with the
   * forecasts of those before in place of observations. Default: `recursive` where the horizon is longer than the head's.
   */
  readonly method?: 'direct' | 'recursive';
  /**
   * Paths of a recursive forecast: each feeds back values drawn from the head's distribution, each row by itself, and
   * quantiles beyond the first block are those of the paths. 0 feeds back the median (or the mean of a point head), and then
   * bands know nothing of the errors before their block. Default 100; 0 for a point head. A quantile head is drawn from
   * within its outermost levels only, so that its paths spread too little.
   */
  readonly samples?: number;
  /** Of the paths; an integer in 0..2³²−1. Default 0. */
  readonly seed?: number;
  /** Levels in (0, 1), within those of a quantile head. Default: its own, or 0.1, 0.5 and 0.9. */
  readonly quantiles?: readonly number[];
  /** Widens bands by what `calibrate` found on another part. */
  readonly calibration?: Calibration;
  /** Ends the work, which then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

export const predictionOptionNames: readonly (keyof PredictionOptions)[] = [
  'horizon',
  'method',
  'samples',
  'seed',
  'quantiles',
  'calibration',
  'signal',
];

/** Checks the options that `owner` was given and says what is to be predicted. */
export function planOf(owner: string, model: Module, series: Series, options: PredictionOptions): Plan {
  const window = windowOf(owner, model, series);
  const { horizon = window.horizon, method, seed = 0, signal } = options;
  positiveInteger(owner, 'horizon', horizon);
  if (method !== undefined && method !== 'direct' && method !== 'recursive')
    throw new OptionError(`${owner}: method: expected 'direct' or 'recursive', received ${describe(method)}`);
  if (method === 'direct' && horizon > window.horizon)
    throw new OptionError(
      `${owner}: horizon: expected at most ${window.horizon}, that of the head, for a direct forecast, received ${horizon}; method 'recursive' goes on beyond it`,
    );
  checkSeed(owner, seed);
  const distribution = distributionOf(model);
  const { samples = distribution.kind === 'point' ? 0 : 100 } = options;
  if (samples !== 0) positiveInteger(owner, 'samples', samples);
  if (samples > 0 && distribution.kind === 'point')
    throw new OptionError(`${owner}: samples: a point head has no distribution to draw from`);
  return { horizon, window, columns: columnsOf(distribution, options.quantiles), distribution, samples, seed, signal };
}

/** The sizes of the windows that a model was trained on; throws unless it was trained on series as these are. */
function windowOf(owner: string, model: Module, series: Series): NonNullable<SeriesFormat['spec']['window']> {
  const format = (model as Partial<Module> | null | undefined)?.series;
  if (format === undefined) throw new OptionError(`${owner}: expected a model, received ${describe(model)}`);
  const window = format?.spec?.window;
  if (!format || !window)
    throw new StateError(
      `${owner}: the model was not trained on windows of series, so its columns and their scaling are not known; fit it on series.train.windows(...)`,
    );
  if (typeof (series as Partial<Series> | null | undefined)?.format?.withWindow !== 'function')
    throw new OptionError(`${owner}: expected a series, received ${describe(series)}`);
  if (!series.format.withWindow(window).equals(format))
    throw new DataError(
      `${owner}: the series have other columns or scaling than those of the model, so their numbers mean other units; read them with { format: model.series }`,
    );
  return window;
}

export function checkPredictionOptions(owner: string, options: PredictionOptions, more: readonly string[]): void {
  checkOptions(owner, options, [...predictionOptionNames, ...more]);
  abortSignal(owner, options.signal);
}
