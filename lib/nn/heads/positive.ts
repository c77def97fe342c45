/** Parameters of distributions, of the raw numbers [..., M, K] that a head's layers give. */
import { add, slice, softplus } from '../../ops/functions';
import type { Variable } from '../../ops/op';

/** Below any scale of standardized targets, and far from where a division by it would overflow. */
export const smallestScale = 1e-3;

/** The first raw number, an anchor added: a location. */
export function located(raw: Variable, anchor: Variable | null): Variable {
  const location = slice(raw, -1, 0, 1);
  return anchor ? add(location, anchor) : location;
}

/** softplus of the raw number at `index`, plus the least that it may be. */
export const positive = (raw: Variable, index: number, least: number): Variable =>
  add(softplus(slice(raw, -1, index, index + 1)), least);
