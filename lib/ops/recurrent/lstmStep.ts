import { reshape } from '../layout/reshape';
import {
  defineOp,
  expectRank,
  expectShape,
  float32,
  onDemand,
  one,
  optional,
  refuseGradient,
  type Variable,
} from '../op';
import { multiplyDims, type Dim } from '../shape';
import { cellRegularizerSlots, cellRegularizersOf, expectCellRegularizers } from './hiddenRegularizers';
import {
  expectLstmFurtherWeights,
  expectLstmWeights,
  lstmFurtherWeightSlots,
  lstmSavedSlots,
  lstmSavedTypes,
  lstmWeightSlots,
  stepRow,
} from './lstm';
import { lstmGradients } from './lstmGradients';
import { expectLstmKind, lstmKindAttributes, writeGateBounds } from './lstmKind';
import { normalizedOf } from './lstmVariant';
import { rowOf } from './sequence';

/** One step of `lstm`, for streaming and for decoders that feed on themselves. */
export const lstmStep = defineOp({
  name: 'lstm_step',
  operands: {
    x: one('float32'),
    h: one('float32'),
    c: one('float32'),
    ...lstmWeightSlots,
    ...cellRegularizerSlots,
    g: optional('float32'),
    ...lstmFurtherWeightSlots,
  },
  outputs: {
    h_next: one('float32'),
    c_next: one('float32'),
    gates: onDemand('float32'),
    unprojected: onDemand('float32'),
    g_next: onDemand('float32'),
    ...lstmSavedSlots,
  },
  attributes: lstmKindAttributes,
  infer({ x, h, c, g, ...rest }, kind) {
    const { keep_hidden, keep_cell, hidden_mask, weight_gate, weight_ln_ih, weight_ln_hh, weight_ln_c, bias_ln_c } =
      rest;
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
  },
  gradient({ operands, outputs, cotangents, attributes, wants, emit }) {
    const { h_next, c_next, g_next, ...saved } = cotangents;
    refuseGradient('g_next without weight_gate', g_next !== null && !operands.weight_gate);
    for (const slot of Object.keys(saved) as (keyof typeof saved)[]) refuseGradient(slot, saved[slot] !== null);
    // A step is a sequence of one.
    const sequence = (value: Variable) => emit(reshape, { x: value }, { shape: [1, ...value.type.shape] }).y;
    const { x, h, c, g, keep_hidden, keep_cell, ...rest } = operands;
    const share = (keep: Variable | null) => (keep && keep.type.shape.length > 1 ? sequence(keep) : keep);
    const ofStep = {
      y: sequence(outputs.h_next),
      gates: sequence(outputs.gates),
      cells: sequence(outputs.c_next),
      unprojected: sequence(outputs.unprojected),
      recurred: sequence(outputs.g_next),
      bounds: outputs.bounds,
      normalized_ih: sequence(outputs.normalized_ih),
      normalized_hh: sequence(outputs.normalized_hh),
      normalized_c: sequence(outputs.normalized_c),
      scales: sequence(outputs.scales),
    };
    const before = { h0: h, c0: c, g0: g, keep_hidden: share(keep_hidden), keep_cell: share(keep_cell), lengths: null };
    const gradients = lstmGradients(
      { ...rest, x: sequence(x), ...before },
      ofStep,
      { dy: null, dh_n: h_next, dc_n: c_next, dg_n: g_next },
      { reverse: false, ...attributes },
      (operand) => operand in before || wants(operand as keyof typeof rest),
      emit,
    );
    const { x: dx, h0, c0, g0, ...dweights } = gradients;
    const dxStep = dx && emit(reshape, { x: dx }, { shape: x.type.shape }).y;
    return { ...dweights, x: dxStep, h: h0, c: c0, g: g && g0 };
  },
  reference({ operands, outputs, attributes }) {
    const { x, h, c, g, keep_hidden, keep_cell, hidden_mask, ...weights } = operands;
    const { h_next, c_next, g_next, gates, unprojected, bounds } = outputs;
    writeGateBounds(attributes, bounds);
    for (let b = 0; b < x.shape[0]!; b++) {
      const next = {
        gates: rowOf(gates, b),
        h: rowOf(h_next, b),
        c: rowOf(c_next, b),
        unprojected: rowOf(unprojected, b),
        recurred: rowOf(g_next, b),
        normalized: normalizedOf(outputs, b),
      };
      const state = { x: rowOf(x, b), h: rowOf(h, b), c: rowOf(c, b), g: rowOf(g, b) };
      const regularizers = cellRegularizersOf({ keep_hidden, keep_cell, hidden_mask }, b, b);
      stepRow(weights, attributes, { ...state, ...regularizers }, next);
    }
  },
});
