import { logistic } from '../elementwise/activations';
import type { View } from '../op';
import { addTransposedProduct, affineRow, type CellWeights } from './cell';
import { mixInto, seenBy, type RowRegularizers } from './hiddenRegularizers';

/**
 * The order of the gates in `weight_ih`, `weight_hh`, the biases and `gates`: input, forget, cell candidate, output, as
 * in the LSTM. Gate k of unit j stands at k·H + j.
 */
export const slstmGates = { input: 0, forget: 1, candidate: 2, output: 3 } as const;
export const slstmGateCount = 4;

/** What is carried from step to step. */
export interface SlstmState {
  readonly h: Float64Array;
  readonly c: Float64Array;
  readonly n: Float64Array;
  readonly m: Float64Array;
}

/** What a step leaves for its backward pass: i, f, z and o, and the slope of log f in f̃, with what zoneout makes of f. */
export interface SlstmRecord {
  readonly gates: Float64Array;
  readonly forgetSlope: Float64Array;
}

/** log σ(z), without the overflow of e^-z or the cancellation of 1 - σ(-z). */
export const logLogistic = (z: number): number => Math.min(z, 0) - Math.log1p(Math.exp(-Math.abs(z)));

/** log(e^a + e^b), where not both are -∞. */
const logSum = (a: number, b: number): number => Math.max(a, b) + Math.log1p(Math.exp(-Math.abs(a - b)));

/**
 * With ĩ, f̃, z̃, õ = W_ih·x + b_ih + W_hh·h + b_hh, where W_hh has a block of its own for each head: the rows of a unit
 * multiply the units of its head alone,
 *
 *     a = log σ(f̃) + m     m' = max(ĩ, a)     i = e^(ĩ - m')     f = e^(a - m')
 *     c' = f ⊙ c + i ⊙ tanh(z̃)     n' = f ⊙ n + i     h' = σ(õ) ⊙ c' / n'
 *
 * (Beck et al. 2024, section 2.2 and appendix A.2), or with an exponential forget gate a = f̃ + m. A unit with n = 0 has
 * seen nothing yet: a is -∞, the logarithm of nothing, so that m' = ĩ and i = 1, and h' is exact however small e^ĩ is.
 * From then on n' ≥ min(n, 1).
 *
 * c, n and m are one average, c / n with a weight of n·e^m, so zoneout keeps them together. With a share k of it, e^m·c and
 * e^m·n become what they were by k, and what the step makes of them by 1 - k; which is to say, of the gates f and i before
 * they are stabilized, k + (1 - k)·f and (1 - k)·i:
 *
 *     a = log(k + (1 - k)·σ(f̃)) + m     m' = max(ĩ + log(1 - k), a)
 *
 * and the same with e^f̃. A unit that is kept before it has seen anything has c' / n' = 0. Zoneout of h acts on h', and a mask on
 * what W_hh sees of h. Writes `next`.
 */
export function slstmCell(
  weights: CellWeights<View>,
  exponentialForget: boolean,
  { x, h, c, n, m, keepHidden, keepCell, mask }: SlstmState & RowRegularizers & { readonly x: Float64Array },
  next: SlstmState & SlstmRecord,
): void {
  const hiddenSize = h.length;
  const headSize = weights.weight_hh.shape[1]!;
  const { gates, forgetSlope } = next;
  const seen = seenBy(mask, h);
  for (let row = 0; row < gates.length; row++) {
    const first = firstOfHead(row % hiddenSize, headSize);
    gates[row] =
      affineRow(weights.weight_ih, weights.bias_ih, row, x) +
      affineRow(weights.weight_hh, weights.bias_hh, row, seen.subarray(first, first + headSize));
  }
  for (let j = 0; j < hiddenSize; j++) {
    const [logInput, forget, candidate, output] = slstmGatesOf(gates, j);
    const [logKeep, logRest] = [Math.log(keepCell?.[j] ?? 0), Math.log1p(-(keepCell?.[j] ?? 0))];
    const logForget = logRest + (exponentialForget ? forget : logLogistic(forget));
    const logKept = logSum(logKeep, logForget);
    const hasNone = n[j] === 0 && logKeep < 0;
    const kept = hasNone ? -Infinity : logKept + m[j]!;
    const arriving = logInput + logRest;
    const stabilizer = Math.max(arriving, kept);
    const [i, f] = [Math.exp(arriving - stabilizer), Math.exp(kept - stabilizer)];
    const [z, o] = [Math.tanh(candidate), logistic(output)];
    gates[slstmGates.input * hiddenSize + j] = i;
    gates[slstmGates.forget * hiddenSize + j] = f;
    gates[slstmGates.candidate * hiddenSize + j] = z;
    gates[slstmGates.output * hiddenSize + j] = o;
    forgetSlope[j] = Math.exp(logForget - logKept) * (exponentialForget ? 1 : logistic(-forget));
    next.c[j] = f * c[j]! + i * z;
    next.n[j] = f * n[j]! + i;
    next.m[j] = stabilizer;
    next.h[j] = o * mean(next.c[j]!, next.n[j]!);
  }
  mixInto(next.h, h, keepHidden);
}

/** c / n, or 0 where nothing has been seen. */
const mean = (c: number, n: number) => (n === 0 ? 0 : c / n);

const firstOfHead = (unit: number, headSize: number) => unit - (unit % headSize);

/** The four gates of one unit. */
function slstmGatesOf(gates: Float64Array, unit: number): [i: number, f: number, z: number, o: number] {
  const hiddenSize = gates.length / slstmGateCount;
  return [
    gates[slstmGates.input * hiddenSize + unit]!,
    gates[slstmGates.forget * hiddenSize + unit]!,
    gates[slstmGates.candidate * hiddenSize + unit]!,
    gates[slstmGates.output * hiddenSize + unit]!,
  ];
}

/** The gradients that go from step to step, besides dh: of c, of n, and ε = dm - c·dc - n·dn. */
export interface SlstmCellGradients {
  readonly dc: Float64Array;
  readonly dn: Float64Array;
  readonly excess: Float64Array;
}

/**
 * The derivative of `slstmCell` before its multiplies. On entry `dh` is the gradient of h', and `carried` that of what a
 * later step makes of c', n' and m'. Writes the gradient before activation, turns `carried` into that of c, n and m, and
 * leaves in `dcells` the whole gradient of c'.
 *
 * The whole gradient of m is dm = c·dc + n·dn + ε. Where only outputs are in the loss ε is 0, since c·s, n·s and m - log s
 * give the same h for any s: there the gradient is exactly the one that takes m for a constant. What a loss on the last
 * c, n or m adds goes to whichever of ĩ and a was the larger (a at a tie), so it ends, on the way back, at the first step
 * whose m' is its ĩ.
 */
export function slstmCellBackward(
  record: SlstmRecord & Readonly<Record<'c' | 'n' | 'nextC' | 'nextN', Float64Array>>,
  dh: Float64Array,
  { dc, dn, excess }: SlstmCellGradients,
  dz: Float64Array,
  dcells: Float64Array,
): void {
  const hiddenSize = dh.length;
  for (let j = 0; j < hiddenSize; j++) {
    const [i, f, z, o] = slstmGatesOf(record.gates, j);
    const h = mean(record.nextC[j]!, record.nextN[j]!);
    const dMean = mean(dh[j]! * o, record.nextN[j]!);
    const dcTotal = dc[j]! + dMean;
    const dnTotal = dn[j]! - dMean * h;
    const ofInput = f < 1 ? excess[j]! : 0;
    const ofForget = excess[j]! - ofInput;
    const dLogForget = f * (dcTotal * record.c[j]! + dnTotal * record.n[j]!) + ofForget;
    dz[slstmGates.input * hiddenSize + j] = i * (dcTotal * z + dnTotal) + ofInput;
    dz[slstmGates.forget * hiddenSize + j] = dLogForget * record.forgetSlope[j]!;
    dz[slstmGates.candidate * hiddenSize + j] = dcTotal * i * (1 - z * z);
    dz[slstmGates.output * hiddenSize + j] = dh[j]! * h * o * (1 - o);
    dcells[j] = dcTotal;
    dc[j] = dcTotal * f;
    dn[j] = dnTotal * f;
    excess[j] = ofForget;
  }
}

/** Visits the blocks of W_hh: the row of the weight, and the unit of h, at which each begins. */
export function forEachBlock(
  hiddenSize: number,
  headSize: number,
  visit: (firstRow: number, firstUnit: number) => void,
): void {
  for (let gate = 0; gate < slstmGateCount; gate++) {
    for (let unit = 0; unit < hiddenSize; unit += headSize) visit(gate * hiddenSize + unit, unit);
  }
}

/** dz·W_hh: the gradient of h as the gates see it. */
export function slstmStateGradient(weight_hh: View, dz: Float64Array): Float64Array {
  const headSize = weight_hh.shape[1]!;
  const dh = new Float64Array(dz.length / slstmGateCount);
  forEachBlock(dh.length, headSize, (row, unit) => {
    addTransposedProduct(weight_hh, row, dz.subarray(row, row + headSize), dh.subarray(unit, unit + headSize));
  });
  return dh;
}
