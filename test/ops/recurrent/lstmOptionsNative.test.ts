import { getThreads, native, setThreads } from '../../../lib/backend/native/native';
import { reference } from '../../../lib/backend/reference/reference';
import type { ArrayView, Backend } from '../../../lib/backend/backend';
import { lstm } from '../../../lib/ops/recurrent/lstm';
import { lstmStep } from '../../../lib/ops/recurrent/lstmStep';
import type { LstmKindAttributes } from '../../../lib/ops/recurrent/lstmKind';
import { ProgramBuilder } from '../../../lib/program/builder';
import { gradient } from '../../../lib/program/gradient';
import type { Program } from '../../../lib/program/program';
import { capacities, declareInputs, writeOp, type Values } from '../../support/evaluate';
import { expectWithin, float32Bound } from '../../support/expectClose';
import {
  lstmData,
  lstmOptionPairs,
  lstmOptions,
  lstmWith,
  randomLstmOptions,
  writeStateGradients,
  type LstmSizes,
} from '../../support/lstmOptions';
import { floats, integers, Random } from '../../support/random';

const names = Object.keys(lstmOptions);
const results = (options: readonly string[]) =>
  options.includes('full gate recurrence') ? ['y', 'h_n', 'c_n', 'g_n'] : ['y', 'h_n', 'c_n'];
const saved = ['gates', 'cells', 'unprojected', 'recurred', 'bounds', 'normalized_ih', 'normalized_hh', 'normalized_c'];

/** Forward and the gradients of every float input, as one program. */
function trainingProgram(
  options: readonly string[],
  values: Values,
  cotangents: Values,
  kind: LstmKindAttributes,
  reverse: boolean,
): Program {
  const builder = new ProgramBuilder();
  const variables = declareInputs(builder, values);
  const seeds = declareInputs(builder, cotangents);
  const outputs = writeOp(lstm, { reverse, ...kind })(variables, builder.emit.bind(builder));
  for (const name of [...results(options), ...saved, 'scales']) builder.output(name, outputs[name]!);
  const targets = Object.keys(values).filter((name) => name !== 'lengths' && !lstmData.includes(name));
  const gradients = gradient(
    builder,
    results(options).map((name) => ({ variable: outputs[name]!, cotangent: seeds[`d${name}`]! })),
    targets.map((name) => variables[name]!),
  );
  const { dh, dcells } = writeStateGradients(
    variables,
    outputs,
    seeds,
    { reverse, ...kind },
    builder.emit.bind(builder),
  );
  builder.output('gradient of h', dh);
  builder.output('gradient of c', dcells);
  targets.forEach((name, k) => gradients[k] && builder.output(`gradient of ${name}`, gradients[k]));
  return builder.finish();
}

/** Rounded to float32, so that both backends compute from the same numbers. */
const rounded = (values: Values): Values =>
  Object.fromEntries(
    Object.entries(values).map(([name, value]) => [
      name,
      name === 'lengths' ? value : floats(value.shape, Float64Array.from(Float32Array.from(value.data))),
    ]),
  );

function setUp(options: readonly string[], sizes: LstmSizes, reverse: boolean, ragged: boolean) {
  const { values, kind } = lstmWith(options, sizes);
  const { T, B, H, P } = sizes;
  const random = new Random(7);
  const size = options.includes('projection') ? P : H;
  const lengths = integers(
    [B],
    Array.from({ length: B }, (_, b) => (b * 5 + 3) % (T + 1)),
  );
  const given = rounded(ragged ? { ...values, lengths } : values);
  const cotangents = rounded({
    dy: random.normal(T, B, size),
    dh_n: random.normal(B, size),
    dc_n: random.normal(B, H),
    ...(options.includes('full gate recurrence') ? { dg_n: random.normal(B, 3 * H) } : {}),
  });
  return { write: (v: Values, d: Values) => trainingProgram(options, v, d, kind, reverse), values: given, cotangents };
}

function runOn(backend: Backend, program: Program, inputs: Values): Readonly<Record<string, ArrayView>> {
  return backend.prepare(program, capacities).runSync(backend.createStore(), inputs).outputs;
}

/** Native within float32 of the reference; the gradients follow the native gates, so they have the forward error too. */
function expectClose(options: readonly string[], sizes: LstmSizes, reverse: boolean, ragged: boolean): void {
  const { write, values, cotangents } = setUp(options, sizes, reverse, ragged);
  const [program, inputs] = [write(values, cotangents), { ...values, ...cotangents }];
  const [received, expected] = [runOn(native, program, inputs), runOn(reference, program, inputs)];
  const { T, B, I, H } = sizes;
  for (const [name, value] of Object.entries(expected)) {
    const seen = options.includes('full gate recurrence') ? 3 * H : 0;
    const forward = float32Bound({ terms: I + H + seen, steps: T });
    const bound = name.startsWith('gradient')
      ? forward + float32Bound({ terms: Math.max(4 * H, B), steps: T, backward: true })
      : forward;
    try {
      expectWithin(received[name]!, value, bound);
    } catch (error) {
      throw new Error(`${name}: ${(error as Error).message}`, { cause: error });
    }
  }
}

test.each(names)('%s: forward and gradients are those of the reference, at sizes that straddle tiles', (name) => {
  [
    { T: 7, B: 7, I: 9, H: 17, P: 8 },
    { T: 2, B: 17, I: 3, H: 33, P: 31 },
    { T: 3, B: 1, I: 16, H: 65, P: 64 },
  ].forEach((sizes, k) => expectClose([name], sizes, k === 1, k < 2));
});

test.each(lstmOptionPairs)('%s with %s: forward and gradients are those of the reference', (...pair) => {
  expectClose(pair, { T: 3, B: 5, I: 7, H: 17, P: 9 }, true, true);
});

test('300 random combinations: forward and gradients are those of the reference', () => {
  for (let seed = 0; seed < 300; seed++) {
    expectClose(randomLstmOptions(seed), { T: 2, B: 4, I: 3, H: 9, P: 5 }, seed % 2 === 0, seed % 3 > 0);
  }
});

test.each(names)('%s: threads and neighbours change no bit', (name) => {
  const sizes = { T: 5, B: 13, I: 5, H: 33, P: 19 };
  const { write, values, cotangents } = setUp([name], sizes, true, true);
  const [program, inputs] = [write(values, cotangents), { ...values, ...cotangents }];
  const before = getThreads();
  try {
    setThreads(1);
    const expected = runOn(native, program, inputs);
    for (const threads of [2, 3, 8]) {
      setThreads(threads);
      expect(runOn(native, program, inputs)).toEqual(expected);
    }
    // The last row alone.
    const [one, done] = [lastRow(values, sizes.B), lastRow(cotangents, sizes.B)];
    const rows = (outputs: Readonly<Record<string, ArrayView>>) =>
      Object.fromEntries(Object.entries(outputs).filter(([key]) => !/gradient of (weight|bias)/.test(key)));
    const alone = runOn(native, write(one, done), { ...one, ...done });
    expect(rows(alone)).toEqual(lastRow(rows(expected), sizes.B));
  } finally {
    setThreads(before);
  }
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

test.each(names)('%s: a stream of steps has the bits of the sequence', (name) => {
  const sizes = { T: 4, B: 7, I: 5, H: 33, P: 19 };
  const { values, kind } = lstmWith([name], sizes);
  const { x, h0, c0, g0, keep_hidden, keep_cell, ...weights } = rounded(values);
  const write = (inputs: Values, op: 'sequence' | 'step') => {
    const builder = new ProgramBuilder();
    const variables = declareInputs(builder, inputs);
    const emit = builder.emit.bind(builder);
    const outputs =
      op === 'sequence'
        ? writeOp(lstm, { reverse: false, ...kind })(variables, emit)
        : writeOp(lstmStep, kind)(variables, emit);
    for (const slot of op === 'sequence' ? ['h_n', 'c_n', 'g_n'] : ['h_next', 'c_next', 'g_next'])
      builder.output(slot, outputs[slot]!);
    return runOn(native, builder.finish(), inputs);
  };
  const shares = (at: (value: NonNullable<typeof x>) => NonNullable<typeof x>): Values =>
    Object.fromEntries(
      Object.entries({ keep_hidden, keep_cell }).flatMap(([slot, value]) => (value ? [[slot, at(value)]] : [])),
    );
  const gateState = (slot: string, data: ArrayLike<number>): Values => (g0 ? { [slot]: floats(g0.shape, data) } : {});
  const before = gateState('g0', g0?.data ?? []);
  const whole = write({ x: x!, h0: h0!, c0: c0!, ...before, ...weights, ...shares((value) => value) }, 'sequence');
  let state: Values = { h: h0!, c: c0!, ...gateState('g', g0?.data ?? []) };
  for (let t = 0; t < sizes.T; t++) {
    const at = (value: NonNullable<typeof x>) => {
      if (value.shape.length === 1) return value;
      const size = value.data.length / sizes.T;
      return floats(value.shape.slice(1), value.data.slice(t * size, (t + 1) * size));
    };
    const next = write({ x: at(x!), ...state, ...weights, ...shares(at) }, 'step');
    const [h, c] = [floats(h0!.shape, next.h_next!.data), floats(c0!.shape, next.c_next!.data)];
    state = { h, c, ...gateState('g', next.g_next!.data) };
  }
  const last = g0 ? { h: whole.h_n, c: whole.c_n, g: whole.g_n } : { h: whole.h_n, c: whole.c_n };
  for (const [name, value] of Object.entries(last)) {
    expect(Array.from(state[name]!.data)).toEqual(Array.from(value!.data));
  }
});
