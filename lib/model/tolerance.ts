import { isInt32 } from '../arrays';
import type { View } from '../ops/op';
import type { OpName } from '../ops/registry';

type ShapeOf = (operand: string) => readonly number[];

const last = (shape: readonly number[]) => shape[shape.length - 1] ?? 1;
const rows = (shape: readonly number[]) => shape.slice(0, -1).reduce((product, size) => product * size, 1);

/** A gate's chain, with the gates of the step before where it sees them, and the projection's after it where there is one. */
const lstmTerms = (shapeOf: ShapeOf) =>
  last(shapeOf('x')) + last(shapeOf('weight_hh')) + (shapeOf('weight_gate')[1] ?? 0) + (shapeOf('weight_hr')[1] ?? 0);

/** The query's chain where there is a weight for it, a score's, and the one over the slots. */
const attentionTerms = (shapeOf: ShapeOf) =>
  (shapeOf('weight_query')[1] ?? 0) + last(shapeOf('keys')) + (shapeOf('keys')[1] ?? 0);

/** The longest chain of float32 additions behind an element of an op's result, and the steps over which it grows. */
const chains: Partial<Record<OpName, (shapeOf: ShapeOf) => { readonly terms: number; readonly steps?: number }>> = {
  linear: (shapeOf) => ({ terms: last(shapeOf('x')) }),
  linear_backward_input: (shapeOf) => ({ terms: last(shapeOf('dy')) }),
  linear_backward_weight: (shapeOf) => ({ terms: rows(shapeOf('dy')) }),
  linear_backward_bias: (shapeOf) => ({ terms: rows(shapeOf('dy')) }),
  matmul: (shapeOf) => ({ terms: Math.max(...shapeOf('a')) }),
  embedding_backward: (shapeOf) => ({ terms: rows(shapeOf('dy')) }),
  layer_norm: (shapeOf) => ({ terms: last(shapeOf('x')) }),
  layer_norm_backward: (shapeOf) => ({ terms: Math.max(last(shapeOf('x')), rows(shapeOf('x'))) }),
  mean_pooling: (shapeOf) => ({ terms: shapeOf('x')[0]! }),
  weighted_pooling: (shapeOf) => ({ terms: shapeOf('x')[0]! }),
  weighted_pooling_backward: (shapeOf) => ({ terms: last(shapeOf('x')) }),
  masked_softmax: (shapeOf) => ({ terms: shapeOf('x')[0]! }),
  masked_softmax_backward: (shapeOf) => ({ terms: shapeOf('y')[0]! }),
  softmax: (shapeOf) => ({ terms: last(shapeOf('x')) }),
  softmax_backward: (shapeOf) => ({ terms: last(shapeOf('y')) }),
  cross_entropy: (shapeOf) => ({ terms: last(shapeOf('logits')) }),
  cross_entropy_backward: (shapeOf) => ({ terms: last(shapeOf('logits')) }),
  lstm: (shapeOf) => ({ terms: lstmTerms(shapeOf), steps: shapeOf('x')[0] }),
  lstm_step: (shapeOf) => ({ terms: lstmTerms(shapeOf) }),
  lstm_backward: (shapeOf) => ({ terms: last(shapeOf('gates')), steps: shapeOf('gates')[0] }),
  lstm_backward_weight: (shapeOf) => ({ terms: rows(shapeOf('dgates')) }),
  lstm_backward_peephole: (shapeOf) => ({ terms: rows(shapeOf('dgates')) }),
  attention_lstm: (shapeOf) => ({ terms: lstmTerms(shapeOf) + attentionTerms(shapeOf), steps: shapeOf('x')[0] }),
  attention_lstm_step: (shapeOf) => ({ terms: lstmTerms(shapeOf) + attentionTerms(shapeOf) }),
  attention_lstm_backward: (shapeOf) => ({
    terms: last(shapeOf('gates')) + attentionTerms(shapeOf),
    steps: shapeOf('gates')[0],
  }),
  lstm_backward_norm: (shapeOf) => ({ terms: rows(shapeOf('dgates')) }),
  gru: (shapeOf) => ({ terms: last(shapeOf('x')) + last(shapeOf('weight_hh')), steps: shapeOf('x')[0] }),
  gru_step: (shapeOf) => ({ terms: last(shapeOf('x')) + last(shapeOf('weight_hh')) }),
  gru_backward: (shapeOf) => ({ terms: last(shapeOf('gates')), steps: shapeOf('gates')[0] }),
  gru_backward_weight: (shapeOf) => ({ terms: rows(shapeOf('dgates')) }),
  rnn: (shapeOf) => ({ terms: last(shapeOf('x')) + last(shapeOf('weight_hh')), steps: shapeOf('x')[0] }),
  rnn_step: (shapeOf) => ({ terms: last(shapeOf('x')) + last(shapeOf('weight_hh')) }),
  rnn_backward: (shapeOf) => ({ terms: last(shapeOf('gates')), steps: shapeOf('gates')[0] }),
  rnn_backward_weight: (shapeOf) => ({ terms: rows(shapeOf('dgates')) }),
  slstm: (shapeOf) => ({ terms: last(shapeOf('x')) + last(shapeOf('weight_hh')), steps: shapeOf('x')[0] }),
  slstm_step: (shapeOf) => ({ terms: last(shapeOf('x')) + last(shapeOf('weight_hh')) }),
  slstm_backward: (shapeOf) => ({ terms: 4 * last(shapeOf('weight_hh')), steps: shapeOf('gates')[0] }),
  slstm_backward_weight: (shapeOf) => ({ terms: rows(shapeOf('dgates')) }),
};

/**
 * The relative L2 error that float32 may have against float64: k·(16 + √(terms·T))·2⁻²⁴, k 1 forward and 2 backward,
 * `terms` the longest chain of additions, T the steps of a recurrence.
 */
export function tolerance(op: OpName, shapeOf: ShapeOf): number {
  const { terms, steps = 1 } = chains[op]?.(shapeOf) ?? { terms: 1 };
  const factor = op.includes('backward') ? 2 : 1;
  return factor * (16 + Math.sqrt(terms * steps)) * 2 ** -24;
}

/** Of a float32, in relation to it. */
export const roundingError = 2 ** -24;

/** The same numbers, each a rounding error larger or smaller; integers as they are. */
export function nudge({ data, shape }: View): View {
  if (isInt32(data)) return { data, shape };
  // Signs that look random, and are the same each time: Weyl's sequence.
  const sign = (index: number) => (((index + 1) * 0.618033988749895) % 1 < 0.5 ? -1 : 1);
  return { data: Float64Array.from(data, (value, index) => value * (1 + sign(index) * roundingError)), shape };
}

/** Smaller numbers are zero in kernels. */
const smallestNormal = 2 ** -126;

/** a - b, where it is more than what counts as zero. */
function distance(a: number, b: number): number {
  const difference = a - b;
  return Math.abs(difference) < smallestNormal ? 0 : difference;
}

/** Rounding errors of single elements spread: the largest of a million is about five times their root mean square. */
const spread = 4;

/**
 * ‖a − b‖₂ / ‖b‖₂ or, where that is larger, max |aᵢ − bᵢ| / (spread · sizeᵢ): the first sees errors everywhere, the
 * second one wrong element among many. Rounding errors grow with the terms of a sum, not with what is left of it, so
 * sizeᵢ is the largest of |bᵢ| and the root mean squares of its row, of its column and of all. NaN counts as infinite, what
 * is below the smallest normal float32 as nothing.
 */
export function relativeError(a: ArrayLike<number>, { data: b, shape }: View): number {
  const width = last(shape);
  const [row, column] = [new Float64Array(b.length / Math.max(width, 1)), new Float64Array(width)];
  let [norm, difference, largest] = [0, 0, 0];
  for (let index = 0; index < b.length; index++) {
    const square = b[index]! ** 2;
    row[Math.floor(index / width)]! += square / width;
    column[index % width]! += square / row.length;
    norm += square;
    difference += distance(a[index]!, b[index]!) ** 2;
  }
  if (Number.isNaN(difference)) return Infinity;
  if (difference === 0) return 0;
  for (let index = 0; index < b.length; index++) {
    const square = Math.max(b[index]! ** 2, row[Math.floor(index / width)]!, column[index % width]!, norm / b.length);
    largest = Math.max(largest, distance(a[index]!, b[index]!) ** 2 / Math.max(square, Number.MIN_VALUE));
  }
  return Math.max(Math.sqrt(difference / Math.max(norm, Number.MIN_VALUE)), Math.sqrt(largest) / spread);
}
