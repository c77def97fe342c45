/** Rates that fall with the steps, whatever the figures say. */
import { float32Limit } from '../../arrays';
import { OptionError } from '../../errors';
import { checkOptions, describe, inRange, positiveInteger } from '../../options';
import { checkRate, schedule, totalOf, type Schedule } from '../schedule';

/**
 * lr(s) = lr·γ^⌊s / stepSize⌋.
 *
 * Default γ 0.1. Steps are updates: `perEpoch(stepDecay(0.1, { stepSize: 30 }))` counts passes. Source: PyTorch `StepLR`.
 */
export function stepDecay(lr: number, options: { readonly stepSize: number; readonly gamma?: number }): Schedule {
  checkRate('stepDecay: lr', lr);
  checkOptions('stepDecay', options, ['stepSize', 'gamma']);
  const { stepSize, gamma = 0.1 } = options;
  positiveInteger('stepDecay', 'stepSize', stepSize);
  inRange('stepDecay', 'gamma', gamma, 0, float32Limit);
  return schedule('stepDecay', { lr, stepSize, gamma }, ({ step }) => lr * gamma ** Math.floor(step / stepSize));
}

/** lr(s) = lr·γ^(number of milestones up to s). Default γ 0.1. Source: PyTorch `MultiStepLR`. */
export function multiStepDecay(
  lr: number,
  options: { readonly milestones: readonly number[]; readonly gamma?: number },
): Schedule {
  checkRate('multiStepDecay: lr', lr);
  checkOptions('multiStepDecay', options, ['milestones', 'gamma']);
  const { gamma = 0.1 } = options;
  const milestones: unknown = options.milestones;
  if (!isMilestones(milestones)) {
    const received = Array.isArray(milestones) ? JSON.stringify(milestones) : describe(milestones);
    throw new OptionError(`multiStepDecay: milestones: expected an array of integers >= 0, received ${received}`);
  }
  inRange('multiStepDecay', 'gamma', gamma, 0, float32Limit);
  const passed = (step: number) => milestones.filter((milestone) => milestone <= step).length;
  return schedule(
    'multiStepDecay',
    { lr, milestones: [...milestones], gamma },
    ({ step }) => lr * gamma ** passed(step),
  );
}

/** lr(s) = lr·γ^s. Source: PyTorch `ExponentialLR`. */
export function exponentialDecay(lr: number, options: { readonly gamma: number }): Schedule {
  checkRate('exponentialDecay: lr', lr);
  checkOptions('exponentialDecay', options, ['gamma']);
  inRange('exponentialDecay', 'gamma', options.gamma, 0, float32Limit);
  const { gamma } = options;
  return schedule('exponentialDecay', { lr, gamma }, ({ step }) => lr * gamma ** step);
}

/**
 * lr(s) = lr + (final − lr)·s/S up to step S, and `final` after it.
 *
 * S is `totalSteps`, or the steps of the fit. Default `final` 0. Source: PyTorch `LinearLR` from factor 1.
 */
export function linearDecay(
  lr: number,
  options: { readonly totalSteps?: number; readonly final?: number } = {},
): Schedule {
  checkRate('linearDecay: lr', lr);
  checkOptions('linearDecay', options, ['totalSteps', 'final']);
  const { totalSteps, final = 0 } = options;
  if (totalSteps !== undefined) positiveInteger('linearDecay', 'totalSteps', totalSteps);
  checkRate('linearDecay: final', final);
  return schedule('linearDecay', { lr, totalSteps, final }, (point) => {
    const total = totalOf('linearDecay', totalSteps, point);
    return lr + (final - lr) * Math.min(1, point.step / Math.max(1, total));
  });
}

const isMilestones = (value: unknown): value is readonly number[] =>
  Array.isArray(value) && value.every((step) => Number.isInteger(step) && step >= 0);
