import { float32Limit } from '../arrays';
import { checkOptions, inRange } from '../options';
import { adagrad as op } from '../ops/update/adagrad';
import type { GroupedOptions } from './groups';
import type { Optimizer } from './optimizer';
import { ruleOptimizer } from './rule';

export interface AdagradOptions extends GroupedOptions {
  /** Default 1e-2. */
  readonly lr?: GroupedOptions['lr'];
  /** Divides the rate by 1 + lrDecay·(t − 1) in step t, whatever its schedule says. Default 0. */
  readonly lrDecay?: number;
  /** L2 penalty λ, added to the gradient as λ·p. Default 0. */
  readonly weightDecay?: number;
  /** What the sums of squares begin with. Default 0. */
  readonly initialAccumulatorValue?: number;
  /** Default 1e-10. */
  readonly eps?: number;
}

/**
 * Adagrad:
 *
 *     g ← g + λp        s ← s + g²        p ← p − lr / (1 + (t − 1)·lrDecay) · g / (√s + ε)
 *
 * Sources: Duchi et al. 2011; PyTorch `optim.Adagrad`.
 */
export function adagrad(options: AdagradOptions = {}): Optimizer {
  checkOptions('adagrad', options, ['lr', 'lrDecay', 'weightDecay', 'initialAccumulatorValue', 'eps', 'groups']);
  const { lr = 1e-2, lrDecay = 0, weightDecay = 0, initialAccumulatorValue = 0, eps = 1e-10, groups } = options;
  for (const [name, value] of Object.entries({ lrDecay, initialAccumulatorValue, eps }))
    inRange('adagrad', name, value, 0, float32Limit);
  return ruleOptimizer(
    'adagrad',
    { lr, weightDecay, groups, settings: { lrDecay, initialAccumulatorValue, eps } },
    {
      op,
      attributes: { lr_decay: lrDecay, eps },
      moments: { sums: 'adagrad.sum' },
      firstMoment: initialAccumulatorValue,
      progress: { slot: 'steps', name: 'adagrad.steps', shape: [], initial: [0] },
    },
  );
}
