import { OptionError } from '../../errors';
import { expectRank, expectShape, one, optional, type Slots, type ValueType, type View } from '../op';
import type { Dim } from '../shape';
import { addTransposedProduct, affineRow } from './cell';

/**
 * What a recurrent step attends to: for each row of a batch, S slots with a key each, by which it is scored, and a value.
 * With `weight_query` and `weight_score` the score is additive, without them multiplicative. Row b has
 * `memory_lengths[b]` slots, or all S; those past it have no part.
 */
export const attentionSlots = {
  keys: one('float32'),
  values: one('float32'),
  weight_query: optional('float32'),
  weight_score: optional('float32'),
  memory_lengths: optional('int32'),
} as const satisfies Slots;

export type Attended<T> = Readonly<Record<'keys' | 'values', T>> &
  Readonly<Record<'weight_query' | 'weight_score' | 'memory_lengths', T | null>>;

/** Checks what is attended to; returns S and A, the size of keys and queries. */
export function expectAttended(
  { keys, values, weight_query, weight_score, memory_lengths }: Attended<ValueType>,
  batch: Dim,
  hiddenSize: Dim,
): { readonly slots: Dim; readonly attentionSize: Dim } {
  expectRank('keys', keys, 3, '[B, S, A]');
  const [, slots, attentionSize] = keys.shape as [Dim, Dim, Dim];
  if ((weight_query === null) !== (weight_score === null)) {
    const missing = weight_query ? 'weight_score' : 'weight_query';
    throw new OptionError(`${missing}: expected both weight_query and weight_score (additive), or neither`);
  }
  expectShape('keys', keys, [batch, slots, weight_query ? attentionSize : hiddenSize]);
  expectShape('values', values, [batch, slots, hiddenSize]);
  if (weight_query) expectShape('weight_query', weight_query, [attentionSize, hiddenSize]);
  if (weight_score) expectShape('weight_score', weight_score, [attentionSize]);
  if (memory_lengths) expectShape('memory_lengths', memory_lengths, [batch]);
  return { slots, attentionSize };
}

/** The slots of row b that count, each with its key and its value. */
function slotsOf({ keys, values, memory_lengths }: Attended<View>, b: number) {
  const [, slots, attentionSize] = keys.shape as [number, number, number];
  const hiddenSize = values.shape[2]!;
  return Array.from({ length: memory_lengths ? memory_lengths.data[b]! : slots }, (_, s) => ({
    key: keys.data.subarray((b * slots + s) * attentionSize, (b * slots + s + 1) * attentionSize),
    value: values.data.subarray((b * slots + s) * hiddenSize, (b * slots + s + 1) * hiddenSize),
  }));
}

const dot = (a: ArrayLike<number>, b: ArrayLike<number>) => {
  let sum = 0;
  for (let k = 0; k < a.length; k++) sum += a[k]! * b[k]!;
  return sum;
};

/** What row b of a batch has attended to in one step, and what it gives. */
export interface AttentionStep {
  readonly query: Float64Array;
  /** α: 0 past the row's slots. */
  readonly attention: Float64Array;
}

/**
 * Row b in one step, h̃ the hidden state before:
 *
 *     q = W_q h̃    score_s = vᵀ tanh(q + k_s)     additive (Bahdanau et al. 2015)
 *     q = h̃        score_s = qᵀ k_s               multiplicative (Luong et al. 2015, "general")
 *     α = softmax(score)    h = h̃ + Σ_s α_s v_s
 *
 * A row of no slots has h = h̃.
 */
export function attend(
  attended: Attended<View>,
  b: number,
  unattended: Float64Array,
  next: AttentionStep & { readonly h: Float64Array },
): void {
  const { weight_query, weight_score } = attended;
  const { query, attention, h } = next;
  for (let a = 0; a < query.length; a++) {
    query[a] = weight_query ? affineRow(weight_query, null, a, unattended) : unattended[a]!;
  }
  const slots = slotsOf(attended, b);
  const scores = slots.map(({ key }) =>
    weight_score
      ? dot(
          weight_score.data,
          query.map((q, a) => Math.tanh(q + key[a]!)),
        )
      : dot(query, key),
  );
  const largest = Math.max(...scores);
  const exponentials = scores.map((score) => Math.exp(score - largest));
  const sum = exponentials.reduce((total, exponential) => total + exponential, 0);
  h.set(unattended);
  slots.forEach(({ value }, s) => {
    attention[s] = exponentials[s]! / sum;
    for (let j = 0; j < h.length; j++) h[j]! += attention[s] * value[j]!;
  });
}

/**
 * The derivative of `attend`: from the gradient of h to that of h̃. Writes the gradient of the query, and adds to those
 * of the row's keys, values and (its part of the) `weight_score`.
 */
export function attendBackward(
  attended: Attended<View>,
  b: number,
  { query, attention }: AttentionStep,
  dh: Float64Array,
  gradients: {
    readonly dkeys: View;
    readonly dvalues: View;
    readonly dquery: Float64Array;
    readonly dweightScore: Float64Array;
  },
): Float64Array {
  const { weight_query, weight_score } = attended;
  const { dquery, dweightScore } = gradients;
  const slots = slotsOf(attended, b);
  const into = slotsOf({ ...attended, keys: gradients.dkeys, values: gradients.dvalues }, b);
  const dattention = slots.map(({ value }) => dot(dh, value));
  const mean = dattention.reduce((sum, gradient, s) => sum + attention[s]! * gradient, 0);
  slots.forEach(({ key }, s) => {
    const dscore = attention[s]! * (dattention[s]! - mean);
    const { key: dkey, value: dvalue } = into[s]!;
    for (let j = 0; j < dh.length; j++) dvalue[j]! += attention[s]! * dh[j]!;
    for (let a = 0; a < query.length; a++) {
      const tanh = weight_score ? Math.tanh(query[a]! + key[a]!) : 0;
      const slope = weight_score ? dscore * weight_score.data[a]! * (1 - tanh * tanh) : 0;
      dkey[a]! += weight_score ? slope : dscore * query[a]!;
      dquery[a]! += weight_score ? slope : dscore * key[a]!;
      dweightScore[a]! += dscore * tanh;
    }
  });
  const dunattended = Float64Array.from(dh);
  if (weight_query) addTransposedProduct(weight_query, 0, dquery, dunattended);
  else for (let j = 0; j < dunattended.length; j++) dunattended[j]! += dquery[j]!;
  return dunattended;
}
