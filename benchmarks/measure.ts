/** How contenders are timed: in turns, so that what disturbs the machine disturbs all of them. */

/** Does its work once and says how that went: seconds, or operations a second. */
export type Contender = () => Promise<number>;

/** Rounds before those that count: memory is touched, weights are packed, the clock settles. */
const warmUpRounds = 2;

/**
 * The contenders in turn, `rounds` times, and on until `seconds` have passed: what each said, round by round; nothing
 * of one that is undefined.
 */
export async function alternate<Name extends string>(
  contenders: Readonly<Record<Name, Contender | undefined>>,
  rounds: number,
  seconds = 0,
): Promise<Record<Name, number[]>> {
  const names = Object.keys(contenders) as Name[];
  const samples = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Name, number[]>;
  const end = performance.now() + seconds * 1e3;
  for (let round = -warmUpRounds; round < rounds || performance.now() < end; round++) {
    for (const name of names) {
      const sample = await contenders[name]?.();
      if (sample !== undefined && round >= 0) samples[name].push(sample);
    }
  }
  return samples;
}

export async function secondsOf(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1e3;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The median of a[k] / b[k]: neighbours in time are divided, so a slow stretch of the machine divides out. */
export function medianRatio(a: readonly number[], b: readonly number[]): number {
  return median(a.map((value, index) => value / b[index]!));
}
