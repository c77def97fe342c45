/** What a cell can show of its steps: values that its op makes on demand, so that they cost nothing unless somebody reads them. */
import type { Variable } from '../ops/op';

/**
 * One layer in one direction over time, [T, B, ·], 0 past a length and in the original order of time. A module's `forward`
 * may return any of it by name:
 *
 *     const { output, layers } = this.encoder(x);
 *     return { output, gates: layers[0]!.gates };
 */
export interface LayerRecord {
  /** h_t [T, B, H], as the next step sees it. */
  readonly hidden: Variable;
  /** What else the cell shows, by name. */
  readonly [name: string]: Variable;
}

/** Adds the records to what a layer returns. Not enumerable, so that a `forward` which returns all of it returns no lists. */
export function withLayers<T extends object, R>(
  result: T,
  layers: readonly R[],
): T & { readonly layers: readonly R[] } {
  return Object.defineProperty(result, 'layers', { value: layers, enumerable: false }) as T & { readonly layers: R[] };
}

/** What a layer returned, with another output; its records stay. */
export const withOutput = <T extends { readonly output: Variable }>(result: T, output: Variable): T =>
  Object.defineProperties(
    {},
    { ...Object.getOwnPropertyDescriptors(result), output: { value: output, enumerable: true } },
  ) as T;
