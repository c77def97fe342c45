/** Scaling of columns: y = (g(x) − offset) / deviation, g the natural logarithm or nothing. Fitted on the training part. */
import { OptionError } from '../../errors';
import { checkOptions, describe, flag } from '../../options';

export type ScalingKind = 'standard' | 'minMax' | 'scale' | 'none';

export interface ScalingOptions {
  /**
   * `standard` (default): offset the mean, deviation the population's standard deviation. `minMax`: offset the least,
   * deviation largest minus least, so that training values lie in [0, 1]. `scale`: offset 0, deviation the mean of the
   * absolutes. `none`: as they are.
   */
  readonly kind?: ScalingKind;
  /** Takes the natural logarithm first; values must be positive. Default false. */
  readonly log?: boolean;
}

export type Scaling = ScalingKind | ScalingOptions;

/** How each column is scaled. */
export type ScalingOf = (column: string) => Required<ScalingOptions>;

export interface Scaler {
  readonly log: boolean;
  readonly offset: number;
  /** Above 0. */
  readonly deviation: number;
}

const kinds: readonly ScalingKind[] = ['standard', 'minMax', 'scale', 'none'];

export function scalingOptions(column: string, scaling: Scaling = 'standard'): Required<ScalingOptions> {
  const options = typeof scaling === 'string' ? { kind: scaling } : scaling;
  checkOptions(`series: scaling: ${column}`, options, ['kind', 'log']);
  const { kind = 'standard', log = false } = options;
  if (!kinds.includes(kind)) {
    const expected = kinds.map(describe).join(', ');
    throw new OptionError(`series: scaling: ${column}: expected ${expected}, received ${describe(kind)}`);
  }
  flag(`series: scaling: ${column}`, 'log', log);
  return { kind, log };
}

/**
 * The scaler of the values `[0, end)`, missing ones (NaN) left out. Where the deviation would be 0 (a constant column, or
 * one without any value) it is 1: a constant c becomes 0 (`standard`, `minMax`) and a later c + d becomes d.
 */
export function fitScaler(values: ArrayLike<number>, end: number, { kind, log }: Required<ScalingOptions>): Scaler {
  if (kind === 'none') return { log, offset: 0, deviation: 1 };
  const statistics = statisticsOf(values, end, log ? Math.log : (value) => value);
  const [offset, deviation] = {
    standard: [statistics.mean, statistics.deviation],
    minMax: [statistics.least, statistics.largest - statistics.least],
    scale: [0, statistics.meanAbsolute],
  }[kind] as [number, number];
  // Rounding may leave a constant column a deviation of some 1e-16 of its value.
  const isConstant = kind !== 'scale' && statistics.largest === statistics.least;
  return { log, offset, deviation: deviation > 0 && !isConstant ? deviation : 1 };
}

function statisticsOf(values: ArrayLike<number>, end: number, read: (value: number) => number) {
  let [count, sum, sumOfAbsolutes, least, largest] = [0, 0, 0, Infinity, -Infinity];
  for (let row = 0; row < end; row++) {
    const value = read(values[row]!);
    if (Number.isNaN(value)) continue;
    count++;
    sum += value;
    sumOfAbsolutes += Math.abs(value);
    least = Math.min(least, value);
    largest = Math.max(largest, value);
  }
  if (count === 0) return { mean: 0, meanAbsolute: 0, least: 0, largest: 0, deviation: 0 };
  const mean = least === largest ? least : sum / count;
  let squares = 0;
  for (let row = 0; row < end; row++) {
    const value = read(values[row]!);
    if (!Number.isNaN(value)) squares += (value - mean) ** 2;
  }
  return { mean, meanAbsolute: sumOfAbsolutes / count, least, largest, deviation: Math.sqrt(squares / count) };
}

export const scale = ({ log, offset, deviation }: Scaler, value: number): number =>
  ((log ? Math.log(value) : value) - offset) / deviation;

/** The inverse of `scale`. */
export function unscale({ log, offset, deviation }: Scaler, scaled: number): number {
  const value = scaled * deviation + offset;
  return log ? Math.exp(value) : value;
}
