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
  type Variable,
  type View,
} from '../op';
import { multiplyDims, type Dim } from '../shape';
import {
  cellRegularizerSlots,
  cellRegularizersOf,
  expectCellRegularizers,
  type CellRegularizers,
} from './hiddenRegularizers';
import { stepRow } from './lstm';
import {
  expectLstmFurtherWeights,
  expectLstmWeights,
  lstmFurtherWeightSlots,
  lstmSavedSlots,
  lstmSavedTypes,
  lstmWeightSlots,
  type Types,
} from './lstmOperands';
import { lstmGradients } from './lstmGradients';
import { expectLstmKind, lstmKindAttributes, writeGateBounds, type LstmKindAttributes } from './lstmKind';
import { normalizedOf } from './lstmVariant';
import { asSequence, asSequenceShare, asStep, rowOf } from './sequence';

export const lstmStepSlots = {
  x: one('float32'),
  h: one('float32'),
  c: one('float32'),
  ...lstmWeightSlots,
  ...cellRegularizerSlots,
  g: optional('float32'),
  ...lstmFurtherWeightSlots,
} as const satisfies Slots;

export const lstmStepOutputSlots = {
  h_next: one('float32'),
  c_next: one('float32'),
  gates: onDemand('float32'),
  unprojected: onDemand('float32'),
  g_next: onDemand('float32'),
  ...lstmSavedSlots,
} as const satisfies Slots;

/** The types of the outputs of a step. Checks every operand. */
export function inferLstmStep(
  { x, h, c, g, ...rest }: Types<typeof lstmStepSlots>,
  kind: LstmKindAttributes,
): Record<keyof typeof lstmStepOutputSlots, ValueType> {
  const { keep_hidden, keep_cell, hidden_mask, weight_gate, weight_ln_ih, weight_ln_hh, weight_ln_c, bias_ln_c } = rest;
  expectRank('x', x, 2, '[B, I]');
  const [batch, inputSize] = x.shape as [Dim, Dim];
  const sizes = expectLstmWeights(rest, inputSize);
  const { hiddenSize } = sizes;
  const [h_next, c_next] = [float32(batch, sizes.outputSize), float32(batch, hiddenSize)];
  expectCellRegularizers({ keep_hidden, keep_cell, hidden_mask }, [batch], sizes);
  expectLstmKind(kind);
  const further = { weight_gate, weight_ln_ih, weight_ln_hh, weight_ln_c, bias_ln_c };
  const g_next = expectLstmFurtherWeights(further, { slot: 'g', type: g }, kind, { batch, hiddenSize });
  expectShape('h', h, h_next.shape);
  expectShape('c', c, c_next.shape);
  const gates = float32(batch, multiplyDims([4, hiddenSize]));
  return { h_next, c_next, gates, unprojected: c_next, g_next, ...lstmSavedTypes([batch], hiddenSize) };
}

/** A step is a sequence of one: its operands and outputs as the gradient rule over a sequence takes them. */
export function stepAsSequence<
  O extends Record<'x' | 'h' | 'c', Variable> & Record<'g' | 'keep_hidden' | 'keep_cell', Variable | null>,
>({ x, h, c, g, keep_hidden, keep_cell, ...rest }: O, outputs: Record<keyof typeof lstmStepOutputSlots, Variable>) {
  const shares = { keep_hidden: asSequenceShare(keep_hidden), keep_cell: asSequenceShare(keep_cell) };
  return {
    operands: { ...rest, ...shares, x: asSequence(x), h0: h, c0: c, g0: g, lengths: null },
    outputs: {
      y: asSequence(outputs.h_next),
      gates: asSequence(outputs.gates),
      cells: asSequence(outputs.c_next),
      unprojected: asSequence(outputs.unprojected),
      recurred: asSequence(outputs.g_next),
      bounds: outputs.bounds,
      normalized_ih: asSequence(outputs.normalized_ih),
      normalized_hh: asSequence(outputs.normalized_hh),
      normalized_c: asSequence(outputs.normalized_c),
      scales: asSequence(outputs.scales),
    },
  };
}

/** Gradients over a sequence of one as those of a step. */
export const gradientsOfStep = <G extends Record<'x' | 'g0', Variable | null> & Record<'h0' | 'c0', Variable>>(
  { x, h0, c0, g0, ...gradients }: G,
  g: Variable | null,
) => ({ ...gradients, x: x && asStep(x), h: h0, c: c0, g: g && g0 });

/** What a step reads and writes of row b, as `stepRow` takes it. */
export function lstmStepRow(
  operands: Readonly<Record<'x' | 'h' | 'c', View> & Record<'g', View | null>> & CellRegularizers<View>,
  outputs: Readonly<Record<keyof typeof lstmStepOutputSlots, View>>,
  b: number,
) {
  const { x, h, c, g } = operands;
  const state = { x: rowOf(x, b), h: rowOf(h, b), c: rowOf(c, b), g: rowOf(g, b) };
  return {
    step: { ...state, ...cellRegularizersOf(operands, b, b) },
    next: {
      gates: rowOf(outputs.gates, b),
      h: rowOf(outputs.h_next, b),
      c: rowOf(outputs.c_next, b),
      unprojected: rowOf(outputs.unprojected, b),
      recurred: rowOf(outputs.g_next, b),
      normalized: normalizedOf(outputs, b),
    },
  };
}

/** One step of `lstm`, for streaming and for decoders that feed on themselves. */
export const lstmStep = defineOp({
  name: 'lstm_step',
  operands: lstmStepSlots,
  outputs: lstmStepOutputSlots,
  attributes: lstmKindAttributes,
  infer: (operands, kind) => inferLstmStep(operands, kind),
  gradient({ operands, outputs, cotangents, attributes, wants, emit }) {
    const { h_next, c_next, g_next, ...saved } = cotangents;
    refuseGradient('g_next without weight_gate', g_next !== null && !operands.weight_gate);
    for (const slot of Object.keys(saved) as (keyof typeof saved)[]) refuseGradient(slot, saved[slot] !== null);
    const sequence = stepAsSequence(operands, outputs);
    const gradients = lstmGradients(
      sequence.operands,
      sequence.outputs,
      { dy: null, dh_n: h_next, dc_n: c_next, dg_n: g_next },
      { reverse: false, ...attributes },
      (operand) => operand in operands && wants(operand as keyof typeof operands),
      emit,
    );
    return gradientsOfStep(gradients, operands.g);
  },
  reference({ operands, outputs, attributes }) {
    writeGateBounds(attributes, outputs.bounds);
    for (let b = 0; b < operands.x.shape[0]!; b++) {
      const { step, next } = lstmStepRow(operands, outputs, b);
      stepRow(operands, attributes, step, next);
    }
  },
});
