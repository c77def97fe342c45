/** What the ops with an LSTM's cell take and give, beside what only one of them has. */
import { OptionError } from '../../errors';
import { expectRank, expectShape, float32, onDemand, one, optional, type Slots, type ValueType } from '../op';
import { multiplyDims, type Dim, type Shape } from '../shape';
import { cellRegularizerSlots, expectCellRegularizers } from './hiddenRegularizers';
import { expectLstmKind, weightedGates, type LstmKindAttributes } from './lstmKind';
import { recurrentGates } from './lstmVariant';

/** The weights of a cell; those after the biases belong to options. */
export const lstmWeightSlots = {
  weight_ih: one('float32'),
  weight_hh: one('float32'),
  bias_ih: optional('float32'),
  bias_hh: optional('float32'),
  weight_peephole: optional('float32'),
  weight_hr: optional('float32'),
} as const satisfies Slots;

/** The weights of full gate recurrence and of layer normalization; of the latter all four or none. */
export const lstmFurtherWeightSlots = {
  weight_gate: optional('float32'),
  weight_ln_ih: optional('float32'),
  weight_ln_hh: optional('float32'),
  weight_ln_c: optional('float32'),
  bias_ln_c: optional('float32'),
} as const satisfies Slots;

/** What only the way back reads, and only with the options that it belongs to. */
export const lstmSavedSlots = {
  /** The least and the greatest value of each gate, where their inputs are bounded: [4, 2]. */
  bounds: onDemand('float32'),
  /** W_ih x, W_hh h and c normalized, and by what each was scaled. */
  normalized_ih: onDemand('float32'),
  normalized_hh: onDemand('float32'),
  normalized_c: onDemand('float32'),
  scales: onDemand('float32'),
} as const satisfies Slots;

/** The types of operands, or the values. */
export type Types<S extends Slots> = {
  readonly [K in keyof S]: S[K]['arity'] extends 'one' ? ValueType : ValueType | null;
};

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

/**
 * Checks the weights that belong to full gate recurrence and layer normalization, and `before`, the gates of the step
 * before; returns the type of these.
 */
export function expectLstmFurtherWeights(
  { weight_gate, ...norm }: Types<typeof lstmFurtherWeightSlots>,
  before: { readonly slot: string; readonly type: ValueType | null },
  kind: LstmKindAttributes,
  { batch, hiddenSize }: { readonly batch: Dim; readonly hiddenSize: Dim },
): ValueType {
  const gates = multiplyDims([recurrentGates.length, hiddenSize]);
  const state = float32(batch, gates);
  if (before.type) expectShape(before.slot, before.type, state.shape);
  if (before.type && !weight_gate) throw new OptionError(`${before.slot}: without weight_gate no gate sees gates`);
  if (weight_gate) {
    expectShape('weight_gate', weight_gate, [gates, gates]);
    const own = weightedGates(kind);
    if (!recurrentGates.some((gate) => own.includes(gate))) {
      throw new OptionError('weight_gate: expected an input, forget or output gate, which there is none of');
    }
  }
  const shapes = {
    weight_ln_ih: multiplyDims([4, hiddenSize]),
    weight_ln_hh: multiplyDims([4, hiddenSize]),
    weight_ln_c: hiddenSize,
    bias_ln_c: hiddenSize,
  };
  for (const name of Object.keys(shapes) as (keyof typeof shapes)[]) {
    const type = norm[name];
    if (type) expectShape(name, type, [shapes[name]]);
    else if (Object.values(norm).some((other) => other !== null)) {
      throw new OptionError(`${name}: layer normalization needs all four of ${Object.keys(shapes).join(', ')}`);
    }
  }
  return state;
}

/** The types of what the way back reads, for rows [T, B] or [B]. */
export function lstmSavedTypes(rows: Shape, hiddenSize: Dim): Record<keyof typeof lstmSavedSlots, ValueType> {
  const gates = float32(...rows, multiplyDims([4, hiddenSize]));
  return {
    bounds: float32(4, 2),
    normalized_ih: gates,
    normalized_hh: gates,
    normalized_c: float32(...rows, hiddenSize),
    scales: float32(...rows, 3),
  };
}

/** Operands over a sequence, but for the lengths. */
export const lstmSequenceSlots = {
  x: one('float32'),
  h0: optional('float32'),
  c0: optional('float32'),
  ...lstmWeightSlots,
  ...cellRegularizerSlots,
  /** i, f and o of the step before the first, where gates see gates. */
  g0: optional('float32'),
  ...lstmFurtherWeightSlots,
} as const satisfies Slots;

export const lstmOutputSlots = {
  y: onDemand('float32'),
  h_n: onDemand('float32'),
  c_n: onDemand('float32'),
  gates: onDemand('float32'),
  cells: onDemand('float32'),
  /** o ⊙ φ(c): what a projection multiplies. */
  unprojected: onDemand('float32'),
  /** i, f and o as the next step sees them, and after the last step walked. */
  recurred: onDemand('float32'),
  g_n: onDemand('float32'),
  ...lstmSavedSlots,
} as const satisfies Slots;

/** The types of the outputs over a sequence. Checks every operand. */
export function inferLstm(
  { x, h0, c0, g0, lengths, ...rest }: Types<typeof lstmSequenceSlots> & { readonly lengths: ValueType | null },
  kind: LstmKindAttributes,
): Record<keyof typeof lstmOutputSlots, ValueType> {
  const { keep_hidden, keep_cell, hidden_mask, weight_gate, weight_ln_ih, weight_ln_hh, weight_ln_c, bias_ln_c } = rest;
  expectRank('x', x, 3, '[T, B, I]');
  const [steps, batch, inputSize] = x.shape as [Dim, Dim, Dim];
  const sizes = expectLstmWeights(rest, inputSize);
  const { hiddenSize, outputSize } = sizes;
  expectCellRegularizers({ keep_hidden, keep_cell, hidden_mask }, [steps, batch], sizes);
  expectLstmKind(kind);
  const further = { weight_gate, weight_ln_ih, weight_ln_hh, weight_ln_c, bias_ln_c };
  const g_n = expectLstmFurtherWeights(further, { slot: 'g0', type: g0 }, kind, { batch, hiddenSize });
  const [h, c] = [float32(batch, outputSize), float32(batch, hiddenSize)];
  if (h0) expectShape('h0', h0, h.shape);
  if (c0) expectShape('c0', c0, c.shape);
  if (lengths) expectShape('lengths', lengths, [batch]);
  const cells = float32(steps, batch, hiddenSize);
  return {
    y: float32(steps, batch, outputSize),
    h_n: h,
    c_n: c,
    gates: float32(steps, batch, multiplyDims([4, hiddenSize])),
    cells,
    unprojected: cells,
    recurred: float32(steps, ...g_n.shape),
    g_n,
    ...lstmSavedTypes([steps, batch], hiddenSize),
  };
}
