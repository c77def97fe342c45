/** What a backtest's forecasts are worth: their errors, in all, by step of the horizon and by origin, beside naive forecasts'. */
import { joined } from '../arrays';
import * as metrics from './metrics';
import type { Column } from './reading';

/** The forecast made at one origin, of one series and target, beside what came and what naive forecasts said. */
export interface OriginForecast {
  /** Of the series; left out where the table is one. */
  readonly key?: string;
  /** Left out where there is one target. */
  readonly target?: string;
  /** The time of the first row that is forecast. */
  readonly origin: Date;
  readonly times: readonly Date[];
  /** NaN where an observation is missing. */
  readonly observed: Float64Array;
  /** The forecast as one number for each time: the median, or the mean where there is none. */
  readonly point: Float64Array;
  /** `q10`, `q50`, `mean`, ... for each time. */
  readonly columns: Readonly<Record<string, Float64Array>>;
  /** What each naive forecast said at this origin, by name. */
  readonly baselines: Readonly<Record<string, Float64Array>>;
}

export interface ErrorFigures {
  readonly mae: number;
  readonly rmse: number;
  /** Mean of forecast minus observation. */
  readonly bias: number;
  readonly smape: number;
  /** Scaled by each series' own in-sample seasonal naive error; null where that is 0 or not defined. */
  readonly mase: number | null;
}

export interface BaselineFigures extends ErrorFigures {
  readonly name: string;
  /** The model's: 1 − MAE / MAE of this forecast, at the same origins; null where this forecast has no error. */
  readonly skill: number | null;
}

export interface BandFigures {
  /** Names of its columns, such as `q10` and `q90`. */
  readonly lower: string;
  readonly upper: string;
  /** What its coverage should be, such as 0.8. */
  readonly nominal: number;
  readonly coverage: number;
  readonly meanWidth: number;
}

export interface StepFigures {
  /** 1 is the row after the last that the model has seen. */
  readonly step: number;
  readonly mae: number;
  readonly rmse: number;
  /** MAE of each naive forecast at this step. */
  readonly baselines: Readonly<Record<string, number>>;
  /** Coverage of each band, in the order of `bands`. */
  readonly coverage: readonly number[];
}

export interface OriginFigures {
  readonly key?: string;
  readonly target?: string;
  readonly origin: Date;
  readonly mae: number;
  readonly baselines: Readonly<Record<string, number>>;
}

export interface Scores {
  readonly overall: ErrorFigures;
  /** Read off the quantiles; null for a model that has none. */
  readonly crps: number | null;
  /** Pinball loss by column. */
  readonly pinball: Readonly<Record<string, number>>;
  readonly bands: readonly BandFigures[];
  readonly baselines: readonly BaselineFigures[];
  readonly steps: readonly StepFigures[];
  readonly origins: readonly OriginFigures[];
}

/** Numbers of many forecasts, one after the other. */
const numbersOf = (parts: readonly Float64Array[]) => joined(Float64Array, parts);

/** Pairs of levels p and 1 − p, the widest first. */
export function bandsOf(columns: readonly Column[]): { lower: Column; upper: Column; nominal: number }[] {
  return columns.flatMap((lower) => {
    if (lower.level === null || lower.level >= 0.5) return [];
    const upper = columns.find(({ level }) => level !== null && Math.abs(level + lower.level! - 1) < 1e-9);
    return upper ? [{ lower, upper, nominal: Number((1 - 2 * lower.level).toFixed(9)) }] : [];
  });
}

/** `scaleOf` gives the MASE's denominator for a forecast, null where there is none. Forecasts without any observation count nowhere. */
export function score(
  all: readonly OriginForecast[],
  columns: readonly Column[],
  scaleOf: (forecast: OriginForecast) => number | null,
): Scores {
  const forecasts = all.filter(({ observed }) => observed.some((value) => !Number.isNaN(value)));
  const names = Object.keys(forecasts[0]?.baselines ?? {});
  const observed = numbersOf(forecasts.map((one) => one.observed));
  const column = (name: string) => numbersOf(forecasts.map((one) => one.columns[name]!));
  const scales = forecasts.map(scaleOf);
  const scaled = (values: (forecast: OriginForecast) => Float64Array) =>
    numbersOf(forecasts.map((one, index) => values(one).map((value) => value / scales[index]!)));
  const errors = (point: (forecast: OriginForecast) => Float64Array): ErrorFigures => {
    const predicted = numbersOf(forecasts.map(point));
    return {
      mae: metrics.mae(observed, predicted),
      rmse: metrics.rmse(observed, predicted),
      bias: metrics.bias(observed, predicted),
      smape: metrics.smape(observed, predicted),
      mase: scales.includes(null)
        ? null
        : metrics.mae(
            scaled((one) => one.observed),
            scaled(point),
          ),
    };
  };
  const overall = errors((one) => one.point);
  const quantiles = columns.filter(({ level }) => level !== null);
  const byQuantile = quantiles.map(({ name }) => column(name));
  const levels = quantiles.map(({ level }) => level!);
  return {
    overall,
    crps: quantiles.length > 0 ? metrics.crps(observed, byQuantile, levels) : null,
    pinball: Object.fromEntries(
      quantiles.map(({ name }, index) => [name, metrics.pinball(observed, byQuantile[index]!, levels[index]!)]),
    ),
    bands: bandsOf(columns).map(({ lower, upper, nominal }) => {
      const [low, high] = [column(lower.name), column(upper.name)];
      return {
        lower: lower.name,
        upper: upper.name,
        nominal,
        coverage: metrics.coverage(observed, low, high),
        meanWidth: metrics.meanWidth(observed, low, high),
      };
    }),
    baselines: names.map((name) => {
      const figures = errors((one) => one.baselines[name]!);
      return { name, ...figures, skill: figures.mae > 0 ? 1 - overall.mae / figures.mae : null };
    }),
    steps: stepFigures(forecasts, columns, names),
    origins: forecasts.map((one) => originFigures(one)),
  };
}

function stepFigures(
  forecasts: readonly OriginForecast[],
  columns: readonly Column[],
  names: readonly string[],
): StepFigures[] {
  const bands = bandsOf(columns);
  return Array.from({ length: forecasts[0]?.observed.length ?? 0 }, (_, index): StepFigures | null => {
    const at = (values: (forecast: OriginForecast) => Float64Array) => forecasts.map((one) => values(one)[index]!);
    const observed = at((one) => one.observed);
    if (observed.every(Number.isNaN)) return null;
    const point = at((one) => one.point);
    return {
      step: index + 1,
      mae: metrics.mae(observed, point),
      rmse: metrics.rmse(observed, point),
      baselines: Object.fromEntries(
        names.map((name) => [
          name,
          metrics.mae(
            observed,
            at((one) => one.baselines[name]!),
          ),
        ]),
      ),
      coverage: bands.map(({ lower, upper }) =>
        metrics.coverage(
          observed,
          at((one) => one.columns[lower.name]!),
          at((one) => one.columns[upper.name]!),
        ),
      ),
    };
  }).filter((figures) => figures !== null);
}

function originFigures({ key, target, origin, observed, point, baselines }: OriginForecast): OriginFigures {
  return {
    ...(key === undefined ? {} : { key }),
    ...(target === undefined ? {} : { target }),
    origin,
    mae: metrics.mae(observed, point),
    baselines: Object.fromEntries(
      Object.entries(baselines).map(([name, values]) => [name, metrics.mae(observed, values)]),
    ),
  };
}
