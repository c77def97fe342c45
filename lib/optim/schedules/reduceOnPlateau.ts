import { float32Limit } from '../../arrays';
import { OptionError } from '../../errors';
import { checkOptions, describe, inRange, nonNegativeInteger, oneOf } from '../../options';
import { checkRate, schedule, type Schedule, type SchedulePoint } from '../schedule';

export interface ReduceOnPlateauOptions {
  /** The figure that is watched: the loss, what follows from it, or one of the `metrics` of `fit`. Default 'loss'. */
  readonly metric?: string;
  /** Whether smaller or larger figures are better. Default 'min'. */
  readonly mode?: 'min' | 'max';
  /** Default 0.1. */
  readonly factor?: number;
  /** Passes without a better figure that are put up with. Default 10. */
  readonly patience?: number;
  /** How much better a figure must be. Default 1e-4. */
  readonly threshold?: number;
  /** Whether the threshold is a fraction of the best figure, or a difference. Default 'rel'. */
  readonly thresholdMode?: 'rel' | 'abs';
  /** Passes after a reduction that count as none. Default 0. */
  readonly cooldown?: number;
  /** Default 0. */
  readonly minLr?: number;
  /** A reduction by no more than this does not take place. Default 1e-8. */
  readonly eps?: number;
}

/**
 * Multiplies the rate by `factor` after more than `patience` passes whose figure is not better than the best before.
 *
 * The figures are those of the validation data of `fit` or, where there are none, of the training; one that is not finite
 * is not better. The rate follows from all figures so far, so it comes back with a resumed training. Source: PyTorch
 * `ReduceLROnPlateau`.
 */
export function reduceOnPlateau(lr: number, options: ReduceOnPlateauOptions = {}): Schedule {
  checkRate('reduceOnPlateau: lr', lr);
  const given = checked(options);
  return schedule(
    'reduceOnPlateau',
    { lr, ...given },
    (point) => rateAfter(lr, figuresOf(point, given.metric), given),
    [{ figure: given.metric, option: 'reduceOnPlateau: metric' }],
  );
}

function checked(options: ReduceOnPlateauOptions): Required<ReduceOnPlateauOptions> {
  const defaults = {
    metric: 'loss',
    mode: 'min',
    factor: 0.1,
    patience: 10,
    threshold: 1e-4,
    thresholdMode: 'rel',
    cooldown: 0,
    minLr: 0,
    eps: 1e-8,
  } as const;
  const owner = 'reduceOnPlateau';
  checkOptions(owner, options, Object.keys(defaults));
  const given: Required<ReduceOnPlateauOptions> = { ...defaults, ...options };
  if (typeof given.metric !== 'string')
    throw new OptionError(`${owner}: metric: expected the name of a figure, received ${describe(given.metric)}`);
  oneOf(owner, 'mode', given.mode, ['min', 'max']);
  oneOf(owner, 'thresholdMode', given.thresholdMode, ['rel', 'abs']);
  inRange(owner, 'factor', given.factor, 0, 1);
  nonNegativeInteger(owner, 'patience', given.patience);
  nonNegativeInteger(owner, 'cooldown', given.cooldown);
  inRange(owner, 'threshold', given.threshold, 0, float32Limit);
  inRange(owner, 'eps', given.eps, 0, float32Limit);
  checkRate(`${owner}: minLr`, given.minLr);
  return given;
}

function figuresOf({ epoch = null, figures = [] }: SchedulePoint, metric: string): number[] {
  if (epoch === null)
    throw new OptionError(
      'reduceOnPlateau: figures are those of passes, which fit counts; a loop of trainStep has none',
    );
  return figures.map((pass) => {
    const figure = pass[metric];
    if (figure === undefined)
      throw new OptionError(
        `reduceOnPlateau: metric: expected one of ${Object.keys(pass).join(', ')}, received ${describe(metric)}`,
      );
    return figure;
  });
}

function rateAfter(lr: number, figures: readonly number[], given: Required<ReduceOnPlateauOptions>): number {
  const { mode, factor, patience, threshold, thresholdMode, cooldown, minLr, eps } = given;
  const sign = mode === 'min' ? 1 : -1;
  const isBetter = (figure: number, best: number) => {
    const bound = thresholdMode === 'rel' ? best * (1 - sign * threshold) : best - sign * threshold;
    return sign * figure < sign * bound;
  };
  let [rate, best, bad, cooling] = [lr, sign * Infinity, 0, 0];
  for (const figure of figures) {
    if (isBetter(figure, best)) [best, bad] = [figure, 0];
    else bad++;
    if (cooling > 0) [cooling, bad] = [cooling - 1, 0];
    if (bad <= patience) continue;
    const reduced = Math.max(rate * factor, minLr);
    if (rate - reduced > eps) rate = reduced;
    [cooling, bad] = [cooldown, 0];
  }
  return rate;
}
