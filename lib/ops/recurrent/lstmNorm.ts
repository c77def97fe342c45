/** Layer normalization inside an LSTM's cell: blocks of a vector are normalized together. */

/** Added to the variance, as in PyTorch. */
const normEpsilon = 1e-5;

/** Which elements of a vector are normalized together: blocks of `size` elements, by number. */
export interface NormBlocks {
  readonly blocks: readonly number[];
  readonly size: number;
}

function mean({ blocks, size }: NormBlocks, value: (index: number) => number): number {
  let sum = 0;
  forEachIn({ blocks, size }, (index) => (sum += value(index)));
  return sum / (blocks.length * size);
}

function forEachIn({ blocks, size }: NormBlocks, visit: (index: number) => void): void {
  for (const block of blocks) for (let j = 0; j < size; j++) visit(block * size + j);
}

/** normalized = (v - mean) · scale with scale = 1 / √(variance + ε), which is returned. Other elements stay as they are. */
export function normalize(v: Float64Array, normalized: Float64Array, within: NormBlocks): number {
  const center = mean(within, (index) => v[index]!);
  const variance = mean(within, (index) => (v[index]! - center) ** 2);
  const scale = 1 / Math.sqrt(variance + normEpsilon);
  forEachIn(within, (index) => (normalized[index] = (v[index]! - center) * scale));
  return scale;
}

/** The gradient of v, from that of what its normalized elements n are: scale · (dn - mean(dn) - n ⊙ mean(dn ⊙ n)). */
export function normalizeBackward(
  dn: (index: number) => number,
  { normalized, scale }: { readonly normalized: Float64Array; readonly scale: number },
  dv: Float64Array,
  within: NormBlocks,
): void {
  const along = mean(within, dn);
  const across = mean(within, (index) => dn(index) * normalized[index]!);
  forEachIn(within, (index) => (dv[index] = scale * (dn(index) - along - normalized[index]! * across)));
}
