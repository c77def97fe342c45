import { attentionLstm } from '../../../lib/ops/recurrent/attentionLstm';
import { attentionLstmBackward } from '../../../lib/ops/recurrent/attentionLstmBackward';
import { attentionOperands, scores, type Score } from '../../support/attention';
import { evaluate, writeOp, type Values, type Variables } from '../../support/evaluate';
import { lstmWith } from '../../support/lstmOptions';
import { floats, integers, Random, type Tensor } from '../../support/random';

/**
 * What reaches h_t and c_t of the LSTM that attends, against finite differences. A share k of zoneout moves one of them and
 * nothing else, h_t = k ⊙ h_{t-1} + (1 - k) ⊙ ĥ_t, so that at k = 0 the derivative by k is dh_t ⊙ (h_{t-1} - h_t); and c alike.
 */
const sizes = { T: 4, B: 3, I: 2, H: 3, P: 2, S: 4, A: 2 };
const { T, B } = sizes;
const lengths = integers([B], [4, 1, 3]);
const memory_lengths = integers([B], [4, 2, 0]);
const epsilon = 1e-6;

interface Setting {
  readonly values: Values;
  readonly cotangents: Values;
  readonly attributes: ReturnType<typeof lstmWith>['kind'] & { readonly reverse: boolean };
}

function setUp(options: readonly string[], score: Score, reverse: boolean): Setting {
  const { values, kind } = lstmWith(options, sizes);
  const [size, H] = [values.h0!.shape[1]!, values.c0!.shape[1]!];
  const { keys, values: found, weight_query, weight_score } = attentionOperands(score, { ...sizes, H: size });
  const attended = { keys: keys!, values: found!, ...(weight_query && { weight_query, weight_score: weight_score! }) };
  const zeros = (width: number) => floats([T, B, width], new Float64Array(T * B * width));
  const shares = { keep_hidden: zeros(size), keep_cell: zeros(H) };
  const random = new Random(5);
  return {
    values: { ...values, ...attended, ...shares, lengths, memory_lengths },
    cotangents: { dy: random.normal(T, B, size), dh_n: random.normal(B, size), dc_n: random.normal(B, H) },
    attributes: { reverse, ...kind },
  };
}

const forward = ({ attributes }: Setting, values: Values) => evaluate(values, writeOp(attentionLstm, attributes));

function loss(setting: Setting, values: Values): number {
  const outputs = forward(setting, values);
  return Object.entries(setting.cotangents).reduce((sum, [name, { data }]) => {
    const result = outputs[name.slice(1)]!.data;
    return Array.from(data).reduce((total, d, k) => total + d * result[k]!, sum);
  }, 0);
}

/** dh and dcells, [T, B, ·]. */
function stateGradients({ values, cotangents, attributes }: Setting) {
  return evaluate({ ...values, ...cotangents }, (all, emit) => {
    const inputs = Object.fromEntries(Object.keys(values).map((name) => [name, all[name]!]));
    const outputs = writeOp(attentionLstm, attributes)(inputs, emit);
    const given = { ...all, ...outputs, queries: outputs[values.weight_query ? 'queries' : 'unattended']! };
    const saved = Object.keys(attentionLstmBackward.operands).filter(
      (slot) => slot in given && (attributes.gate_clip > 0 || slot !== 'bounds'),
    );
    const operands = Object.fromEntries(
      saved
        .filter((slot) => values.weight_ln_c || !/normalized|scales/.test(slot))
        .map((slot) => [slot, (given as Variables)[slot]!]),
    );
    const { dh, dcells } = writeOp(attentionLstmBackward, attributes)(operands, emit);
    return { dh: dh!, dcells: dcells! };
  });
}

/** Compares the gradient of one state with differences along its shares, where a step belongs to its row; past it, 0. */
function compare(setting: Setting, slot: 'keep_hidden' | 'keep_cell', gradient: ArrayLike<number>): void {
  const { values, attributes } = setting;
  const share = values[slot]!;
  const width = share.shape[2]!;
  const outputs = forward(setting, values);
  const [states, initial] =
    slot === 'keep_hidden' ? [outputs.y!.data, values.h0!.data] : [outputs.cells!.data, values.c0!.data];
  let compared = 0;
  for (let k = 0; k < share.data.length; k++) {
    const [t, b, j] = [Math.floor(k / (B * width)), Math.floor(k / width) % B, k % width];
    const length = lengths.data[b]!;
    if (t >= length) {
      expect(gradient[k]).toBe(0);
      continue;
    }
    const previous = attributes.reverse ? t + 1 : t - 1;
    const before =
      previous < 0 || previous >= length ? initial[b * width + j]! : states[(previous * B + b) * width + j]!;
    const moved = (by: number) => {
      const data = Float64Array.from(share.data, (value, index) => (index === k ? value + by : value));
      return loss(setting, { ...values, [slot]: { ...(share as Tensor<Float64Array>), data } });
    };
    const difference = (moved(epsilon) - moved(-epsilon)) / (2 * epsilon);
    const rule = gradient[k]! * (before - states[k]!);
    expect(Math.abs(rule - difference)).toBeLessThan(1e-5 + 1e-3 * Math.abs(difference));
    compared++;
  }
  expect(compared).toBeGreaterThan(0);
}

const cases = [[], ['peepholes', 'projection'], ['full gate recurrence'], ['layer normalization'], ['recurrent mask']];

test.each(scores.flatMap((score) => cases.map((options) => [score, options] as const)))(
  'all that reaches h and c meets finite differences, in both directions, with the %s score and %j',
  (score, options) => {
    for (const reverse of [false, true]) {
      const setting = setUp(options, score, reverse);
      const { dh, dcells } = stateGradients(setting);
      compare(setting, 'keep_hidden', dh!.data);
      compare(setting, 'keep_cell', dcells!.data);
    }
  },
);
