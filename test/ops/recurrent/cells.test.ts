import { gru, gruBackward, gruBackwardWeight } from '../../../lib/ops/recurrent/gru';
import { gruStep } from '../../../lib/ops/recurrent/gruStep';
import { float32, int32, type ValueType } from '../../../lib/ops/op';
import { rnn, rnnBackward } from '../../../lib/ops/recurrent/rnn';
import { rnnStep } from '../../../lib/ops/recurrent/rnnStep';
import { slstm } from '../../../lib/ops/recurrent/slstm';
import { slstmStep } from '../../../lib/ops/recurrent/slstmStep';
import { checkGradient } from '../../support/checkGradient';
import { evaluate, writeOp, type Values, type Write } from '../../support/evaluate';
import { floats, integers, Random, withDims, type Tensor } from '../../support/random';

/** What cells have in common; the LSTM and its options have files of their own. */
interface Cell {
  readonly name: string;
  readonly gates: number;
  /** What is carried from step to step: operands h0, ... and outputs h_n, ... of a sequence, h and h_next of a step. */
  readonly states: readonly string[];
  readonly sequence: (reverse: boolean) => Write;
  readonly step: Write;
  readonly infer: (types: CellTypes) => unknown;
}
type CellTypes = Omit<Parameters<typeof gru.infer>[0], keyof typeof none> & Record<'lengths', ValueType | null>;
/** What regularizes a state has a file of its own. */
const none = { keep_hidden: null, hidden_mask: null };

const gruCell = (reset_after: boolean): Cell => ({
  name: `gru with the reset gate ${reset_after ? 'after' : 'before'}`,
  gates: 3,
  states: ['h'],
  sequence: (reverse) => writeOp(gru, { reverse, reset_after, gate_clip: 0 }),
  step: writeOp(gruStep, { reset_after, gate_clip: 0 }),
  infer: (types) => gru.infer({ ...none, ...types }, { reverse: false, reset_after, gate_clip: 0 }),
});
const rnnCell = (relu: boolean): Cell => ({
  name: `rnn with ${relu ? 'relu' : 'tanh'}`,
  gates: 1,
  states: ['h'],
  sequence: (reverse) => writeOp(rnn, { reverse, relu, gate_clip: 0 }),
  step: writeOp(rnnStep, { relu, gate_clip: 0 }),
  infer: (types) => rnn.infer({ ...none, ...types }, { reverse: false, relu, gate_clip: 0 }),
});
const slstmCell = (exponential_forget: boolean): Cell => ({
  name: `slstm with ${exponential_forget ? 'an exponential' : 'a sigmoid'} forget gate`,
  gates: 4,
  states: ['h', 'c', 'n', 'm'],
  sequence: (reverse) => writeOp(slstm, { reverse, exponential_forget }),
  step: writeOp(slstmStep, { exponential_forget }),
  infer: (types) =>
    slstm.infer(
      { ...none, keep_cell: null, c0: null, n0: null, m0: null, ...types },
      { reverse: false, exponential_forget },
    ),
});
const cells = [gruCell(true), gruCell(false), rnnCell(false), rnnCell(true), slstmCell(false), slstmCell(true)];

interface Sizes {
  readonly T: number;
  readonly B: number;
  readonly I: number;
  readonly H: number;
}

/** Random operands; those named in `leaveOut` are missing. */
function operandsOf(
  { gates, states }: Cell,
  { T, B, I, H }: Sizes,
  leaveOut: readonly string[] = [],
): Record<string, Tensor> {
  const random = new Random(T + 10 * B + 100 * I + 1000 * H);
  // A normalizer is positive once something has been seen.
  const initial = (state: string) => (state === 'n' ? random.uniform(0.5, 1.5, B, H) : random.normal(B, H));
  const all = {
    x: random.normal(T, B, I),
    h0: random.normal(B, H),
    weight_ih: random.normal(gates * H, I),
    weight_hh: random.uniform(-0.6, 0.6, gates * H, H),
    bias_ih: random.normal(gates * H),
    bias_hh: random.normal(gates * H),
    ...Object.fromEntries(states.filter((state) => state !== 'h').map((state) => [`${state}0`, initial(state)])),
  };
  return Object.fromEntries(Object.entries(all).filter(([name]) => !leaveOut.includes(name)));
}

const sizes = { T: 4, B: 3, I: 2, H: 3 };
/** One row with no steps, one with a single step, one with all. */
const ragged = integers([3], [0, 1, 4]);

describe.each(cells.map((cell) => [cell.name, cell] as const))('%s', (_, cell) => {
  const operands = (size: Sizes, leaveOut?: readonly string[]) => operandsOf(cell, size, leaveOut);
  const initial = cell.states.map((state) => `${state}0`);
  const last = cell.states.map((state) => `${state}_n`);
  const after = cell.states.map((state) => `${state}_next`);
  /** The operands of a sequence in parts: x, the initial states by the names of a step's, and the parameters. */
  const parts = (size: Sizes) => {
    const all = operands(size);
    const states = cell.states.map((state): [string, Tensor] => [state, all[`${state}0`]!]);
    const weights = Object.entries(all).filter(([name]) => name !== 'x' && !initial.includes(name));
    return { x: all.x!, states: Object.fromEntries(states), weights: Object.fromEntries(weights) };
  };

  test('missing initial states and biases are zeros', () => {
    const { B, H } = sizes;
    const zeros = (...shape: number[]) => floats(shape, Array<number>(shape.reduce((a, b) => a * b)).fill(0));
    const present = {
      ...Object.fromEntries(initial.map((name) => [name, zeros(B, H)])),
      ...{ bias_ih: zeros(cell.gates * H), bias_hh: zeros(cell.gates * H) },
    };
    const rest = operands(sizes, Object.keys(present));
    expect(evaluate(rest, cell.sequence(false))).toEqual(evaluate({ ...rest, ...present }, cell.sequence(false)));
  });

  test('a chain of steps is the sequence, bit for bit', () => {
    const { x, states: states0, weights } = parts(sizes);
    const whole = evaluate(operands(sizes), cell.sequence(false));
    const { B, I, H } = sizes;
    let states = states0;
    for (let t = 0; t < sizes.T; t++) {
      const input = floats([B, I], x.data.subarray(t * B * I, (t + 1) * B * I));
      const next = evaluate({ x: input, ...states, ...weights }, cell.step);
      states = Object.fromEntries(cell.states.map((name) => [name, floats([B, H], next[`${name}_next`]!.data)]));
      expect(states.h!.data).toEqual(whole.y!.data.slice(t * B * H, (t + 1) * B * H));
    }
    for (const name of cell.states) expect(states[name]).toEqual(whole[`${name}_n`]);
  });

  test.each([false, true])('each row is what it would be alone, without its padding (reverse %p)', (reverse) => {
    const { T, B, I, H } = sizes;
    const { x, states, weights } = parts(sizes);
    const batch = evaluate({ ...operands(sizes), lengths: ragged }, cell.sequence(reverse));
    for (let b = 0; b < B; b++) {
      const length = ragged.data[b]!;
      const order = Array.from({ length }, (_, t) => (reverse ? length - 1 - t : t));
      const own = {
        x: floats(
          [length, 1, I],
          order.flatMap((t) => [...x.data.subarray((t * B + b) * I, (t * B + b + 1) * I)]),
        ),
        ...Object.fromEntries(
          cell.states.map((name) => [`${name}0`, floats([1, H], states[name]!.data.subarray(b * H, (b + 1) * H))]),
        ),
      } as Record<string, Tensor>;
      const alone = length > 0 ? evaluate({ ...own, ...weights }, cell.sequence(false)) : null;
      for (const name of cell.states) {
        const final = batch[`${name}_n`]!.data.slice(b * H, (b + 1) * H);
        expect([...final]).toEqual([...(alone?.[`${name}_n`]!.data ?? own[`${name}0`]!.data)]);
      }
      for (let t = 0; t < T; t++) {
        const k = order.indexOf(t);
        const expected = k < 0 ? Array<number>(H).fill(0) : [...alone!.y!.data.subarray(k * H, (k + 1) * H)];
        expect([...batch.y!.data.subarray((t * B + b) * H, (t * B + b + 1) * H)]).toEqual(expected);
      }
    }
  });

  describe('gradients meet finite differences', () => {
    const losses = [['y'], ...last.map((name) => [name]), ['y', ...last]];
    const cases = losses.flatMap((on) => [false, true].map((reverse) => ({ on, reverse })));

    test.each(cases)('with a loss on $on, reverse $reverse', ({ on, reverse }) => {
      checkGradient(operands(sizes), cell.sequence(reverse), { on });
    });

    test.each(cases)('with lengths 0, 1 and T and a loss on $on, reverse $reverse', ({ on, reverse }) => {
      checkGradient({ ...operands(sizes), lengths: ragged }, cell.sequence(reverse), { on });
    });

    const optional = [...initial, 'bias_ih', 'bias_hh'];
    test.each([...optional.map((name) => [name]), optional].map((missing) => [missing]))('without %j', (missing) => {
      const values = { ...operands(sizes, missing), lengths: ragged };
      for (const reverse of [false, true]) checkGradient(values, cell.sequence(reverse), { on: ['y', ...last] });
    });

    test.each([
      { T: 1, B: 1, I: 1, H: 1 },
      { T: 1, B: 2, I: 3, H: 5 },
      { T: 3, B: 1, I: 1, H: 4 },
    ])('at T $T, B $B, I $I, H $H', (small) => {
      checkGradient(operands(small), cell.sequence(false), { on: ['y'] });
    });

    test('along random directions at a larger size', () => {
      const values = { ...operands({ T: 9, B: 5, I: 7, H: 17 }), lengths: integers([5], [9, 0, 4, 1, 8]) };
      checkGradient(values, cell.sequence(true), { on: ['y', ...last], directions: true });
    });

    test('with sizes known only at run time', () => {
      const { x, states, weights } = parts(sizes);
      const runTime = {
        x: withDims(x, ['T', 'B', sizes.I]),
        ...Object.fromEntries(cell.states.map((name) => [`${name}0`, withDims(states[name]!, ['B', sizes.H])])),
        lengths: withDims(ragged, ['B']),
      };
      checkGradient({ ...weights, ...runTime }, cell.sequence(true), { on: ['y', ...last] });
    });

    test('with one variable as both weights of a two-layer stack', () => {
      checkGradient(operands({ T: 3, B: 2, I: 3, H: 3 }, initial), ({ x, ...weights }, emit) => {
        const first = cell.sequence(false)({ x: x!, ...weights }, emit).y!;
        return { y: cell.sequence(true)({ x: first, ...weights }, emit).y! };
      });
    });

    test('for a single step', () => {
      const { x, states, weights } = parts({ T: 1, B: 3, I: 2, H: 4 });
      const values: Values = { x: floats([3, 2], x.data), ...states, ...weights };
      for (const on of [...after.map((name) => [name]), after]) checkGradient(values, cell.step, { on });
      const withoutBias = Object.fromEntries(Object.entries(values).filter(([name]) => !name.startsWith('bias')));
      checkGradient(withoutBias, cell.step, { on: after });
    });

    test('for steps that feed on themselves', () => {
      const { states, weights } = parts({ T: 1, B: 2, I: 3, H: 3 });
      checkGradient({ ...states, ...weights }, (variables, emit) => {
        let state = variables;
        for (let k = 0; k < 3; k++) {
          const next = cell.step({ ...state, x: state.h! }, emit);
          state = { ...state, ...Object.fromEntries(cell.states.map((name) => [name, next[`${name}_next`]!])) };
        }
        return { state: state.h! };
      });
    });
  });

  test.each([
    ['x', float32('T', 2), 'x: expected [T, B, I], received [T, 2]'],
    ['h0', float32('B', 4), 'h0: expected [B, 3], received [B, 4]'],
    ['weight_ih', float32(5, 2), `weight_ih: expected [${3 * cell.gates}, 2], received [5, 2]`],
    [
      'weight_hh',
      float32(8, 3),
      `weight_hh: expected ${cell.states.includes('n') ? '[4H, H / heads] with whole heads' : `[${3 * cell.gates}, 3]`}, received [8, 3]`,
    ],
    ['bias_ih', float32(2), `bias_ih: expected [${3 * cell.gates}], received [2]`],
    ['bias_hh', float32(3, 1), `bias_hh: expected [${3 * cell.gates}], received [3, 1]`],
    ['lengths', int32('T'), 'lengths: expected [B], received [T]'],
  ])('a wrong %s is refused by name', (slot, type, message) => {
    const rows = 3 * cell.gates;
    const types = {
      ...{ x: float32('T', 'B', 2), h0: float32('B', 3), weight_ih: float32(rows, 2), weight_hh: float32(rows, 3) },
      ...{ bias_ih: float32(rows), bias_hh: float32(rows), lengths: int32('B'), [slot]: type },
    };
    expect(() => cell.infer(types)).toThrow(message);
  });
});

describe('the gru', () => {
  const values = { ...operandsOf(gruCell(true), sizes), lengths: ragged };

  test('keeps gates and the recurrent part 0 past a length', () => {
    const { gates, recurrent } = evaluate(values, writeOp(gru, { reverse: true, reset_after: true, gate_clip: 0 }));
    for (let row = 0; row < sizes.T * sizes.B; row++) {
      const used = Math.floor(row / sizes.B) < ragged.data[row % sizes.B]!;
      for (const view of [gates!, recurrent!]) {
        const size = view.shape[2]!;
        expect(view.data.subarray(row * size, (row + 1) * size).every((value) => value === 0)).toBe(!used);
      }
    }
  });

  test.each(['gates', 'recurrent', 'bounds'])('promises no gradient through %s', (slot) => {
    expect(() =>
      checkGradient(values, writeOp(gru, { reverse: false, reset_after: true, gate_clip: 0 }), { on: [slot] }),
    ).toThrow(`${slot}: no gradient`);
  });

  test('carries run-time sizes through forward and backward', () => {
    const attributes = { reverse: false, reset_after: true, gate_clip: 0 };
    const parameters = { weight_ih: float32(9, 2), weight_hh: float32(9, 3), bias_ih: null, bias_hh: null };
    const h0 = float32('B', 3);
    const lengths = int32('B');
    const forward = gru.infer({ x: float32('T', 'B', 2), h0, lengths, ...none, ...parameters }, attributes);
    const { y, h_n, gates, recurrent, bounds } = forward;
    expect(forward).toEqual({
      ...{ y: recurrent, h_n: h0, gates: float32('T', 'B', 9), recurrent: float32('T', 'B', 3) },
      bounds: float32(3, 2),
    });
    const state = { y, h0, lengths };
    const cotangents = { dy: y, dh_n: h_n };
    const { weight_hh } = parameters;
    const record = { gates, recurrent, weight_hh, bounds, ...none };
    const backward = gruBackward.infer({ ...cotangents, ...record, ...state }, attributes);
    expect(backward).toEqual({ dgates: gates, drecurrent: y, dh0: h0, dh: y });
    const { dgates, drecurrent } = backward;
    expect(gruBackwardWeight.infer({ dgates, drecurrent, recurrent, ...state }, attributes)).toEqual({
      dweight_hh: weight_hh,
    });
  });
});

test('the rnn carries run-time sizes through its backward pass', () => {
  const y = float32('T', 'B', 3);
  const cell = { gates: y, weight_hh: float32(3, 3), bounds: float32(1, 2), ...none };
  const operands = { dy: y, dh_n: float32('B', 3), ...cell, lengths: int32('B') };
  expect(rnnBackward.infer(operands, { reverse: true, relu: true })).toEqual({
    dgates: y,
    dh0: float32('B', 3),
    dh: y,
  });
});
