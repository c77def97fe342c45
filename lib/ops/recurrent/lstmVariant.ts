import type { View } from '../op';
import { gatesOf, lstmGates, lstmPreactivations, type LstmStep, type LstmWeights } from './lstmCell';
import { activations, activationsOf, type LstmKindAttributes } from './lstmKind';
import { hiddenRegularizersOf, shareAt } from './hiddenRegularizers';

export interface LstmVariantWeights extends LstmWeights {
  /** [3H]: what i and f see of c, and o of c', in this order. */
  readonly weight_peephole: View | null;
  /** [P, H]: h' is this times o ⊙ φ(c'). */
  readonly weight_hr: View | null;
}

/** One row of a batch at one step, with what regularization does to it. */
export interface LstmVariantStep extends LstmStep {
  /** The share of c and h that stays as it was: zoneout. */
  readonly keepCell: Float64Array | null;
  readonly keepHidden: Float64Array | null;
  /** What the gates see of h is h ⊙ mask. */
  readonly mask: Float64Array | null;
}

/** Optional operands of the ops that have this cell. */
export interface LstmRegularizers {
  readonly keep_hidden: View | null;
  readonly keep_cell: View | null;
  readonly hidden_mask: View | null;
}

/** What a row b of a batch has of them at row `row` of [T, B, ...]. */
export function regularizersOf(regularizers: LstmRegularizers, b: number, row: number) {
  return { ...hiddenRegularizersOf(regularizers, b, row), keepCell: shareAt(regularizers.keep_cell, row) };
}

/** The rows of `weight_peephole`: which gate each belongs to, and whether that gate sees c' or c. */
export const peepholeGates = [
  { gate: lstmGates.input, seesNext: false },
  { gate: lstmGates.forget, seesNext: false },
  { gate: lstmGates.output, seesNext: true },
] as const;

/** The three peepholes of one unit. */
function peepholesOf(weight: View | null, unit: number): [i: number, f: number, o: number] {
  const hiddenSize = (weight?.shape[0] ?? 0) / peepholeGates.length;
  const [i, f, o] = peepholeGates.map((_, row) => weight?.data[row * hiddenSize + unit] ?? 0);
  return [i!, f!, o!];
}

const mix = (keep: number, before: number, after: number) => keep * before + (1 - keep) * after;

/**
 * `lstmCell` with options: each gate and the cell through the function that `kind` names, and
 *
 *     z_i += p_i ⊙ c   z_f += p_f ⊙ c   z_o += p_o ⊙ c'                     peepholes (Gers & Schmidhuber 2000)
 *     f = 1 - i                                                            coupled gates (Greff et al. 2017)
 *     c' = clip(f ⊙ c + i ⊙ g)     h' = W_hr (o ⊙ φ(c'))                    projection (Sak et al. 2014)
 *     c' = k ⊙ c + (1 - k) ⊙ c'    h' = k ⊙ h + (1 - k) ⊙ h'                zoneout (Krueger et al. 2016)
 *
 * where zoneout changes c' before the output gate and h' see it.
 */
export function lstmVariantCell(
  weights: LstmVariantWeights,
  kind: LstmKindAttributes,
  { x, h, c, keepCell, keepHidden, mask }: LstmVariantStep,
  next: {
    readonly gates: Float64Array;
    readonly h: Float64Array;
    readonly c: Float64Array;
    readonly unprojected: Float64Array;
  },
): void {
  const { input, forget, candidate, output, cell } = activationsOf(kind);
  const hiddenSize = c.length;
  lstmPreactivations(weights, x, mask ? h.map((value, k) => value * mask[k]!) : h, next.gates);
  for (let j = 0; j < hiddenSize; j++) {
    const [zi, zf, zg, zo] = gatesOf(next.gates, j);
    const [pi, pf, po] = peepholesOf(weights.weight_peephole, j);
    const i = activations[input].value(zi + pi * c[j]!);
    const f = forget === 'coupled' ? 1 - i : activations[forget].value(zf + pf * c[j]!);
    const g = activations[candidate].value(zg);
    next.c[j] = mix(keepCell?.[j] ?? 0, c[j]!, clip(f * c[j]! + i * g, kind.cell_clip));
    const o = activations[output].value(zo + po * next.c[j]!);
    next.unprojected[j] = o * activations[cell].value(next.c[j]!);
    [i, f, g, o].forEach((gate, row) => (next.gates[row * hiddenSize + j] = gate));
  }
  for (let p = 0; p < h.length; p++) {
    const projected = weights.weight_hr ? dotRow(weights.weight_hr, p, next.unprojected) : next.unprojected[p]!;
    next.h[p] = mix(keepHidden?.[p] ?? 0, h[p]!, projected);
  }
}

const clip = (c: number, limit: number) => (limit > 0 ? Math.min(Math.max(c, -limit), limit) : c);

function dotRow({ data }: View, row: number, vector: Float64Array): number {
  return vector.reduce((sum, value, k) => sum + value * data[row * vector.length + k]!, 0);
}

/**
 * The derivative of `lstmVariantCell` from o ⊙ φ(c') on. On entry `dh` and `dc` are the gradients of o ⊙ φ(c') and c';
 * writes the gradient of z, and turns `dc` into the gradient of c. Where c' was clipped, nothing flows through it.
 */
export function lstmVariantCellBackward(
  weight_peephole: View | null,
  kind: LstmKindAttributes,
  state: {
    readonly gates: Float64Array;
    readonly c: Float64Array;
    readonly nextC: Float64Array;
    readonly keepCell: Float64Array | null;
  },
  dh: Float64Array,
  dc: Float64Array,
  dz: Float64Array,
): void {
  const { input, forget, candidate, output, cell } = activationsOf(kind);
  const hiddenSize = dc.length;
  for (let j = 0; j < hiddenSize; j++) {
    const [i, f, g, o] = gatesOf(state.gates, j);
    const [pi, pf, po] = peepholesOf(weight_peephole, j);
    const [c, keep] = [state.c[j]!, state.keepCell?.[j] ?? 0];
    const phi = activations[cell].value(state.nextC[j]!);
    const dzo = dh[j]! * phi * activations[output].slope(o);
    const dcNext = dc[j]! + dh[j]! * o * activations[cell].slope(phi) + dzo * po;
    const clipped = kind.cell_clip > 0 && Math.abs(f * c + i * g) > kind.cell_clip;
    const dcTotal = clipped ? 0 : (1 - keep) * dcNext;
    const di = dcTotal * (forget === 'coupled' ? g - c : g);
    const dzi = di * activations[input].slope(i);
    const dzf = dcTotal * c * activations[forget].slope(f);
    const dzg = dcTotal * i * activations[candidate].slope(g);
    [dzi, dzf, dzg, dzo].forEach((gradient, row) => (dz[row * hiddenSize + j] = gradient));
    dc[j] = keep * dcNext + dcTotal * f + dzi * pi + dzf * pf;
  }
}
