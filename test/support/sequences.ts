/** The layers over a sequence that take lengths, as ops on one set of sizes. */
import { attentionLstm } from '../../lib/ops/recurrent/attentionLstm';
import { linear } from '../../lib/ops/linear';
import { gru } from '../../lib/ops/recurrent/gru';
import { lstm } from '../../lib/ops/recurrent/lstm';
import { rnn } from '../../lib/ops/recurrent/rnn';
import { slstm } from '../../lib/ops/recurrent/slstm';
import { attentionOperands, type Score } from './attention';
import { writeOp, type Values, type Write } from './evaluate';
import { lstmData, lstmWith, type LstmSizes } from './lstmOptions';
import { integers, Random } from './random';

export interface SequenceLayer {
  readonly name: string;
  readonly write: (reverse: boolean) => Write;
  /** Its operands without lengths; x is [T, B, I]. */
  readonly values: (sizes: LstmSizes) => Values;
  /** The results through which gradients flow. */
  readonly results: readonly string[];
  /** Operands [·,·,·] whose first axis is not time. */
  readonly timeless?: readonly string[];
  /** Operands that receive no gradient. */
  readonly data: readonly string[];
  /** Outputs that belong to options which the layer does not have: they are 0. */
  readonly absent: readonly string[];
}

/** Outputs of an LSTM over time that belong to one option. */
const optionOutputs: Readonly<Record<string, readonly string[]>> = {
  'full gate recurrence': ['recurred'],
  'layer normalization': ['normalized_ih', 'normalized_hh', 'normalized_c', 'scales'],
};

function lstmLayer(name: string, options: readonly string[]): SequenceLayer {
  const { kind } = lstmWith(options, { T: 1, B: 1, I: 1, H: 1, P: 1 });
  return {
    name,
    write: (reverse) => writeOp(lstm, { reverse, ...kind }),
    values: (sizes) => lstmWith(options, sizes).values,
    results: ['y', 'h_n', 'c_n'],
    data: lstmData,
    absent: Object.keys(optionOutputs).flatMap((option) => (options.includes(option) ? [] : optionOutputs[option]!)),
  };
}

function cellLayer(name: string, gates: number, write: SequenceLayer['write']): SequenceLayer {
  return {
    name,
    write,
    values: ({ T, B, I, H }) => {
      const random = new Random(T + 10 * B + 100 * I + 1000 * H);
      const scale = 1 / Math.sqrt(Math.max(I, H));
      return {
        x: random.normal(T, B, I),
        h0: random.uniform(-0.9, 0.9, B, H),
        weight_ih: random.uniform(-scale, scale, gates * H, I),
        weight_hh: random.uniform(-scale, scale, gates * H, H),
        bias_ih: random.uniform(-0.5, 0.5, gates * H),
        bias_hh: random.uniform(-0.5, 0.5, gates * H),
      };
    },
    results: ['y', 'h_n'],
    data: [],
    absent: [],
  };
}

function slstmLayer(exponential_forget: boolean): SequenceLayer {
  return {
    name: `slstm with ${exponential_forget ? 'an exponential' : 'a sigmoid'} forget gate`,
    write: (reverse) => writeOp(slstm, { reverse, exponential_forget }),
    values: ({ T, B, I, H }) => {
      const random = new Random(T + 10 * B + 100 * I + 1000 * H);
      const scale = 1 / Math.sqrt(Math.max(I, H));
      const heads = H % 3 === 0 ? 3 : 1;
      const keep = (...shape: number[]) => random.uniform(0.1, 0.6, ...shape);
      return {
        x: random.normal(T, B, I),
        h0: random.uniform(-0.9, 0.9, B, H),
        c0: random.uniform(-0.9, 0.9, B, H),
        n0: random.uniform(0.5, 1.5, B, H),
        m0: random.uniform(-0.9, 0.9, B, H),
        weight_ih: random.uniform(-scale, scale, 4 * H, I),
        weight_hh: random.uniform(-scale, scale, 4 * H, H / heads),
        bias_ih: random.uniform(-0.5, 0.5, 4 * H),
        bias_hh: random.uniform(-0.5, 0.5, 4 * H),
        // One of both forms: of each step, and of all.
        ...(exponential_forget ? { keep_cell: keep(T, B, H), hidden_mask: keep(B, H) } : { keep_hidden: keep(H) }),
      };
    },
    results: ['y', 'h_n', 'c_n', 'n_n', 'm_n'],
    data: ['keep_cell', 'keep_hidden', 'hidden_mask'],
    absent: [],
  };
}

function attendingLayer(score: Score, options: readonly string[]): SequenceLayer {
  const cell = lstmLayer('', options);
  const { kind } = lstmWith(options, { T: 1, B: 1, I: 1, H: 1, P: 1 });
  return {
    ...cell,
    name: ['attending lstm', `${score} score`, ...options].join(', '),
    write: (reverse) => writeOp(attentionLstm, { reverse, ...kind }),
    values: (sizes) => {
      const { values } = lstmWith(options, sizes);
      const H = values.h0!.shape[1]!;
      const { keys, values: found, ...weights } = attentionOperands(score, { ...sizes, H, S: 5, A: 3 });
      const additive = score === 'additive' && {
        weight_query: weights.weight_query!,
        weight_score: weights.weight_score!,
      };
      const memory_lengths = integers(
        [sizes.B],
        Array.from({ length: sizes.B }, (_, b) => (b * 2 + 3) % 6),
      );
      return { ...values, keys: keys!, values: found!, ...additive, memory_lengths };
    },
    timeless: ['keys', 'values'],
    data: [...cell.data, 'memory_lengths'],
  };
}

const linearLayer: SequenceLayer = {
  name: 'linear',
  write: () => writeOp(linear, {}),
  values: ({ T, B, I, H }) => {
    const random = new Random(T + 10 * B + 100 * I + 1000 * H);
    return { x: random.normal(T, B, I), weight: random.normal(H, I), bias: random.normal(H) };
  },
  results: ['y'],
  data: [],
  absent: [],
};

export const sequenceLayers: readonly SequenceLayer[] = [
  linearLayer,
  lstmLayer('lstm', []),
  lstmLayer('lstm with projection', ['projection']),
  lstmLayer('lstm with most of its options', [
    ...['peepholes', 'coupled gates', 'cell clipping', 'projection'],
    ...['zoneout of the hidden state', 'zoneout of the cell', 'recurrent mask'],
  ]),
  lstmLayer('lstm with full gate recurrence', ['full gate recurrence', 'gate clipping']),
  lstmLayer('lstm with layer normalization', ['layer normalization', 'full gate recurrence', 'projection']),
  cellLayer('gru', 3, (reverse) => writeOp(gru, { reverse, reset_after: true, gate_clip: 0 })),
  cellLayer('gru with the reset gate before', 3, (reverse) =>
    writeOp(gru, { reverse, reset_after: false, gate_clip: 0 }),
  ),
  cellLayer('rnn with tanh', 1, (reverse) => writeOp(rnn, { reverse, relu: false, gate_clip: 0 })),
  cellLayer('rnn with relu', 1, (reverse) => writeOp(rnn, { reverse, relu: true, gate_clip: 0 })),
  slstmLayer(false),
  slstmLayer(true),
  attendingLayer('multiplicative', []),
  attendingLayer('additive', ['projection', 'layer normalization']),
];
