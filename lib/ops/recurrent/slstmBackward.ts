import { defineOp, expectRank, expectShape, float32, onDemand, one, optional } from '../op';
import { multiplyDims, type Dim } from '../shape';
import { addOuterProduct } from './backwardWeight';
import { expectHiddenRegularizers, hiddenRegularizerSlots, hiddenRegularizersOf } from './hiddenRegularizers';
import { forEachStart, rowOf, walk } from './sequence';
import { forEachBlock, slstmCellBackward, slstmGateCount, slstmStateGradient } from './slstmCell';

/**
 * dgates[T,B,4H], the gradient before activation, and the gradients of the initial states: the steps in reverse, with
 * dh = dgates·W_hh, dc and dn carried from each step to the one walked before it; `slstmCellBackward` says what becomes of
 * dm. `dh` and `dcells` are the whole gradients of h_t and c_t. Outputs over time are 0 past a length. A missing
 * `forget_slope` is 1; zoneout of c is in it, and in the gates.
 */
export const slstmBackward = defineOp({
  name: 'slstm_backward',
  operands: {
    dy: optional('float32'),
    dh_n: optional('float32'),
    dc_n: optional('float32'),
    dn_n: optional('float32'),
    dm_n: optional('float32'),
    gates: one('float32'),
    forget_slope: optional('float32'),
    cells: one('float32'),
    normalizers: one('float32'),
    c0: optional('float32'),
    n0: optional('float32'),
    weight_hh: one('float32'),
    ...hiddenRegularizerSlots,
    lengths: optional('int32'),
  },
  outputs: {
    dgates: one('float32'),
    dh0: onDemand('float32'),
    dc0: onDemand('float32'),
    dn0: onDemand('float32'),
    dm0: onDemand('float32'),
    dh: onDemand('float32'),
    dcells: onDemand('float32'),
  },
  attributes: { reverse: 'boolean' },
  infer({ gates, cells, weight_hh, keep_hidden, hidden_mask, lengths, ...operands }) {
    expectRank('cells', cells, 3, '[T, B, H]');
    const [steps, batch, hiddenSize] = cells.shape as [Dim, Dim, Dim];
    const gateSize = multiplyDims([slstmGateCount, hiddenSize]);
    const state = float32(batch, hiddenSize);
    expectShape('gates', gates, [steps, batch, gateSize]);
    expectShape('weight_hh', weight_hh, [gateSize, weight_hh.shape[1]!]);
    const { dy, forget_slope, normalizers, ...states } = operands;
    for (const [name, sequence] of Object.entries({ dy, forget_slope, normalizers })) {
      if (sequence) expectShape(name, sequence, cells.shape);
    }
    for (const [name, value] of Object.entries(states)) if (value) expectShape(name, value, state.shape);
    expectHiddenRegularizers({ keep_hidden, hidden_mask }, [steps, batch], hiddenSize);
    if (lengths) expectShape('lengths', lengths, [batch]);
    return { dgates: gates, dh0: state, dc0: state, dn0: state, dm0: state, dh: cells, dcells: cells };
  },
  gradient: 'none',
  reference({ operands, outputs, attributes: { reverse } }) {
    const { dy, dh_n, dc_n, dn_n, dm_n, gates, forget_slope, cells, normalizers, c0, n0, weight_hh } = operands;
    const [steps, batch, hiddenSize] = cells.shape as [number, number, number];
    const zeros = new Float64Array(hiddenSize);
    const ones = new Float64Array(hiddenSize).fill(1);
    for (let b = 0; b < batch; b++) {
      const order = walk(steps, operands.lengths, b, reverse);
      // c and n after the k-th step walked; before the first, the initial ones.
      const cellsAfter = (k: number) =>
        k < 0
          ? { c: rowOf(c0, b) ?? zeros, n: rowOf(n0, b) ?? zeros }
          : { c: rowOf(cells, order[k]! * batch + b), n: rowOf(normalizers, order[k]! * batch + b) };
      const [dh, dc, dn, excess] = [dh_n, dc_n, dn_n, dm_n].map((final) => Float64Array.from(rowOf(final, b) ?? zeros));
      const carried = { dc: dc!, dn: dn!, excess: excess! };
      const last = cellsAfter(order.length - 1);
      for (let j = 0; j < hiddenSize; j++) excess![j]! -= last.c[j]! * dc![j]! + last.n[j]! * dn![j]!;
      for (let k = order.length - 1; k >= 0; k--) {
        const row = order[k]! * batch + b;
        const dyRow = rowOf(dy, row) ?? zeros;
        for (let j = 0; j < hiddenSize; j++) dh![j]! += dyRow[j]!;
        rowOf(outputs.dh, row).set(dh!);
        const { c: nextC, n: nextN } = cellsAfter(k);
        const record = { gates: rowOf(gates, row), forgetSlope: rowOf(forget_slope, row) ?? ones, nextC, nextN };
        const dz = rowOf(outputs.dgates, row);
        const { keepHidden, mask } = hiddenRegularizersOf(operands, b, row);
        const dmade = dh!.map((gradient, j) => (1 - (keepHidden?.[j] ?? 0)) * gradient);
        slstmCellBackward({ ...record, ...cellsAfter(k - 1) }, dmade, carried, dz, rowOf(outputs.dcells, row));
        const dseen = slstmStateGradient(weight_hh, dz);
        for (let j = 0; j < hiddenSize; j++) dh![j] = (keepHidden?.[j] ?? 0) * dh![j]! + (mask?.[j] ?? 1) * dseen[j]!;
      }
      rowOf(outputs.dh0, b).set(dh!);
      rowOf(outputs.dc0, b).set(dc!);
      rowOf(outputs.dn0, b).set(dn!);
      const { c, n } = cellsAfter(-1);
      rowOf(outputs.dm0, b).set(excess!.map((rest, j) => rest + c[j]! * dc![j]! + n[j]! * dn![j]!));
    }
  },
});

/** dweight_hh[4H, H / heads] = Σ dgatesᵀ · h within each head, with h the hidden state that each step started from. */
export const slstmBackwardWeight = defineOp({
  name: 'slstm_backward_weight',
  operands: { dgates: one('float32'), y: one('float32'), h0: optional('float32'), lengths: optional('int32') },
  outputs: { dweight_hh: one('float32') },
  attributes: { reverse: 'boolean', head_size: 'integer' },
  infer({ dgates, y, h0, lengths }, { head_size }) {
    expectRank('y', y, 3, '[T, B, H]');
    const [steps, batch, hiddenSize] = y.shape as [Dim, Dim, Dim];
    const gateSize = multiplyDims([slstmGateCount, hiddenSize]);
    expectShape('dgates', dgates, [steps, batch, gateSize]);
    if (h0) expectShape('h0', h0, [batch, hiddenSize]);
    if (lengths) expectShape('lengths', lengths, [batch]);
    return { dweight_hh: float32(gateSize, head_size) };
  },
  gradient: 'none',
  reference({ operands, outputs: { dweight_hh }, attributes: { reverse, head_size } }) {
    const { dgates, y, h0, lengths } = operands;
    forEachStart(y, h0, lengths, reverse, (row, h) => {
      const dz = rowOf(dgates, row);
      forEachBlock(h.length, head_size, (first, unit) => {
        addOuterProduct(dz.subarray(first, first + head_size), h.subarray(unit, unit + head_size), dweight_hh, first);
      });
    });
  },
});
