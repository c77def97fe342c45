import { isFiniteFloat32 } from '../arrays';
import { OptionError } from '../errors';
import { describe } from '../options';

/** A value of JSON. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };

/** Where a training stands, as a schedule sees it. It holds all that a rate may depend on, so a schedule has no state. */
export interface SchedulePoint {
  /** Updates so far. */
  readonly step: number;
  /** Updates of the whole training, where they are known. */
  readonly totalSteps: number | null;
  /** Passes over the data that are finished; null or left out in a loop of `trainStep`, which knows none. */
  readonly epoch?: number | null;
  /** Passes of the whole training, where they are known. */
  readonly totalEpochs?: number | null;
  /** Figures of the finished passes: of the validation data or, where there are none, of the training. NaN for those not finite. */
  readonly figures?: readonly Readonly<Record<string, number>>[];
}

/** The learning rate at a point of the training: a function of that point alone. */
export interface Schedule {
  (point: SchedulePoint): number;
  /** What tells it apart from others, as plain JSON. A schedule of one's own needs none. */
  readonly settings?: Json;
  /** Figures of passes on which it depends, so that `fit` can refuse those that there are not, before its first step. */
  readonly watches?: readonly WatchedFigure[];
}

export interface WatchedFigure {
  readonly figure: string;
  /** The option that names it, for messages. */
  readonly option: string;
}

export function scheduleOf(lr: number | Schedule, owner = 'lr'): Schedule {
  if (typeof lr === 'function') return lr;
  checkRate(owner, lr);
  return () => lr;
}

export function checkRate(owner: string, rate: unknown): asserts rate is number {
  if (typeof rate !== 'number' || !(rate >= 0) || !isFiniteFloat32(rate))
    throw new OptionError(`${owner}: expected a number >= 0, finite in float32, received ${describe(rate)}`);
}

/** What a schedule says of a point. @throws OptionError unless that is a rate. */
export function rateAt(schedule: Schedule, point: SchedulePoint, owner = 'lr'): number {
  const rate: unknown = schedule(point);
  checkRate(`${owner}: step ${point.step + 1}: the schedule`, rate);
  return rate;
}

/** What tells a rate or schedule apart, as plain JSON; functions of one's own are all alike. */
export const describeSchedule = (lr: number | Schedule | undefined): Json =>
  typeof lr === 'function' ? (lr.settings ?? 'a function') : (lr ?? null);

/** A schedule that is told apart by its name and options. */
export const schedule = (
  name: string,
  settings: Readonly<Record<string, Json | undefined>>,
  rate: (point: SchedulePoint) => number,
  watches: readonly WatchedFigure[] = [],
): Schedule => Object.assign(rate, { settings: { schedule: name, ...withoutUndefined(settings) }, watches });

const withoutUndefined = (settings: Readonly<Record<string, Json | undefined>>) =>
  Object.fromEntries(Object.entries(settings).filter((entry): entry is [string, Json] => entry[1] !== undefined));

/** The steps over which a schedule goes: those given, or those of the fit. @throws OptionError where neither is known. */
export function totalOf(owner: string, given: number | undefined, { totalSteps }: SchedulePoint): number {
  const total = given ?? totalSteps;
  if (total === null)
    throw new OptionError(`${owner}: totalSteps: the number of steps is not known here, so it must be given`);
  return total;
}
