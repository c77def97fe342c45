import { OptionError } from '../errors';
import { checkOptions, flag, inRange } from '../options';
import { sgd as op } from '../ops/update/sgd';
import type { GroupedOptions } from './groups';
import type { Optimizer } from './optimizer';
import { ruleOptimizer } from './rule';

export interface SgdOptions extends GroupedOptions {
  /** Default 1e-2. */
  readonly lr?: GroupedOptions['lr'];
  /** Default 0. */
  readonly momentum?: number;
  /** Factor 1 − dampening on the gradient that enters the momentum, after the first step. Default 0. */
  readonly dampening?: number;
  /** Default false. */
  readonly nesterov?: boolean;
  /** L2 penalty λ, added to the gradient as λ·p. Default 0. */
  readonly weightDecay?: number;
}

/**
 * Stochastic gradient descent with momentum μ:
 *
 *     g ← g + λp        b ← μb + (1 − dampening)·g        p ← p − lr·b        (Nesterov: p ← p − lr·(g + μb))
 *
 * In the first step b ← g, as in PyTorch. A parameter that is unfrozen later has b = 0 then. Sources: Sutskever et al.
 * 2013; PyTorch `optim.SGD`.
 */
export function sgd(options: SgdOptions = {}): Optimizer {
  checkOptions('sgd', options, ['lr', 'momentum', 'dampening', 'nesterov', 'weightDecay', 'groups']);
  const { lr = 1e-2, momentum = 0, dampening = 0, nesterov = false, weightDecay = 0, groups } = options;
  inRange('sgd', 'momentum', momentum, 0, 1);
  inRange('sgd', 'dampening', dampening, 0, 1);
  flag('sgd', 'nesterov', nesterov);
  if (nesterov && (momentum === 0 || dampening !== 0))
    throw new OptionError('sgd: nesterov: expected a momentum and no dampening');
  const attributes = { momentum, dampening, nesterov };
  return ruleOptimizer(
    'sgd',
    { lr, weightDecay, groups, settings: attributes },
    {
      op,
      attributes,
      moments: momentum === 0 ? {} : { momenta: 'sgd.momentum' },
      progress:
        momentum === 0 || dampening === 0 ? null : { slot: 'begun', name: 'sgd.begun', shape: [], initial: [0] },
    },
  );
}
