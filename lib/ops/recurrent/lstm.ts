import {
  defineOp,
  expectRank,
  expectShape,
  float32,
  onDemand,
  one,
  optional,
  refuseGradient,
  type ValueType,
} from '../op';
import { multiplyDims, type Dim } from '../shape';
import { backwardWeight } from './backwardWeight';
import { expectCellWeights, inputGradients, type CellWeights } from './cell';
import { lstmCell, lstmCellBackward } from './lstmCell';
import { rowOf, walk } from './sequence';

export { lstmGates } from './lstmCell';

/** Checks the four parameters against the input size; returns H. */
export const expectLstmWeights = (weights: CellWeights<ValueType>, inputSize: Dim): Dim =>
  expectCellWeights(weights, inputSize, 4);

/**
 * A long short-term memory over a sequence; `lstmCell` holds its equations.
 *
 * Row b has `lengths[b]` steps, or all T. `reverse` walks each row from its last step to its first and leaves y in
 * the original order of time. y, gates and cells are 0 past a length. h_n and c_n are the state after the last step
 * walked, which is the initial state where the length is 0; missing initial states are 0.
 */
export const lstm = defineOp({
  name: 'lstm',
  operands: {
    x: one('float32'),
    h0: optional('float32'),
    c0: optional('float32'),
    weight_ih: one('float32'),
    weight_hh: one('float32'),
    bias_ih: optional('float32'),
    bias_hh: optional('float32'),
    lengths: optional('int32'),
  },
  outputs: {
    y: onDemand('float32'),
    h_n: onDemand('float32'),
    c_n: onDemand('float32'),
    gates: onDemand('float32'),
    cells: onDemand('float32'),
  },
  attributes: { reverse: 'boolean' },
  infer({ x, h0, c0, lengths, ...weights }) {
    expectRank('x', x, 3, '[T, B, I]');
    const [steps, batch, inputSize] = x.shape as [Dim, Dim, Dim];
    const hiddenSize = expectLstmWeights(weights, inputSize);
    const state = float32(batch, hiddenSize);
    if (h0) expectShape('h0', h0, state.shape);
    if (c0) expectShape('c0', c0, state.shape);
    if (lengths) expectShape('lengths', lengths, [batch]);
    const sequence = float32(steps, batch, hiddenSize);
    const gates = float32(steps, batch, multiplyDims([4, hiddenSize]));
    return { y: sequence, h_n: state, c_n: state, gates, cells: sequence };
  },
  gradient({ operands, outputs: { y, gates, cells }, cotangents, attributes, wants, emit }) {
    const { h0, c0, weight_hh, lengths } = operands;
    refuseGradient('gates', cotangents.gates !== null);
    refuseGradient('cells', cotangents.cells !== null);
    const { dgates, dh0, dc0 } = emit(
      lstmBackward,
      { dy: cotangents.y, dh_n: cotangents.h_n, dc_n: cotangents.c_n, gates, cells, c0, weight_hh, lengths },
      attributes,
    );
    return {
      ...inputGradients(dgates, operands, wants, emit),
      h0: dh0,
      c0: dc0,
      weight_hh: wants('weight_hh')
        ? emit(lstmBackwardWeight, { dgates, y, h0, lengths }, attributes).dweight_hh
        : null,
    };
  },
  reference({ operands: { x, h0, c0, lengths, ...weights }, outputs, attributes: { reverse } }) {
    const { y, h_n, c_n, gates, cells } = outputs;
    const [steps, batch] = x.shape as [number, number];
    const hiddenSize = weights.weight_hh.shape[1]!;
    for (let b = 0; b < batch; b++) {
      let h = rowOf(h0, b) ?? new Float64Array(hiddenSize);
      let c = rowOf(c0, b) ?? new Float64Array(hiddenSize);
      for (const t of walk(steps, lengths, b, reverse)) {
        const row = t * batch + b;
        const next = { gates: rowOf(gates, row), h: rowOf(y, row), c: rowOf(cells, row) };
        lstmCell(weights, { x: rowOf(x, row), h, c }, next);
        ({ h, c } = next);
      }
      rowOf(h_n, b).set(h);
      rowOf(c_n, b).set(c);
    }
  },
});

/**
 * dgates[T,B,4H], the gradient before activation, and the gradients of the initial states: the steps in reverse, with
 * dh = dgates·W_hh and dc carried from each step to the one walked before it. 0 past a length.
 */
export const lstmBackward = defineOp({
  name: 'lstm_backward',
  operands: {
    dy: optional('float32'),
    dh_n: optional('float32'),
    dc_n: optional('float32'),
    gates: one('float32'),
    cells: one('float32'),
    c0: optional('float32'),
    weight_hh: one('float32'),
    lengths: optional('int32'),
  },
  outputs: { dgates: one('float32'), dh0: onDemand('float32'), dc0: onDemand('float32') },
  attributes: { reverse: 'boolean' },
  infer({ dy, dh_n, dc_n, gates, cells, c0, weight_hh, lengths }) {
    expectRank('cells', cells, 3, '[T, B, H]');
    const [steps, batch, hiddenSize] = cells.shape as [Dim, Dim, Dim];
    const gateSize = multiplyDims([4, hiddenSize]);
    const state = float32(batch, hiddenSize);
    expectShape('gates', gates, [steps, batch, gateSize]);
    expectShape('weight_hh', weight_hh, [gateSize, hiddenSize]);
    if (dy) expectShape('dy', dy, cells.shape);
    if (dh_n) expectShape('dh_n', dh_n, state.shape);
    if (dc_n) expectShape('dc_n', dc_n, state.shape);
    if (c0) expectShape('c0', c0, state.shape);
    if (lengths) expectShape('lengths', lengths, [batch]);
    return { dgates: gates, dh0: state, dc0: state };
  },
  gradient: 'none',
  reference({ operands, outputs: { dgates, dh0, dc0 }, attributes: { reverse } }) {
    const { dy, dh_n, dc_n, gates, cells, c0, weight_hh, lengths } = operands;
    const [steps, batch, hiddenSize] = cells.shape as [number, number, number];
    const zeros = new Float64Array(hiddenSize);
    for (let b = 0; b < batch; b++) {
      const dh = Float64Array.from(rowOf(dh_n, b) ?? zeros);
      const dc = Float64Array.from(rowOf(dc_n, b) ?? zeros);
      const order = walk(steps, lengths, b, reverse);
      for (let k = order.length - 1; k >= 0; k--) {
        const row = order[k]! * batch + b;
        const dyRow = rowOf(dy, row) ?? zeros;
        for (let j = 0; j < hiddenSize; j++) dh[j]! += dyRow[j]!;
        const c = k > 0 ? rowOf(cells, order[k - 1]! * batch + b) : (rowOf(c0, b) ?? zeros);
        const dz = rowOf(dgates, row);
        lstmCellBackward({ gates: rowOf(gates, row), c, nextC: rowOf(cells, row) }, dh, dc, dz);
        dh.fill(0);
        for (let n = 0; n < dz.length; n++) {
          for (let j = 0; j < hiddenSize; j++) dh[j]! += dz[n]! * weight_hh.data[n * hiddenSize + j]!;
        }
      }
      rowOf(dh0, b).set(dh);
      rowOf(dc0, b).set(dc);
    }
  },
});

export const lstmBackwardWeight = backwardWeight('lstm_backward_weight');
