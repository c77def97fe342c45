import type { ArrayView } from '../../lib/backend/backend';

/** Element by element: |received - expected| ≤ absolute + relative·|expected|. A NaN is close to nothing. */
export function expectClose(
  received: ArrayView,
  expected: ArrayView,
  { absolute = 0, relative = 0 }: { absolute?: number; relative?: number },
): void {
  expect(received.shape).toEqual(expected.shape);
  expect(received.data.length).toBe(expected.data.length);
  for (let k = 0; k < expected.data.length; k++) {
    const [actual, wanted] = [received.data[k]!, expected.data[k]!];
    if (!(Math.abs(actual - wanted) <= absolute + relative * Math.abs(wanted))) {
      throw new Error(`element ${k} of [${expected.shape.join(', ')}]: expected ${wanted}, received ${actual}`);
    }
  }
}

/** ‖received - expected‖ / ‖expected‖; the difference itself where nothing but zeros is expected. */
export function relativeDistance(received: ArrayLike<number>, expected: ArrayLike<number>): number {
  let [difference, size] = [0, 0];
  for (let k = 0; k < expected.length; k++) {
    difference += (received[k]! - expected[k]!) ** 2;
    size += expected[k]! ** 2;
  }
  return Math.sqrt(difference / (size || 1));
}

/**
 * How far float32 arithmetic may lie from float64, in relative distance: k·(16 + √(terms·T))·2⁻²⁴, where `terms` is
 * the longest chain of additions, T the steps of a recurrence (1 outside), and k is 1 forward and 2 backward.
 */
export function float32Bound({
  terms,
  steps = 1,
  backward = false,
}: {
  terms: number;
  steps?: number;
  backward?: boolean;
}): number {
  return (backward ? 2 : 1) * (16 + Math.sqrt(terms * steps)) * 2 ** -24;
}

/** Within `bound` of the expected array, in relative distance. */
export function expectWithin(received: ArrayView, expected: ArrayView, bound: number): void {
  expect(received.shape).toEqual(expected.shape);
  const distance = relativeDistance(received.data, expected.data);
  if (!(distance <= bound)) {
    throw new Error(
      `expected a relative distance of at most ${bound.toExponential(2)}, received ${distance.toExponential(2)}`,
    );
  }
}
