import { getThreads, native, setThreads } from '../../../lib/backend/native/native';
import { reference } from '../../../lib/backend/reference/reference';
import type { ArrayView, Backend } from '../../../lib/backend/backend';
import { attentionLstm, visibleSlots } from '../../../lib/ops/recurrent/attentionLstm';
import { attentionLstmBackward } from '../../../lib/ops/recurrent/attentionLstmBackward';
import { attentionLstmStep } from '../../../lib/ops/recurrent/attentionLstmStep';
import { plainLstm } from '../../../lib/ops/recurrent/lstmKind';
import { ProgramBuilder } from '../../../lib/program/builder';
import { gradient } from '../../../lib/program/gradient';
import type { Program } from '../../../lib/program/program';
import { attentionOperands, raggedLengths, scores, type AttentionSizes, type Score } from '../../support/attention';
import { capacities, declareInputs, writeOp, type Values } from '../../support/evaluate';
import { expectWithin, float32Bound } from '../../support/expectClose';
import { floats, Random, type Tensor } from '../../support/random';

const results = ['y', 'h_n', 'c_n'];
const isLength = (name: string) => name.endsWith('lengths');

/** Forward and the gradients of every float input, as one program. */
function trainingProgram(values: Values, cotangents: Values, reverse: boolean): Program {
  const builder = new ProgramBuilder();
  const variables = declareInputs(builder, values);
  const seeds = declareInputs(builder, cotangents);
  const outputs = writeOp(attentionLstm, { reverse, ...plainLstm })(variables, builder.emit.bind(builder));
  for (const name of [...results, ...visibleSlots]) builder.output(name, outputs[name]!);
  const targets = Object.keys(values).filter((name) => !isLength(name));
  const gradients = gradient(
    builder,
    results.map((name) => ({ variable: outputs[name]!, cotangent: seeds[`d${name}`]! })),
    targets.map((name) => variables[name]!),
  );
  targets.forEach((name, k) => gradients[k] && builder.output(`gradient of ${name}`, gradients[k]));
  return builder.finish();
}

/** Rounded to float32, so that both backends compute from the same numbers. */
const rounded = (values: Values): Record<string, Tensor> =>
  Object.fromEntries(
    Object.entries(values).map(([name, value]) => [
      name,
      isLength(name) ? value : floats(value.shape, Float64Array.from(Float32Array.from(value.data))),
    ]),
  );

function setUp(score: Score, sizes: AttentionSizes, ragged: boolean, changed: Values = {}) {
  const { T, B, H } = sizes;
  const random = new Random(7);
  const values = rounded({ ...attentionOperands(score, sizes), ...(ragged ? raggedLengths(sizes) : {}), ...changed });
  const cotangents = rounded({ dy: random.normal(T, B, H), dh_n: random.normal(B, H), dc_n: random.normal(B, H) });
  return { values, cotangents };
}

function runOn(backend: Backend, program: Program, inputs: Values): Readonly<Record<string, ArrayView>> {
  return backend.prepare(program, capacities).runSync(backend.createStore(), inputs).outputs;
}

/** Native within float32 of the reference; the gradients follow the native forward pass, so they have its error too. */
function expectClose(
  score: Score,
  sizes: AttentionSizes,
  reverse: boolean,
  ragged: boolean,
  changed: Values = {},
): void {
  const { values, cotangents } = setUp(score, sizes, ragged, changed);
  const [program, inputs] = [trainingProgram(values, cotangents, reverse), { ...values, ...cotangents }];
  const [received, expected] = [runOn(native, program, inputs), runOn(reference, program, inputs)];
  const { T, B, I, H, S, A } = sizes;
  const terms = I + H + S + A;
  for (const [name, value] of Object.entries(expected)) {
    const forward = float32Bound({ terms, steps: T });
    const bound = name.startsWith('gradient')
      ? forward + float32Bound({ terms: Math.max(4 * H + S + A, B), steps: T, backward: true })
      : forward;
    try {
      expectWithin(received[name]!, value, bound);
    } catch (error) {
      throw new Error(`${name} at ${JSON.stringify(sizes)}: ${(error as Error).message}`, { cause: error });
    }
  }
}

describe.each(scores)('with the %s score', (score) => {
  const straddling = [1, 3, 7, 8, 9, 15, 16, 17, 31, 33];

  test.each(straddling.map((H, at) => [H, at] as const))(
    'forward and gradients are those of the reference, with H %i',
    (H, at) => {
      straddling.forEach((S, k) => {
        // Every other S for each H.
        if ((k + at) % 2 > 0) return;
        const A = straddling[(k * 3 + H) % straddling.length]!;
        // With lengths, enough rows that some have steps and slots to tell apart.
        const ragged = k % 3 > 0;
        expectClose(score, { T: 2 + (at % 2), B: (ragged ? 4 : 1) + (k % 4), I: 3, H, S, A }, at % 2 === 1, ragged);
      });
    },
  );

  test.each([
    { T: 7, B: 17, I: 9, H: 65, S: 5, A: 64 },
    { T: 40, B: 3, I: 5, H: 33, S: 40, A: 17 },
    { T: 2, B: 7, I: 16, H: 64, S: 64, A: 33 },
  ])('forward and gradients are those of the reference at T $T, B $B, H $H, S $S, A $A', (sizes) => {
    for (const ragged of [false, true]) expectClose(score, sizes, ragged, ragged);
  });

  test('threads and neighbours change no bit', () => {
    // Two threads share out the rows, eight the columns.
    const sizes = { T: 5, B: 13, I: 5, H: 67, S: 11, A: 19 };
    const { values, cotangents } = setUp(score, sizes, true);
    const [program, inputs] = [trainingProgram(values, cotangents, true), { ...values, ...cotangents }];
    const before = getThreads();
    try {
      setThreads(1);
      const expected = runOn(native, program, inputs);
      for (const threads of [2, 3, 8]) {
        setThreads(threads);
        expect(runOn(native, program, inputs)).toEqual(expected);
      }
      const [one, done] = [lastRow(values, sizes.B), lastRow(cotangents, sizes.B)];
      const rows = (outputs: Readonly<Record<string, ArrayView>>) =>
        Object.fromEntries(Object.entries(outputs).filter(([key]) => !/gradient of (weight|bias)/.test(key)));
      const alone = runOn(native, trainingProgram(one, done, true), { ...one, ...done });
      expect(rows(alone)).toEqual(lastRow(rows(expected), sizes.B));
    } finally {
      setThreads(before);
    }
  });

  test('a stream of steps has the bits of the sequence', () => {
    const sizes = { T: 4, B: 7, I: 5, H: 33, S: 9, A: 19 };
    const { x, h0, c0, lengths, ...rest } = setUp(score, sizes, true).values;
    expect(lengths).toBeDefined();
    const write = (inputs: Values, op: 'sequence' | 'step', slots: readonly string[]) => {
      const builder = new ProgramBuilder();
      const variables = declareInputs(builder, inputs);
      const emit = builder.emit.bind(builder);
      const outputs =
        op === 'sequence'
          ? writeOp(attentionLstm, { reverse: false, ...plainLstm })(variables, emit)
          : writeOp(attentionLstmStep, plainLstm)(variables, emit);
      for (const slot of slots) builder.output(slot, outputs[slot]!);
      return runOn(native, builder.finish(), inputs);
    };
    const whole = write({ x: x!, h0: h0!, c0: c0!, ...rest }, 'sequence', ['h_n', 'c_n', 'attention']);
    let state = { h: h0!, c: c0! };
    const { B, I, S } = sizes;
    for (let t = 0; t < sizes.T; t++) {
      const input = floats([B, I], x!.data.slice(t * B * I, (t + 1) * B * I));
      const next = write({ x: input, ...state, ...rest }, 'step', ['h_next', 'c_next', 'attention']);
      expect(next.attention!.data).toEqual(whole.attention!.data.slice(t * B * S, (t + 1) * B * S));
      state = { h: floats(h0!.shape, next.h_next!.data), c: floats(c0!.shape, next.c_next!.data) };
    }
    expect(Array.from(state.h.data)).toEqual(Array.from(whole.h_n!.data));
    expect(Array.from(state.c.data)).toEqual(Array.from(whole.c_n!.data));
  });

  test('all that backward can show is that of the reference', () => {
    const sizes = { T: 6, B: 5, I: 4, H: 18, S: 10, A: 7 };
    const { values, cotangents } = setUp(score, sizes, true);
    const seen = runOn(reference, trainingProgram(values, cotangents, true), { ...values, ...cotangents });
    const { h0, x, bias_ih, bias_hh, weight_ih, ...rest } = values;
    expect([h0, x, bias_ih, bias_hh, weight_ih]).not.toContain(undefined);
    const shown = ['gates', 'cells', 'queries', 'attention'];
    const visible = Object.fromEntries(shown.map((slot) => [slot, seen[slot] as Tensor]));
    const given = rounded({ ...rest, ...cotangents, ...visible });
    const builder = new ProgramBuilder();
    const outputs = writeOp(attentionLstmBackward, { reverse: true, ...plainLstm })(
      declareInputs(builder, given),
      builder.emit.bind(builder),
    );
    for (const [name, variable] of Object.entries(outputs)) builder.output(name, variable);
    const program = builder.finish();
    const [received, expected] = [runOn(native, program, given), runOn(reference, program, given)];
    const bound = float32Bound({ terms: 4 * sizes.H + sizes.S + sizes.A, steps: sizes.T, backward: true });
    for (const [name, value] of Object.entries(expected)) expectWithin(received[name]!, value, bound);
  });
});

describe('with the additive score, numbers at and beyond the largest of which exponentials are taken', () => {
  const sizes = { T: 6, B: 9, I: 4, H: 18, S: 10, A: 17 };
  const { keys, weight_query } = attentionOperands('additive', sizes) as Record<'keys' | 'weight_query', Tensor>;
  /** A tensor with some elements changed. */
  const withChanged = (tensor: Tensor, change: (value: number, at: number) => number) =>
    floats(tensor.shape, tensor.data.map(change));
  const ofRow = (row: number, at: number) => Math.floor(at / (sizes.S * sizes.A)) === row;
  const ofFirstElement = (at: number) => at % sizes.A === 0;

  test.each([-50, 20, 20.5, 44.5, 1e6])('have their tanh: a key of %d', (large) => {
    const changed = withChanged(keys, (value, at) => (ofRow(2, at) && ofFirstElement(at) ? large : value));
    for (const ragged of [false, true]) expectClose('additive', sizes, ragged, ragged, { keys: changed });
  });

  test.each([60, 1e5])('have their tanh: queries to which every element of h adds %d of it', (factor) => {
    const changed = withChanged(weight_query, (value, at) => (at < sizes.H ? factor * Math.sign(value) : value));
    for (const ragged of [false, true]) expectClose('additive', sizes, ragged, ragged, { weight_query: changed });
  });

  test('have their tanh: a query and keys that cancel', () => {
    const query = withChanged(weight_query, (value, at) => (at >= sizes.H ? value : at === 0 ? 200 : 0));
    const cancelling = withChanged(keys, (value, at) => (ofFirstElement(at) ? 25 * Math.sign(value) : value));
    expectClose('additive', sizes, false, true, { keys: cancelling, weight_query: query });
  });
});

/** Of a batch of `count` rows the last: whatever has an axis of that size. */
function lastRow<V extends ArrayView>(values: Readonly<Record<string, V>>, count: number): Record<string, V> {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => {
      const axis = value.shape.indexOf(count);
      if (axis < 0) return [name, value];
      const outer = value.shape.slice(0, axis).reduce((a, b) => a * b, 1);
      const width = value.data.length / (outer * count);
      const kept = value.data.filter((_, k) => Math.floor(k / width) % count === count - 1);
      return [name, { ...value, data: kept, shape: value.shape.map((size, k) => (k === axis ? 1 : size)) }];
    }),
  );
}
