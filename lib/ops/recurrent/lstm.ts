import {
  defineOp,
  expectRank,
  expectShape,
  float32,
  onDemand,
  one,
  optional,
  refuseGradient,
  type Slots,
  type ValueType,
} from '../op';
import { multiplyDims, type Dim, type Shape } from '../shape';
import { expectHiddenRegularizers, expectShare } from './hiddenRegularizers';
import { lstmGradients } from './lstmBackward';
import { lstmCell } from './lstmCell';
import { expectLstmKind, isPlain, lstmKindAttributes, type LstmKindAttributes } from './lstmKind';
import { lstmVariantCell, regularizersOf, type LstmRegularizers, type LstmVariantWeights } from './lstmVariant';
import { rowOf, walk } from './sequence';

export { lstmGates } from './lstmCell';

/** The weights of a cell; those after the biases belong to options. */
export const lstmWeightSlots = {
  weight_ih: one('float32'),
  weight_hh: one('float32'),
  bias_ih: optional('float32'),
  bias_hh: optional('float32'),
  weight_peephole: optional('float32'),
  weight_hr: optional('float32'),
} as const satisfies Slots;

/** What regularizes a cell; data that receive no gradient. */
export const lstmRegularizerSlots = {
  keep_hidden: optional('float32'),
  keep_cell: optional('float32'),
  hidden_mask: optional('float32'),
} as const satisfies Slots;

type Types<S extends Slots> = { readonly [K in keyof S]: S[K]['arity'] extends 'one' ? ValueType : ValueType | null };

/** Checks the parameters against the input size; returns H, and the size of h: P with a projection, else H. */
export function expectLstmWeights(
  weights: Types<typeof lstmWeightSlots>,
  inputSize: Dim,
): { readonly hiddenSize: Dim; readonly outputSize: Dim } {
  const { weight_ih, weight_hh, bias_ih, bias_hh, weight_peephole, weight_hr } = weights;
  expectRank('weight_hh', weight_hh, 2, weight_hr ? '[4H, P]' : '[4H, H]');
  if (weight_hr) expectRank('weight_hr', weight_hr, 2, '[P, H]');
  const outputSize = weight_hh.shape[1]!;
  const hiddenSize = weight_hr ? weight_hr.shape[1]! : outputSize;
  const gates = multiplyDims([4, hiddenSize]);
  expectShape('weight_hh', weight_hh, [gates, outputSize]);
  expectShape('weight_ih', weight_ih, [gates, inputSize]);
  if (bias_ih) expectShape('bias_ih', bias_ih, [gates]);
  if (bias_hh) expectShape('bias_hh', bias_hh, [gates]);
  if (weight_peephole) expectShape('weight_peephole', weight_peephole, [multiplyDims([3, hiddenSize])]);
  if (weight_hr) expectShape('weight_hr', weight_hr, [outputSize, hiddenSize]);
  return { hiddenSize, outputSize };
}

export function expectLstmRegularizers(
  { keep_hidden, keep_cell, hidden_mask }: Types<typeof lstmRegularizerSlots>,
  rows: Shape,
  { hiddenSize, outputSize }: { readonly hiddenSize: Dim; readonly outputSize: Dim },
): void {
  expectHiddenRegularizers({ keep_hidden, hidden_mask }, rows, outputSize);
  expectShare('keep_cell', keep_cell, rows, hiddenSize);
}

/** One row of a batch at one step, by the plain cell or by the one with options. */
export function stepRow(
  weights: LstmVariantWeights,
  kind: LstmKindAttributes,
  step: Parameters<typeof lstmVariantCell>[2],
  next: Parameters<typeof lstmVariantCell>[3],
): void {
  const { weight_peephole, weight_hr } = weights;
  const options = [weight_peephole, weight_hr, step.keepCell, step.keepHidden, step.mask];
  if (isPlain(kind) && options.every((option) => option === null)) {
    lstmCell(weights, step, next);
    next.unprojected.set(next.h);
  } else {
    lstmVariantCell(weights, kind, step, next);
  }
}

/**
 * A long short-term memory over a sequence; `lstmCell` holds its equations, `lstmVariantCell` those with options.
 *
 * Row b has `lengths[b]` steps, or all T. `reverse` walks each row from its last step to its first and leaves y in
 * the original order of time. Outputs over time are 0 past a length. h_n and c_n are the state after the last step
 * walked, which is the initial state where the length is 0; missing initial states are 0. The size of h is P where there
 * is a projection, else H.
 */
export const lstm = defineOp({
  name: 'lstm',
  operands: {
    x: one('float32'),
    h0: optional('float32'),
    c0: optional('float32'),
    ...lstmWeightSlots,
    ...lstmRegularizerSlots,
    lengths: optional('int32'),
  },
  outputs: {
    y: onDemand('float32'),
    h_n: onDemand('float32'),
    c_n: onDemand('float32'),
    gates: onDemand('float32'),
    cells: onDemand('float32'),
    /** o ⊙ φ(c): what a projection multiplies. */
    unprojected: onDemand('float32'),
  },
  attributes: { reverse: 'boolean', ...lstmKindAttributes },
  infer({ x, h0, c0, lengths, keep_hidden, keep_cell, hidden_mask, ...weights }, kind) {
    expectRank('x', x, 3, '[T, B, I]');
    const [steps, batch, inputSize] = x.shape as [Dim, Dim, Dim];
    const sizes = expectLstmWeights(weights, inputSize);
    const { hiddenSize, outputSize } = sizes;
    expectLstmRegularizers({ keep_hidden, keep_cell, hidden_mask }, [steps, batch], sizes);
    expectLstmKind(kind);
    const [h, c] = [float32(batch, outputSize), float32(batch, hiddenSize)];
    if (h0) expectShape('h0', h0, h.shape);
    if (c0) expectShape('c0', c0, c.shape);
    if (lengths) expectShape('lengths', lengths, [batch]);
    const gates = float32(steps, batch, multiplyDims([4, hiddenSize]));
    const cells = float32(steps, batch, hiddenSize);
    return { y: float32(steps, batch, outputSize), h_n: h, c_n: c, gates, cells, unprojected: cells };
  },
  gradient({ operands, outputs, cotangents, attributes, wants, emit }) {
    const { y, gates, cells, unprojected } = outputs;
    for (const slot of ['gates', 'cells', 'unprojected'] as const) refuseGradient(slot, cotangents[slot] !== null);
    const arriving = { dy: cotangents.y, dh_n: cotangents.h_n, dc_n: cotangents.c_n };
    return lstmGradients(operands, { y, gates, cells, unprojected }, arriving, attributes, wants, emit);
  },
  reference({ operands, outputs, attributes: { reverse, ...kind } }) {
    const { x, h0, c0, lengths, keep_hidden, keep_cell, hidden_mask, ...weights } = operands;
    const { y, h_n, c_n, gates, cells, unprojected } = outputs;
    const [steps, batch] = x.shape as [number, number];
    const regularizers: LstmRegularizers = { keep_hidden, keep_cell, hidden_mask };
    for (let b = 0; b < batch; b++) {
      let h = rowOf(h0, b) ?? new Float64Array(h_n.shape[1]!);
      let c = rowOf(c0, b) ?? new Float64Array(c_n.shape[1]!);
      for (const t of walk(steps, lengths, b, reverse)) {
        const row = t * batch + b;
        const next = { gates: rowOf(gates, row), h: rowOf(y, row), c: rowOf(cells, row) };
        const step = { x: rowOf(x, row), h, c, ...regularizersOf(regularizers, b, row) };
        stepRow(weights, kind, step, { ...next, unprojected: rowOf(unprojected, row) });
        ({ h, c } = next);
      }
      rowOf(h_n, b).set(h);
      rowOf(c_n, b).set(c);
    }
  },
});
