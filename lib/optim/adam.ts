import { float32Limit } from '../arrays';
import { OptionError } from '../errors';
import { checkOptions, describe, flag, inRange } from '../options';
import { adam as op } from '../ops/update/adam';
import type { GroupedOptions } from './groups';
import type { Optimizer } from './optimizer';
import { ruleOptimizer } from './rule';

export interface AdamOptions extends GroupedOptions {
  /** Default 1e-3. */
  readonly lr?: GroupedOptions['lr'];
  /** β1 and β2. Default [0.9, 0.999]. */
  readonly betas?: readonly [number, number];
  /** Default 1e-8. */
  readonly eps?: number;
  /** λ: an L2 penalty for `adam` (default 0), decoupled decay for `adamW` (default 0.01). */
  readonly weightDecay?: number;
  /** Divides by the largest v so far. Source: Reddi et al. 2018. Default false. */
  readonly amsgrad?: boolean;
}

/**
 * Adam:
 *
 *     g ← g + λp        m ← β1·m + (1 − β1)·g        v ← β2·v + (1 − β2)·g²
 *     p ← p − lr · (m / (1 − β1^t)) / (√(v / (1 − β2^t)) + ε)
 *
 * With `amsgrad`, v is replaced in the last line by the largest v so far. Sources: Kingma & Ba 2015; PyTorch `optim.Adam`.
 */
export const adam = (options: AdamOptions = {}): Optimizer => make('adam', options, false, 0);

/** Adam with decoupled weight decay, p ← p·(1 − lr·λ) before the step. Sources: Loshchilov & Hutter 2019; PyTorch `optim.AdamW`. */
export const adamW = (options: AdamOptions = {}): Optimizer => make('adamW', options, true, 0.01);

function make(name: string, options: AdamOptions, decoupled: boolean, defaultDecay: number): Optimizer {
  checkOptions(name, options, ['lr', 'betas', 'eps', 'weightDecay', 'amsgrad', 'groups']);
  const { lr = 1e-3, betas = [0.9, 0.999], eps = 1e-8, weightDecay = defaultDecay, amsgrad = false, groups } = options;
  if (!Array.isArray(betas) || betas.length !== 2)
    throw new OptionError(`${name}: betas: expected two numbers, [0.9, 0.999], received ${describe(betas)}`);
  const [beta1, beta2] = betas as readonly [number, number];
  inRange(name, 'betas[0]', beta1, 0, 1);
  inRange(name, 'betas[1]', beta2, 0, 1);
  inRange(name, 'eps', eps, 0, float32Limit);
  flag(name, 'amsgrad', amsgrad);
  return ruleOptimizer(
    name,
    { lr, weightDecay, groups, settings: { betas: [beta1, beta2], eps, amsgrad } },
    {
      op,
      attributes: { beta1, beta2, eps, decoupled, amsgrad },
      moments: {
        first_moments: 'adam.first_moment',
        second_moments: 'adam.second_moment',
        ...(amsgrad && { max_second_moments: 'adam.max_second_moment' }),
      },
      // β1^t and β2^t.
      progress: { slot: 'powers', name: 'adam.powers', shape: [2], initial: [1, 1] },
    },
  );
}
