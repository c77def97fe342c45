import { float32Limit } from '../../arrays';
import { OptionError } from '../../errors';
import { checkOptions, describe, flag, inRange, oneOf, positiveInteger } from '../../options';
import { checkRate, schedule, totalOf, type Schedule } from '../schedule';
import { alongCosine } from './cosine';

export interface OneCycleOptions {
  /** Default: the steps of the fit. */
  readonly totalSteps?: number;
  /** The fraction of the steps in which the rate rises. Default 0.3. */
  readonly pctStart?: number;
  /** Default 'cos'. */
  readonly annealStrategy?: 'cos' | 'linear';
  /** The first rate is the largest divided by this. Default 25. */
  readonly divFactor?: number;
  /** The last rate is the first divided by this. Default 1e4. */
  readonly finalDivFactor?: number;
  /** Falls as steeply as it rises, to the first rate, and in the rest to the last. Default false. */
  readonly threePhase?: boolean;
}

interface Phase {
  /** The step, not always whole, with which it ends. */
  readonly end: number;
  readonly from: number;
  readonly to: number;
}

/**
 * One rise and one fall: from maxLr/divFactor to `maxLr` at step pctStart·S − 1, then down to maxLr/(divFactor·finalDivFactor)
 * at the last step S − 1.
 *
 * Momentum stays as it is: PyTorch's default `cycle_momentum` has no counterpart. Source: Smith & Topin 2018; PyTorch
 * `OneCycleLR`.
 */
export function oneCycle(maxLr: number, options: OneCycleOptions = {}): Schedule {
  checkRate('oneCycle: maxLr', maxLr);
  const known = ['totalSteps', 'pctStart', 'annealStrategy', 'divFactor', 'finalDivFactor', 'threePhase'];
  checkOptions('oneCycle', options, known);
  const { totalSteps, pctStart = 0.3, annealStrategy = 'cos', divFactor = 25, finalDivFactor = 1e4 } = options;
  const { threePhase = false } = options;
  if (totalSteps !== undefined) positiveInteger('oneCycle', 'totalSteps', totalSteps);
  if (typeof pctStart !== 'number' || !(pctStart >= 0 && pctStart <= 1))
    throw new OptionError(`oneCycle: pctStart: expected a number in [0, 1], received ${describe(pctStart)}`);
  oneOf('oneCycle', 'annealStrategy', annealStrategy, ['cos', 'linear']);
  for (const [name, value] of Object.entries({ divFactor, finalDivFactor }))
    inRange('oneCycle', name, value, Number.MIN_VALUE, float32Limit);
  flag('oneCycle', 'threePhase', threePhase);
  const first = maxLr / divFactor;
  const last = first / finalDivFactor;
  const phases = (total: number): readonly Phase[] => {
    const top = { end: pctStart * total - 1, from: first, to: maxLr };
    if (!threePhase) return [top, { end: total - 1, from: maxLr, to: last }];
    return [top, { end: 2 * pctStart * total - 2, from: maxLr, to: first }, { end: total - 1, from: first, to: last }];
  };
  const between = annealStrategy === 'cos' ? alongCosine : alongLine;
  const settings = { maxLr, totalSteps, pctStart, annealStrategy, divFactor, finalDivFactor, threePhase };
  return schedule('oneCycle', settings, (point) => {
    let begin = 0;
    for (const { end, from, to } of phases(totalOf('oneCycle', totalSteps, point))) {
      // A phase may be shorter than a step.
      if (point.step <= end) return between(from, to, end > begin ? (point.step - begin) / (end - begin) : 1);
      begin = end;
    }
    return last;
  });
}

const alongLine = (from: number, to: number, fraction: number): number => from + (to - from) * fraction;
