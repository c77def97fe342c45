/** Zoneout and recurrent masks of the sLSTM. */
import fc from 'fast-check';
import type { Backend } from '../../../lib/backend/backend';
import { getThreads, native, setThreads } from '../../../lib/backend/native/native';
import { reference } from '../../../lib/backend/reference/reference';
import { slstm } from '../../../lib/ops/recurrent/slstm';
import { slstmStep } from '../../../lib/ops/recurrent/slstmStep';
import { ProgramBuilder } from '../../../lib/program/builder';
import { gradient } from '../../../lib/program/gradient';
import { checkGradient } from '../../support/checkGradient';
import { capacities, declareInputs, evaluate, typeOf, writeOp, type Values } from '../../support/evaluate';
import { expectWithin, float32Bound } from '../../support/expectClose';
import { floats, integers, Random, type Tensor } from '../../support/random';

const sizes = { T: 4, B: 3, I: 2, H: 4, heads: 2 };
type Sizes = typeof sizes;
const states = ['h', 'c', 'n', 'm'] as const;
const results = ['y', 'h_n', 'c_n', 'n_n', 'm_n'];
const constants = ['keep_hidden', 'keep_cell', 'hidden_mask'];
const ragged = integers([3], [0, 2, 4]);

function operandsOf({ T, B, I, H, heads }: Sizes): Record<string, Tensor> {
  const random = new Random(T + 10 * B + 100 * I + 1000 * H + heads);
  return {
    x: random.normal(T, B, I),
    h0: random.normal(B, H),
    c0: random.normal(B, H),
    n0: random.uniform(0.5, 1.5, B, H),
    m0: random.normal(B, H),
    weight_ih: random.uniform(-1 / Math.sqrt(I), 1 / Math.sqrt(I), 4 * H, I),
    weight_hh: random.uniform(-0.5, 0.5, 4 * H, H / heads),
    bias_ih: random.normal(4 * H),
    bias_hh: random.normal(4 * H),
  };
}

const coins = (seed: number, otherwise: number, ...shape: number[]) =>
  floats(
    shape,
    new Random(seed).uniform(0, 1, ...shape).data.map((value) => (value < 0.5 ? 0 : otherwise)),
  );

const single: Readonly<Record<string, (sizes: Sizes) => Record<string, Tensor>>> = {
  'zoneout of h': ({ T, B, H }) => ({ keep_hidden: coins(3, 1, T, B, H) }),
  'expected zoneout of h': ({ H }) => ({ keep_hidden: new Random(4).uniform(0, 1, H) }),
  'zoneout of the cell': ({ T, B, H }) => ({ keep_cell: coins(5, 1, T, B, H) }),
  'expected zoneout of the cell': ({ H }) => ({ keep_cell: new Random(6).uniform(0.05, 0.95, H) }),
  'a recurrent mask': ({ B, H }) => ({ hidden_mask: coins(7, 2, B, H) }),
};
const names = Object.keys(single);
const ofSizes = (chosen: readonly string[], size: Sizes): Record<string, Tensor> =>
  Object.fromEntries(chosen.flatMap((name) => Object.entries(single[name]!(size))));
const pairs = names.flatMap((a, k) => names.slice(k + 1).map((b) => [a, b]));
// Not drawn and expected zoneout of the same state.
const pairsThatCompose = pairs.filter(([a, b]) => b !== `expected ${a}`);
const combinations = [...names.map((name) => [name]), ['zoneout of h', 'zoneout of the cell', 'a recurrent mask']];
const write = (exponential_forget: boolean, reverse: boolean) => writeOp(slstm, { reverse, exponential_forget });

describe.each([false, true])('with an exponential forget gate: %p', (exponential) => {
  test.each(combinations.map((chosen) => [chosen] as const))('%j: gradients meet finite differences', (chosen) => {
    const values = { ...operandsOf(sizes), ...ofSizes(chosen, sizes), lengths: ragged };
    results.forEach((name, k) => checkGradient(values, write(exponential, k % 2 === 0), { on: [name], constants }));
    checkGradient(values, write(exponential, false), { on: results, constants });
  });

  test.each(pairsThatCompose.map((pair) => [pair] as const))('%j: gradients meet finite differences', (pair) => {
    const values = { ...operandsOf(sizes), ...ofSizes(pair, sizes), lengths: ragged };
    checkGradient(values, write(exponential, true), { on: results, constants });
  });

  test.each(combinations.map((chosen) => [chosen] as const))('%j: a chain of steps is the sequence', (chosen) => {
    const { x, h0, c0, n0, m0, keep_hidden, keep_cell, ...rest } = {
      ...operandsOf(sizes),
      ...ofSizes(chosen, sizes),
    } as Record<string, Tensor>;
    const given = { ...operandsOf(sizes), ...ofSizes(chosen, sizes) };
    const whole = evaluate(given, write(exponential, false));
    let state: Record<string, Tensor> = { h: h0!, c: c0!, n: n0!, m: m0! };
    const step = writeOp(slstmStep, { exponential_forget: exponential });
    for (let t = 0; t < sizes.T; t++) {
      const shares = Object.entries({ keep_hidden, keep_cell }).flatMap(([name, keep]) =>
        keep ? [[name, stepOf(keep, t)] as const] : [],
      );
      const values: Values = { x: stepOf(x!, t), ...state, ...rest, ...Object.fromEntries(shares) };
      if (t === 0) checkGradient(values, step, { on: states.map((name) => `${name}_next`), constants });
      const next = evaluate(values, step);
      state = Object.fromEntries(states.map((name) => [name, floats(h0!.shape, next[`${name}_next`]!.data)]));
      expect(state.h!.data).toEqual(stepOf(whole.y as Tensor, t).data);
    }
    states.forEach((name) => expect(state[name]!.data).toEqual(whole[`${name}_n`]!.data));
  });

  test('a unit that is kept keeps c, n and m, to the bit, and one that is not has no zoneout', () => {
    const values = operandsOf(sizes);
    const { B, H } = sizes;
    const kept = coins(5, 1, sizes.T, B, H);
    const plain = evaluate(values, write(exponential, false));
    const received = evaluate({ ...values, keep_cell: kept }, write(exponential, false));
    for (let k = 0; k < B * H; k++) {
      // At the first step both begin alike.
      for (const [name, initial] of [
        ['cells', values.c0],
        ['normalizers', values.n0],
        ['stabilizers', values.m0],
      ] as const) {
        const expected = kept.data[k] === 1 ? initial!.data[k] : plain[name]!.data[k];
        expect([name, received[name]!.data[k]]).toEqual([name, expected]);
      }
    }
  });

  test('a unit kept since it began gives 0, and no NaN in any gradient', () => {
    const { c0, n0, m0, ...values } = operandsOf(sizes);
    expect([c0, n0, m0]).not.toContain(undefined);
    const { T, B, H } = sizes;
    // Unit 0 is kept throughout, unit 1 at the first step alone.
    const keep = floats(
      [T, B, H],
      Array.from({ length: T * B * H }, (_, k) => Number(k % H === 0 || (k < B * H && k % H === 1))),
    );
    const given = { ...values, keep_cell: keep };
    for (const backend of [reference, native]) {
      const { y, n_n, ...gradients } = trainOn(backend, given, exponential, false);
      y!.data.forEach((value, k) => {
        if (k % H === 0 || (k < B * H && k % H === 1)) expect(value).toBe(0);
        else expect(value).not.toBe(0);
      });
      n_n!.data.forEach((value, k) => expect(value === 0).toBe(k % H === 0));
      for (const [name, { data }] of Object.entries(gradients)) {
        expect([name, Array.from(data).every(Number.isFinite)]).toEqual([name, true]);
      }
    }
    checkGradient(given, write(exponential, false), { on: ['y', 'h_n'], constants });
  });

  test('the expectation is that of e^m·c and e^m·n', () => {
    const values = operandsOf({ ...sizes, T: 1 });
    const keep = new Random(6).uniform(0.05, 0.95, sizes.H);
    const [plain, received] = [values, { ...values, keep_cell: keep }].map((one) =>
      evaluate(one, write(exponential, false)),
    );
    for (let k = 0; k < sizes.B * sizes.H; k++) {
      const share = keep.data[k % sizes.H]!;
      for (const [name, initial] of [
        ['c_n', values.c0],
        ['n_n', values.n0],
      ] as const) {
        const before = Math.exp(values.m0!.data[k]!) * initial!.data[k]!;
        const after = Math.exp(plain!.m_n!.data[k]!) * plain![name]!.data[k]!;
        const expected = share * before + (1 - share) * after;
        expect(Math.exp(received!.m_n!.data[k]!) * received![name]!.data[k]!).toBeCloseTo(expected, 12);
      }
    }
  });
});

/** Step t of [T, B, ·]; what is the same at every step as it is. */
function stepOf(value: Tensor, t: number): Tensor {
  if (value.shape.length < 3) return value;
  const size = value.data.length / value.shape[0]!;
  return floats(value.shape.slice(1), value.data.slice(t * size, (t + 1) * size));
}

/** Every output, and the gradients of every operand of a random loss on the results. */
function trainOn(backend: Backend, values: Values, exponential: boolean, reverse: boolean) {
  const builder = new ProgramBuilder();
  const variables = declareInputs(builder, values);
  const outputs = write(exponential, reverse)(variables, builder.emit.bind(builder));
  const random = new Random(3);
  const [T, B] = values.x!.shape as [number, number];
  const H = values.weight_hh!.shape[0]! / 4;
  const rounded = (tensor: Tensor) => floats(tensor.shape, Float64Array.from(Float32Array.from(tensor.data)));
  const cotangents = Object.fromEntries(
    results.map((name) => [`d${name}`, rounded(name === 'y' ? random.normal(T, B, H) : random.normal(B, H))]),
  );
  const seeds = declareInputs(builder, cotangents);
  for (const [name, output] of Object.entries(outputs)) builder.output(name, output);
  const targets = Object.keys(values).filter(
    (name) => typeOf(values[name]!).dtype === 'float32' && !constants.includes(name),
  );
  const gradients = gradient(
    builder,
    results.map((name) => ({ variable: outputs[name]!, cotangent: seeds[`d${name}`]! })),
    targets.map((name) => variables[name]!),
  );
  targets.forEach((name, k) => builder.output(`gradient of ${name}`, gradients[k]!));
  const executable = backend.prepare(builder.finish(), capacities);
  return executable.runSync(backend.createStore(), { ...values, ...cotangents }).outputs;
}

test('40 random combinations: natively the numbers of the reference, and the same bits at any number of threads', () => {
  const combination = fc.record({
    sizes: fc.record({
      T: fc.integer({ min: 1, max: 7 }),
      B: fc.constantFrom(1, 2, 5, 6, 7, 13),
      I: fc.constantFrom(1, 7, 9, 17),
      H: fc.constantFrom(8, 12, 18, 34, 64),
      heads: fc.constantFrom(1, 2),
    }),
    chosen: fc.subarray(names, { minLength: 1 }),
    leaveOut: fc.subarray(['h0', 'bias_ih', 'bias_hh']),
    unseen: fc.boolean(),
    exponential: fc.boolean(),
    reverse: fc.boolean(),
    lengths: fc.boolean(),
    threads: fc.constantFrom(2, 3, 8),
  });
  const before = getThreads();
  const property = fc.property(
    combination,
    ({ sizes: size, chosen, leaveOut, unseen, exponential, reverse, ...rest }) => {
      const { T, B, I, H } = size;
      const missing = [...leaveOut, ...(unseen ? ['c0', 'n0', 'm0'] : [])];
      const lengths = integers(
        [B],
        Array.from({ length: B }, (_, b) => (b * 5 + 3) % (T + 1)),
      );
      const given = Object.fromEntries(
        Object.entries({ ...operandsOf(size), ...ofSizes(chosen, size) })
          .filter(([name]) => !missing.includes(name))
          .map(([name, { shape, data }]) => [name, floats(shape, Float64Array.from(Float32Array.from(data)))]),
      );
      const values: Values = { ...given, ...(rest.lengths && { lengths }) };
      setThreads(1);
      const received = trainOn(native, values, exponential, reverse);
      setThreads(rest.threads);
      expect(trainOn(native, values, exponential, reverse)).toEqual(received);
      const forward = float32Bound({ terms: I + H, steps: T });
      const backward = forward + float32Bound({ terms: Math.max(4 * H, B), steps: T, backward: true });
      for (const [name, value] of Object.entries(trainOn(reference, values, exponential, reverse)))
        expectWithin(received[name]!, value, name.startsWith('gradient') ? backward : forward);
    },
  );
  try {
    fc.assert(property, { numRuns: 40, seed: 1 });
  } finally {
    setThreads(before);
  }
});
