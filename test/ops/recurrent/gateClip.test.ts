/** The bound of what enters the activations of the GRU and the plain RNN; the LSTM's is among its options. */
import type { Backend } from '../../../lib/backend/backend';
import { native } from '../../../lib/backend/native/native';
import { reference } from '../../../lib/backend/reference/reference';
import { OptionError } from '../../../lib/errors';
import { gru } from '../../../lib/ops/recurrent/gru';
import { gru as gruLayer, rnn as rnnLayer } from '../../../lib';
import { ProgramBuilder } from '../../../lib/program/builder';
import { gradient } from '../../../lib/program/gradient';
import { cellOperands, gruCell, regularizerOperands, regularizers, rnnCell } from '../../support/cells';
import { checkGradient } from '../../support/checkGradient';
import { capacities, declareInputs, evaluate, typeOf, writeOp, type Values, type Write } from '../../support/evaluate';
import { expectWithin, float32Bound } from '../../support/expectClose';
import { floats, integers, Random } from '../../support/random';

const limit = 0.4;
const clipped = [gruCell(true, limit), gruCell(false, limit), rnnCell(false, limit), rnnCell(true, limit)];
const sizes = { T: 4, B: 3, I: 2, H: 3 };
const ragged = integers([3], [0, 2, 4]);
const constants = regularizerOperands;

describe.each(clipped.map((cell) => [cell.name, cell] as const))('%s', (_, cell) => {
  /** What a gate has at the bounds and between. */
  const share = (values: Values) => {
    const { gates, bounds } = evaluate(values, cell.sequence(false));
    const width = gates!.shape[2]! / cell.gates;
    const isClipped = (value: number, k: number) => {
      const gate = Math.floor((k % gates!.shape[2]!) / width);
      return value <= bounds!.data[2 * gate]! || value >= bounds!.data[2 * gate + 1]!;
    };
    return Array.from(gates!.data).filter(isClipped).length / gates!.data.length;
  };

  test('some of the inputs are clipped here, and some are not', () => {
    const found = share(cellOperands(cell, sizes));
    expect(found).toBeGreaterThan(0.2);
    expect(found).toBeLessThan(0.9);
  });

  test('gradients meet finite differences, alone and with what regularizes h', () => {
    for (const reverse of [false, true]) {
      checkGradient({ ...cellOperands(cell, sizes), lengths: ragged }, cell.sequence(reverse), { on: ['y', 'h_n'] });
      for (const name of ['zoneout with a recurrent mask', 'expected zoneout']) {
        const values = { ...cellOperands(cell, sizes), ...regularizers[name]!(sizes) };
        checkGradient(values, cell.sequence(reverse), { on: ['y', 'h_n'], constants });
      }
    }
  });

  test('a chain of steps is the sequence, bit for bit, and so is its gradient that of differences', () => {
    const { x, h0, ...rest } = cellOperands(cell, sizes);
    const whole = evaluate(cellOperands(cell, sizes), cell.sequence(false));
    let h = h0!;
    for (let t = 0; t < sizes.T; t++) {
      const size = sizes.B * sizes.I;
      const values = { x: floats([sizes.B, sizes.I], x!.data.slice(t * size, (t + 1) * size)), h, ...rest };
      checkGradient(values, cell.step, { on: ['h_next'] });
      h = floats(h.shape, evaluate(values, cell.step).h_next!.data);
    }
    expect(h.data).toEqual(whole.h_n!.data);
  });

  test.each([
    { T: 7, B: 13, I: 9, H: 33 },
    { T: 2, B: 3, I: 5, H: 8 },
    { T: 5, B: 17, I: 3, H: 65 },
  ])('natively, the numbers of the reference at T $T, B $B, H $H', (size) => {
    const lengths = integers(
      [size.B],
      Array.from({ length: size.B }, (_, b) => (b * 5 + 3) % (size.T + 1)),
    );
    const values = { ...rounded({ ...cellOperands(cell, size), ...regularizers['zoneout']!(size) }), lengths };
    const [received, expected] = [native, reference].map((backend) => train(backend, cell.sequence(true), values));
    const forward = float32Bound({ terms: size.I + size.H, steps: size.T });
    const terms = Math.max(cell.gates * size.H, size.B);
    const backward = forward + float32Bound({ terms, steps: size.T, backward: true });
    for (const [name, value] of Object.entries(expected!))
      expectWithin(received![name]!, value, name.startsWith('gradient') ? backward : forward);
  });
});

const rounded = (values: Values): Values =>
  Object.fromEntries(
    Object.entries(values).map(([name, { shape, data }]) => [
      name,
      floats(shape, Float64Array.from(Float32Array.from(data))),
    ]),
  );

/** Forward, and the gradients of every operand. */
function train(backend: Backend, write: Write, values: Values) {
  const builder = new ProgramBuilder();
  const variables = declareInputs(builder, values);
  const outputs = write(variables, builder.emit.bind(builder));
  const random = new Random(3);
  const cotangents = rounded({ dy: random.normal(...outputs.y!.type.shape.map(Number)) });
  const seeds = declareInputs(builder, cotangents);
  for (const slot of ['y', 'h_n', 'gates', 'bounds']) builder.output(slot, outputs[slot]!);
  const targets = Object.keys(values).filter(
    (name) => typeOf(values[name]!).dtype === 'float32' && !constants.includes(name),
  );
  const gradients = gradient(
    builder,
    [{ variable: outputs.y!, cotangent: seeds.dy! }],
    targets.map((name) => variables[name]!),
  );
  targets.forEach((name, k) => builder.output(`gradient of ${name}`, gradients[k]!));
  const executable = backend.prepare(builder.finish(), capacities);
  return executable.runSync(backend.createStore(), { ...values, ...cotangents }).outputs;
}

test('without a clip nothing is bounded', () => {
  const values = cellOperands(gruCell(true), sizes);
  const wide = evaluate(values, writeOp(gru, { reverse: false, reset_after: true, gate_clip: 1e30 }));
  expect(wide.y).toEqual(evaluate(values, gruCell(true).sequence(false)).y);
});

test.each([0, -1, NaN, Infinity, 1e39, '1'])('a gateClip of %p is refused', (gateClip) => {
  for (const [kind, layer] of Object.entries({ gru: gruLayer, rnn: rnnLayer })) {
    const make = () => layer(3, { gateClip: gateClip as number });
    expect(make).toThrow(OptionError);
    expect(make).toThrow(`${kind}: gateClip: expected a positive number within float32, received `);
  }
});
