import { add } from '../../ops/functions';
import type { Variable } from '../../ops/op';
import type { LayerConfig } from '../layer';
import type { Loss } from '../loss';
import { pinball } from '../losses';
import { checkQuantiles } from '../losses/regression';
import { quantilesDistribution, type Distribution } from './distribution';
import { Head, type HeadCallOptions, type HeadOptions } from './head';

export interface QuantileHead {
  (input: Variable, options?: HeadCallOptions): Variable;
}

/**
 * The values that each target stays below with the probabilities `quantiles`: [B, horizon, M, Q], or without a horizon
 * [T, B, M, Q] (or [B, M, Q], as its input is).
 *
 * Equations and parameters: `Head`. Its loss, where none is given, is `pinball({ quantiles })`. The quantiles are trained
 * each for itself, as in darts and PyTorch Forecasting, so those of one target may cross; `distribution` puts them in order
 * when they are read, which never raises the loss and asks nothing of the training.
 */
export class QuantileHead extends Head {
  override readonly distribution: Distribution;
  /** The levels, ascending, in (0, 1). */
  readonly quantiles: readonly number[];

  constructor(quantiles: readonly number[], options: HeadOptions = {}) {
    checkQuantiles('quantileHead', quantiles);
    super('quantileHead', options, quantiles.length);
    this.quantiles = [...quantiles];
    this.distribution = quantilesDistribution(this.quantiles);
  }

  override describe(): LayerConfig {
    return { kind: this.kind, quantiles: this.quantiles, options: this.options };
  }

  override defaultLoss(): Loss {
    return pinball({ quantiles: this.quantiles });
  }

  protected override parameters(raw: Variable, anchor: Variable | null): Variable {
    return anchor ? add(raw, anchor) : raw;
  }
}

/** A `QuantileHead`: `sequential([lstm(64), quantileHead([0.1, 0.5, 0.9], { horizon: 28 })])`. */
export const quantileHead = (quantiles: readonly number[], options?: HeadOptions): QuantileHead =>
  new QuantileHead(quantiles, options);
