import { logistic } from '../elementwise/activations';
import type { AttributeSpec, Attributes, View } from '../op';
import { addTransposedProduct, affineRow, type CellWeights } from './cell';
import { clip, isWithin, writeBounds } from './gateClip';
import { mixInto, seenBy } from './hiddenRegularizers';

/**
 * The order of the gates in `weight_ih`, `weight_hh`, the biases and `gates`, as in PyTorch: reset, update, candidate.
 * Gate k of unit j stands at k·H + j.
 */
export const gruGates = { reset: 0, update: 1, candidate: 2 } as const;

/** Which GRU an op is; a clip of 0 clips nothing. */
export const gruKindAttributes = { reset_after: 'boolean', gate_clip: 'number' } as const satisfies AttributeSpec;
export type GruKind = Attributes<typeof gruKindAttributes>;

/** What `writeBounds` says, of the three gates. */
export const writeGruBounds = ({ gate_clip }: Pick<GruKind, 'gate_clip'>, bounds: View): void =>
  writeBounds(gate_clip, [logistic, logistic, Math.tanh], bounds);

/** What a step leaves for its backward pass: the gates after activation, and q. */
export interface GruRecord {
  readonly gates: Float64Array;
  readonly recurrent: Float64Array;
}

/** What regularization does to one row of a batch at one step. */
export interface GruRegularizers {
  readonly keepHidden: Float64Array | null;
  readonly mask: Float64Array | null;
}

/**
 *     r = σ(W_ir·x + b_ir + W_hr·h + b_hr)   z = σ(the same rows for z)   h' = (1 - z) ⊙ n + z ⊙ h
 *
 * with the reset gate after the candidate's product, as in PyTorch, or before it, as in the paper:
 *
 *     after:  q = W_hn·h + b_hn   n = tanh(W_in·x + b_in + r ⊙ q)
 *     before: q = r ⊙ h           n = tanh(W_in·x + b_in + W_hn·q + b_hn)
 *
 * (Cho et al. 2014.) What enters σ and tanh is bounded to ±gate_clip. With a mask, h is h ⊙ mask everywhere but in z ⊙ h;
 * zoneout acts on h'. Writes `gates`, `recurrent` (q) and `h` of `next`.
 */
export function gruCell(
  weights: CellWeights<View>,
  { reset_after: resetAfter, gate_clip }: GruKind,
  { x, h, keepHidden, mask }: GruRegularizers & { readonly x: Float64Array; readonly h: Float64Array },
  next: GruRecord & { readonly h: Float64Array },
): void {
  const hiddenSize = h.length;
  const { gates, recurrent: q } = next;
  const seen = seenBy(mask, h);
  const fromInput = (row: number) => affineRow(weights.weight_ih, weights.bias_ih, row, x);
  const fromState = (row: number, state: Float64Array) => affineRow(weights.weight_hh, weights.bias_hh, row, state);
  for (let row = 0; row < gruGates.candidate * hiddenSize; row++) {
    gates[row] = logistic(clip(fromInput(row) + fromState(row, seen), gate_clip));
  }
  for (let j = 0; j < hiddenSize; j++) {
    const [r] = gruGatesOf(gates, j);
    q[j] = resetAfter ? fromState(gruGates.candidate * hiddenSize + j, seen) : r * seen[j]!;
  }
  for (let j = 0; j < hiddenSize; j++) {
    const row = gruGates.candidate * hiddenSize + j;
    const [r, z] = gruGatesOf(gates, j);
    const n = Math.tanh(clip(fromInput(row) + (resetAfter ? r * q[j]! : fromState(row, q)), gate_clip));
    gates[row] = n;
    next.h[j] = (1 - z) * n + z * h[j]!;
  }
  mixInto(next.h, h, keepHidden);
}

/** The three gates of one unit. */
export function gruGatesOf(gates: Float64Array, unit: number): [r: number, z: number, n: number] {
  const hiddenSize = gates.length / 3;
  return [
    gates[gruGates.reset * hiddenSize + unit]!,
    gates[gruGates.update * hiddenSize + unit]!,
    gates[gruGates.candidate * hiddenSize + unit]!,
  ];
}

/**
 * The derivative of `gruCell`. On entry `dh` is the gradient of h'; writes the gradient of what enters the gates from x
 * (`dgates`) and of q (`drecurrent`), and turns `dh` into the gradient of h.
 */
export function gruCellBackward(
  weight_hh: View,
  resetAfter: boolean,
  {
    gates,
    recurrent: q,
    h,
    keepHidden,
    mask,
    bounds,
  }: GruRecord & GruRegularizers & { readonly h: Float64Array; readonly bounds: View | null },
  dh: Float64Array,
  { dgates, drecurrent: dq }: { readonly dgates: Float64Array; readonly drecurrent: Float64Array },
): void {
  const hiddenSize = dh.length;
  const candidate = dgates.subarray(gruGates.candidate * hiddenSize);
  const seen = seenBy(mask, h);
  const dseen = new Float64Array(hiddenSize);
  const through = (gate: keyof typeof gruGates, value: number, slope: number) =>
    isWithin(bounds, gruGates[gate], value) ? slope : 0;
  const dnext = dh.map((gradient, j) => (1 - (keepHidden?.[j] ?? 0)) * gradient);
  for (let j = 0; j < hiddenSize; j++) {
    const [r, z, n] = gruGatesOf(gates, j);
    dgates[gruGates.update * hiddenSize + j] = dnext[j]! * (h[j]! - n) * through('update', z, z * (1 - z));
    candidate[j] = dnext[j]! * (1 - z) * through('candidate', n, 1 - n * n);
    dq[j] = resetAfter ? candidate[j]! * r : 0;
  }
  if (!resetAfter) addTransposedProduct(weight_hh, gruGates.candidate * hiddenSize, candidate, dq);
  for (let j = 0; j < hiddenSize; j++) {
    const [r, z] = gruGatesOf(gates, j);
    const dr = resetAfter ? candidate[j]! * q[j]! : dq[j]! * seen[j]!;
    dgates[gruGates.reset * hiddenSize + j] = dr * through('reset', r, r * (1 - r));
    dseen[j] = resetAfter ? 0 : dq[j]! * r;
    dh[j] = dnext[j]! * z + (keepHidden?.[j] ?? 0) * dh[j]!;
  }
  addTransposedProduct(weight_hh, 0, dgates.subarray(0, gruGates.candidate * hiddenSize), dseen);
  if (resetAfter) addTransposedProduct(weight_hh, gruGates.candidate * hiddenSize, dq, dseen);
  for (let j = 0; j < hiddenSize; j++) dh[j]! += (mask?.[j] ?? 1) * dseen[j]!;
}
