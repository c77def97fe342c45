/** The LSTM's options in the one that attends to a memory. */
import fc from 'fast-check';
import type { Backend } from '../../../lib/backend/backend';
import { getThreads, native, setThreads } from '../../../lib/backend/native/native';
import { reference } from '../../../lib/backend/reference/reference';
import { attentionLstm } from '../../../lib/ops/recurrent/attentionLstm';
import { attentionLstmBackward } from '../../../lib/ops/recurrent/attentionLstmBackward';
import { attentionLstmStep } from '../../../lib/ops/recurrent/attentionLstmStep';
import { lstm } from '../../../lib/ops/recurrent/lstm';
import type { LstmKindAttributes } from '../../../lib/ops/recurrent/lstmKind';
import { ProgramBuilder } from '../../../lib/program/builder';
import { gradient } from '../../../lib/program/gradient';
import { attentionOperands, raggedLengths, scores, type Score } from '../../support/attention';
import { checkGradient } from '../../support/checkGradient';
import { capacities, declareInputs, evaluate, typeOf, writeOp, type Values } from '../../support/evaluate';
import { expectWithin, float32Bound } from '../../support/expectClose';
import { lstmData, lstmOptionPairs, lstmOptions, lstmWith, randomLstmOptions } from '../../support/lstmOptions';
import { floats, integers, Random, type Tensor } from '../../support/random';

const sizes = { T: 3, B: 3, I: 2, H: 4, P: 3, S: 3, A: 2 };
type Sizes = typeof sizes;
const names = Object.keys(lstmOptions);

/** Operands of the cell with these options, and of what it attends to. */
function operandsOf(options: readonly string[], score: Score, size: Sizes) {
  const { values, kind } = lstmWith(options, size);
  const outputSize = options.includes('projection') ? size.P : size.H;
  const { keys, values: found, weight_query, weight_score } = attentionOperands(score, { ...size, H: outputSize });
  const attended = { keys: keys!, values: found!, ...(weight_query && { weight_query, weight_score: weight_score! }) };
  return { cell: values, attended, kind };
}

const resultsOf = (options: readonly string[]) =>
  options.includes('full gate recurrence') ? ['y', 'h_n', 'c_n', 'g_n'] : ['y', 'h_n', 'c_n'];

const alone = scores.flatMap((score) => names.map((name) => [name, score] as const));

test.each(alone)('%s with the %s score: gradients meet finite differences', (name, score) => {
  const { cell, attended, kind } = operandsOf([name], score, sizes);
  const values = { ...cell, ...attended, ...raggedLengths(sizes) };
  const write = writeOp(attentionLstm, { reverse: score === 'additive', ...kind });
  checkGradient(values, write, { on: resultsOf([name]), constants: lstmData });
});

test.each(Array.from({ length: 20 }, (_, seed) => [randomLstmOptions(seed), scores[seed % 2]!] as const))(
  '%j with the %s score: gradients meet finite differences',
  (options, score) => {
    const { cell, attended, kind } = operandsOf(options, score, sizes);
    const write = writeOp(attentionLstm, { reverse: true, ...kind });
    const values = { ...cell, ...attended, ...raggedLengths(sizes) };
    checkGradient(values, write, { on: resultsOf(options), constants: lstmData });
  },
);

const pairs = lstmOptionPairs.map(([a, b], k) => [a, b, scores[k % 2]!] as const);

test.each(pairs)('%s with %s and the %s score: gradients meet finite differences', (a, b, score) => {
  const size = { ...sizes, T: 2, B: 2 };
  const { cell, attended, kind } = operandsOf([a, b], score, size);
  const write = writeOp(attentionLstm, { reverse: score === 'multiplicative', ...kind });
  const values = { ...cell, ...attended, lengths: integers([2], [2, 1]), memory_lengths: integers([2], [2, 3]) };
  checkGradient(values, write, { on: resultsOf([a, b]), constants: lstmData, directions: 'together' });
});

test.each(names)('with %s, a memory without slots leaves the LSTM', (name) => {
  const { cell, attended, kind } = operandsOf([name], 'additive', sizes);
  const memory_lengths = { data: new Int32Array(sizes.B), shape: [sizes.B] };
  const attributes = { reverse: true, ...kind };
  const expected = evaluate(cell, writeOp(lstm, attributes));
  const received = evaluate({ ...cell, ...attended, memory_lengths }, writeOp(attentionLstm, attributes));
  for (const [slot, value] of Object.entries(expected)) expect([slot, received[slot]]).toEqual([slot, value]);
});

test('zoneout and the mask act on what has attended', () => {
  const { B, H, T } = sizes;
  const { cell, attended, kind } = operandsOf([], 'multiplicative', sizes);
  const write = writeOp(attentionLstm, { reverse: false, ...kind });
  const plain = evaluate({ ...cell, ...attended }, write);
  const keep = floats(
    [T, B, H],
    Array.from({ length: T * B * H }, (_, k) => k % 2),
  );
  const { y } = evaluate({ ...cell, ...attended, keep_hidden: keep }, write);
  for (let k = 0; k < B * H; k++) expect(y!.data[k]).toBe((k % 2 ? (cell.h0 as Tensor) : plain.y!).data[k]);
  const mask = floats([B, H], new Float64Array(B * H));
  const blind = evaluate({ ...cell, ...attended, hidden_mask: mask }, write);
  const zero = floats(
    (cell.weight_hh as Tensor).shape,
    (cell.weight_hh as Tensor).data.map(() => 0),
  );
  expect(blind.y).toEqual(evaluate({ ...cell, ...attended, weight_hh: zero }, write).y);
});

/** Step t of what has steps. */
function stepOf(name: string, value: Tensor, t: number): Tensor {
  if (!['x', 'keep_hidden', 'keep_cell'].includes(name) || value.shape.length < 3) return value;
  const size = value.data.length / value.shape[0]!;
  return floats(value.shape.slice(1), value.data.slice(t * size, (t + 1) * size));
}

describe.each([
  ['on the reference', reference],
  ['natively', native],
] as const)('%s', (_, backend) => {
  test.each(names)('with %s a chain of steps is the sequence, bit for bit', (name) => {
    const { cell, attended, kind } = operandsOf([name], 'additive', sizes);
    const { h0, c0, g0, ...rest } = rounded({ ...cell, ...attended }) as Record<string, Tensor>;
    const initial = { h0: h0!, c0: c0!, ...(g0 && { g0 }) };
    const run = (values: Values, kindOfRun: 'sequence' | 'step') => {
      const builder = new ProgramBuilder();
      const write =
        kindOfRun === 'step' ? writeOp(attentionLstmStep, kind) : writeOp(attentionLstm, { reverse: false, ...kind });
      const outputs = write(declareInputs(builder, values), builder.emit.bind(builder));
      for (const [slot, output] of Object.entries(outputs)) builder.output(slot, output);
      return backend.prepare(builder.finish(), capacities).runSync(backend.createStore(), values).outputs;
    };
    const whole = run({ ...rest, ...initial }, 'sequence');
    let state: Record<string, Tensor> = { h: h0!, c: c0!, ...(g0 && { g: g0 }) };
    for (let t = 0; t < sizes.T; t++) {
      const own = Object.fromEntries(Object.entries(rest).map(([slot, value]) => [slot, stepOf(slot, value, t)]));
      const next = run({ ...own, ...state }, 'step');
      state = Object.fromEntries(
        Object.entries(state).map(([slot, { shape }]) => [
          slot,
          floats(shape, Float64Array.from(next[`${slot}_next`]!.data as Float32Array)),
        ]),
      );
    }
    for (const [slot, { data }] of Object.entries(state))
      expect([slot, ...data]).toEqual([slot, ...whole[`${slot}_n`]!.data]);
  });
});

test.each([
  'peepholes',
  'projection',
  'full gate recurrence',
  'layer normalization',
  'expected zoneout',
  'gate clipping',
])('with %s a step has the gradients of differences', (name) => {
  const { cell, attended, kind } = operandsOf([name], 'additive', sizes);
  const { h0, c0, g0, ...rest } = { ...cell, ...attended } as Record<string, Tensor>;
  const own = Object.fromEntries(Object.entries(rest).map(([slot, value]) => [slot, stepOf(slot, value, 0)]));
  const on = ['h_next', 'c_next', ...(g0 ? ['g_next'] : [])];
  const values = { ...own, h: h0!, c: c0!, ...(g0 && { g: g0 }) };
  checkGradient(values, writeOp(attentionLstmStep, kind), { on, constants: lstmData });
});

const isInt = (name: string) => name.endsWith('lengths');
const rounded = (values: Values): Values =>
  Object.fromEntries(
    Object.entries(values).map(([name, value]) => [
      name,
      isInt(name) ? value : floats(value.shape, Float64Array.from(Float32Array.from(value.data))),
    ]),
  );

/** Every output and gradient, and all that backward shows. */
function trainOn(backend: Backend, values: Values, kind: LstmKindAttributes, reverse: boolean) {
  const builder = new ProgramBuilder();
  const variables = declareInputs(builder, values);
  const attributes = { reverse, ...kind };
  const outputs = writeOp(attentionLstm, attributes)(variables, builder.emit.bind(builder));
  const random = new Random(3);
  const results = values.g0 ? ['y', 'h_n', 'c_n', 'g_n'] : ['y', 'h_n', 'c_n'];
  const cotangents = rounded(
    Object.fromEntries(results.map((name) => [`d${name}`, random.normal(...outputs[name]!.type.shape.map(Number))])),
  );
  const seeds = declareInputs(builder, cotangents);
  for (const [slot, output] of Object.entries(outputs)) builder.output(slot, output);
  const targets = Object.keys(values).filter(
    (name) => typeOf(values[name]!).dtype === 'float32' && !lstmData.includes(name),
  );
  const gradients = gradient(
    builder,
    results.map((name) => ({ variable: outputs[name]!, cotangent: seeds[`d${name}`]! })),
    targets.map((name) => variables[name]!),
  );
  targets.forEach((name, k) => builder.output(`gradient of ${name}`, gradients[k]!));
  const backward = builder.records.find(({ outputs: made }) => 'dqueries' in made)!;
  for (const slot of Object.keys(attentionLstmBackward.outputs))
    builder.output(`gradient ${slot}`, backward.outputs[slot] as never);
  const executable = backend.prepare(builder.finish(), capacities);
  return executable.runSync(backend.createStore(), { ...values, ...cotangents }).outputs;
}

// Where a relu stands at zero, or a gate at its bound, rounding decides the slope.
const isSmooth = (name: string) => !/relu|clipping|hard/.test(name);

/** Natively the numbers of the reference, and on any number of threads the same bits. */
function expectAgreement(
  options: readonly string[],
  score: Score,
  size: Sizes,
  { reverse, ragged, threads }: { readonly reverse: boolean; readonly ragged: boolean; readonly threads: number },
): void {
  const { cell, attended, kind } = operandsOf(options, score, size);
  const values = rounded({ ...cell, ...attended, ...(ragged && raggedLengths(size)) });
  setThreads(1);
  const received = trainOn(native, values, kind, reverse);
  setThreads(threads);
  expect(trainOn(native, values, kind, reverse)).toEqual(received);
  const forward = float32Bound({ terms: size.I + size.H + size.S + size.A, steps: size.T });
  const terms = Math.max(4 * size.H + size.S + size.A, size.B);
  const backward = forward + float32Bound({ terms, steps: size.T, backward: true });
  for (const [name, value] of Object.entries(trainOn(reference, values, kind, reverse))) {
    try {
      expectWithin(received[name]!, value, name.startsWith('gradient') ? backward : forward);
    } catch (error) {
      throw new Error(`${name} with ${options.join(', ')}: ${(error as Error).message}`, { cause: error });
    }
  }
}

describe('natively', () => {
  const before = getThreads();
  afterAll(() => setThreads(before));

  test.each(pairs.filter(([a, b]) => isSmooth(a) && isSmooth(b)))(
    '%s with %s and the %s score: the numbers of the reference, and the same bits on two threads',
    (a, b, score) => {
      const size = { T: 2, B: 3, I: 4, H: 9, P: 5, S: 3, A: 4 };
      expectAgreement([a, b], score, size, { reverse: true, ragged: true, threads: 2 });
    },
  );

  test('40 random combinations: the numbers of the reference, and the same bits at any number of threads', () => {
    const combination = fc.record({
      size: fc.record({
        T: fc.integer({ min: 1, max: 5 }),
        B: fc.constantFrom(1, 2, 5, 7, 13),
        I: fc.constantFrom(1, 7, 9),
        H: fc.constantFrom(8, 9, 15, 17, 33),
        P: fc.constantFrom(3, 7),
        S: fc.constantFrom(1, 4, 9),
        A: fc.constantFrom(1, 8, 11),
      }),
      seed: fc.integer({ min: 0, max: 400 }),
      score: fc.constantFrom(...scores),
      reverse: fc.boolean(),
      ragged: fc.boolean(),
      threads: fc.constantFrom(2, 3, 8),
    });
    const property = fc.property(combination, ({ size, seed, score, ...how }) =>
      expectAgreement(randomLstmOptions(seed).filter(isSmooth), score, size, how),
    );
    fc.assert(property, { numRuns: 40, seed: 1 });
  });
});
