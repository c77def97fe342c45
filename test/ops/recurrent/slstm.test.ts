/** What is the sLSTM's own: heads, the stabilizer, and exponents that would overflow without it. */
import type { Backend } from '../../../lib/backend/backend';
import { native } from '../../../lib/backend/native/native';
import { reference } from '../../../lib/backend/reference/reference';
import { float32, int32 } from '../../../lib/ops/op';
import { slstm, slstmGates } from '../../../lib/ops/recurrent/slstm';
import { slstmBackward, slstmBackwardWeight } from '../../../lib/ops/recurrent/slstmBackward';
import { ProgramBuilder } from '../../../lib/program/builder';
import { gradient } from '../../../lib/program/gradient';
import { checkGradient } from '../../support/checkGradient';
import { declareInputs, evaluate, writeOp, type Values } from '../../support/evaluate';
import { float32Bound, relativeDistance } from '../../support/expectClose';
import { floats, integers, Random, type Tensor } from '../../support/random';

const results = ['y', 'h_n', 'c_n', 'n_n', 'm_n'];

interface Sizes {
  readonly T: number;
  readonly B: number;
  readonly I: number;
  readonly H: number;
  readonly heads: number;
}

function operandsOf({ T, B, I, H, heads }: Sizes) {
  const random = new Random(T + 10 * B + 100 * I + 1000 * H + heads);
  return {
    x: random.normal(T, B, I),
    h0: random.normal(B, H),
    c0: random.normal(B, H),
    n0: random.uniform(0.5, 1.5, B, H),
    m0: random.normal(B, H),
    weight_ih: random.normal(4 * H, I),
    weight_hh: random.uniform(-0.6, 0.6, 4 * H, H / heads),
    bias_ih: random.normal(4 * H),
    bias_hh: random.normal(4 * H),
  };
}

const write = (exponential_forget = false, reverse = false) => writeOp(slstm, { reverse, exponential_forget });

describe('heads', () => {
  const cases = [2, 4].flatMap((heads) => [false, true].map((exponential) => ({ heads, exponential })));

  test.each(cases)('gradients meet finite differences with $heads heads, exponential $exponential', (one) => {
    const values = { ...operandsOf({ T: 4, B: 3, I: 2, H: 4, heads: one.heads }), lengths: integers([3], [0, 1, 4]) };
    for (const on of [...results.map((name) => [name]), results]) {
      checkGradient(values, write(one.exponential, true), { on });
    }
  });

  test('a head sees its own hidden state alone: as one head whose weight is 0 elsewhere', () => {
    const [H, size] = [6, 2];
    const values = operandsOf({ T: 3, B: 2, I: 3, H, heads: H / size });
    const whole = new Float64Array(4 * H * H);
    for (let row = 0; row < 4 * H; row++) {
      const head = Math.floor((row % H) / size) * size;
      for (let k = 0; k < size; k++) whole[row * H + head + k] = values.weight_hh.data[row * size + k]!;
    }
    const expected = evaluate({ ...values, weight_hh: floats([4 * H, H], whole) }, write());
    expect(evaluate(values, write())).toEqual(expected);
  });
});

describe('the stabilizer', () => {
  const sizes = { T: 5, B: 2, I: 3, H: 4, heads: 2 };

  test.each([false, true])('changes no output: only c, n and e^m together count (exponential %p)', (exponential) => {
    const values = operandsOf(sizes);
    const shift = 1.5;
    const scaled = (state: Tensor) => ({
      ...state,
      data: state.data.map((value) => value * Math.exp(-shift)) as never,
    });
    const moved = {
      ...values,
      m0: { ...values.m0, data: values.m0.data.map((value) => value + shift) as never },
      ...{ c0: scaled(values.c0), n0: scaled(values.n0) },
    };
    const [expected, received] = [evaluate(values, write(exponential)), evaluate(moved, write(exponential))];
    expected.y!.data.forEach((value, k) => expect(received.y!.data[k]).toBeCloseTo(value, 13));
  });

  test('has the gradient c·dc + n·dn where only outputs are in the loss', () => {
    const values = operandsOf(sizes);
    const { m0, c0, n0 } = gradientsOn(reference, values, ['y', 'h_n'], false);
    m0!.forEach((dm, k) => {
      expect(dm).toBeCloseTo(values.c0.data[k]! * c0![k]! + values.n0.data[k]! * n0![k]!, 12);
    });
    expect(Math.max(...m0!.map(Math.abs))).toBeGreaterThan(1e-3);
  });

  test.each([-500, -90, 0, 500])('a first input gate of e^%d is no matter: nothing else has been seen', (exponent) => {
    const zero = floats([4, 1], [0, 0, 0, 0]);
    const values = {
      ...{ x: floats([1, 1, 1], [0]), weight_ih: zero, weight_hh: zero },
      bias_ih: floats([4], [exponent, 2, 0.5, 0.25]),
    };
    for (const backend of [reference, native]) {
      const { y, n_n, m_n } = evaluateOn(backend, values, false);
      const h = Math.tanh(0.5) / (1 + Math.exp(-0.25));
      expect(Math.abs(y!.data[0]! / h - 1)).toBeLessThan(4 * 2 ** -23);
      expect([n_n!.data[0], m_n!.data[0]]).toEqual([1, exponent]);
    }
  });
});

test('the whole gradients of h and c are those of the steps that follow, and of the step itself', () => {
  const { T, B, H } = { T: 4, B: 2, H: 4 };
  const values = operandsOf({ T, B, I: 3, H, heads: 2 });
  const random = new Random(5);
  const given = {
    dy: random.normal(T, B, H),
    ...Object.fromEntries(['dh_n', 'dc_n', 'dn_n', 'dm_n'].map((name) => [name, random.normal(B, H)])),
  };
  const made = evaluate(values, write()) as unknown as Record<string, Tensor>;
  const steps = (name: string, from: number): Tensor => {
    const { data, shape } = { ...made, ...given }[name]! as Tensor;
    const size = data.length / T;
    return floats([T - from, B, shape[2]!], data.subarray(from * size));
  };
  const back = (from: number, c0: Tensor, n0: Tensor) =>
    evaluate(
      {
        ...given,
        dy: steps('dy', from),
        ...Object.fromEntries(
          ['gates', 'forget_slope', 'cells', 'normalizers'].map((name) => [name, steps(name, from)]),
        ),
        ...{ c0, n0, weight_hh: values.weight_hh },
      },
      writeOp(slstmBackward, { reverse: false }),
    );
  const first = (name: string) => floats([B, H], made[name]!.data.subarray(0, B * H));
  const whole = back(0, values.c0, values.n0);
  const rest = back(1, first('cells'), first('normalizers'));
  for (let k = 0; k < B * H; k++) {
    const dh = given.dy.data[k]! + rest.dh0!.data[k]!;
    const [b, j] = [Math.floor(k / H), k % H];
    const output = made.gates!.data[b * 4 * H + slstmGates.output * H + j]!;
    expect(whole.dh!.data[k]).toBeCloseTo(dh, 12);
    expect(whole.dcells!.data[k]).toBeCloseTo(rest.dc0!.data[k]! + (dh * output) / made.normalizers!.data[k]!, 12);
  }
});

test('run-time sizes go through forward and backward', () => {
  const [sequence, state] = [float32('T', 'B', 6), float32('B', 6)];
  const parameters = { weight_ih: float32(24, 2), weight_hh: float32(24, 3), bias_ih: null, bias_hh: null };
  const initial = { h0: state, c0: state, n0: state, m0: state };
  const none = { keep_hidden: null, hidden_mask: null };
  const lengths = int32('B');
  const attributes = { reverse: true, exponential_forget: false };
  const made = slstm.infer(
    { x: float32('T', 'B', 2), ...initial, ...parameters, ...none, keep_cell: null, lengths },
    attributes,
  );
  expect(made).toEqual({
    ...{ y: sequence, h_n: state, c_n: state, n_n: state, m_n: state, gates: float32('T', 'B', 24) },
    ...{ forget_slope: sequence, cells: sequence, normalizers: sequence, stabilizers: sequence },
  });
  const { gates, forget_slope, cells, normalizers, y } = made;
  const finals = { dy: y, dh_n: state, dc_n: state, dn_n: state, dm_n: state };
  const { weight_hh } = parameters;
  const record = { gates, forget_slope, cells, normalizers, c0: state, n0: state, weight_hh, ...none, lengths };
  const back = slstmBackward.infer({ ...finals, ...record }, { reverse: true });
  expect(back).toEqual({
    ...{ dgates: gates, dh0: state, dc0: state, dn0: state, dm0: state, dh: sequence, dcells: sequence },
  });
  const weight = { dgates: back.dgates, y, h0: state, lengths };
  expect(slstmBackwardWeight.infer(weight, { reverse: true, head_size: 3 })).toEqual({ dweight_hh: weight_hh });
});

test.each(['gates', 'forget_slope', 'cells', 'normalizers', 'stabilizers'])('%s promises no gradient', (slot) => {
  const values = operandsOf({ T: 2, B: 1, I: 1, H: 2, heads: 1 });
  expect(() => checkGradient(values, write(), { on: [slot] })).toThrow(`${slot}: no gradient`);
});

describe('2,000 steps with exponents to ±80 and beyond', () => {
  const sizes = { T: 2000, B: 1, I: 2, H: 4, heads: 2 };

  test.each([false, true])(
    'stay finite, and are what the equations give without a stabilizer (exponential %p)',
    (exp) => {
      const values = largeOperands(sizes);
      const expected = unstabilized(values, sizes, exp);
      const { y, m_n } = evaluateOn(reference, values, exp);
      expect(relativeDistance(y!.data, expected)).toBeLessThan(1e-9);
      expect(m_n!.data.every(Number.isFinite)).toBe(true);

      const received = evaluateOn(native, values, exp);
      const largest = Math.max(...received.stabilizers!.data.map(Math.abs));
      expect(largest).toBeGreaterThan(80);
      const bound = float32Bound({ terms: sizes.I + sizes.H / sizes.heads, steps: sizes.T });
      expect(relativeDistance(received.y!.data, expected)).toBeLessThan(bound);
    },
  );

  test.each([false, true])('have finite gradients (exponential %p)', (exp) => {
    for (const backend of [reference, native]) {
      const gradients = gradientsOn(backend, largeOperands(sizes), results, exp);
      for (const [name, data] of Object.entries(gradients)) {
        expect([name, data.every(Number.isFinite)]).toEqual([name, true]);
      }
    }
  });
});

/** ĩ is 80 times a normal variable, f̃ ten times one; as float32. */
function largeOperands({ T, B, I, H, heads }: Sizes) {
  const { x, weight_ih, weight_hh, bias_ih } = operandsOf({ T, B, I, H, heads });
  const scales = [80, 10, 1, 1];
  const scaled = weight_ih.data.map((value, k) => (value * scales[Math.floor(k / (H * I))]!) / Math.sqrt(I));
  const rounded = ({ shape, data }: Pick<Tensor, 'shape' | 'data'>) =>
    floats(shape, Float64Array.from(new Float32Array(data)));
  return {
    ...{ x: rounded(x), weight_ih: rounded({ shape: weight_ih.shape, data: scaled }) },
    ...{ weight_hh: rounded(weight_hh), bias_ih: rounded(bias_ih) },
  };
}

/**
 * h_t = o · Σ_s w_s tanh(z̃_s) / Σ_s w_s with log w_s = ĩ_s + Σ_{s<r≤t} log f_r, from the paper's equations before they are
 * stabilized: every sum afresh, its largest term taken out.
 */
function unstabilized(values: ReturnType<typeof largeOperands>, { T, I, H, heads }: Sizes, exponential: boolean) {
  const size = H / heads;
  const { x, weight_ih, weight_hh, bias_ih } = values;
  const y = new Float64Array(T * H);
  // For each unit and step: ĩ_s - Σ_{r≤s} log f_r, and tanh(z̃_s).
  const logs = Array.from({ length: H }, () => new Float64Array(T));
  const z = Array.from({ length: H }, () => new Float64Array(T));
  const forgotten = new Float64Array(H);
  for (let t = 0; t < T; t++) {
    for (let j = 0; j < H; j++) {
      const head = Math.floor(j / size) * size;
      const before = (gate: number) => {
        const row = gate * H + j;
        let sum = bias_ih.data[row]!;
        for (let k = 0; k < I; k++) sum += weight_ih.data[row * I + k]! * x.data[t * I + k]!;
        for (let k = 0; t > 0 && k < size; k++) sum += weight_hh.data[row * size + k]! * y[(t - 1) * H + head + k]!;
        return sum;
      };
      const forget = before(slstmGates.forget);
      forgotten[j]! += exponential ? forget : -Math.log1p(Math.exp(-forget));
      logs[j]![t] = before(slstmGates.input) - forgotten[j]!;
      z[j]![t] = Math.tanh(before(slstmGates.candidate));
      y[t * H + j] = weightedMean(logs[j]!.subarray(0, t + 1), z[j]!) / (1 + Math.exp(-before(slstmGates.output)));
    }
  }
  return y;
}

/** Σ e^log·z / Σ e^log */
function weightedMean(logs: Float64Array, z: Float64Array): number {
  let largest = -Infinity;
  for (const log of logs) largest = Math.max(largest, log);
  let [sum, total] = [0, 0];
  for (let s = 0; s < logs.length; s++) {
    const weight = Math.exp(logs[s]! - largest);
    sum += weight * z[s]!;
    total += weight;
  }
  return sum / total;
}

function runOn(backend: Backend, builder: ProgramBuilder, values: Values) {
  const capacities = { T: values.x!.shape[0]!, B: values.x!.shape[1]!, S: 1 };
  return backend.prepare(builder.finish(), capacities).runSync(backend.createStore(), values).outputs;
}

function evaluateOn(backend: Backend, values: Values, exponential: boolean) {
  const builder = new ProgramBuilder();
  const outputs = write(exponential)(declareInputs(builder, values), builder.emit.bind(builder));
  for (const name of [...results, 'stabilizers']) builder.output(name, outputs[name]!);
  return runOn(backend, builder, values);
}

/** The gradients of a random loss on some results, by operand. */
function gradientsOn(backend: Backend, values: Values, on: readonly string[], exponential: boolean) {
  const builder = new ProgramBuilder();
  const variables = declareInputs(builder, values);
  const outputs = write(exponential)(variables, builder.emit.bind(builder));
  const random = new Random(3);
  const { x, weight_hh } = values;
  const shapeOf = (name: string) => [
    ...(name === 'y' ? x!.shape.slice(0, 2) : [x!.shape[1]!]),
    weight_hh!.shape[0]! / 4,
  ];
  const cotangents = Object.fromEntries(on.map((name) => [`d${name}`, random.normal(...shapeOf(name))]));
  const seeds = declareInputs(builder, cotangents);
  const names = Object.keys(values);
  const gradients = gradient(
    builder,
    on.map((name) => ({ variable: outputs[name]!, cotangent: seeds[`d${name}`]! })),
    names.map((name) => variables[name]!),
  );
  gradients.forEach((one, k) => builder.output(`gradient of ${names[k]!}`, one!));
  const found = runOn(backend, builder, { ...values, ...cotangents });
  return Object.fromEntries(names.map((name) => [name, [...found[`gradient of ${name}`]!.data] as number[]]));
}
