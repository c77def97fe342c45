/** Zoneout and recurrent masks of the GRU and the plain RNN, and the gradient that reaches each hidden state. */
import fc from 'fast-check';
import { getThreads, native, setThreads } from '../../../lib/backend/native/native';
import { reference } from '../../../lib/backend/reference/reference';
import type { ArrayView, Backend } from '../../../lib/backend/backend';
import { ProgramBuilder } from '../../../lib/program/builder';
import { gradient } from '../../../lib/program/gradient';
import type { Program } from '../../../lib/program/program';
import {
  cellOperands,
  cells,
  gruCell,
  regularizerOperands,
  regularizers,
  rnnCell,
  type Cell,
  type CellSizes,
} from '../../support/cells';
import { checkGradient } from '../../support/checkGradient';
import { capacities, declareInputs, evaluate, typeOf, type Values } from '../../support/evaluate';
import { expectWithin, float32Bound } from '../../support/expectClose';
import { floats, integers, Random, type Tensor } from '../../support/random';

const sizes: CellSizes = { T: 4, B: 3, I: 2, H: 3 };
const ragged = integers([3], [0, 2, 4]);
const constants = regularizerOperands;
const eachCell = cells.map((cell) => [cell.name, cell] as const);
const eachRegularizer = Object.keys(regularizers);

const withRegularizer = (cell: Cell, name: string, leaveOut?: readonly string[]): Values => ({
  ...cellOperands(cell, sizes, leaveOut),
  ...regularizers[name]!(sizes),
});

/** Forward, the gradients of every operand, and dh, as one program on `values` with the cotangents in `seeds`. */
function trainingProgram(cell: Cell, reverse: boolean, values: Values, seeds: Values): Program {
  const builder = new ProgramBuilder();
  const variables = declareInputs(builder, values);
  const cotangents = declareInputs(builder, seeds);
  const outputs = cell.sequence(reverse)(variables, builder.emit.bind(builder));
  for (const [slot, variable] of Object.entries(outputs)) builder.output(slot, variable);
  const targets = Object.keys(values).filter(
    (name) => typeOf(values[name]!).dtype === 'float32' && !constants.includes(name),
  );
  const gradients = gradient(
    builder,
    Object.keys(seeds).map((name) => ({ variable: outputs[name.slice(1)]!, cotangent: cotangents[name]! })),
    targets.map((name) => variables[name]!),
  );
  targets.forEach((name, k) => gradients[k] && builder.output(`gradient of ${name}`, gradients[k]));
  const backward = builder.records.find(({ outputs }) => 'dh' in outputs)!;
  builder.output('gradient of each h', backward.outputs.dh as never);
  return builder.finish();
}

const runOn = (backend: Backend, program: Program, inputs: Values): Readonly<Record<string, ArrayView>> =>
  backend.prepare(program, capacities).runSync(backend.createStore(), inputs).outputs;

describe.each(eachCell)('%s', (_, cell) => {
  describe.each(eachRegularizer)('with %s', (name) => {
    const losses = [['y'], ['h_n'], ['y', 'h_n']].flatMap((on) => [false, true].map((reverse) => ({ on, reverse })));

    test.each(losses)('gradients meet finite differences: $on, reverse $reverse', ({ on, reverse }) => {
      checkGradient(withRegularizer(cell, name), cell.sequence(reverse), { on, constants });
      const values = { ...withRegularizer(cell, name), lengths: ragged };
      checkGradient(values, cell.sequence(reverse), { on, constants });
    });

    test('gradients meet finite differences without initial state and biases', () => {
      const values = withRegularizer(cell, name, ['h0', 'bias_ih', 'bias_hh']);
      checkGradient({ ...values, lengths: ragged }, cell.sequence(true), { constants, on: ['y', 'h_n'] });
    });

    test('a chain of steps is the sequence, bit for bit, and so is its gradient that of differences', () => {
      const { x, h0, keep_hidden, ...rest } = withRegularizer(cell, name) as Record<string, Tensor>;
      const whole = evaluate(withRegularizer(cell, name), cell.sequence(false));
      let h = h0!;
      for (let t = 0; t < sizes.T; t++) {
        const values: Values = {
          x: stepOf(x!, t),
          h,
          ...rest,
          ...(keep_hidden && { keep_hidden: stepOf(keep_hidden, t) }),
        };
        checkGradient(values, cell.step, { on: ['h_next'], constants });
        h = floats(h.shape, evaluate(values, cell.step).h_next!.data);
        expect(h.data).toEqual(stepOf(whole.y as Tensor, t).data);
      }
    });
  });

  test.each(['none', ...eachRegularizer])('dh is how the rest of the sequence feels each state (%s)', (name) => {
    const extra = name === 'none' ? {} : regularizers[name]!(sizes);
    for (const reverse of [false, true])
      expectStateGradients(cell, reverse, { ...cellOperands(cell, sizes), ...extra });
  });
});

/** Step t of [T, B, ·]; what is the same at every step as it is. */
function stepOf(value: Tensor, t: number): Tensor {
  if (value.shape.length < 3) return value;
  const size = value.data.length / value.shape[0]!;
  return floats(value.shape.slice(1), value.data.slice(t * size, (t + 1) * size));
}

/** Row b of what has rows, at the given times of what has steps. */
function rowAt(name: string, value: Tensor, b: number, times: readonly number[]): Tensor {
  const { data, shape } = value;
  if (/weight|bias/.test(name) || shape.length === 1) return value;
  const width = shape.at(-1)!;
  const row = (index: number) => [...data.subarray(index * width, (index + 1) * width)];
  if (shape.length === 2) return floats([1, width], row(b));
  return floats(
    [times.length, 1, width],
    times.flatMap((t) => row(t * sizes.B + b)),
  );
}

/**
 * Splits each row behind each of its states: dh there is the derivative of what the loss makes of that state and of the
 * rest of the row that begins with it.
 */
function expectStateGradients(cell: Cell, reverse: boolean, values: Values): void {
  const random = new Random(9);
  const seeds = { dy: random.normal(sizes.T, sizes.B, sizes.H), dh_n: random.normal(sizes.B, sizes.H) };
  const given = { ...values, lengths: ragged };
  const program = trainingProgram(cell, reverse, given, seeds);
  const { y, 'gradient of each h': dh } = runOn(reference, program, { ...given, ...seeds });
  for (let b = 0; b < sizes.B; b++) {
    const length = ragged.data[b]!;
    for (let t = 0; t < sizes.T; t++) {
      const received = rowAt('dh', dh as Tensor, b, [t]).data;
      const rest = Array.from({ length }, (_, time) => time).filter((time) => (reverse ? time < t : time > t));
      const expected =
        t < length ? differences(cell, reverse, values, seeds, rowAt('y', y as Tensor, b, [t]), { b, t, rest }) : null;
      received.forEach((value, j) => expect(value).toBeCloseTo(expected?.[j] ?? 0, 6));
      if (!expected) expect(received.every((value) => value === 0)).toBe(true);
    }
  }
}

function differences(
  cell: Cell,
  reverse: boolean,
  values: Values,
  seeds: { readonly dy: Tensor; readonly dh_n: Tensor },
  state: Tensor,
  { b, t, rest }: { readonly b: number; readonly t: number; readonly rest: readonly number[] },
): number[] {
  const own = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, rowAt(name, value, b, rest)]));
  const dot = (a: ArrayLike<number>, c: ArrayLike<number>) => Array.from(a).reduce((sum, v, k) => sum + v * c[k]!, 0);
  const loss = (h: Float64Array) => {
    const here = dot(rowAt('dy', seeds.dy, b, [t]).data, h);
    const dh_n = rowAt('dh_n', seeds.dh_n, b, []).data;
    if (rest.length === 0) return here + dot(dh_n, h);
    const { y, h_n } = evaluate({ ...own, h0: floats([1, sizes.H], h) }, cell.sequence(reverse));
    return here + dot(rowAt('dy', seeds.dy, b, rest).data, y!.data) + dot(dh_n, h_n!.data);
  };
  return Array.from({ length: sizes.H }, (_, j) => {
    const along = (step: number) => Float64Array.from(state.data, (value, k) => value + (k === j ? step : 0));
    return (loss(along(1e-6)) - loss(along(-1e-6))) / 2e-6;
  });
}

describe('natively', () => {
  const rounded = (values: Values): Values =>
    Object.fromEntries(
      Object.entries(values).map(([name, value]) => [
        name,
        typeOf(value).dtype === 'int32' ? value : floats(value.shape, Float64Array.from(Float32Array.from(value.data))),
      ]),
    );

  // Where a relu stands at zero, rounding decides its slope, so the property has the smooth cells only.
  const smooth = [gruCell(true), gruCell(false), rnnCell(false)];
  const combination = fc.record({
    cell: fc.constantFrom(...smooth),
    sizes: fc.record({
      T: fc.integer({ min: 1, max: 7 }),
      B: fc.constantFrom(1, 2, 5, 6, 7, 13),
      I: fc.constantFrom(1, 7, 9, 17),
      H: fc.constantFrom(8, 9, 15, 17, 33),
    }),
    regularizer: fc.option(fc.constantFrom(...eachRegularizer), { nil: null }),
    leaveOut: fc.subarray(['h0', 'bias_ih', 'bias_hh']),
    cotangents: fc.subarray(['dy', 'dh_n'], { minLength: 1 }),
    reverse: fc.boolean(),
    lengths: fc.boolean(),
    threads: fc.constantFrom(2, 3, 8),
  });

  test('100 random combinations: the numbers of the reference, and the same bits at any number of threads', () => {
    const before = getThreads();
    const property = fc.property(combination, ({ cell, sizes: size, regularizer, leaveOut, reverse, ...rest }) => {
      const { T, B, I, H } = size;
      const lengths = integers(
        [B],
        Array.from({ length: B }, (_, b) => (b * 5 + 3) % (T + 1)),
      );
      const random = new Random(7);
      const seeds = rounded({ dy: random.normal(T, B, H), dh_n: random.normal(B, H) });
      const given = rounded({
        ...cellOperands(cell, size, leaveOut),
        ...(regularizer && regularizers[regularizer]!(size)),
        ...(rest.lengths && { lengths }),
      });
      const chosen = Object.fromEntries(Object.entries(seeds).filter(([name]) => rest.cotangents.includes(name)));
      const program = trainingProgram(cell, reverse, given, chosen);
      const inputs = { ...given, ...chosen };
      setThreads(1);
      const received = runOn(native, program, inputs);
      setThreads(rest.threads);
      expect(runOn(native, program, inputs)).toEqual(received);
      const forward = float32Bound({ terms: I + H, steps: T });
      // The gradients follow the native gates, so they have the forward error too.
      const backward = forward + float32Bound({ terms: Math.max(cell.gates * H, B), steps: T, backward: true });
      for (const [name, value] of Object.entries(runOn(reference, program, inputs)))
        expectWithin(received[name]!, value, name.startsWith('gradient') ? backward : forward);
    });
    try {
      fc.assert(property, { numRuns: 100, seed: 1 });
    } finally {
      setThreads(before);
    }
  });
});
