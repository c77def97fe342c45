/** Lengths: nothing past one is read, written or differentiated. */
import { getThreads, native, setThreads } from '../../../lib/backend/native/native';
import { reference } from '../../../lib/backend/reference/reference';
import type { ArrayView, Backend } from '../../../lib/backend/backend';
import { divide } from '../../../lib/ops/elementwise/arithmetic';
import { concat } from '../../../lib/ops/layout/concat';
import { linear } from '../../../lib/ops/linear';
import { float32, int32 } from '../../../lib/ops/op';
import { ProgramBuilder } from '../../../lib/program/builder';
import { gradient } from '../../../lib/program/gradient';
import { checkGradient } from '../../support/checkGradient';
import { capacities, declareInputs, typeOf, type Values, type Variables } from '../../support/evaluate';
import { expectWithin, float32Bound } from '../../support/expectClose';
import { floats, integers, Random, type Tensor } from '../../support/random';
import { sequenceLayers, type SequenceLayer } from '../../support/sequences';

type Outputs = Readonly<Record<string, ArrayView>>;
const backends: readonly (readonly [string, Backend])[] = [
  ['reference', reference],
  ['native', native],
];
const layers = sequenceLayers.map((layer) => [layer.name, layer] as const);
const directions = [false, true];

const sizes = { T: 5, B: 7, I: 3, H: 9, P: 4 };
const lengths = integers([7], [3, 0, 5, 1, 0, 5, 2]);
const noLengths = integers([7], Array<number>(7).fill(0));

/** Whether an operand, a result, or the gradient of an operand goes over time. */
const isSequence = ({ timeless = [] }: SequenceLayer, name: string, { shape }: Tensor | ArrayView) =>
  shape.length === 3 && !timeless.includes(name.replace('gradient of ', ''));
const rounded = ({ data, shape }: Tensor) => floats(shape, Float64Array.from(Float32Array.from(data)));

/** The tensor with `value` past each length, or what it has there. */
function past(tensor: Tensor, rows: Tensor, value: (element: number) => number): Tensor<Float64Array> {
  const [, batch, width] = tensor.shape as [number, number, number];
  const isPast = (k: number) => Math.floor(k / width / batch) >= rows.data[Math.floor(k / width) % batch]!;
  return floats(
    tensor.shape,
    Array.from(tensor.data, (element, k) => (isPast(k) ? value(element) : element)),
  );
}

/**
 * Results and gradients of a layer whose operands and cotangents over time hold `padding` past the lengths. No program
 * takes NaN from outside, so it is made within: numbers / 1, but 0 / 0 past a length.
 */
function trained(backend: Backend, layer: SequenceLayer, reverse: boolean, rows: Tensor, padding: number): Outputs {
  const builder = new ProgramBuilder();
  const emit = builder.emit.bind(builder);
  const inputs: Record<string, Tensor> = { lengths: rows };
  const declare = (name: string, given: Tensor) => {
    const value = typeOf(given).dtype === 'int32' ? given : rounded(given);
    if (!isSequence(layer, name, value)) {
      inputs[name] = value;
      return declareInputs(builder, { [name]: value })[name]!;
    }
    const ones = floats(value.shape, Array<number>(value.data.length).fill(1));
    const [a, b] = [`${name} numbers`, `${name} divisor`];
    inputs[a] = past(value, rows, () => 0);
    inputs[b] = past(ones, rows, () => (padding === 0 ? 1 : 0));
    const parts = declareInputs(builder, { [a]: inputs[a], [b]: inputs[b] });
    return emit(divide, { a: parts[a]!, b: parts[b]! }, {}).y;
  };
  const values = layer.values(sizes);
  const operands = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, declare(name, value)]));
  const variables = { ...operands, ...declareInputs(builder, { lengths: rows }) };
  const results = layer.write(reverse)(variables, emit);
  const random = new Random(3);
  const seeds = layer.results.map((name) => {
    const shape = results[name]!.type.shape.map(Number);
    return { variable: results[name]!, cotangent: declare(`d${name}`, random.normal(...shape)) };
  });
  const targets = Object.keys(values).filter((name) => !layer.data.includes(name));
  const gradients = gradient(
    builder,
    seeds,
    targets.map((name) => operands[name]!),
  );
  builder.output('x', operands.x!);
  for (const [name, variable] of Object.entries(results)) builder.output(name, variable);
  targets.forEach((name, k) => gradients[k] && builder.output(`gradient of ${name}`, gradients[k]));
  const store = backend.createStore();
  return backend.prepare(builder.finish(), capacities).runSync(store, inputs).outputs;
}

/** Results without x, which is there to show that it was poisoned. */
const withoutX = (outputs: Outputs): Outputs =>
  Object.fromEntries(Object.entries(outputs).filter(([name]) => name !== 'x'));

describe.each(backends)('on the %s backend', (_, backend) => {
  describe.each(layers)('%s', (_name, layer) => {
    test.each(directions)('NaN past a length reaches no result and no gradient (reverse %p)', (reverse) => {
      for (const rows of [lengths, noLengths]) {
        const [clean, poisoned] = [0, NaN].map((padding) => trained(backend, layer, reverse, rows, padding));
        expect(Array.from(poisoned!.x!.data).some(Number.isNaN)).toBe(true);
        expect(withoutX(poisoned!)).toEqual(withoutX(clean!));
        for (const { data } of Object.values(withoutX(clean!))) expect(data.every(Number.isFinite)).toBe(true);
      }
    });

    test.each(directions)('what is made over time is 0 past a length (reverse %p)', (reverse) => {
      const outputs = Object.entries(withoutX(trained(backend, layer, reverse, lengths, NaN)));
      for (const [name, output] of outputs.filter(([name, value]) => isSequence(layer, name, value))) {
        const tensor = floats(output.shape, output.data);
        expect([name, tensor]).toEqual([name, past(tensor, lengths, () => 0)]);
        // Not because everything is.
        expect([name, output.data.some((value) => value !== 0)]).toEqual([name, !layer.absent.includes(name)]);
      }
    });

    test.each(directions)(
      'rows of no steps keep their initial state, and hand its gradient on (reverse %p)',
      (reverse) => {
        const outputs = trained(backend, layer, reverse, noLengths, 0);
        const values = layer.values(sizes);
        const random = new Random(3);
        for (const name of layer.results) {
          const cotangent = rounded(random.normal(...outputs[name]!.shape));
          const initial = { h_n: 'h0', c_n: 'c0', n_n: 'n0', m_n: 'm0' }[name];
          if (!initial) continue;
          expect(Array.from(outputs[name]!.data)).toEqual(Array.from(rounded(values[initial]!).data));
          expect(Array.from(outputs[`gradient of ${initial}`]!.data)).toEqual(Array.from(cotangent.data));
        }
        for (const name of Object.keys(values).filter((key) => /weight|bias/.test(key))) {
          expect(outputs[`gradient of ${name}`]!.data.every((value) => value === 0)).toBe(true);
        }
      },
    );
  });
});

describe.each(layers)('%s', (_, layer) => {
  test.each(directions)(
    'native is the reference, with the same bits on any number of threads (reverse %p)',
    (reverse) => {
      const expected = trained(reference, layer, reverse, lengths, NaN);
      const before = getThreads();
      try {
        setThreads(1);
        const received = trained(native, layer, reverse, lengths, NaN);
        for (const [name, value] of Object.entries(withoutX(expected))) {
          const terms = Math.max(4 * sizes.H, sizes.T * sizes.B);
          expectWithin(received[name]!, value, 2 * float32Bound({ terms, steps: sizes.T, backward: true }));
        }
        for (const threads of [2, 3, 8]) {
          setThreads(threads);
          expect(trained(native, layer, reverse, lengths, NaN)).toEqual(received);
        }
      } finally {
        setThreads(before);
      }
    },
  );

  test.each(directions)('gradients meet finite differences with lengths 0, 1 and T (reverse %p)', (reverse) => {
    const values = { ...layer.values({ T: 3, B: 4, I: 2, H: 3, P: 2 }), lengths: integers([4], [1, 3, 0, 2]) };
    for (const on of layer.results) {
      checkGradient(values, layer.write(reverse), { on: [on], constants: layer.data });
    }
  });
});

describe('both directions with initial states', () => {
  const recurrent = sequenceLayers.filter(({ name }) => name !== 'linear').map((layer) => [layer.name, layer] as const);

  test.each(recurrent)('%s: gradients meet finite differences', (_, layer) => {
    const values: Values = layer.values({ T: 3, B: 3, I: 2, H: 2, P: 1 });
    const { x, ...own } = values;
    const renamed = (suffix: string) => Object.fromEntries(Object.entries(own).map(([name, v]) => [name + suffix, v]));
    const both = { x: x!, ...renamed(''), ...renamed('_reverse'), lengths: integers([3], [3, 0, 2]) };
    const constants = layer.data.flatMap((name) => [name, `${name}_reverse`]);
    checkGradient(
      both,
      ({ x: input, lengths: rows, ...variables }, emit) => {
        const run = (reverse: boolean) => {
          const suffix = reverse ? '_reverse' : '';
          const operands = Object.keys(own).map((name) => [name, variables[name + suffix]!]);
          return layer.write(reverse)(
            { x: input!, ...(Object.fromEntries(operands) as Variables), lengths: rows! },
            emit,
          );
        };
        const [forward, backward] = [run(false), run(true)];
        return {
          y: emit(concat, { x: [forward.y!, backward.y!] }, { axis: 2 }).y,
          h_n: emit(concat, { x: [forward.h_n!, backward.h_n!] }, { axis: 1 }).y,
        };
      },
      { on: ['y', 'h_n'], constants },
    );
  });
});

describe('a linear layer with lengths', () => {
  test.each([
    [{ x: float32('B', 2), lengths: int32('B') }, 'x: expected [T, B, ·] with lengths, received [B, 2]'],
    [{ x: float32('T', 'B', 2), lengths: int32('T') }, 'lengths: expected [B], received [T]'],
  ])('is refused where they do not fit', (types, message) => {
    expect(() => linear.infer({ weight: float32(3, 2), bias: null, ...types }, {})).toThrow(message);
  });
});
