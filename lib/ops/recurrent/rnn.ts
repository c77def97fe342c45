import {
  defineOp,
  expectRank,
  expectShape,
  float32,
  onDemand,
  one,
  optional,
  refuseGradient,
  type AttributeSpec,
  type Attributes,
  type Variable,
  type View,
} from '../op';
import type { Dim } from '../shape';
import { backwardWeight } from './backwardWeight';
import { addTransposedProduct, affineRow, expectCell, inputGradients, type CellWeights } from './cell';
import { clip, expectBounds, expectClip, isWithin, writeBounds } from './gateClip';
import {
  expectHiddenRegularizers,
  hiddenRegularizerSlots,
  hiddenRegularizersOf,
  maskHidden,
  mixInto,
  seenBy,
} from './hiddenRegularizers';
import { backward, forward, rowOf } from './sequence';

/** Which plain network an op is; a clip of 0 clips nothing. */
export const rnnKindAttributes = { relu: 'boolean', gate_clip: 'number' } as const satisfies AttributeSpec;
export type RnnKind = Attributes<typeof rnnKindAttributes>;

const activationOf = (relu: boolean) => (z: number) => (relu ? Math.max(0, z) : Math.tanh(z));

/** What `writeBounds` says, of the one activation. */
export const writeRnnBounds = ({ relu, gate_clip }: RnnKind, bounds: View): void =>
  writeBounds(gate_clip, [activationOf(relu)], bounds);

/**
 * h' = φ(W_ih·x + b_ih + W_hh·h + b_hh), φ the tanh or max(0, ·) (Elman 1990), of what is bounded to ±gate_clip. With a mask,
 * W_hh sees h ⊙ mask; zoneout acts on h'. Writes what φ gives into `gates`.
 */
export function rnnCell(
  { weight_ih, weight_hh, bias_ih, bias_hh }: CellWeights<View>,
  { relu, gate_clip }: RnnKind,
  {
    x,
    h,
    keepHidden,
    mask,
  }: { readonly x: Float64Array; readonly h: Float64Array } & ReturnType<typeof hiddenRegularizersOf>,
  next: { readonly gates: Float64Array; readonly h: Float64Array },
): void {
  const seen = seenBy(mask, h);
  const activation = activationOf(relu);
  for (let j = 0; j < h.length; j++) {
    const z = affineRow(weight_ih, bias_ih, j, x) + affineRow(weight_hh, bias_hh, j, seen);
    next.gates[j] = activation(clip(z, gate_clip));
  }
  next.h.set(next.gates);
  mixInto(next.h, h, keepHidden);
}

/**
 * A plain recurrent network over a sequence; `rnnCell` holds its equation. Its activation is the tanh, or with `relu`
 * max(0, ·). Lengths, direction and initial states are as those of `lstm`. `gates` is what the activation gives: y,
 * unless there is zoneout; 0 past a length. `bounds` is what `writeBounds` says; 0 without a clip.
 */
export const rnn = defineOp({
  name: 'rnn',
  operands: {
    x: one('float32'),
    h0: optional('float32'),
    weight_ih: one('float32'),
    weight_hh: one('float32'),
    bias_ih: optional('float32'),
    bias_hh: optional('float32'),
    ...hiddenRegularizerSlots,
    lengths: optional('int32'),
  },
  outputs: {
    y: onDemand('float32'),
    h_n: onDemand('float32'),
    gates: onDemand('float32'),
    bounds: onDemand('float32'),
  },
  attributes: { reverse: 'boolean', ...rnnKindAttributes },
  infer({ keep_hidden, hidden_mask, ...operands }, { gate_clip }) {
    expectClip('gate_clip', gate_clip);
    const { y, h_n } = expectCell(operands, 1);
    const [steps, batch, hiddenSize] = y.shape as [Dim, Dim, Dim];
    expectHiddenRegularizers({ keep_hidden, hidden_mask }, [steps, batch], hiddenSize);
    return { y, h_n, gates: y, bounds: float32(1, 2) };
  },
  gradient({ operands, outputs: { y, gates, bounds }, cotangents, attributes, wants, emit }) {
    refuseGradient('gates', cotangents.gates !== null);
    refuseGradient('bounds', cotangents.bounds !== null);
    const { h0, weight_hh, keep_hidden, hidden_mask, lengths } = operands;
    const cell = { gates: keep_hidden ? gates : y, weight_hh, keep_hidden, hidden_mask };
    const { y: dy, h_n: dh_n } = cotangents;
    const { reverse, relu, gate_clip } = attributes;
    const back = { dy, dh_n, ...cell, bounds: gate_clip > 0 ? bounds : null, lengths };
    const { dgates, dh0 } = emit(rnnBackward, back, { reverse, relu });
    const seen = (h: Variable) => maskHidden(h, hidden_mask, emit);
    return {
      ...inputGradients(dgates, operands, wants, emit),
      h0: dh0,
      weight_hh: wants('weight_hh')
        ? emit(rnnBackwardWeight, { dgates, y: seen(y), h0: h0 && seen(h0), lengths }, { reverse }).dweight_hh
        : null,
    };
  },
  reference({ operands: { x, h0, lengths, ...cell }, outputs, attributes: { reverse, ...kind } }) {
    writeRnnBounds(kind, outputs.bounds);
    forward(outputs, { h0, lengths }, reverse, (row, h, next, b) => {
      const step = { x: rowOf(x, row), h, ...hiddenRegularizersOf(cell, b, row) };
      rnnCell(cell, kind, step, { gates: rowOf(outputs.gates, row), h: next });
    });
  },
});

/**
 * dgates[T,B,H], the gradient before activation; that of the initial state; and dh[T,B,H], all that reaches each h_t, from
 * dy, dh_n and later steps. The steps in reverse; 0 past a length.
 */
export const rnnBackward = defineOp({
  name: 'rnn_backward',
  operands: {
    dy: optional('float32'),
    dh_n: optional('float32'),
    gates: one('float32'),
    weight_hh: one('float32'),
    ...hiddenRegularizerSlots,
    bounds: optional('float32'),
    lengths: optional('int32'),
  },
  outputs: { dgates: one('float32'), dh0: onDemand('float32'), dh: onDemand('float32') },
  attributes: { reverse: 'boolean', relu: 'boolean' },
  infer({ dy, dh_n, gates, weight_hh, keep_hidden, hidden_mask, bounds, lengths }) {
    expectRank('gates', gates, 3, '[T, B, H]');
    const [steps, batch, hiddenSize] = gates.shape as [Dim, Dim, Dim];
    const state = float32(batch, hiddenSize);
    expectShape('weight_hh', weight_hh, [hiddenSize, hiddenSize]);
    if (dy) expectShape('dy', dy, gates.shape);
    if (dh_n) expectShape('dh_n', dh_n, state.shape);
    expectHiddenRegularizers({ keep_hidden, hidden_mask }, [steps, batch], hiddenSize);
    expectBounds(bounds, 1);
    if (lengths) expectShape('lengths', lengths, [batch]);
    return { dgates: gates, dh0: state, dh: gates };
  },
  gradient: 'none',
  reference({ operands, outputs, attributes: { reverse, relu } }) {
    const { gates, weight_hh, bounds } = operands;
    // What the cell gave is all that its derivative needs: not the state that it started from.
    backward({ ...operands, y: gates, h0: null }, outputs, reverse, (row, _, dh, b) => {
      const { keepHidden, mask } = hiddenRegularizersOf(operands, b, row);
      const given = rowOf(gates, row);
      const dz = rowOf(outputs.dgates, row);
      for (let j = 0; j < dz.length; j++) {
        const slope = relu ? Number(given[j]! > 0) : 1 - given[j]! ** 2;
        const through = isWithin(bounds, 0, given[j]!) ? slope : 0;
        dz[j] = (1 - (keepHidden?.[j] ?? 0)) * dh[j]! * through;
      }
      const dseen = new Float64Array(dh.length);
      addTransposedProduct(weight_hh, 0, dz, dseen);
      for (let j = 0; j < dh.length; j++) dh[j] = (keepHidden?.[j] ?? 0) * dh[j]! + (mask?.[j] ?? 1) * dseen[j]!;
    });
  },
});

export const rnnBackwardWeight = backwardWeight('rnn_backward_weight');
