import { multiply } from '../ops/functions';
import type { Variable } from '../ops/op';
import type { Loss } from './loss';

/**
 * A figure that is made of sums. Each sum, a scalar or an array such as one number for each class, is added up over the
 * batches, and the figure is taken once, of the totals: so F1 over an epoch is that of all its targets, not a mean of F1s.
 */
export interface Metric {
  readonly name: string;
  /** Equal for metrics that write equal equations. */
  readonly key: string;
  sums(output: Variable, targets: Variable, weights: Variable | null): Readonly<Record<string, Variable>>;
  figure(totals: Readonly<Record<string, ArrayLike<number>>>): number;
}

/** Sum over total; 0 where nothing counts. */
export const ratio = (sum: number, total: number): number => (total === 0 ? 0 : sum / total);

/** The mean that a loss takes, or what follows from it, as a metric beside another loss. */
export function lossMetric(
  { name, key, terms }: Pick<Loss, 'name' | 'key' | 'terms'>,
  of: (mean: number) => number = (mean) => mean,
): Metric {
  return {
    name,
    key: `${key} ${String(of)}`,
    sums(output, targets, weights): Readonly<Record<string, Variable>> {
      const { loss, totalWeight } = terms(output, targets, weights);
      return totalWeight ? { sum: multiply(loss, totalWeight), total: totalWeight } : { sum: loss };
    },
    figure: ({ sum, total }) => of(total ? ratio(sum![0]!, total[0]!) : sum![0]!),
  };
}
