import { concat } from '../../ops/functions';
import type { Variable } from '../../ops/op';
import type { Loss } from '../loss';
import { studentTLikelihood } from '../losses';
import { studentTDistribution } from './distribution';
import { Head, type HeadCallOptions, type HeadOptions } from './head';
import { located, positive, smallestScale } from './positive';

export interface StudentTHead {
  (input: Variable, options?: HeadCallOptions): Variable;
}

/**
 * Location, scale and degrees of freedom of Student's t for each target, for targets with outliers: [B, horizon, M, 3], or
 * without a horizon [T, B, M, 3] (or [B, M, 3], as its input is). The scale is softplus(raw) + 10⁻³; the degrees of freedom
 * are 2 + softplus(raw) + 10⁻³, so that there is a variance.
 *
 * Equations and parameters: `Head`. Its loss, where none is given, is `studentTLikelihood()`.
 * Source: Salinas et al. 2020; GluonTS `StudentTOutput`.
 */
export class StudentTHead extends Head {
  override readonly distribution = studentTDistribution;

  constructor(options: HeadOptions = {}) {
    super('studentTHead', options, 3);
  }

  override defaultLoss(): Loss {
    return studentTLikelihood();
  }

  protected override parameters(raw: Variable, anchor: Variable | null): Variable {
    const [scale, freedom] = [positive(raw, 1, smallestScale), positive(raw, 2, 2 + smallestScale)];
    return concat([located(raw, anchor), scale, freedom], -1);
  }
}

/** A `StudentTHead`: `sequential([lstm(64), studentTHead({ horizon: 28 })])`. */
export const studentTHead = (options?: HeadOptions): StudentTHead => new StudentTHead(options);
