/** Schedules made of other schedules. */
import { float32Limit } from '../../arrays';
import { OptionError } from '../../errors';
import { checkOptions, inRange, positiveInteger } from '../../options';
import { describeSchedule, schedule, scheduleOf, type Schedule, type SchedulePoint } from '../schedule';

/** The rate at a step of a rise to `peak` in equal steps, the last of which has it. */
export const risingTo = (peak: number, step: number, steps: number): number => (peak * (step + 1)) / steps;

/**
 * A linear rise over the first `steps` W to the rate with which a schedule begins, then that schedule:
 *
 *     lr(s) = (s + 1)/W · schedule(0)      s < W        (with `startFactor` f: f + (1 − f)·s/(W − 1) of schedule(0))
 *     lr(s) = schedule(s − W)              s ≥ W
 *
 * What the schedule covers by default is the rest of the training. Source: PyTorch `SequentialLR` of `LinearLR` (start_factor
 * f, total_iters W − 1) and the schedule.
 */
export function warmup(
  lr: number | Schedule,
  options: { readonly steps: number; readonly startFactor?: number },
): Schedule {
  const main = scheduleOf(lr, 'warmup: lr');
  checkOptions('warmup', options, ['steps', 'startFactor']);
  const { steps, startFactor } = options;
  positiveInteger('warmup', 'steps', steps);
  if (startFactor !== undefined) inRange('warmup', 'startFactor', startFactor, 0, float32Limit);
  const rateAt = (point: SchedulePoint) => {
    const { step } = point;
    const totalSteps = point.totalSteps === null ? null : Math.max(0, point.totalSteps - steps);
    const rate = main({ ...point, totalSteps, step: Math.max(0, step - steps) });
    if (step >= steps) return rate;
    if (startFactor === undefined) return risingTo(rate, step, steps);
    return rate * (startFactor + (1 - startFactor) * (steps === 1 ? 1 : step / (steps - 1)));
  };
  return schedule('warmup', { lr: describeSchedule(lr), steps, startFactor }, rateAt, main.watches);
}

/** A schedule whose steps are the passes of `fit`: its rate changes between passes only. */
export function perEpoch(main: Schedule): Schedule {
  if (typeof main !== 'function')
    throw new OptionError('perEpoch: expected a schedule such as stepDecay(0.1, { stepSize: 30 })');
  const rateAt = (point: SchedulePoint) => {
    const { epoch = null, totalEpochs = null } = point;
    if (epoch === null) throw new OptionError('perEpoch: passes are counted by fit; a loop of trainStep has none');
    return main({ ...point, step: epoch, totalSteps: totalEpochs });
  };
  return schedule('perEpoch', { lr: describeSchedule(main) }, rateAt, main.watches);
}
