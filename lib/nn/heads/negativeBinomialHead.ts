import { concat } from '../../ops/functions';
import type { Variable } from '../../ops/op';
import type { Loss } from '../loss';
import { negativeBinomialLikelihood } from '../losses';
import { negativeBinomialDistribution } from './distribution';
import { Head, type HeadCallOptions, type HeadOptions } from './head';
import { positive } from './positive';

/** Options of a head whose predictions are no differences from what was observed. */
export type CountHeadOptions = Omit<HeadOptions, 'anchor'>;

export interface NegativeBinomialHead {
  (input: Variable, options?: HeadCallOptions): Variable;
}

/**
 * Mean μ and dispersion α of a negative binomial distribution, of variance μ + αμ², for each target that is a count:
 * [B, horizon, M, 2], or without a horizon [T, B, M, 2] (or [B, M, 2], as its input is). Targets are counts as they were
 * taken, not scaled. The mean is softplus(raw) + 10⁻⁶; the dispersion is softplus(raw) + 10⁻⁴, nearly Poisson at the least.
 *
 * Equations and parameters: `Head`, but for the anchor. Its loss, where none is given, is `negativeBinomialLikelihood()`.
 * Source: Salinas et al. 2020 (DeepAR).
 */
export class NegativeBinomialHead extends Head {
  override readonly distribution = negativeBinomialDistribution;

  constructor(options: CountHeadOptions = {}) {
    super('negativeBinomialHead', options, 2, ['horizon', 'targets', 'hiddenSize']);
  }

  override defaultLoss(): Loss {
    return negativeBinomialLikelihood();
  }

  protected override parameters(raw: Variable): Variable {
    return concat([positive(raw, 0, 1e-6), positive(raw, 1, 1e-4)], -1);
  }
}

/** A `NegativeBinomialHead`: `sequential([lstm(64), negativeBinomialHead({ horizon: 28 })])`. */
export const negativeBinomialHead = (options?: CountHeadOptions): NegativeBinomialHead =>
  new NegativeBinomialHead(options);
