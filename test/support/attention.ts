import type { Values } from './evaluate';
import { integers, Random, type Tensor } from './random';

export type Score = 'multiplicative' | 'additive';
export const scores: readonly Score[] = ['multiplicative', 'additive'];

export interface AttentionSizes {
  readonly T: number;
  readonly B: number;
  readonly I: number;
  readonly H: number;
  readonly S: number;
  readonly A: number;
}

/** Operands of an attention LSTM, random; those named in `leaveOut` are missing. A multiplicative score has A = H. */
export function attentionOperands(
  score: Score,
  { T, B, I, H, S, A }: AttentionSizes,
  leaveOut: readonly string[] = [],
): Record<string, Tensor> {
  const random = new Random(T + 10 * B + 100 * I + 1000 * H + 7 * S + A);
  // Scores of a size at which the softmax is neither flat nor a choice of one: there its gradient is what is left of a
  // difference, and float32 has few digits of it.
  const all = {
    x: random.normal(T, B, I),
    h0: random.normal(B, H),
    c0: random.normal(B, H),
    weight_ih: random.uniform(-1 / Math.sqrt(I), 1 / Math.sqrt(I), 4 * H, I),
    weight_hh: random.uniform(-1 / Math.sqrt(H), 1 / Math.sqrt(H), 4 * H, H),
    bias_ih: random.normal(4 * H),
    bias_hh: random.normal(4 * H),
    keys: score === 'additive' ? random.normal(B, S, A) : random.uniform(-4 / Math.sqrt(H), 4 / Math.sqrt(H), B, S, H),
    values: random.normal(B, S, H),
    ...(score === 'additive'
      ? {
          weight_query: random.uniform(-1 / Math.sqrt(H), 1 / Math.sqrt(H), A, H),
          weight_score: random.uniform(-2 / Math.sqrt(A), 2 / Math.sqrt(A), A),
        }
      : {}),
  };
  return Object.fromEntries(Object.entries(all).filter(([name]) => !leaveOut.includes(name)));
}

/** Steps and slots of each row: all, 0, and between. */
export const raggedLengths = ({ B, T, S }: Pick<AttentionSizes, 'B' | 'T' | 'S'>): Values => {
  const rows = Array.from({ length: B }, (_, b) => b);
  return {
    lengths: integers(
      [B],
      rows.map((b) => (b + T) % (T + 1)),
    ),
    memory_lengths: integers(
      [B],
      rows.map((b) => (b % 4 === 3 ? 0 : S - (b % (S + 1)))),
    ),
  };
};
