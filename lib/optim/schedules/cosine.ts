import { checkOptions, nonNegativeInteger, positiveInteger } from '../../options';
import { checkRate, schedule, totalOf, type Schedule } from '../schedule';
import { risingTo } from './warmup';

/** From `from` at fraction 0 to `to` at 1, along half a cosine. */
export const alongCosine = (from: number, to: number, fraction: number): number =>
  to + ((from - to) * (1 + Math.cos(Math.PI * fraction))) / 2;

/**
 * lr(s) = final + (lr − final)·(1 + cos(π·(s − W)/(S − W)))/2, after a linear warm-up over the first `warmup` steps W.
 *
 * S is `totalSteps`, or the steps of the fit where epochs and batches tell it; after them the rate is `final`. Defaults:
 * `final` 0, no warm-up. Source: Loshchilov & Hutter 2017; PyTorch `CosineAnnealingLR`.
 */
export function cosine(
  lr: number,
  options: { readonly totalSteps?: number; readonly final?: number; readonly warmup?: number } = {},
): Schedule {
  checkRate('cosine: lr', lr);
  checkOptions('cosine', options, ['totalSteps', 'final', 'warmup']);
  const { totalSteps, final = 0, warmup = 0 } = options;
  if (totalSteps !== undefined) positiveInteger('cosine', 'totalSteps', totalSteps);
  checkRate('cosine: final', final);
  nonNegativeInteger('cosine', 'warmup', warmup);
  return schedule('cosine', { lr, totalSteps, final, warmup }, (point) => {
    const { step } = point;
    const total = totalOf('cosine', totalSteps, point);
    if (step < warmup) return risingTo(lr, step, warmup);
    return alongCosine(lr, final, Math.min(1, (step - warmup) / Math.max(1, total - warmup)));
  });
}

/**
 * Cosines one after the other: the first over `period` steps, each later one `periodFactor` times as long, each from `lr`
 * down to `final`. Defaults: factor 1, `final` 0. Source: Loshchilov & Hutter 2017; PyTorch `CosineAnnealingWarmRestarts`.
 */
export function cosineRestarts(
  lr: number,
  options: { readonly period: number; readonly periodFactor?: number; readonly final?: number },
): Schedule {
  checkRate('cosineRestarts: lr', lr);
  checkOptions('cosineRestarts', options, ['period', 'periodFactor', 'final']);
  const { period, periodFactor = 1, final = 0 } = options;
  positiveInteger('cosineRestarts', 'period', period);
  positiveInteger('cosineRestarts', 'periodFactor', periodFactor);
  checkRate('cosineRestarts: final', final);
  return schedule('cosineRestarts', { lr, period, periodFactor, final }, ({ step }) => {
    let [begin, length] = [0, period];
    if (periodFactor === 1) begin = step - (step % period);
    else while (step >= begin + length) [begin, length] = [begin + length, length * periodFactor];
    return alongCosine(lr, final, (step - begin) / length);
  });
}
