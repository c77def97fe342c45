import { reshape } from '../layout/reshape';
import { linearBackwardWeight } from '../linear';
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
import { inputGradients } from './cell';
import { expectLstmWeights, lstmBackward } from './lstm';
import { lstmCell } from './lstmCell';
import { rowOf } from './sequence';

/** One step of `lstm`, for streaming and for decoders that feed on themselves. */
export const lstmStep = defineOp({
  name: 'lstm_step',
  operands: {
    x: one('float32'),
    h: one('float32'),
    c: one('float32'),
    weight_ih: one('float32'),
    weight_hh: one('float32'),
    bias_ih: optional('float32'),
    bias_hh: optional('float32'),
  },
  outputs: { h_next: one('float32'), c_next: one('float32'), gates: onDemand('float32') },
  attributes: {},
  infer({ x, h, c, ...weights }) {
    expectRank('x', x, 2, '[B, I]');
    const [batch, inputSize] = x.shape as [Dim, Dim];
    const hiddenSize = expectLstmWeights(weights, inputSize);
    const state = float32(batch, hiddenSize);
    expectShape('h', h, state.shape);
    expectShape('c', c, state.shape);
    return { h_next: state, c_next: state, gates: float32(batch, multiplyDims([4, hiddenSize])) };
  },
  gradient({ operands: { x, h, c, weight_ih, weight_hh }, outputs, cotangents, wants, emit }) {
    refuseGradient('gates', cotangents.gates !== null);
    // A step is a sequence of one.
    const sequence = (value: Variable) => emit(reshape, { x: value }, { shape: [1, ...value.type.shape] }).y;
    const { h_next: dh_n, c_next: dc_n } = cotangents;
    const [gates, cells] = [sequence(outputs.gates), sequence(outputs.c_next)];
    const backward = emit(lstmBackward, { dh_n, dc_n, gates, cells, c0: c, weight_hh }, { reverse: false });
    const dy = emit(reshape, { x: backward.dgates }, { shape: outputs.gates.type.shape }).y;
    return {
      ...inputGradients(dy, { x, weight_ih }, wants, emit),
      h: backward.dh0,
      c: backward.dc0,
      weight_hh: wants('weight_hh') ? emit(linearBackwardWeight, { dy, x: h }, {}).dweight : null,
    };
  },
  reference({ operands: { x, h, c, ...weights }, outputs: { h_next, c_next, gates } }) {
    for (let b = 0; b < x.shape[0]!; b++) {
      const next = { gates: rowOf(gates, b), h: rowOf(h_next, b), c: rowOf(c_next, b) };
      lstmCell(weights, { x: rowOf(x, b), h: rowOf(h, b), c: rowOf(c, b) }, next);
    }
  },
});
