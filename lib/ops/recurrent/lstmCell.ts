import type { View } from '../op';
import { logistic } from '../elementwise/activations';

/**
 * The order of the gates in `weight_ih`, `weight_hh`, the biases and `gates`, as in PyTorch: input, forget, cell
 * candidate, output. Gate k of unit j stands at k·H + j.
 */
export const lstmGates = { input: 0, forget: 1, candidate: 2, output: 3 } as const;

export interface LstmWeights {
  readonly weight_ih: View;
  readonly weight_hh: View;
  readonly bias_ih: View | null;
  readonly bias_hh: View | null;
}

/** One row of a batch at one step. */
export interface LstmStep {
  readonly x: Float64Array;
  readonly h: Float64Array;
  readonly c: Float64Array;
}

/** z = W_ih·x + b_ih + W_hh·h + b_hh. */
export function lstmPreactivations(
  { weight_ih, weight_hh, bias_ih, bias_hh }: LstmWeights,
  x: Float64Array,
  h: Float64Array,
  gates: Float64Array,
): void {
  for (let row = 0; row < gates.length; row++) {
    let z = (bias_ih?.data[row] ?? 0) + (bias_hh?.data[row] ?? 0);
    for (let k = 0; k < x.length; k++) z += weight_ih.data[row * x.length + k]! * x[k]!;
    for (let k = 0; k < h.length; k++) z += weight_hh.data[row * h.length + k]! * h[k]!;
    gates[row] = z;
  }
}

/**
 * z = W_ih·x + b_ih + W_hh·h + b_hh, then
 *
 *     i = σ(z_i)   f = σ(z_f)   g = tanh(z_g)   o = σ(z_o)
 *     c' = f ⊙ c + i ⊙ g   h' = o ⊙ tanh(c')
 *
 * (Hochreiter & Schmidhuber 1997; forget gate: Gers, Schmidhuber & Cummins 2000). Writes `gates` and `next`.
 */
export function lstmCell(
  weights: LstmWeights,
  { x, h, c }: LstmStep,
  next: { readonly gates: Float64Array; readonly h: Float64Array; readonly c: Float64Array },
): void {
  const hiddenSize = h.length;
  lstmPreactivations(weights, x, h, next.gates);
  next.gates.forEach((z, row, gates) => {
    gates[row] = Math.floor(row / hiddenSize) === lstmGates.candidate ? Math.tanh(z) : logistic(z);
  });
  for (let j = 0; j < hiddenSize; j++) {
    const [i, f, g, o] = gatesOf(next.gates, j);
    next.c[j] = f * c[j]! + i * g;
    next.h[j] = o * Math.tanh(next.c[j]!);
  }
}

/** The four gates of one unit. */
export function gatesOf(gates: Float64Array, unit: number): [i: number, f: number, g: number, o: number] {
  const hiddenSize = gates.length / 4;
  return [
    gates[lstmGates.input * hiddenSize + unit]!,
    gates[lstmGates.forget * hiddenSize + unit]!,
    gates[lstmGates.candidate * hiddenSize + unit]!,
    gates[lstmGates.output * hiddenSize + unit]!,
  ];
}

/**
 * The derivative of `lstmCell` before its multiplies. On entry `dh` and `dc` are the gradients of h' and c'; writes the
 * gradient of z and all of the gradient of c', and turns `dc` into the gradient of c along the direct path, dc'·f: the
 * constant error carousel.
 */
export function lstmCellBackward(
  state: { readonly gates: Float64Array; readonly c: Float64Array; readonly nextC: Float64Array },
  dh: Float64Array,
  dc: Float64Array,
  { dz, dcells }: { readonly dz: Float64Array; readonly dcells: Float64Array },
): void {
  const hiddenSize = dh.length;
  for (let j = 0; j < hiddenSize; j++) {
    const [i, f, g, o] = gatesOf(state.gates, j);
    const tanhC = Math.tanh(state.nextC[j]!);
    const dcTotal = dc[j]! + dh[j]! * o * (1 - tanhC * tanhC);
    dz[lstmGates.input * hiddenSize + j] = dcTotal * g * i * (1 - i);
    dz[lstmGates.forget * hiddenSize + j] = dcTotal * state.c[j]! * f * (1 - f);
    dz[lstmGates.candidate * hiddenSize + j] = dcTotal * i * (1 - g * g);
    dz[lstmGates.output * hiddenSize + j] = dh[j]! * tanhC * o * (1 - o);
    dcells[j] = dcTotal;
    dc[j] = dcTotal * f;
  }
}
