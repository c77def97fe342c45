import { add, reshape } from '../../ops/functions';
import type { Variable } from '../../ops/op';
import type { Loss } from '../loss';
import { meanSquaredError } from '../losses';
import { pointDistribution } from './distribution';
import { Head, type HeadCallOptions, type HeadOptions } from './head';

export interface PointHead {
  (input: Variable, options?: HeadCallOptions): Variable;
}

/**
 * One number for each target: [B, horizon, M], or without a horizon [T, B, M] (or [B, M], as its input is).
 *
 * Equations and parameters: `Head`. Its loss, where none is given, is `meanSquaredError()`.
 */
export class PointHead extends Head {
  override readonly distribution = pointDistribution;

  constructor(options: HeadOptions = {}) {
    super('pointHead', options, 1);
  }

  override defaultLoss(): Loss {
    return meanSquaredError();
  }

  protected override parameters(raw: Variable, anchor: Variable | null): Variable {
    const { shape } = raw.type;
    return reshape(anchor ? add(raw, anchor) : raw, shape.slice(0, -1));
  }
}

/** A `PointHead`: `sequential([lstm(64), pointHead({ horizon: 28 })])`. */
export const pointHead = (options?: HeadOptions): PointHead => new PointHead(options);
