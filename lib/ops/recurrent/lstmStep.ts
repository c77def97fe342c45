import { reshape } from '../layout/reshape';
import { defineOp, expectRank, expectShape, float32, onDemand, one, refuseGradient, type Variable } from '../op';
import { multiplyDims, type Dim } from '../shape';
import { expectLstmRegularizers, expectLstmWeights, lstmRegularizerSlots, lstmWeightSlots, stepRow } from './lstm';
import { lstmGradients } from './lstmBackward';
import { expectLstmKind, lstmKindAttributes } from './lstmKind';
import { regularizersOf } from './lstmVariant';
import { rowOf } from './sequence';

/** One step of `lstm`, for streaming and for decoders that feed on themselves. */
export const lstmStep = defineOp({
  name: 'lstm_step',
  operands: {
    x: one('float32'),
    h: one('float32'),
    c: one('float32'),
    ...lstmWeightSlots,
    ...lstmRegularizerSlots,
  },
  outputs: {
    h_next: one('float32'),
    c_next: one('float32'),
    gates: onDemand('float32'),
    unprojected: onDemand('float32'),
  },
  attributes: lstmKindAttributes,
  infer({ x, h, c, keep_hidden, keep_cell, hidden_mask, ...weights }, kind) {
    expectRank('x', x, 2, '[B, I]');
    const [batch, inputSize] = x.shape as [Dim, Dim];
    const sizes = expectLstmWeights(weights, inputSize);
    const [h_next, c_next] = [float32(batch, sizes.outputSize), float32(batch, sizes.hiddenSize)];
    expectLstmRegularizers({ keep_hidden, keep_cell, hidden_mask }, [batch], sizes);
    expectLstmKind(kind);
    expectShape('h', h, h_next.shape);
    expectShape('c', c, c_next.shape);
    return { h_next, c_next, gates: float32(batch, multiplyDims([4, sizes.hiddenSize])), unprojected: c_next };
  },
  gradient({ operands, outputs, cotangents, attributes, wants, emit }) {
    for (const slot of ['gates', 'unprojected'] as const) refuseGradient(slot, cotangents[slot] !== null);
    // A step is a sequence of one.
    const sequence = (value: Variable) => emit(reshape, { x: value }, { shape: [1, ...value.type.shape] }).y;
    const { x, h, c, keep_hidden, keep_cell, ...rest } = operands;
    const share = (keep: Variable | null) => (keep && keep.type.shape.length > 1 ? sequence(keep) : keep);
    const gradients = lstmGradients(
      {
        ...rest,
        x: sequence(x),
        h0: h,
        c0: c,
        keep_hidden: share(keep_hidden),
        keep_cell: share(keep_cell),
        lengths: null,
      },
      {
        y: sequence(outputs.h_next),
        gates: sequence(outputs.gates),
        cells: sequence(outputs.c_next),
        unprojected: sequence(outputs.unprojected),
      },
      { dy: null, dh_n: cotangents.h_next, dc_n: cotangents.c_next },
      { reverse: false, ...attributes },
      (operand) => operand === 'h0' || operand === 'c0' || operand === 'lengths' || wants(operand),
      emit,
    );
    const { x: dx, h0, c0, ...dweights } = gradients;
    return { ...dweights, x: dx && emit(reshape, { x: dx }, { shape: x.type.shape }).y, h: h0, c: c0 };
  },
  reference({ operands, outputs: { h_next, c_next, gates, unprojected }, attributes }) {
    const { x, h, c, keep_hidden, keep_cell, hidden_mask, ...weights } = operands;
    for (let b = 0; b < x.shape[0]!; b++) {
      const next = {
        gates: rowOf(gates, b),
        h: rowOf(h_next, b),
        c: rowOf(c_next, b),
        unprojected: rowOf(unprojected, b),
      };
      const step = { x: rowOf(x, b), h: rowOf(h, b), c: rowOf(c, b) };
      stepRow(weights, attributes, { ...step, ...regularizersOf({ keep_hidden, keep_cell, hidden_mask }, b, b) }, next);
    }
  },
});
