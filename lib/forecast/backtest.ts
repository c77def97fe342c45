import { DataError, OptionError } from '../errors';
import type { Module } from '../model/module';
import type { Origin, Series } from '../data/series/series';
import { checkOptions, describe, positiveInteger } from '../options';
import { naive, type Baseline, type BaselineForecast, type SeriesHistory } from './baselines';
import { applyCalibration } from './calibration';
import * as metrics from './metrics';
import { checkPredictionOptions, planOf, type PredictionOptions } from './options';
import { Forecaster, type Place, type Plan, type Prediction } from './predict';
import { pointColumn, type Column } from './reading';
import { score, type OriginForecast, type Scores } from './scores';

export interface Refit {
  /** Refits at the first origin and at every so many after it. */
  readonly every: number;
  /** Keeps the scaling of the table, for models that go on with it; it may know rows after the origin. Default false. */
  readonly keepScaling?: boolean;
  /**
   * A model trained on `series.train`, which has all rows before the origin, scaled by them alone; `series.test` has the
   * rows after it. Return a new model: one that was trained before keeps the scaling of before. A table that was read with
   * `{ format }` keeps the format's columns and categories, and is scaled anew as well.
   */
  fit(series: Series, origin: { readonly index: number; readonly time: Date }): Module | Promise<Module>;
}

export interface BacktestOptions extends PredictionOptions {
  /** Rows from one origin to the next. Default: the horizon. */
  readonly stride?: number;
  /** Which rows are forecast. Default `test`. */
  readonly part?: 'test' | 'validation';
  /** At most so many origins, the first ones. Default all whose horizon ends within the part. */
  readonly origins?: number;
  /** Forecasts to compare with, at the same origins. They learn from rows before the first origin, with `refit` at each refit anew. Default `[naive()]`. */
  readonly baselines?: readonly Baseline[];
  /** Rows of a season, m of the MASE. Default 1. */
  readonly season?: number;
  /** Default: the model stays as it is. */
  readonly refit?: Refit;
}

export interface Backtest extends Scores {
  readonly horizon: number;
  /** Rows of a season, m of the MASE. */
  readonly season: number;
  readonly columns: readonly Column[];
  /** Origin by origin, series by series. */
  readonly forecasts: readonly OriginForecast[];
}

/**
 * Forecasts from origins that roll through a part of the series, as if each were the present: what a model would have been
 * worth. Origin i is row i·stride of the part; a model sees what lies before it and the covariates that are known ahead.
 *
 *     const backtest = await births.backtest(model, { stride: 28, baselines: [seasonalNaive(7), seasonalNaive(364)] });
 *     backtest.overall.mae; backtest.baselines[0]?.skill; backtest.bands[0]?.coverage;
 *
 * @throws DataError where the part has no whole horizon; StateError for a refit where the format is from a file, which does
 *   not say how to fit its scaling anew; what `forecast` throws.
 */
export async function backtest(series: Series, model: Module, options: BacktestOptions = {}): Promise<Backtest> {
  checkPredictionOptions('backtest', options, ['stride', 'part', 'origins', 'baselines', 'season', 'refit']);
  const plan = planOf('backtest', model, series, options);
  const { season = 1, baselines = [naive()], calibration, refit } = options;
  positiveInteger('backtest', 'season', season);
  checkBaselines(baselines);
  const rounds = roundsOf(series, plan, options);
  const forecasts: OriginForecast[] = [];
  for (const { begin, end } of stretches(rounds.length, refit)) {
    const fitted = refit ? await refitted(series, refit, begin, rounds[begin]!, options) : { model, series, plan };
    const origins = rounds.slice(begin, end).flat();
    const predictions = await new Forecaster(fitted.model, fitted.series, fitted.plan).predict(origins);
    if (calibration !== undefined) applyCalibration(calibration, plan.columns, predictions.flat());
    const beside = comparison(series, baselines, rounds[begin]!);
    origins.forEach((origin, index) =>
      series.format.targets.forEach((target, place) =>
        forecasts.push(originForecast(series, plan, origin, target, predictions[index]![place]!, beside)),
      ),
    );
  }
  const scores = score(forecasts, plan.columns, seasonalScales(series, rounds[0]!, season));
  return { ...scores, horizon: plan.horizon, season, columns: plan.columns, forecasts };
}

/** A model of all rows before the first of these origins. Where series go different ways in time, before the earliest. */
async function refitted(
  series: Series,
  refit: Refit,
  index: number,
  origins: readonly Origin[],
  options: BacktestOptions,
) {
  const time = new Date(Math.min(...origins.map((origin) => origin.time.getTime())));
  const training = series.withSplit({ validation: time, test: time }, { keepScaling: refit.keepScaling ?? false });
  const model = await refit.fit(training, { index, time });
  return { model, series: training, plan: planOf('backtest: refit', model, training, options) };
}

function checkBaselines(baselines: unknown): asserts baselines is readonly Baseline[] {
  const isBaseline = (one: Partial<Baseline> | null) => typeof one?.name === 'string' && typeof one.fit === 'function';
  const wrong = Array.isArray(baselines) ? baselines.findIndex((one) => !isBaseline(one as Partial<Baseline>)) : 0;
  if (!Array.isArray(baselines) || wrong >= 0) {
    const received = Array.isArray(baselines) ? `${describe(baselines[wrong])} at index ${wrong}` : describe(baselines);
    throw new OptionError(
      `backtest: baselines: expected an array of { name, fit }, such as [naive(), seasonalNaive(7)], received ${received}`,
    );
  }
  const names = baselines.map(({ name }) => name as string);
  const twice = names.find((name, index) => names.indexOf(name) < index);
  if (twice !== undefined) throw new OptionError(`backtest: baselines: two are named ${describe(twice)}`);
}

/** The origins: round i has those of all series that are i strides into their part. */
function roundsOf(series: Series, { horizon, window }: Plan, options: BacktestOptions): Origin[][] {
  const { stride = horizon, part = 'test', origins: most = Infinity } = options;
  positiveInteger('backtest', 'stride', stride);
  if (options.origins !== undefined) positiveInteger('backtest', 'origins', options.origins);
  if (part !== 'test' && part !== 'validation')
    throw new OptionError(`backtest: part: expected 'test' or 'validation', received ${describe(part)}`);
  const rounds: Origin[][] = [];
  const ofSeries = new Map<string, number>();
  for (const origin of series.origins(part, { lookback: window.lookback, horizon, stride })) {
    const round = ofSeries.get(origin.key) ?? 0;
    ofSeries.set(origin.key, round + 1);
    if (round < most) (rounds[round] ??= []).push(origin);
  }
  return rounds;
}

/** Rounds that are forecast by one fit. */
function stretches(count: number, refit: Refit | undefined): { begin: number; end: number }[] {
  if (!refit) return [{ begin: 0, end: count }];
  checkOptions('backtest: refit', refit, ['every', 'keepScaling', 'fit']);
  positiveInteger('backtest: refit', 'every', refit.every);
  if (typeof refit.fit !== 'function')
    throw new OptionError(`backtest: refit: fit: expected a function, received ${describe(refit.fit)}`);
  return Array.from({ length: Math.ceil(count / refit.every) }, (_, index) => ({
    begin: index * refit.every,
    end: Math.min(count, (index + 1) * refit.every),
  }));
}

/** What each naive forecast says at an origin, having learned from rows before the first one. */
type Comparison = (origin: Place, target: string, horizon: number) => Record<string, Float64Array>;

function comparison(series: Series, baselines: readonly Baseline[], first: readonly Place[]): Comparison {
  const history = ({ key, row }: Place, target: string): SeriesHistory => ({
    values: series.column(target, key).subarray(0, row),
    time: (at) => series.times({ key, row: at }, 1)[0]!.getTime(),
  });
  const learned = new Map<string, BaselineForecast[]>();
  return (origin, target, horizon) => {
    const name = JSON.stringify([origin.key, target]);
    const begin = first.find(({ key }) => key === origin.key) ?? origin;
    const fitted = learned.get(name) ?? baselines.map((baseline) => fittedTo(baseline, history(begin, target)));
    learned.set(name, fitted);
    return Object.fromEntries(
      fitted.map((forecast, index) => {
        const { name } = baselines[index]!;
        return [name, expectForecast(name, forecast(history(origin, target), horizon), horizon)];
      }),
    );
  };
}

/** What a baseline learned; one's own may give anything. */
function fittedTo(baseline: Baseline, training: SeriesHistory): BaselineForecast {
  const forecast: unknown = baseline.fit(training);
  if (typeof forecast === 'function') return forecast as BaselineForecast;
  throw new OptionError(
    `backtest: baselines: ${baseline.name}: expected fit to return a function (history, horizon) that forecasts, received ${describe(forecast)}`,
  );
}

function expectForecast(name: string, given: ArrayLike<number> | null | undefined, horizon: number): Float64Array {
  if (given?.length === horizon) return Float64Array.from(given);
  throw new DataError(
    `backtest: baselines: ${name}: expected a forecast of ${horizon} numbers, received ${given?.length === undefined ? describe(given) : given.length}`,
  );
}

function originForecast(
  series: Series,
  { horizon, columns }: Plan,
  origin: Origin,
  target: string,
  prediction: Prediction,
  beside: Comparison,
): OriginForecast {
  return {
    ...(origin.key === '' ? {} : { key: origin.key }),
    ...(series.format.targets.length === 1 ? {} : { target }),
    origin: origin.time,
    times: series.times(origin, horizon),
    observed: series.values(origin, horizon, target),
    point: prediction[pointColumn(columns).name]!,
    columns: prediction,
    baselines: beside(origin, target, horizon),
  };
}

/** The MASE's denominators, of the rows before the first origin of each series. */
function seasonalScales(
  series: Series,
  first: readonly Place[],
  season: number,
): (one: OriginForecast) => number | null {
  const scales = new Map<string, number | null>();
  const scaleOf = (key: string, target: string) => {
    const end = first.find((origin) => origin.key === key)?.row ?? 0;
    try {
      return metrics.seasonalScale(series.column(target, key).subarray(0, end), season);
    } catch (error) {
      if (error instanceof DataError) return null;
      throw error;
    }
  };
  return ({ key = series.keys[0]!, target = series.format.targets[0]! }) => {
    const name = JSON.stringify([key, target]);
    if (!scales.has(name)) scales.set(name, scaleOf(key, target));
    return scales.get(name)!;
  };
}
