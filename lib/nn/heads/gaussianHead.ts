import { concat } from '../../ops/functions';
import type { Variable } from '../../ops/op';
import type { Loss } from '../loss';
import { gaussianLikelihood } from '../losses';
import { gaussianDistribution } from './distribution';
import { Head, type HeadCallOptions, type HeadOptions } from './head';
import { located, positive, smallestScale } from './positive';

export interface GaussianHead {
  (input: Variable, options?: HeadCallOptions): Variable;
}

/**
 * The mean and the scale of a normal distribution for each target: [B, horizon, M, 2], or without a horizon [T, B, M, 2] (or
 * [B, M, 2], as its input is). The scale is softplus(raw) + 10⁻³, so standardized targets have none below a thousandth of
 * their deviation.
 *
 * Equations and parameters: `Head`. Its loss, where none is given, is `gaussianLikelihood()`.
 */
export class GaussianHead extends Head {
  override readonly distribution = gaussianDistribution;

  constructor(options: HeadOptions = {}) {
    super('gaussianHead', options, 2);
  }

  override defaultLoss(): Loss {
    return gaussianLikelihood();
  }

  protected override parameters(raw: Variable, anchor: Variable | null): Variable {
    return concat([located(raw, anchor), positive(raw, 1, smallestScale)], -1);
  }
}

/** A `GaussianHead`: `sequential([lstm(64), gaussianHead({ horizon: 28 })])`. */
export const gaussianHead = (options?: HeadOptions): GaussianHead => new GaussianHead(options);
