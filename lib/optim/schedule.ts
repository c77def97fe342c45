import { isFiniteFloat32 } from '../arrays';
import { OptionError } from '../errors';
import { checkOptions, describe } from '../options';

export interface SchedulePoint {
  /** Steps taken so far. */
  readonly step: number;
  /** Steps of the whole training, where they are known. */
  readonly totalSteps: number | null;
}

/** The learning rate at a point of the training. */
export type Schedule = (point: SchedulePoint) => number;

export function scheduleOf(lr: number | Schedule): Schedule {
  if (typeof lr === 'function') return lr;
  checkRate('lr', lr);
  return () => lr;
}

function checkRate(owner: string, rate: unknown): asserts rate is number {
  if (typeof rate !== 'number' || !(rate >= 0) || !isFiniteFloat32(rate))
    throw new OptionError(`${owner}: expected a number >= 0, finite in float32, received ${describe(rate)}`);
}

/** What a schedule says of a point. @throws OptionError unless that is a rate. */
export function rateAt(schedule: Schedule, point: SchedulePoint): number {
  const rate: unknown = schedule(point);
  checkRate(`lr: step ${point.step + 1}: the schedule`, rate);
  return rate;
}

/**
 * lr(s) = final + (lr − final)·(1 + cos(π·s/S))/2, after a linear warm-up over the first `warmup` steps.
 *
 * S is `totalSteps`, or the steps of the fit where epochs and batches tell it. Source: Loshchilov & Hutter 2017.
 */
export function cosine(
  lr: number,
  options: { readonly totalSteps?: number; readonly final?: number; readonly warmup?: number } = {},
): Schedule {
  scheduleOf(lr);
  checkOptions('cosine', options, ['totalSteps', 'final', 'warmup']);
  const { final = 0, warmup = 0 } = options;
  return ({ step, totalSteps }) => {
    const total = options.totalSteps ?? totalSteps;
    if (total === null)
      throw new OptionError('cosine: totalSteps: the number of steps is not known here, so it must be given');
    if (step < warmup) return (lr * (step + 1)) / warmup;
    const fraction = Math.min(1, (step - warmup) / Math.max(1, total - warmup));
    return final + ((lr - final) * (1 + Math.cos(Math.PI * fraction))) / 2;
  };
}
