import { hashText, philoxInto, type Words2 } from '../ops/philox';

/** How a layer of your own draws a parameter: `this.parameter('weight', [4, 3], uniform(0.5))`. The draw depends on the seed and the parameter's path alone, whatever the order of construction. */
export type Initializer =
  | { readonly kind: 'uniform'; readonly bound: number }
  | { readonly kind: 'normal'; readonly standardDeviation: number }
  | { readonly kind: 'constant'; readonly value: number }
  | {
      readonly kind: 'range';
      readonly others: Initializer;
      readonly begin: number;
      readonly end: number;
      readonly value: number;
    };

/** U(−bound, bound): `uniform(1 / Math.sqrt(hiddenSize))`. */
export const uniform = (bound: number): Initializer => ({ kind: 'uniform', bound });
/** N(0, standardDeviation²). */
export const normal = (standardDeviation: number): Initializer => ({ kind: 'normal', standardDeviation });
/** The same value everywhere: `constant(0)`. */
export const constant = (value: number): Initializer => ({ kind: 'constant', value });

/** Drawn by `others`, but for `value` in the elements from `begin` up to `end`. */
export const constantRange = (others: Initializer, begin: number, end: number, value: number): Initializer => ({
  kind: 'range',
  others,
  begin,
  end,
  value,
});

/**
 * How a bias of a cell begins: drawn by `others`, but in the H rows of the forget gate, where `bias_ih` is `forgetBias` and
 * `bias_hh` 0, so that they add up to it. All are drawn where it is left out.
 */
export function withForgetBias(
  forgetBias: number | undefined,
  name: 'bias_ih' | 'bias_hh',
  others: Initializer,
  forgetGate: number,
  hiddenSize: number,
): Initializer {
  if (forgetBias === undefined) return others;
  const begin = forgetGate * hiddenSize;
  return constantRange(others, begin, begin + hiddenSize, name === 'bias_ih' ? forgetBias : 0);
}

/** `size` numbers for the parameter at `path`, rounded to float32 so that both backends start from the same. */
export function draw(initializer: Initializer, seed: number, path: string, size: number): Float32Array {
  if (initializer.kind === 'range') {
    const { others, value, begin, end } = initializer;
    return draw(others, seed, path, size).fill(value, begin, end);
  }
  const values = new Float32Array(size);
  if (initializer.kind === 'constant') return values.fill(initializer.value);
  const key = [seed >>> 0, hashText(path)] as const;
  const drawn = new Float64Array(Math.min(drawnAtOnce, Math.ceil(size / 4) * 4));
  for (let begin = 0; begin < size; begin += drawn.length) {
    drawUnits(drawn, key, begin / 4);
    if (initializer.kind === 'uniform') spread(drawn, initializer.bound);
    else boxMuller(drawn, initializer.standardDeviation);
    values.set(drawn.subarray(0, size - begin), begin);
  }
  return values;
}

/** A multiple of 4. Enough for calls to cost nothing, and few enough to stay in the cache. */
const drawnAtOnce = 4096;

/** Numbers of the open interval (0, 1): each counter, from `counter` on, gives four 32-bit words. */
function drawUnits(numbers: Float64Array, key: Words2, counter: number): void {
  const words = new Uint32Array(4);
  for (let begin = 0; begin < numbers.length; begin += 4) {
    philoxInto(words, key, counter++, 0, 0, 0);
    for (let lane = 0; lane < 4; lane++) numbers[begin + lane] = (words[lane]! + 0.5) / 2 ** 32;
  }
}

/** Numbers of U(0, 1) become those of U(-bound, bound). */
function spread(numbers: Float64Array, bound: number): void {
  for (let lane = 0; lane < numbers.length; lane++) numbers[lane] = (2 * numbers[lane]! - 1) * bound;
}

/** Pairs of U(0, 1) become pairs of N(0, standardDeviation²). */
function boxMuller(numbers: Float64Array, standardDeviation: number): void {
  for (let lane = 0; lane < numbers.length; lane += 2) {
    const r = standardDeviation * Math.sqrt(-2 * Math.log(numbers[lane]!));
    const angle = 2 * Math.PI * numbers[lane + 1]!;
    numbers[lane] = r * Math.cos(angle);
    numbers[lane + 1] = r * Math.sin(angle);
  }
}
