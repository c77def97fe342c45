import { lstm } from '../../../lib/ops/recurrent/lstm';
import { lstmBackward } from '../../../lib/ops/recurrent/lstmBackward';
import { lstmBackwardWeight } from '../../../lib/ops/recurrent/lstmBackwardWeight';
import { plainLstm } from '../../../lib/ops/recurrent/lstmKind';
import { lstmStep } from '../../../lib/ops/recurrent/lstmStep';
import { float32, int32 } from '../../../lib/ops/op';
import { checkGradient } from '../../support/checkGradient';
import { evaluate, writeOp, type Values } from '../../support/evaluate';
import { floats, integers, Random, withDims } from '../../support/random';

interface Sizes {
  readonly T: number;
  readonly B: number;
  readonly I: number;
  readonly H: number;
}

/** Random operands; those named in `leaveOut` are missing. */
function operands({ T, B, I, H }: Sizes, leaveOut: readonly string[] = []): Values {
  const random = new Random(T + 10 * B + 100 * I + 1000 * H);
  const all = {
    x: random.normal(T, B, I),
    h0: random.normal(B, H),
    c0: random.normal(B, H),
    weight_ih: random.normal(4 * H, I),
    weight_hh: random.uniform(-0.6, 0.6, 4 * H, H),
    bias_ih: random.normal(4 * H),
    bias_hh: random.normal(4 * H),
  };
  return Object.fromEntries(Object.entries(all).filter(([name]) => !leaveOut.includes(name)));
}

const sizes = { T: 4, B: 3, I: 2, H: 3 };
const forwards = writeOp(lstm, { reverse: false, ...plainLstm });
const backwards = writeOp(lstm, { reverse: true, ...plainLstm });
const direction = (reverse: boolean) => (reverse ? backwards : forwards);
/** One row with no steps, one with a single step, one with all. */
const ragged = integers([3], [0, 1, 4]);

const sigma = (z: number) => 1 / (1 + Math.exp(-z));

describe('the equations', () => {
  test('one unit over two steps is what the equations give by hand', () => {
    const [wi, wf, wg, wo] = [0.5, -0.3, 0.8, 0.2];
    const [ui, uf, ug, uo] = [0.1, 0.4, -0.6, 0.7];
    const [bi, bf, bg, bo] = [0.05, 1, -0.1, 0.3];
    let [h, c] = [0.25, -0.5];
    const expected = [1, -2].map((x) => {
      c = sigma(wf * x + uf * h + bf) * c + sigma(wi * x + ui * h + bi) * Math.tanh(wg * x + ug * h + bg);
      // h is read by the output gate before it changes.
      h = sigma(wo * x + uo * h + bo) * Math.tanh(c);
      return h;
    });
    const { y, h_n, c_n } = evaluate(
      {
        x: floats([2, 1, 1], [1, -2]),
        h0: floats([1, 1], [0.25]),
        c0: floats([1, 1], [-0.5]),
        weight_ih: floats([4, 1], [wi, wf, wg, wo]),
        weight_hh: floats([4, 1], [ui, uf, ug, uo]),
        bias_ih: floats(
          [4],
          [bi, bf, bg, bo].map((bias) => bias - 0.5),
        ),
        bias_hh: floats([4], [0.5, 0.5, 0.5, 0.5]),
      },
      forwards,
    );
    expected.forEach((value, t) => expect(y!.data[t]).toBeCloseTo(value, 14));
    expect(h_n!.data[0]).toBe(y!.data[1]);
    expect(c_n!.data[0]).toBeCloseTo(c, 14);
  });

  test('missing initial states and biases are zeros', () => {
    const { B, H } = sizes;
    const zeros = (...shape: number[]) => floats(shape, Array<number>(shape.reduce((a, b) => a * b)).fill(0));
    const present = { h0: zeros(B, H), c0: zeros(B, H), bias_ih: zeros(4 * H), bias_hh: zeros(4 * H) };
    const rest = operands(sizes, Object.keys(present));
    expect(evaluate(rest, forwards)).toEqual(evaluate({ ...rest, ...present }, forwards));
  });

  test('a chain of steps is the sequence, bit for bit', () => {
    const values = operands(sizes);
    const { x, h0, c0, ...weights } = values as Record<string, (typeof values)[string]>;
    const whole = evaluate(values, forwards);
    let state = { h: h0!, c: c0! };
    for (let t = 0; t < sizes.T; t++) {
      const row = sizes.B * sizes.I;
      const input = floats([sizes.B, sizes.I], x!.data.subarray(t * row, (t + 1) * row));
      const next = evaluate({ x: input, ...state, ...weights }, writeOp(lstmStep, plainLstm));
      state = {
        h: floats([sizes.B, sizes.H], next.h_next!.data),
        c: floats([sizes.B, sizes.H], next.c_next!.data),
      };
      expect(state.h.data).toEqual(whole.y!.data.slice(t * state.h.data.length, (t + 1) * state.h.data.length));
    }
    expect(state).toEqual({ h: whole.h_n, c: whole.c_n });
  });
});

describe('direction and lengths', () => {
  /** The steps of one row, in the given order, as a batch of one. */
  function row(values: Values, b: number, order: readonly number[]): Values {
    const { B, I, H } = sizes;
    const { x, h0, c0, ...weights } = values;
    return {
      x: floats(
        [order.length, 1, I],
        order.flatMap((t) => [...x!.data.subarray((t * B + b) * I, (t * B + b + 1) * I)]),
      ),
      h0: floats([1, H], h0!.data.subarray(b * H, (b + 1) * H)),
      c0: floats([1, H], c0!.data.subarray(b * H, (b + 1) * H)),
      ...weights,
    };
  }

  test.each([false, true])('each row is what it would be alone, without its padding (reverse %p)', (reverse) => {
    const values = operands(sizes);
    const { T, B, H } = sizes;
    const batch = evaluate({ ...values, lengths: ragged }, direction(reverse));
    for (let b = 0; b < B; b++) {
      const length = ragged.data[b]!;
      const order = Array.from({ length }, (_, t) => (reverse ? length - 1 - t : t));
      const final = (name: string) => [...batch[name]!.data.subarray(b * H, (b + 1) * H)];
      const alone = length > 0 ? evaluate(row(values, b, order), forwards) : null;
      expect(final('h_n')).toEqual([...(alone?.h_n!.data ?? values.h0!.data.subarray(b * H, (b + 1) * H))]);
      expect(final('c_n')).toEqual([...(alone?.c_n!.data ?? values.c0!.data.subarray(b * H, (b + 1) * H))]);
      for (let t = 0; t < T; t++) {
        const step = [...batch.y!.data.subarray((t * B + b) * H, (t * B + b + 1) * H)];
        const k = order.indexOf(t);
        expect(step).toEqual(k < 0 ? [0, 0, 0] : [...alone!.y!.data.subarray(k * H, (k + 1) * H)]);
      }
    }
  });

  test('gates and cells are 0 past a length', () => {
    const { gates, cells } = evaluate({ ...operands(sizes), lengths: ragged }, backwards);
    for (let t = 0; t < sizes.T; t++) {
      for (let b = 0; b < sizes.B; b++) {
        const used = t < ragged.data[b]!;
        for (const [view, size] of [
          [gates!, 4 * sizes.H],
          [cells!, sizes.H],
        ] as const) {
          const at = (t * sizes.B + b) * size;
          expect(view.data.subarray(at, at + size).every((value) => value === 0)).toBe(!used);
        }
      }
    }
  });
});

describe('gradients meet finite differences', () => {
  const losses = [['y'], ['h_n'], ['c_n'], ['y', 'h_n', 'c_n']];
  const directions = [false, true];

  test.each(losses.flatMap((on) => directions.map((reverse) => ({ on, reverse }))))(
    'with a loss on $on, reverse $reverse',
    ({ on, reverse }) => {
      checkGradient(operands(sizes), direction(reverse), { on });
    },
  );

  test.each(losses.flatMap((on) => directions.map((reverse) => ({ on, reverse }))))(
    'with lengths 0, 1 and T and a loss on $on, reverse $reverse',
    ({ on, reverse }) => {
      checkGradient({ ...operands(sizes), lengths: ragged }, direction(reverse), { on });
    },
  );

  test.each(
    [['h0'], ['c0'], ['h0', 'c0'], ['bias_ih'], ['bias_hh'], ['h0', 'c0', 'bias_ih', 'bias_hh']].map((missing) => [
      missing,
    ]),
  )('without %j', (missing) => {
    const values = { ...operands(sizes, missing), lengths: ragged };
    checkGradient(values, forwards, { on: ['y', 'h_n', 'c_n'] });
    checkGradient(values, backwards, { on: ['y', 'h_n', 'c_n'] });
  });

  test.each([
    { T: 1, B: 1, I: 1, H: 1 },
    { T: 1, B: 2, I: 3, H: 5 },
    { T: 3, B: 1, I: 1, H: 4 },
  ])('at T $T, B $B, I $I, H $H', (small) => {
    checkGradient(operands(small), forwards, { on: ['y', 'c_n'] });
  });

  test('along random directions at a larger size', () => {
    const values = operands({ T: 9, B: 5, I: 7, H: 17 });
    checkGradient({ ...values, lengths: integers([5], [9, 0, 4, 1, 8]) }, backwards, {
      on: ['y', 'h_n', 'c_n'],
      directions: true,
    });
  });

  test('with sizes known only at run time', () => {
    const { x, h0, c0, ...weights } = operands(sizes);
    const values = {
      x: withDims(x!, ['T', 'B', sizes.I]),
      h0: withDims(h0!, ['B', sizes.H]),
      c0: withDims(c0!, ['B', sizes.H]),
      lengths: withDims(ragged, ['B']),
      ...weights,
    };
    checkGradient(values, backwards, { on: ['y', 'h_n'] });
  });

  test('with one variable as both weights of a two-layer stack', () => {
    const square = { ...operands({ T: 3, B: 2, I: 3, H: 3 }, ['h0', 'c0']) };
    checkGradient(square, ({ x, ...weights }, emit) => {
      const first = forwards({ x: x!, ...weights }, emit).y!;
      return { y: backwards({ x: first, ...weights }, emit).y! };
    });
  });

  test.each([[['h_next']], [['c_next']], [['h_next', 'c_next']]])('for a single step with a loss on %j', (on) => {
    const { x, h0, c0, ...weights } = operands({ T: 1, B: 3, I: 2, H: 4 });
    const values = { x: floats([3, 2], x!.data), h: h0!, c: c0!, ...weights };
    checkGradient(values, writeOp(lstmStep, plainLstm), { on });
    const { bias_ih, bias_hh, ...withoutBias } = values as Record<string, (typeof values)['x']>;
    expect([bias_ih, bias_hh]).toHaveLength(2);
    checkGradient(withoutBias, writeOp(lstmStep, plainLstm), { on });
  });

  test('for steps that feed on themselves', () => {
    const { h0, c0, ...weights } = operands({ T: 1, B: 2, I: 3, H: 3 }, ['x']);
    checkGradient({ h: h0!, c: c0!, ...weights }, ({ h, c, ...parameters }, emit) => {
      const step = writeOp(lstmStep, plainLstm);
      let state = { h: h!, c: c! };
      for (let k = 0; k < 3; k++) {
        const { h_next, c_next } = step({ x: state.h, ...state, ...parameters }, emit);
        state = { h: h_next!, c: c_next! };
      }
      return state;
    });
  });

  test('no gradient is promised through gates and cells', () => {
    expect(() => checkGradient(operands(sizes), forwards, { on: ['gates'] })).toThrow('gates: no gradient');
    expect(() => checkGradient(operands(sizes), forwards, { on: ['cells'] })).toThrow('cells: no gradient');
  });
});

describe('shapes', () => {
  const attributes = { reverse: false, ...plainLstm };
  const absent = {
    weight_peephole: null,
    weight_hr: null,
    keep_hidden: null,
    keep_cell: null,
    hidden_mask: null,
    weight_gate: null,
    weight_ln_ih: null,
    weight_ln_hh: null,
    weight_ln_c: null,
    bias_ln_c: null,
  };
  const types = {
    ...absent,
    g0: null,
    x: float32('T', 'B', 2),
    h0: float32('B', 3),
    c0: float32('B', 3),
    weight_ih: float32(12, 2),
    weight_hh: float32(12, 3),
    bias_ih: float32(12),
    bias_hh: float32(12),
    lengths: int32('B'),
  };

  test('run-time sizes carry through forward and backward', () => {
    const forward = lstm.infer(types, attributes);
    expect(forward).toEqual({
      y: float32('T', 'B', 3),
      h_n: float32('B', 3),
      c_n: float32('B', 3),
      gates: float32('T', 'B', 12),
      cells: float32('T', 'B', 3),
      unprojected: float32('T', 'B', 3),
      recurred: float32('T', 'B', 9),
      g_n: float32('B', 9),
      bounds: float32(4, 2),
      normalized_ih: float32('T', 'B', 12),
      normalized_hh: float32('T', 'B', 12),
      normalized_c: float32('T', 'B', 3),
      scales: float32('T', 'B', 3),
    });
    const { gates, cells, y, h_n, c_n } = forward;
    const { c0, h0, weight_hh, lengths } = types;
    const saved = { bounds: null, normalized_ih: null, normalized_hh: null, normalized_c: null, scales: null };
    const arriving = { dy: y, dh_n: h_n, dc_n: c_n, dg_n: null };
    const backward = { ...arriving, gates, cells, c0, weight_hh, lengths, ...absent, ...saved };
    expect(lstmBackward.infer(backward, attributes)).toEqual({
      dgates: gates,
      dh0: h0,
      dc0: c0,
      dprojected: y,
      dg0: float32('B', 9),
      dh: y,
      dcells: cells,
      dinput: gates,
      drecurrent: gates,
      dvisible: cells,
    });
    expect(lstmBackwardWeight.infer({ dgates: gates, y, h0, lengths }, { reverse: false })).toEqual({
      dweight_hh: weight_hh,
    });
  });

  test.each([
    ['x', float32('T', 2), 'x: expected [T, B, I], received [T, 2]'],
    ['h0', float32('B', 4), 'h0: expected [B, 3], received [B, 4]'],
    ['c0', float32(1, 3), 'c0: expected [B, 3], received [1, 3]'],
    ['weight_ih', float32(12, 3), 'weight_ih: expected [12, 2], received [12, 3]'],
    ['weight_hh', float32(9, 3), 'weight_hh: expected [12, 3], received [9, 3]'],
    ['weight_hh', float32(12), 'weight_hh: expected [4H, H], received [12]'],
    ['bias_ih', float32(3), 'bias_ih: expected [12], received [3]'],
    ['bias_hh', float32(12, 1), 'bias_hh: expected [12], received [12, 1]'],
    ['lengths', int32('T'), 'lengths: expected [B], received [T]'],
  ])('a wrong %s is refused by name', (slot, type, message) => {
    expect(() => lstm.infer({ ...types, [slot]: type }, attributes)).toThrow(message);
  });

  test.each([
    ['x', float32('T', 'B', 2), 'x: expected [B, I], received [T, B, 2]'],
    ['h', float32('B', 4), 'h: expected [B, 3], received [B, 4]'],
    ['c', float32('B', 4), 'c: expected [B, 3], received [B, 4]'],
  ])('a wrong %s of a step is refused by name', (slot, type, message) => {
    const { weight_ih, weight_hh, bias_ih, bias_hh, h0, c0 } = types;
    const step = { ...absent, g: null, x: float32('B', 2), h: h0, c: c0, weight_ih, weight_hh, bias_ih, bias_hh };
    expect(() => lstmStep.infer({ ...step, [slot]: type }, plainLstm)).toThrow(message);
  });
});
