/** What typed arrays are and hold. Kinds go by tag, not by `instanceof`: an array may come from another realm. */
export const tagOf = (value: unknown): string => Object.prototype.toString.call(value).slice(8, -1);

export const isInt32 = (value: unknown): value is Int32Array => tagOf(value) === 'Int32Array';

/** The least number that rounds to an infinite float32: half a unit in the last place above the largest. */
export const float32Limit = 2 ** 128 - 2 ** 103;

/** Whether a number is finite in float32 too, which is what native kernels hold. */
export const isFiniteFloat32 = (value: number): boolean => Math.abs(value) < float32Limit;

/** Arrays as one; one alone as it is. */
export function joined<A extends Float64Array | Int32Array>(Kind: new (length: number) => A, parts: readonly A[]): A {
  if (parts.length === 1) return parts[0]!;
  const all = new Kind(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
