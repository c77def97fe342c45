import { float32, int32, type Slots, type ValueType } from '../../../lib/ops/op';
import { attentionLstm } from '../../../lib/ops/recurrent/attentionLstm';
import { attentionLstmBackward } from '../../../lib/ops/recurrent/attentionLstmBackward';
import { attentionLstmStep } from '../../../lib/ops/recurrent/attentionLstmStep';
import { lstm } from '../../../lib/ops/recurrent/lstm';
import { plainLstm } from '../../../lib/ops/recurrent/lstmKind';
import { attentionOperands, scores, type Score } from '../../support/attention';
import { checkGradient } from '../../support/checkGradient';
import { evaluate, writeOp, type Values, type Write } from '../../support/evaluate';
import { floats, integers, Random, withDims, type Tensor } from '../../support/random';

const sizes = { T: 4, B: 3, I: 2, H: 3, S: 4, A: 2 };
/** One row with no steps, one with a single step, one with all; of slots one with all, one with none, one with two. */
const ragged = { lengths: integers([3], [0, 4, 1]), memory_lengths: integers([3], [4, 2, 0]) };
const sequence = (reverse: boolean): Write => writeOp(attentionLstm, { reverse, ...plainLstm });

const sigma = (z: number) => 1 / (1 + Math.exp(-z));
const product = (matrix: Tensor, v: readonly number[]) =>
  Array.from({ length: matrix.shape[0]! }, (_, r) =>
    v.reduce((sum, value, k) => sum + matrix.data[r * v.length + k]! * value, 0),
  );
const rowsOf = ({ data }: { data: ArrayLike<number> }, first: number, count: number, width: number) =>
  Array.from({ length: count }, (_, r) => Array.from({ length: width }, (_, k) => data[(first + r) * width + k]!));

describe.each(scores)('with the %s score', (score) => {
  const operands = (leaveOut?: readonly string[]) => attentionOperands(score, sizes, leaveOut);

  test('attention and h are what the formula gives', () => {
    const values = { ...operands(), ...ragged } as Record<string, Tensor>;
    const { y, attention, c_n, unattended } = evaluate(values, sequence(false));
    const { B, I, H, S, A } = sizes;
    const width = score === 'additive' ? A : H;
    for (let b = 0; b < B; b++) {
      let [h] = rowsOf(values.h0!, b, 1, H) as [number[]];
      let [c] = rowsOf(values.c0!, b, 1, H) as [number[]];
      for (let t = 0; t < ragged.lengths.data[b]!; t++) {
        const [x] = rowsOf(values.x!, t * B + b, 1, I) as [number[]];
        const ofX = product(values.weight_ih!, x);
        const ofH = product(values.weight_hh!, h);
        const z = ofX.map((value, k) => value + ofH[k]! + values.bias_ih!.data[k]! + values.bias_hh!.data[k]!);
        c = c.map((before, j) => sigma(z[H + j]!) * before + sigma(z[j]!) * Math.tanh(z[2 * H + j]!));
        const without = c.map((cell, j) => sigma(z[3 * H + j]!) * Math.tanh(cell));
        const slots = ragged.memory_lengths.data[b]!;
        const query = score === 'additive' ? product(values.weight_query!, without) : without;
        const exponentials = rowsOf(values.keys!, b * S, slots, width).map((key) =>
          Math.exp(
            key.reduce(
              (sum, k, a) =>
                sum + (score === 'additive' ? values.weight_score!.data[a]! * Math.tanh(query[a]! + k) : query[a]! * k),
              0,
            ),
          ),
        );
        const total = exponentials.reduce((sum, e) => sum + e, 0);
        const alpha = exponentials.map((e) => e / total);
        const found = rowsOf(values.values!, b * S, slots, H);
        h = without.map((value, j) => value + alpha.reduce((sum, weight, s) => sum + weight * found[s]![j]!, 0));
        const [received] = rowsOf(attention!, t * B + b, 1, S) as [number[]];
        for (let s = 0; s < S; s++) expect(received[s]).toBeCloseTo(alpha[s] ?? 0, 13);
        for (let j = 0; j < H; j++) {
          expect(y!.data[(t * B + b) * H + j]).toBeCloseTo(h[j]!, 13);
          expect(unattended!.data[(t * B + b) * H + j]).toBeCloseTo(without[j]!, 13);
        }
      }
      for (let j = 0; j < H; j++) expect(c_n!.data[b * H + j]).toBeCloseTo(c[j]!, 13);
    }
  });

  test('a memory without slots leaves the plain LSTM', () => {
    const { keys, values, weight_query, weight_score, ...cell } = operands();
    const empty = integers([sizes.B], [0, 0, 0]);
    const given: Values = { ...cell, keys: keys!, values: values!, memory_lengths: empty };
    const additive = weight_query && weight_score && { weight_query, weight_score };
    const { y, h_n, c_n, attention } = evaluate({ ...given, ...additive }, sequence(false));
    const plain = evaluate(cell, writeOp(lstm, { reverse: false, ...plainLstm }));
    expect([y, h_n, c_n]).toEqual([plain.y, plain.h_n, plain.c_n]);
    expect(attention!.data.every((alpha) => alpha === 0)).toBe(true);
  });

  test('what stands past the lengths, of steps and of slots, has no part', () => {
    const values = { ...operands(), ...ragged } as Record<string, Tensor>;
    const spoilt = spoil(values);
    const [expected, received] = [values, spoilt].map((given) => evaluate(given, sequence(true)));
    expect(received).toEqual(expected);
    for (const name of ['y', 'gates', 'cells', 'unattended', 'queries', 'attention']) {
      const { data, shape } = expected![name]!;
      const width = shape[2]!;
      for (let row = 0; row < sizes.T * sizes.B; row++) {
        if (Math.floor(row / sizes.B) < ragged.lengths.data[row % sizes.B]!) continue;
        expect(data.subarray(row * width, (row + 1) * width).every((value) => value === 0)).toBe(true);
      }
    }
  });

  test('a chain of steps is the sequence, bit for bit', () => {
    const { x, h0, c0, ...rest } = operands() as Record<string, Tensor> & Record<'x' | 'h0' | 'c0', Tensor>;
    const memory_lengths = ragged.memory_lengths;
    const whole = evaluate({ x, h0, c0, ...rest, memory_lengths }, sequence(false));
    const { B, I, H, S } = sizes;
    let [h, c]: [Tensor, Tensor] = [h0, c0];
    for (let t = 0; t < sizes.T; t++) {
      const input = floats([B, I], x.data.subarray(t * B * I, (t + 1) * B * I));
      const next = evaluate({ x: input, h, c, ...rest, memory_lengths }, writeOp(attentionLstmStep, plainLstm));
      [h, c] = [floats([B, H], next.h_next!.data), floats([B, H], next.c_next!.data)];
      expect(next.attention!.data).toEqual(whole.attention!.data.slice(t * B * S, (t + 1) * B * S));
    }
    expect([h, c]).toEqual([whole.h_n, whole.c_n]);
  });

  describe('gradients meet finite differences', () => {
    const losses = [['y'], ['h_n'], ['c_n'], ['y', 'h_n', 'c_n']];
    const cases = losses.flatMap((on) => [false, true].map((reverse) => ({ on, reverse })));

    test.each(cases)('with a loss on $on, reverse $reverse', ({ on, reverse }) => {
      checkGradient(operands(), sequence(reverse), { on });
      checkGradient({ ...operands(), ...ragged }, sequence(reverse), { on });
    });

    test.each([['h0'], ['c0'], ['bias_ih'], ['bias_hh'], ['h0', 'c0', 'bias_ih', 'bias_hh']].map((one) => [one]))(
      'without %j',
      (missing) => {
        const given = { ...operands(missing), memory_lengths: ragged.memory_lengths };
        for (const reverse of [false, true]) checkGradient(given, sequence(reverse), { on: ['y', 'h_n'] });
      },
    );

    test.each([
      { T: 1, B: 1, I: 1, H: 1, S: 1, A: 1 },
      { T: 1, B: 2, I: 3, H: 5, S: 2, A: 4 },
      { T: 3, B: 1, I: 1, H: 4, S: 5, A: 1 },
    ])('at T $T, B $B, I $I, H $H, S $S, A $A', (small) => {
      checkGradient(attentionOperands(score, small), sequence(false), { on: ['y', 'c_n'] });
    });

    test('along random directions at a larger size', () => {
      const large = attentionOperands(score, { T: 9, B: 5, I: 7, H: 17, S: 12, A: 9 });
      const lengths = integers([5], [9, 0, 4, 1, 8]);
      const memory_lengths = integers([5], [12, 3, 0, 1, 11]);
      const on = ['y', 'h_n', 'c_n'];
      checkGradient({ ...large, lengths, memory_lengths }, sequence(true), { on, directions: true });
    });

    test('with sizes known only at run time', () => {
      const { x, h0, c0, keys, values, ...rest } = operands();
      const runTime = {
        x: withDims(x!, ['T', 'B', sizes.I]),
        h0: withDims(h0!, ['B', sizes.H]),
        c0: withDims(c0!, ['B', sizes.H]),
        keys: withDims(keys!, ['B', 'S', keys!.shape[2]!]),
        values: withDims(values!, ['B', 'S', sizes.H]),
        lengths: withDims(ragged.lengths, ['B']),
        memory_lengths: withDims(ragged.memory_lengths, ['B']),
      };
      checkGradient({ ...rest, ...runTime }, sequence(true), { on: ['y', 'h_n'] });
    });

    test('for a single step, and for steps that feed on themselves', () => {
      const { x, h0, c0, ...rest } = attentionOperands(score, { ...sizes, T: 1, I: 3 });
      const state = { h: h0!, c: c0!, memory_lengths: ragged.memory_lengths };
      const step = writeOp(attentionLstmStep, plainLstm);
      checkGradient({ x: floats([3, 3], x!.data), ...state, ...rest }, step, { on: ['h_next', 'c_next'] });
      checkGradient({ ...state, ...rest }, ({ h, c, ...others }, emit) => {
        let next = { h: h!, c: c! };
        for (let k = 0; k < 3; k++) {
          const { h_next, c_next } = step({ x: next.h, ...next, ...others }, emit);
          next = { h: h_next!, c: c_next! };
        }
        return next;
      });
    });
  });

  test.each(['gates', 'cells', 'unattended', 'queries', 'attention'])('promises no gradient through %s', (slot) => {
    expect(() => checkGradient(operands(), sequence(false), { on: [slot] })).toThrow(`${slot}: no gradient`);
  });

  test('backward shows the whole gradients of h and c', () => {
    const { dh, dcells, dh0, dc0 } = backwardOf({ ...operands(), lengths: ragged.lengths });
    const { T, B, H } = sizes;
    const random = new Random(3);
    const [dy, dh_n, dc_n] = [random.normal(T, B, H), random.normal(B, H), random.normal(B, H)];
    for (let b = 0; b < B; b++) {
      const last = ragged.lengths.data[b]! - 1;
      for (let j = 0; j < H; j++) {
        if (last < 0) {
          expect([dh0!.data[b * H + j], dc0!.data[b * H + j]]).toEqual([dh_n.data[b * H + j], dc_n.data[b * H + j]]);
        } else {
          const at = (last * B + b) * H + j;
          expect(dh!.data[at]).toBe(dh_n.data[b * H + j]! + dy.data[at]!);
        }
      }
      for (let t = last + 1; t < T; t++) {
        const past = [dh!, dcells!].flatMap(({ data }) => [...data.subarray((t * B + b) * H, (t * B + b + 1) * H)]);
        expect(past.every((value) => value === 0)).toBe(true);
      }
    }
  });

  /** The backward op on its own, from random gradients. */
  function backwardOf(values: Values) {
    const seen = evaluate(values, sequence(false)) as Record<string, Tensor>;
    const { T, B, H } = sizes;
    const random = new Random(3);
    const { gates, cells, unattended, attention } = seen;
    const queries = score === 'additive' ? seen.queries : unattended;
    const arriving = { dy: random.normal(T, B, H), dh_n: random.normal(B, H), dc_n: random.normal(B, H) };
    const given = { ...values, ...arriving, gates, cells, queries, attention } as Values;
    return evaluate(given, writeOp(attentionLstmBackward, { reverse: false, ...plainLstm }));
  }
});

/** The operands of an op, those that are not given left out. */
function withNulls<O extends { readonly operands: Slots; infer(operands: never, attributes: never): unknown }>(
  { operands }: O,
  types: Readonly<Record<string, ValueType | null>>,
): Parameters<O['infer']>[0] {
  return Object.fromEntries(Object.keys(operands).map((slot) => [slot, types[slot] ?? null])) as never;
}

/** Large numbers in everything past the lengths. */
function spoil(values: Record<string, Tensor>): Record<string, Tensor> {
  const { B, S } = sizes;
  const past = (name: string, isPast: (row: number) => boolean) => {
    const { data, shape } = values[name]!;
    const width = shape[2]!;
    return floats(
      shape,
      data.map((value, k) => (isPast(Math.floor(k / width)) ? 1e6 : value)),
    );
  };
  const pastSlots = (row: number) => row % S >= ragged.memory_lengths.data[Math.floor(row / S)]!;
  return {
    ...values,
    x: past('x', (row) => Math.floor(row / B) >= ragged.lengths.data[row % B]!),
    keys: past('keys', pastSlots),
    values: past('values', pastSlots),
  };
}

describe('wrong operands are refused by name', () => {
  const types = {
    ...{ x: float32('T', 'B', 2), h0: float32('B', 3), c0: float32('B', 3), lengths: int32('B') },
    ...{ weight_ih: float32(12, 2), weight_hh: float32(12, 3), bias_ih: float32(12), bias_hh: float32(12) },
    ...{ keys: float32('B', 'S', 4), values: float32('B', 'S', 3), memory_lengths: int32('B') },
    ...{ weight_query: float32(4, 3), weight_score: float32(4) },
  };
  const infer = (changed: object) =>
    attentionLstm.infer(withNulls(attentionLstm, { ...types, ...changed }), { reverse: false, ...plainLstm });

  test.each([
    ['x', float32('T', 2), 'x: expected [T, B, I], received [T, 2]'],
    ['c0', float32('B', 4), 'c0: expected [B, 3], received [B, 4]'],
    ['keys', float32('B', 4), 'keys: expected [B, S, A], received [B, 4]'],
    ['keys', float32('T', 'S', 4), 'keys: expected [B, S, 4], received [T, S, 4]'],
    ['values', float32('B', 'T', 3), 'values: expected [B, S, 3], received [B, T, 3]'],
    ['values', float32('B', 'S', 4), 'values: expected [B, S, 3], received [B, S, 4]'],
    ['weight_query', float32(4, 4), 'weight_query: expected [4, 3], received [4, 4]'],
    ['weight_score', float32(3), 'weight_score: expected [4], received [3]'],
    ['weight_score', null, 'weight_score: expected both weight_query and weight_score (additive), or neither'],
    ['weight_query', null, 'weight_query: expected both weight_query and weight_score (additive), or neither'],
    ['memory_lengths', int32('S'), 'memory_lengths: expected [B], received [S]'],
    ['lengths', int32('T'), 'lengths: expected [B], received [T]'],
  ])('%s', (slot, type, message) => {
    expect(() => infer({ [slot]: type })).toThrow(message);
  });

  test('keys of another size than the query, which without weights is h', () => {
    const none: Partial<Record<Score | 'weight_query' | 'weight_score', null>> = {
      weight_query: null,
      weight_score: null,
    };
    expect(() => infer(none)).toThrow('keys: expected [B, S, 3], received [B, S, 4]');
  });

  test('run-time sizes go through forward and backward', () => {
    const { lengths, memory_lengths, h0: state } = types;
    const forward = infer({});
    const sequenceType = float32('T', 'B', 3);
    const seen = { gates: float32('T', 'B', 12), cells: sequenceType };
    const asked = { queries: float32('T', 'B', 4), attention: float32('T', 'B', 'S') };
    expect(forward).toMatchObject({
      y: sequenceType,
      h_n: state,
      c_n: state,
      ...seen,
      unattended: sequenceType,
      ...asked,
    });
    const { weight_hh, keys, values, weight_query, weight_score, c0 } = types;
    const attended = { keys, values, weight_query, weight_score, memory_lengths };
    const arriving = { dy: sequenceType, dh_n: state, dc_n: state };
    const given = { ...arriving, ...seen, ...asked, c0, weight_hh, ...attended, lengths };
    const attributes = { reverse: true, ...plainLstm };
    const backward = attentionLstmBackward.infer(withNulls(attentionLstmBackward, given), attributes);
    expect(backward).toMatchObject({
      dgates: seen.gates,
      dh0: state,
      dc0: state,
      dkeys: keys,
      dvalues: values,
      dqueries: asked.queries,
      dweight_score: float32('B', 4),
      dh: sequenceType,
      dcells: sequenceType,
    });
  });
});
