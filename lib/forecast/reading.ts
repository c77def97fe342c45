/** How the numbers that a head gives are read as columns of a forecast: the mean, or quantiles. */
import { OptionError, StateError } from '../errors';
import type { Distribution } from '../nn/heads';
import { layerPaths, type Layer } from '../nn/layer';
import { describe } from '../options';

/** What is read of a head's distribution; that of a head of one's own may be of any other kind. */
export type HeadDistribution = Pick<Distribution, 'levels' | 'quantile' | 'mean'> & { readonly kind: string };

const logistic = (u: number): number => 1 / (1 + Math.exp(-u));
/** Levels from 6e-6 to 1 − 6e-6, closer together at the ends, with the share of probability that each stands for. */
const meanLevels = Array.from({ length: 49 }, (_, index) => logistic((index - 24) / 2));
const meanWeights = meanLevels.map((level) => level * (1 - level));
const totalWeight = meanWeights.reduce((sum, weight) => sum + weight, 0);

/**
 * The mean of g(y), which is not g of the mean: ∫ g(quantile(p)) dp by the trapezoid rule in u, p = 1 / (1 + e⁻ᵘ). Of a
 * normal y and g = exp within 0.1 % where the deviation is at most 1. Student's t has no such mean; what is given for it
 * leaves out what lies beyond the outermost levels.
 */
export function meanOf(
  distribution: HeadDistribution,
  parameters: ArrayLike<number>,
  g: (value: number) => number,
): number {
  const sum = meanLevels.reduce(
    (all, level, index) => all + meanWeights[index]! * g(distribution.quantile(parameters, level)),
    0,
  );
  return sum / totalWeight;
}

/** One column of a forecast. */
export interface Column {
  /** `mean`, or `q10` for level 0.1. */
  readonly name: string;
  readonly level: number | null;
  read(parameters: ArrayLike<number>): number;
}

/** `q10` for 0.1, `q2.5` for 0.025. */
export const quantileName = (level: number): string => `q${Number((100 * level).toFixed(8))}`;

/** The distribution of the one head of a model; its last, where it has several. */
export function distributionOf(model: Layer): HeadDistribution {
  const heads = [...layerPaths(model).keys()].filter((layer) => 'distribution' in layer);
  const head = heads.at(-1) as { readonly distribution: HeadDistribution } | undefined;
  if (head) return head.distribution;
  throw new StateError(
    'forecast: the model has no head, which would say what its output means; end it with pointHead, quantileHead or another',
  );
}

/**
 * The columns of forecasts: a point head's `mean`; a quantile head's own levels; of another distribution its mean and the
 * levels asked for, 0.1, 0.5 and 0.9 by default.
 */
export function columnsOf(distribution: HeadDistribution, quantiles?: readonly number[]): readonly Column[] {
  if (quantiles !== undefined) checkLevels(quantiles);
  const { kind, levels } = distribution;
  const mean: Column = { name: 'mean', level: null, read: (parameters) => distribution.mean(parameters) };
  if (kind === 'point') {
    if (quantiles)
      throw new OptionError(
        'forecast: quantiles: a point head has none; end the model with quantileHead, or a distribution',
      );
    return [mean];
  }
  const asked = [...(quantiles ?? levels ?? [0.1, 0.5, 0.9])].sort((a, b) => a - b);
  for (const level of asked) {
    // Beyond its outermost levels a quantile head knows nothing.
    if (levels && (level < Math.min(...levels) || level > Math.max(...levels)))
      throw new OptionError(
        `forecast: quantiles: expected levels within those of the head, ${levels.join(', ')}, received ${level}`,
      );
  }
  const columns = asked.map((level): Column => ({
    name: quantileName(level),
    level,
    read: (parameters) => distribution.quantile(parameters, level),
  }));
  return levels ? columns : [mean, ...columns];
}

function checkLevels(levels: unknown): void {
  const valid =
    Array.isArray(levels) &&
    levels.length > 0 &&
    levels.every((level) => typeof level === 'number' && level > 0 && level < 1) &&
    new Set(levels).size === levels.length;
  if (!valid)
    throw new OptionError(
      `forecast: quantiles: expected one or more different numbers in (0, 1), received ${Array.isArray(levels) ? levels.join(', ') : describe(levels)}`,
    );
}

/** The column that stands for the forecast as one number: the median where there is one, else the mean or the middle. */
export function pointColumn(columns: readonly Column[]): Column {
  const quantiles = columns.filter(({ level }) => level !== null);
  return (
    columns.find(({ level }) => level === 0.5) ??
    columns.find(({ level }) => level === null) ??
    quantiles[Math.floor(quantiles.length / 2)]!
  );
}
