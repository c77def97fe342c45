import { lstm } from '../../../lib/ops/recurrent/lstm';
import { lstmCell } from '../../../lib/ops/recurrent/lstmCell';
import { lstmKind, plainLstm, type LstmKindAttributes } from '../../../lib/ops/recurrent/lstmKind';
import { lstmStep } from '../../../lib/ops/recurrent/lstmStep';
import { lstmVariantCell } from '../../../lib/ops/recurrent/lstmVariant';
import { checkGradient } from '../../support/checkGradient';
import { evaluate, writeOp } from '../../support/evaluate';
import { lstmData, lstmOptionPairs, lstmOptions, lstmWith, randomLstmOptions } from '../../support/lstmOptions';
import { floats, integers, Random } from '../../support/random';

const sizes = { T: 4, B: 3, I: 2, H: 3, P: 2 };
const ragged = integers([3], [0, 1, 4]);
const names = Object.keys(lstmOptions);
const write = (kind: LstmKindAttributes, reverse = false) => writeOp(lstm, { reverse, ...kind });
const sigma = (z: number) => 1 / (1 + Math.exp(-z));

describe('the equations', () => {
  test('the cell with options is the plain cell where there are none', () => {
    const random = new Random(3);
    const view = (...shape: number[]) => ({ data: random.normal(...shape).data, shape });
    const [I, H] = [2, 5];
    const weights = {
      weight_ih: view(4 * H, I),
      weight_hh: view(4 * H, H),
      bias_ih: view(4 * H),
      bias_hh: view(4 * H),
    };
    const step = { x: view(I).data, h: view(H).data, c: view(H).data, keepCell: null, keepHidden: null, mask: null };
    const empty = () => ({
      gates: new Float64Array(4 * H),
      h: new Float64Array(H),
      c: new Float64Array(H),
      unprojected: new Float64Array(H),
    });
    const [plain, variant] = [empty(), empty()];
    lstmCell(weights, step, plain);
    lstmVariantCell({ ...weights, weight_peephole: null, weight_hr: null }, plainLstm, step, variant);
    expect(variant).toEqual({ ...plain, unprojected: plain.h });
  });

  /** One unit, one step, z of each gate known: what peepholes, clipping, zoneout and projection make of it. */
  const z = [0.3, -0.2, 0.9, 0.4] as const;
  const [h0, c0] = [0.25, -0.5];
  const one = {
    x: floats([1, 1, 1], [1]),
    h0: floats([1, 1], [h0]),
    c0: floats([1, 1], [c0]),
    weight_ih: floats([4, 1], z),
    weight_hh: floats([4, 1], [0, 0, 0, 0]),
  };
  const state = (kind: LstmKindAttributes, extra = {}) => {
    const { h_n, c_n } = evaluate({ ...one, ...extra }, write(kind));
    return [h_n!.data[0]!, c_n!.data[0]!];
  };
  const expectState = (received: readonly number[], expected: readonly number[]) =>
    expected.forEach((value, index) => expect(received[index]).toBeCloseTo(value, 14));
  const [i, f, g, o] = [sigma(z[0]), sigma(z[1]), Math.tanh(z[2]), sigma(z[3])];
  const from = (c: number, gate = o) => [gate * Math.tanh(c), c];
  const c1 = f * c0 + i * g;

  test('peepholes: i and f see the cell before, o the one after', () => {
    const [pi, pf, po] = [0.7, -1.1, 0.5];
    const c = sigma(z[1] + pf * c0) * c0 + sigma(z[0] + pi * c0) * g;
    expectState(state(plainLstm, { weight_peephole: floats([3], [pi, pf, po]) }), from(c, sigma(z[3] + po * c)));
  });

  test('coupled gates: what is not kept is written', () => {
    expectState(state(lstmKind({ forget: 'coupled' })), from((1 - i) * c0 + i * g));
  });

  test('a gate that is not there lets everything through', () => {
    expectState(state(lstmKind({ input: 'one' })), from(f * c0 + g));
    expectState(state(lstmKind({ forget: 'one' })), from(c0 + i * g));
    expectState(state(lstmKind({ output: 'one' })), from(c1, 1));
  });

  test('the hard sigmoid is 0.2 z + 0.5 between 0 and 1', () => {
    expectState(state(lstmKind({ output: 'hardSigmoid' })), from(c1, 0.2 * z[3] + 0.5));
    expectState(state(lstmKind({ candidate: 'identity', output: 'relu' })), from(f * c0 + i * z[2], z[3]));
  });

  test('clipping bounds the cell that is carried and that the output gate sees', () => {
    const peephole = { weight_peephole: floats([3], [0, 0, 0.5]), c0: floats([1, 1], [-5]) };
    expectState(state(lstmKind({}, 0.5), peephole), from(-0.5, sigma(z[3] - 0.25)));
  });

  test('zoneout keeps its share of the state before, and the output gate sees what is kept of the cell', () => {
    const [h, c] = state(plainLstm, { keep_cell: floats([1], [0.75]), keep_hidden: floats([1], [0.125]) });
    const kept = 0.75 * c0 + 0.25 * c1;
    expectState([h!, c!], [0.125 * h0 + 0.875 * o * Math.tanh(kept), kept]);
    expect(state(plainLstm, { keep_cell: floats([1, 1, 1], [1]), keep_hidden: floats([1, 1, 1], [1]) })).toEqual([
      h0,
      c0,
    ]);
  });

  test('a mask hides what the gates see of h, and changes h nowhere else', () => {
    const weights = { weight_hh: floats([4, 1], [1, 1, 1, 1]) };
    const masked = state(plainLstm, { ...weights, hidden_mask: floats([1, 1], [2]) });
    expect(masked).toEqual(state(plainLstm, { ...weights, h0: floats([1, 1], [2 * h0]) }));
  });

  test('a projection makes h from the gated cell', () => {
    const [h] = state(plainLstm, { weight_hr: floats([1, 1], [3]) });
    expect(h).toBeCloseTo(3 * o * Math.tanh(c1), 14);
  });
});

describe('gradients meet finite differences', () => {
  test.each(names)('with %s, in both directions, with lengths, on each output', (name) => {
    const { values, kind } = lstmWith([name], sizes);
    for (const on of [['y'], ['h_n'], ['c_n']]) {
      for (const reverse of [false, true]) {
        checkGradient({ ...values, lengths: ragged }, write(kind, reverse), { on, constants: lstmData });
      }
    }
  });

  test.each(lstmOptionPairs)('with %s and %s', (a, b) => {
    const { values, kind } = lstmWith([a, b], { ...sizes, T: 3, B: 2 });
    const lengths = integers([2], [2, 3]);
    checkGradient({ ...values, lengths }, write(kind), { on: ['y', 'c_n'], constants: lstmData });
  });

  test('with 300 random combinations, along random directions', () => {
    for (let seed = 0; seed < 300; seed++) {
      const { values, kind } = lstmWith(randomLstmOptions(seed), { ...sizes, T: 3, B: 2 });
      const lengths = integers([2], [seed % 4, 3]);
      checkGradient({ ...values, lengths }, write(kind, seed % 2 === 1), {
        directions: true,
        on: ['y', 'h_n', 'c_n'],
        constants: lstmData,
      });
    }
  });

  test.each(names)('for a single step with %s', (name) => {
    const { values, kind } = lstmWith([name], { ...sizes, T: 1 });
    const { x, h0, c0, ...rest } = values;
    const step = Object.fromEntries(
      Object.entries(rest).map(([slot, value]) =>
        slot.startsWith('keep') && value.shape.length === 3
          ? [slot, { ...value, shape: value.shape.slice(1) }]
          : [slot, value],
      ),
    );
    checkGradient({ x: { ...x!, shape: [3, 2] }, h: h0!, c: c0!, ...step }, writeOp(lstmStep, kind), {
      on: ['h_next', 'c_next'],
      constants: lstmData,
    });
  });
});

describe('streaming', () => {
  test.each(names)('a chain of steps is the sequence, bit for bit, with %s', (name) => {
    const { values, kind } = lstmWith([name], sizes);
    const { x, h0, c0, keep_hidden, keep_cell, ...weights } = values;
    const whole = evaluate(values, write(kind));
    const at = (value: typeof x, t: number) => {
      if (!value || value.shape.length === 1) return value;
      const [, ...shape] = value.shape;
      const size = value.data.length / sizes.T;
      return floats(shape, value.data.slice(t * size, (t + 1) * size));
    };
    let state = { h: h0!, c: c0! };
    for (let t = 0; t < sizes.T; t++) {
      const shares = Object.entries({ keep_hidden: at(keep_hidden, t), keep_cell: at(keep_cell, t) });
      const given = Object.fromEntries(shares.filter(([, share]) => share)) as Record<string, NonNullable<typeof x>>;
      const next = evaluate({ x: at(x, t)!, ...state, ...weights, ...given }, writeOp(lstmStep, kind));
      state = { h: floats(h0!.shape, next.h_next!.data), c: floats(c0!.shape, next.c_next!.data) };
    }
    expect(state).toEqual({ h: whole.h_n, c: whole.c_n });
  });
});

describe('what has no meaning is refused', () => {
  const { values } = lstmWith([], sizes);
  const run =
    (kind: LstmKindAttributes, extra = {}) =>
    () =>
      evaluate({ ...values, ...extra }, write(kind));

  test('coupled gates without an input gate', () => {
    expect(run(lstmKind({ input: 'one', forget: 'coupled' }))).toThrow('would always be 0');
  });

  test('a candidate, or a cell, that is always 1', () => {
    expect(run(lstmKind({ candidate: 'one' }))).toThrow("only a gate can be 'one'");
    expect(run(lstmKind({ cell: 'coupled' }))).toThrow("only the forget gate 'coupled'");
  });

  test.each([-1, NaN, Infinity])('a clip of %p', (clip) => {
    expect(run(lstmKind({}, clip))).toThrow('cell_clip: expected a positive number');
  });

  test('activations that are not five known ones', () => {
    expect(run({ activations: [0, 0, 1, 0], cell_clip: 0 })).toThrow('expected 5 numbers');
    expect(run({ activations: [0, 0, 1, 0, 9], cell_clip: 0 })).toThrow('expected 5 numbers');
  });

  test.each([
    ['weight_peephole', [4], 'weight_peephole: expected [9], received [4]'],
    ['keep_cell', [3, 3], 'keep_cell: expected [4, 3, 3], received [3, 3]'],
    ['keep_hidden', [2], 'keep_hidden: expected [3], received [2]'],
    ['hidden_mask', [3, 2], 'hidden_mask: expected [3, 3], received [3, 2]'],
    ['weight_hr', [2, 3], 'weight_hr: expected [3, 3], received [2, 3]'],
  ])('a %s of another shape', (slot, shape, message) => {
    expect(run(plainLstm, { [slot]: new Random(1).normal(...shape) })).toThrow(message);
  });
});
