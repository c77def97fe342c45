import { lstm } from '../../../lib/ops/recurrent/lstm';
import { lstmBackward } from '../../../lib/ops/recurrent/lstmBackward';
import { lstmCell } from '../../../lib/ops/recurrent/lstmCell';
import { lstmKind, plainLstm, type LstmKindAttributes } from '../../../lib/ops/recurrent/lstmKind';
import { lstmStep } from '../../../lib/ops/recurrent/lstmStep';
import { lstmVariantCell, normalizedOf } from '../../../lib/ops/recurrent/lstmVariant';
import { checkGradient } from '../../support/checkGradient';
import { evaluate, writeOp, type Values } from '../../support/evaluate';
import { lstmData, lstmOptionPairs, lstmOptions, lstmWith, randomLstmOptions } from '../../support/lstmOptions';
import { floats, integers, Random } from '../../support/random';

const sizes = { T: 4, B: 3, I: 2, H: 3, P: 2 };
const ragged = integers([3], [0, 1, 4]);
const names = Object.keys(lstmOptions);
const write = (kind: LstmKindAttributes, reverse = false) => writeOp(lstm, { reverse, ...kind });
/** Nothing flows through the gates' state where there is none. */
const resultsOf = ({ weight_gate }: Values, ...results: string[]) =>
  results.filter((name) => weight_gate || !name.startsWith('g_'));
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
    const unregularized = { keepCell: null, keepHidden: null, mask: null };
    const step = { x: view(I).data, h: view(H).data, c: view(H).data, g: null, ...unregularized };
    const empty = () => ({
      gates: new Float64Array(4 * H),
      h: new Float64Array(H),
      c: new Float64Array(H),
      unprojected: new Float64Array(H),
      recurred: new Float64Array(3 * H),
      normalized: normalizedOf({ normalized_ih: null, normalized_hh: null, normalized_c: null, scales: null }, 0),
    });
    const [plain, variant] = [empty(), empty()];
    const absent = { weight_peephole: null, weight_hr: null, weight_gate: null };
    const unnormalized = { weight_ln_ih: null, weight_ln_hh: null, weight_ln_c: null, bias_ln_c: null };
    lstmCell(weights, step, plain);
    lstmVariantCell({ ...weights, ...absent, ...unnormalized }, plainLstm, step, variant);
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

  test('gate clipping bounds what enters an activation, peepholes included', () => {
    const [ci, cf, cg, co] = [0.3, -0.2, 0.5, 0.4];
    const c = sigma(cf) * c0 + sigma(ci) * Math.tanh(cg);
    expectState(state(lstmKind({}, 0, 0.5)), from(c, sigma(co)));
    const peephole = { weight_peephole: floats([3], [-9, 0, 9]) };
    const bounded = sigma(cf) * c0 + sigma(0.5) * Math.tanh(cg);
    expectState(state(lstmKind({}, 0, 0.5), peephole), from(bounded, sigma(bounded > 0 ? 0.5 : -0.5)));
  });

  test('no gradient flows where a gate is clipped, nor at the bound', () => {
    const kind = { reverse: false, ...lstmKind({}, 0, 0.4) };
    const operands = { ...one, bias_ih: floats([4], [0, 0, 0, 0]) };
    const { dgates } = evaluate({ ...operands, dy: floats([1, 1, 1], [1]) }, ({ dy, ...inputs }, emit) => {
      const { gates, cells, bounds } = writeOp(lstm, kind)(inputs, emit);
      const { c0, weight_hh } = inputs;
      const given = { dy: dy!, gates: gates!, cells: cells!, bounds: bounds!, c0: c0!, weight_hh: weight_hh! };
      return { dgates: emit(lstmBackward, given, kind).dgates };
    });
    // z is 0.3, -0.2, 0.9 and 0.4, which is the bound.
    expect(Array.from(dgates!.data, (gradient) => gradient !== 0)).toEqual([true, true, false, false]);
  });

  test('full gate recurrence: i, f and o see i, f and o of the step before', () => {
    const [g0, rows] = [
      [0.2, 0.7, 0.4],
      [
        [1, 2, 3],
        [-1, 0.5, 2],
        [0.25, -2, 1],
      ],
    ] as const;
    const seen = rows.map((row) => row.reduce((sum, weight, k) => sum + weight * g0[k]!, 0));
    const extra = { weight_gate: floats([3, 3], rows.flat()), g0: floats([1, 3], g0) };
    const [zi, zf, zo] = [z[0] + seen[0]!, z[1] + seen[1]!, z[3] + seen[2]!];
    const c = sigma(zf) * c0 + sigma(zi) * g;
    expectState(state(plainLstm, extra), from(c, sigma(zo)));
    const { g_n } = evaluate({ ...one, ...extra }, write(plainLstm));
    expectState(Array.from(g_n!.data), [sigma(zi), sigma(zf), sigma(zo)]);
    const absent = evaluate({ ...one, ...extra }, write(lstmKind({ input: 'one', forget: 'sigmoid' })));
    expectState(Array.from(absent.g_n!.data), [0, sigma(zf), sigma(zo)]);
  });

  test('layer normalization is of all gates together, x and h apart, and of c on its way to h alone', () => {
    const H = 2;
    const random = new Random(11);
    const norm = (v: readonly number[]) => {
      const mean = v.reduce((a, b) => a + b, 0) / v.length;
      const variance = v.reduce((sum, value) => sum + (value - mean) ** 2, 0) / v.length;
      return v.map((value) => (value - mean) / Math.sqrt(variance + 1e-5));
    };
    const values = {
      x: random.normal(1, 1, 1),
      h0: random.normal(1, H),
      c0: random.normal(1, H),
      weight_ih: random.normal(4 * H, 1),
      weight_hh: random.normal(4 * H, H),
      bias_ih: random.normal(4 * H),
      weight_ln_ih: random.normal(4 * H),
      weight_ln_hh: random.normal(4 * H),
      weight_ln_c: random.normal(H),
      bias_ln_c: random.normal(H),
    };
    const { x, h0: h, c0: before, weight_ih, weight_hh, bias_ih, ...gains } = values;
    const rows = Array.from({ length: 4 * H }, (_, row) => row);
    const ofInput = norm(rows.map((row) => weight_ih.data[row]! * x.data[0]!));
    const ofState = norm(
      rows.map((row) => weight_hh.data[2 * row]! * h.data[0]! + weight_hh.data[2 * row + 1]! * h.data[1]!),
    );
    const zs = rows.map(
      (row) =>
        gains.weight_ln_ih.data[row]! * ofInput[row]! +
        gains.weight_ln_hh.data[row]! * ofState[row]! +
        bias_ih.data[row]!,
    );
    const c = [0, 1].map((j) => sigma(zs[H + j]!) * before.data[j]! + sigma(zs[j]!) * Math.tanh(zs[2 * H + j]!));
    const expected = norm(c).map((n, j) => {
      const visible = gains.weight_ln_c.data[j]! * n + gains.bias_ln_c.data[j]!;
      return sigma(zs[3 * H + j]!) * Math.tanh(visible);
    });
    const { h_n, c_n } = evaluate(values, write(plainLstm));
    expectState(Array.from(c_n!.data), c);
    expectState(Array.from(h_n!.data), expected);
  });

  test('gates without weights of their own take no part in layer normalization, and their rows have no effect', () => {
    const { values, kind } = lstmWith(['layer normalization', 'coupled gates', 'no output gate'], sizes);
    const moved = (name: string, rows: number) => {
      const { shape, data } = values[name]!;
      const width = shape[1] ?? 1;
      const changed = Float64Array.from(data, (v, k) =>
        [1, 3].includes(Math.floor(k / width / sizes.H)) ? v + rows : v,
      );
      return { [name]: floats(shape, changed) };
    };
    const others = {
      ...moved('weight_ih', 3),
      ...moved('weight_hh', -2),
      ...moved('bias_hh', 5),
      ...moved('weight_ln_ih', 1),
    };
    expect(evaluate({ ...values, ...others }, write(kind)).y).toEqual(evaluate(values, write(kind)).y);
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
    for (const on of resultsOf(values, 'y', 'h_n', 'c_n', 'g_n').map((result) => [result])) {
      for (const reverse of [false, true]) {
        checkGradient({ ...values, lengths: ragged }, write(kind, reverse), { on, constants: lstmData });
      }
    }
  });

  test.each(lstmOptionPairs)('with %s and %s', (a, b) => {
    const { values, kind } = lstmWith([a, b], { ...sizes, T: 3, B: 2 });
    const lengths = integers([2], [2, 3]);
    checkGradient({ ...values, lengths }, write(kind), {
      on: resultsOf(values, 'y', 'c_n', 'g_n'),
      constants: lstmData,
    });
  });

  test('with 300 random combinations, along random directions', () => {
    for (let seed = 0; seed < 300; seed++) {
      const { values, kind } = lstmWith(randomLstmOptions(seed), { ...sizes, T: 3, B: 2 });
      const lengths = integers([2], [seed % 4, 3]);
      checkGradient({ ...values, lengths }, write(kind, seed % 2 === 1), {
        directions: true,
        on: resultsOf(values, 'y', 'h_n', 'c_n', 'g_n'),
        constants: lstmData,
      });
    }
  });

  test.each(names)('for a single step with %s', (name) => {
    const { values, kind } = lstmWith([name], { ...sizes, T: 1 });
    const { x, h0, c0, g0, ...rest } = values;
    const step = Object.fromEntries(
      Object.entries(rest).map(([slot, value]) =>
        slot.startsWith('keep') && value.shape.length === 3
          ? [slot, { ...value, shape: value.shape.slice(1) }]
          : [slot, value],
      ),
    );
    const state = { h: h0!, c: c0!, ...(g0 ? { g: g0 } : {}) };
    checkGradient({ x: { ...x!, shape: [3, 2] }, ...state, ...step }, writeOp(lstmStep, kind), {
      on: resultsOf(values, 'h_next', 'c_next', 'g_next'),
      constants: lstmData,
    });
  });
});

describe('streaming', () => {
  test.each(names)('a chain of steps is the sequence, bit for bit, with %s', (name) => {
    const { values, kind } = lstmWith([name], sizes);
    const { x, h0, c0, g0, keep_hidden, keep_cell, ...weights } = values;
    const whole = evaluate(values, write(kind));
    const at = (value: typeof x, t: number) => {
      if (!value || value.shape.length === 1) return value;
      const [, ...shape] = value.shape;
      const size = value.data.length / sizes.T;
      return floats(shape, value.data.slice(t * size, (t + 1) * size));
    };
    const gateState = (data: ArrayLike<number>): Values => (g0 ? { g: floats(g0.shape, data) } : {});
    let state: Values = { h: h0!, c: c0!, ...gateState(g0?.data ?? []) };
    for (let t = 0; t < sizes.T; t++) {
      const shares = Object.entries({ keep_hidden: at(keep_hidden, t), keep_cell: at(keep_cell, t) });
      const given = Object.fromEntries(shares.filter(([, share]) => share)) as Record<string, NonNullable<typeof x>>;
      const next = evaluate({ x: at(x, t)!, ...state, ...weights, ...given }, writeOp(lstmStep, kind));
      const [h, c] = [floats(h0!.shape, next.h_next!.data), floats(c0!.shape, next.c_next!.data)];
      state = { h, c, ...gateState(next.g_next!.data) };
    }
    expect(state).toEqual({ h: whole.h_n, c: whole.c_n, ...(g0 ? { g: whole.g_n } : {}) });
  });
});
