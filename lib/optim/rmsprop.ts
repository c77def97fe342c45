import { float32Limit } from '../arrays';
import { checkOptions, flag, inRange } from '../options';
import { rmsprop as op } from '../ops/update/rmsprop';
import type { GroupedOptions } from './groups';
import type { Optimizer } from './optimizer';
import { ruleOptimizer } from './rule';

export interface RmspropOptions extends GroupedOptions {
  /** Default 1e-2. */
  readonly lr?: GroupedOptions['lr'];
  /** How much of the mean of squares a step keeps. Default 0.99. */
  readonly alpha?: number;
  /** Default 1e-8. */
  readonly eps?: number;
  /** L2 penalty λ, added to the gradient as λ·p. Default 0. */
  readonly weightDecay?: number;
  /** Default 0. */
  readonly momentum?: number;
  /** Divides by the standard deviation of the gradient instead of its root mean square. Default false. */
  readonly centered?: boolean;
}

/**
 * RMSprop:
 *
 *     g ← g + λp        v ← α·v + (1 − α)·g²        u = g / (√v + ε)        b ← μb + u        p ← p − lr·b
 *
 * Centred, v is the variance Σ(g − ḡ)², with ḡ ← α·ḡ + (1 − α)·g: PyTorch's number, computed so that it cannot cancel.
 * Sources: Hinton 2012, lecture 6; Graves 2013, equations 38 to 45; PyTorch `optim.RMSprop`.
 */
export function rmsprop(options: RmspropOptions = {}): Optimizer {
  checkOptions('rmsprop', options, ['lr', 'alpha', 'eps', 'weightDecay', 'momentum', 'centered', 'groups']);
  const { lr = 1e-2, alpha = 0.99, eps = 1e-8, weightDecay = 0, momentum = 0, centered = false, groups } = options;
  inRange('rmsprop', 'alpha', alpha, 0, 1);
  inRange('rmsprop', 'eps', eps, 0, float32Limit);
  inRange('rmsprop', 'momentum', momentum, 0, 1);
  flag('rmsprop', 'centered', centered);
  const attributes = { alpha, eps, momentum, centered };
  return ruleOptimizer(
    'rmsprop',
    { lr, weightDecay, groups, settings: attributes },
    {
      op,
      attributes,
      moments: {
        variances: 'rmsprop.variance',
        ...(centered && { gradient_averages: 'rmsprop.gradient_average' }),
        ...(momentum !== 0 && { momenta: 'rmsprop.momentum' }),
      },
    },
  );
}
