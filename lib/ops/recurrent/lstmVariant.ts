import type { View } from '../op';
import { addTransposedProduct, affineRow } from './cell';
import { gatesOf, lstmGates, lstmPreactivations, type LstmStep, type LstmWeights } from './lstmCell';
import { clip, isWithin } from './gateClip';
import { activations, activationsOf, weightedGates, type LstmKindAttributes } from './lstmKind';
import { normalize, normalizeBackward } from './lstmNorm';
import { rowOf } from './sequence';

export interface LstmVariantWeights extends LstmWeights {
  /** [3H]: what i and f see of c, and o of c', in this order. */
  readonly weight_peephole: View | null;
  /** [P, H]: h' is this times o ⊙ φ(c'). */
  readonly weight_hr: View | null;
  /** [3H, 3H]: what i, f and o see of those of the step before. */
  readonly weight_gate: View | null;
  /** [4H], [4H], [H], [H]: the gains of what x, h and c are when normalized, and the bias of c; all four or none. */
  readonly weight_ln_ih: View | null;
  readonly weight_ln_hh: View | null;
  readonly weight_ln_c: View | null;
  readonly bias_ln_c: View | null;
}

/** One row of a batch at one step, with what regularization does to it. */
export interface LstmVariantStep extends LstmStep {
  /** The share of c and h that stays as it was: zoneout. */
  readonly keepCell: Float64Array | null;
  readonly keepHidden: Float64Array | null;
  /** What the gates see of h is h ⊙ mask. */
  readonly mask: Float64Array | null;
  /** i, f and o of the step before, where the gates see them. */
  readonly g: Float64Array | null;
}

/** What layer normalization leaves for the way back: W_ih x, W_hh h and c normalized, and by what each was scaled. */
export interface LstmNormalized {
  readonly ih: Float64Array;
  readonly hh: Float64Array;
  readonly c: Float64Array;
  readonly scales: Float64Array;
}

/** What a step writes. `recurred` is what the next step sees of i, f and o. */
export interface LstmVariantNext {
  readonly gates: Float64Array;
  readonly h: Float64Array;
  readonly c: Float64Array;
  readonly unprojected: Float64Array;
  readonly recurred: Float64Array;
  readonly normalized: LstmNormalized;
}

/** What layer normalization has of a row of [T, B]; nothing without it. */
export function normalizedOf(
  saved: Readonly<Record<'normalized_ih' | 'normalized_hh' | 'normalized_c' | 'scales', View | null>>,
  row: number,
) {
  const at = (view: View | null) => rowOf(view, row) ?? new Float64Array(0);
  return {
    ih: at(saved.normalized_ih),
    hh: at(saved.normalized_hh),
    c: at(saved.normalized_c),
    scales: at(saved.scales),
  };
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

/** The gates whose values the next step may see, in the order of `weight_gate`. */
export const recurrentGates = [lstmGates.input, lstmGates.forget, lstmGates.output] as const;

/**
 * z = W_ih x + W_hh h + W_g g + b, without the last product where gates see no gates; with layer normalization
 *
 *     z = γ_x ⊙ LN(W_ih x) + γ_h ⊙ LN(W_hh h + W_g g) + b
 *
 * where LN is over the rows of all gates that have weights of their own (Ba et al. 2016, equations 20 to 22).
 */
function preactivations(
  weights: LstmVariantWeights,
  kind: LstmKindAttributes,
  x: Float64Array,
  h: Float64Array,
  g: Float64Array | null,
  { gates, normalized }: LstmVariantNext,
): void {
  const { weight_gate, weight_ln_ih, weight_ln_hh, bias_ih, bias_hh } = weights;
  const size = gates.length / 4;
  const ofGates = new Float64Array(gates.length);
  if (weight_gate && g) {
    recurrentGates.forEach((gate, block) => {
      for (let j = 0; j < size; j++) ofGates[gate * size + j] = affineRow(weight_gate, null, block * size + j, g);
    });
  }
  if (!weight_ln_ih || !weight_ln_hh) {
    lstmPreactivations(weights, x, h, gates);
    ofGates.forEach((z, row) => (gates[row]! += z));
    return;
  }
  const within = { blocks: weightedGates(kind), size };
  const ofState = ofGates.map((z, row) => z + affineRow(weights.weight_hh, null, row, h));
  const ofInput = ofGates.map((_, row) => affineRow(weights.weight_ih, null, row, x));
  normalized.scales[0] = normalize(ofInput, normalized.ih, within);
  normalized.scales[1] = normalize(ofState, normalized.hh, within);
  gates.forEach((_, row) => {
    const bias = (bias_ih?.data[row] ?? 0) + (bias_hh?.data[row] ?? 0);
    const [nx, nh] = [normalized.ih[row]!, normalized.hh[row]!];
    gates[row] = weight_ln_ih.data[row]! * nx + weight_ln_hh.data[row]! * nh + bias;
  });
}

/** c as the output gate lets it through: γ_c ⊙ LN(c) + β_c with layer normalization, else c. */
function visibleCell(
  { weight_ln_c, bias_ln_c }: Pick<LstmVariantWeights, 'weight_ln_c' | 'bias_ln_c'>,
  c: Float64Array,
  normalized: Float64Array,
): Float64Array {
  if (!weight_ln_c || !bias_ln_c) return c;
  return normalized.map((n, j) => weight_ln_c.data[j]! * n + bias_ln_c.data[j]!);
}

/**
 * `lstmCell` with options: each gate and the cell through the function that `kind` names, z as `preactivations` says, and
 *
 *     z_i += p_i ⊙ c   z_f += p_f ⊙ c   z_o += p_o ⊙ c'                     peepholes (Gers & Schmidhuber 2000)
 *     every z that enters an activation, bounded to ±gate_clip
 *     f = 1 - i                                                            coupled gates (Greff et al. 2017)
 *     c' = clip(f ⊙ c + i ⊙ g)     h' = W_hr (o ⊙ φ(c'))                    projection (Sak et al. 2014)
 *     c' = k ⊙ c + (1 - k) ⊙ c'    h' = k ⊙ h + (1 - k) ⊙ h'                zoneout (Krueger et al. 2016)
 *     φ(γ_c ⊙ LN(c') + β_c) in place of φ(c')                               layer normalization (Ba et al. 2016)
 *
 * where zoneout changes c' before the output gate and h' see it. Of a gate that is not there the next step sees 0.
 */
export function lstmVariantCell(
  weights: LstmVariantWeights,
  kind: LstmKindAttributes,
  { x, h, c, g, keepCell, keepHidden, mask }: LstmVariantStep,
  next: LstmVariantNext,
): void {
  const { input, forget, candidate, output, cell } = activationsOf(kind);
  const hiddenSize = c.length;
  const bounded = (z: number) => clip(z, kind.gate_clip);
  preactivations(weights, kind, x, mask ? h.map((value, k) => value * mask[k]!) : h, g, next);
  for (let j = 0; j < hiddenSize; j++) {
    const [zi, zf, zg, zo] = gatesOf(next.gates, j);
    const [pi, pf, po] = peepholesOf(weights.weight_peephole, j);
    const i = activations[input].value(bounded(zi + pi * c[j]!));
    const f = forget === 'coupled' ? 1 - i : activations[forget].value(bounded(zf + pf * c[j]!));
    const candidateValue = activations[candidate].value(bounded(zg));
    next.c[j] = mix(keepCell?.[j] ?? 0, c[j]!, clip(f * c[j]! + i * candidateValue, kind.cell_clip));
    const o = activations[output].value(bounded(zo + po * next.c[j]!));
    [i, f, candidateValue, o].forEach((gate, row) => (next.gates[row * hiddenSize + j] = gate));
    [input, forget, output].forEach((name, block) => {
      if (weights.weight_gate) next.recurred[block * hiddenSize + j] = name === 'one' ? 0 : [i, f, o][block]!;
    });
  }
  const { normalized } = next;
  if (weights.weight_ln_c) normalized.scales[2] = normalize(next.c, normalized.c, { blocks: [0], size: hiddenSize });
  const visible = visibleCell(weights, next.c, normalized.c);
  for (let j = 0; j < hiddenSize; j++) {
    next.unprojected[j] = gatesOf(next.gates, j)[lstmGates.output] * activations[cell].value(visible[j]!);
  }
  for (let p = 0; p < h.length; p++) {
    const projected = weights.weight_hr
      ? affineRow(weights.weight_hr, null, p, next.unprojected)
      : next.unprojected[p]!;
    next.h[p] = mix(keepHidden?.[p] ?? 0, h[p]!, projected);
  }
}

/** What a step's way back reads of its forward pass, and of the step after it. */
export interface LstmVariantState {
  readonly gates: Float64Array;
  readonly c: Float64Array;
  readonly nextC: Float64Array;
  readonly keepCell: Float64Array | null;
  /** As `writeGateBounds` says. */
  readonly bounds: View | null;
  readonly normalized: LstmNormalized;
}

/** What a step's way back writes: the gradients of z and c'; and, with layer normalization, of γ_c ⊙ LN(c') + β_c and of what was normalized of x and of h. */
export interface LstmVariantGradients {
  readonly dz: Float64Array;
  readonly dcells: Float64Array;
  readonly dvisible: Float64Array;
  readonly dinput: Float64Array;
  readonly drecurrent: Float64Array;
}

/**
 * The derivative of `lstmVariantCell` from o ⊙ φ on. On entry `dh`, `dc` and `dg` are the gradients of o ⊙ φ, c' and of
 * what the step after saw of i, f and o; writes the gradients of what the weights multiplied, and turns `dc` into the
 * gradient of c. Where c', or the input of an activation, was clipped, nothing flows through it.
 */
export function lstmVariantCellBackward(
  weights: Pick<LstmVariantWeights, 'weight_peephole' | 'weight_ln_ih' | 'weight_ln_hh' | 'weight_ln_c' | 'bias_ln_c'>,
  kind: LstmKindAttributes,
  state: LstmVariantState,
  { dh, dc, dg }: { readonly dh: Float64Array; readonly dc: Float64Array; readonly dg: Float64Array },
  to: LstmVariantGradients,
): void {
  const names = activationsOf(kind);
  const { forget, cell } = names;
  const hiddenSize = dc.length;
  const slope = (gate: keyof typeof lstmGates, value: number) =>
    isWithin(state.bounds, lstmGates[gate], value) ? activations[names[gate]].slope(value) : 0;
  const phi = visibleCell(weights, state.nextC, state.normalized.c).map(activations[cell].value);
  const dvisible = phi.map((p, j) => dh[j]! * gatesOf(state.gates, j)[lstmGates.output] * activations[cell].slope(p));
  to.dcells.set(cellGradient(weights.weight_ln_c, state.normalized, dvisible));
  for (let j = 0; j < hiddenSize; j++) {
    const [i, f, g, o] = gatesOf(state.gates, j);
    const [pi, pf, po] = peepholesOf(weights.weight_peephole, j);
    const [dgi, dgf, dgo] = [dg[j]!, dg[hiddenSize + j]!, dg[2 * hiddenSize + j]!];
    const [c, keep] = [state.c[j]!, state.keepCell?.[j] ?? 0];
    const dzo = (dh[j]! * phi[j]! + dgo) * slope('output', o);
    to.dcells[j]! += dc[j]! + dzo * po;
    const clipped = kind.cell_clip > 0 && Math.abs(f * c + i * g) > kind.cell_clip;
    const dcTotal = clipped ? 0 : (1 - keep) * to.dcells[j]!;
    const df = dcTotal * c + dgf;
    const di = dcTotal * g + dgi - (forget === 'coupled' ? df : 0);
    const dzi = di * slope('input', i);
    const dzf = df * slope('forget', f);
    const dzg = dcTotal * i * slope('candidate', g);
    [dzi, dzf, dzg, dzo].forEach((gradient, row) => (to.dz[row * hiddenSize + j] = gradient));
    dc[j] = keep * to.dcells[j]! + dcTotal * f + dzi * pi + dzf * pf;
  }
  if (!weights.weight_ln_c) return;
  to.dvisible.set(dvisible);
  productGradients(weights, kind, state.normalized, to);
}

/** The gradient of c' through what the output gate lets through. */
function cellGradient(weight_ln_c: View | null, { c, scales }: LstmNormalized, dvisible: Float64Array): Float64Array {
  if (!weight_ln_c) return dvisible;
  const dc = new Float64Array(dvisible.length);
  const dn = (j: number) => dvisible[j]! * weight_ln_c.data[j]!;
  normalizeBackward(dn, { normalized: c, scale: scales[2]! }, dc, { blocks: [0], size: dc.length });
  return dc;
}

/** From the gradient of z those of what was normalized of x and of h. */
function productGradients(
  { weight_ln_ih, weight_ln_hh }: Pick<LstmVariantWeights, 'weight_ln_ih' | 'weight_ln_hh'>,
  kind: LstmKindAttributes,
  { ih, hh, scales }: LstmNormalized,
  { dz, dinput, drecurrent }: LstmVariantGradients,
): void {
  const within = { blocks: weightedGates(kind), size: dz.length / 4 };
  const through = (gain: View | null, normalized: Float64Array, scale: number, to: Float64Array) =>
    normalizeBackward((row) => dz[row]! * (gain?.data[row] ?? 1), { normalized, scale }, to, within);
  through(weight_ln_ih, ih, scales[0]!, dinput);
  through(weight_ln_hh, hh, scales[1]!, drecurrent);
}

/** dg = the gradient of what a step saw of i, f and o, from that of W_g g. */
export function gateGradients(weight_gate: View | null, drecurrent: Float64Array, dg: Float64Array): void {
  dg.fill(0);
  if (!weight_gate) return;
  const size = drecurrent.length / 4;
  recurrentGates.forEach((gate, block) => {
    addTransposedProduct(weight_gate, block * size, drecurrent.subarray(gate * size, (gate + 1) * size), dg);
  });
}
