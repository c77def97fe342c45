import { adam } from '../../lib/ops/update/adam';
import { clipScale } from '../../lib/ops/update/clipScale';
import { gradientNorm } from '../../lib/ops/update/gradientNorm';
import { sgd } from '../../lib/ops/update/sgd';
import type { AttributeSpec, Attributes, Op, Slots, View } from '../../lib/ops/op';

const view = (...data: number[]): View => ({ data: Float64Array.from(data), shape: [data.length] });
const scalar = (value: number): View => ({ data: Float64Array.of(value), shape: [] });
type Bindings = Record<string, View | readonly View[] | null>;

/** Runs a reference loop on operands; the outputs of a list are as many and as large as the first list of operands. */
function run<A extends AttributeSpec>(op: Op<Slots, Slots, A>, operands: Bindings, attributes: Attributes<A>) {
  const blank = ({ data, shape }: View): View => ({ data: new Float64Array(data.length), shape });
  const outputs = Object.fromEntries(
    Object.entries(op.outputs).map(([slot, { inPlace }]) => {
      const source = inPlace === undefined ? scalar(0) : operands[inPlace]!;
      return [slot, 'data' in source ? blank(source) : source.map(blank)];
    }),
  );
  op.reference({ operands, outputs, attributes });
  return outputs as Record<string, View & readonly View[]>;
}

const expectData = (received: View, ...expected: number[]) => {
  expect(received.data).toHaveLength(expected.length);
  expected.forEach((value, k) => expect(received.data[k]).toBeCloseTo(value, 13));
};

describe('gradient norm and clipping', () => {
  test('the norm is taken over all gradients together', () => {
    expectData(run(gradientNorm, { gradients: [view(1, -2), view(4), view(2, 0, 0)] }, {}).norm!, 5);
  });

  test.each([
    [10, 2, 0.2],
    [1, 2, 1],
    [0, 2, 1],
  ])('a norm of %p with at most %p allowed scales by %p', (norm, max_norm, expected) => {
    const { scale } = run(clipScale, { norm: scalar(norm), max_norm: scalar(max_norm) }, {});
    expect(scale!.data[0]).toBeCloseTo(expected, 7);
  });
});

describe('sgd', () => {
  const operands = (extra: Bindings = {}): Bindings => ({
    parameters: [view(1, 2), view(3)],
    gradients: [view(0.5, -1), view(2)],
    momenta: [],
    learning_rate: view(0.1, 0.01),
    weight_decay: view(0, 0.5),
    scale: null,
    ...extra,
  });
  const plain = { momentum: 0, dampening: 0, nesterov: false, groups: [0, 1] };

  test('goes down the gradient, at the rate and with the decay of each group', () => {
    const { parameters } = run(sgd, operands(), plain);
    expectData(parameters![0]!, 1 - 0.1 * 0.5, 2 + 0.1 * 1);
    expectData(parameters![1]!, 3 - 0.01 * (2 + 0.5 * 3));
  });

  test('scales gradients but not the decay', () => {
    const { parameters } = run(sgd, operands({ scale: scalar(0.25) }), plain);
    expectData(parameters![1]!, 3 - 0.01 * (0.25 * 2 + 0.5 * 3));
  });

  test('momentum accumulates, dampened, and nesterov looks ahead', () => {
    const momenta = [view(1, 1), view(-1)];
    const attributes = { ...plain, momentum: 0.9, dampening: 0.25 };
    const heavy = run(sgd, operands({ momenta }), attributes);
    expectData(heavy.momenta![0]!, 0.9 + 0.75 * 0.5, 0.9 - 0.75);
    expectData(heavy.parameters![0]!, 1 - 0.1 * 1.275, 2 - 0.1 * 0.15);
    const ahead = run(sgd, operands({ momenta }), { ...attributes, dampening: 0, nesterov: true });
    expectData(ahead.parameters![0]!, 1 - 0.1 * (0.5 + 0.9 * 1.4), 2 - 0.1 * (-1 + 0.9 * -0.1));
  });
});

describe('adam', () => {
  const attributes = { beta1: 0.9, beta2: 0.99, eps: 1e-8, decoupled: false, groups: [0] };
  const operands = (extra: Bindings = {}): Bindings => ({
    parameters: [view(1, -2)],
    gradients: [view(0.5, -4)],
    first_moments: [view(0, 0)],
    second_moments: [view(0, 0)],
    powers: view(1, 1),
    learning_rate: view(0.1),
    weight_decay: view(0),
    scale: null,
    ...extra,
  });

  test('the first step is the learning rate long, whatever the gradient', () => {
    const { parameters, powers } = run(adam, operands(), { ...attributes, eps: 0 });
    expectData(parameters![0]!, 0.9, -1.9);
    expectData(powers!, 0.9, 0.99);
  });

  test('the second step corrects both moments by the second power', () => {
    const first = run(adam, operands(), attributes);
    const second = run(adam, operands({ ...first, gradients: [view(1, 0)] }), attributes);
    const m = 0.9 * (0.1 * 0.5) + 0.1 * 1;
    const v = 0.99 * (0.01 * 0.25) + 0.01 * 1;
    expectData(second.powers!, 0.81, 0.9801);
    expectData(second.first_moments![0]!, m, 0.9 * -0.4);
    expectData(second.second_moments![0]!, v, 0.99 * 0.16);
    const moved = (0.1 * (m / (1 - 0.81))) / (Math.sqrt(v / (1 - 0.9801)) + 1e-8);
    expect(second.parameters![0]!.data[0]).toBeCloseTo(first.parameters![0]!.data[0]! - moved, 13);
  });

  test('weight decay enters the moments, unless it is decoupled', () => {
    const decay = { weight_decay: view(0.5) };
    const coupled = run(adam, operands(decay), attributes);
    expectData(coupled.first_moments![0]!, 0.1 * (0.5 + 0.5), 0.1 * (-4 - 1));
    const decoupled = run(adam, operands(decay), { ...attributes, decoupled: true, eps: 0 });
    expectData(decoupled.first_moments![0]!, 0.05, -0.4);
    expectData(decoupled.parameters![0]!, 1 * (1 - 0.1 * 0.5) - 0.1, -2 * (1 - 0.1 * 0.5) + 0.1);
  });

  test('the scale applies to gradients alone', () => {
    const { first_moments, second_moments } = run(
      adam,
      operands({ scale: scalar(0.5), weight_decay: view(1) }),
      attributes,
    );
    expectData(first_moments![0]!, 0.1 * (0.25 + 1), 0.1 * (-2 - 2));
    expectData(second_moments![0]!, 0.01 * 1.25 ** 2, 0.01 * 16);
  });
});

describe('lists', () => {
  const type = (...shape: number[]) => ({ dtype: 'float32', shape }) as const;
  const groups = { learning_rate: type(1), weight_decay: type(1), scale: null };
  const infer =
    (lists: { gradients?: number[][]; momenta?: number[][] }, options: { momentum?: number; groups?: number[] } = {}) =>
    () =>
      sgd.infer(
        {
          parameters: [type(2), type(3)],
          gradients: (lists.gradients ?? [[2], [3]]).map((shape) => type(...shape)),
          momenta: (lists.momenta ?? []).map((shape) => type(...shape)),
          ...groups,
        },
        { momentum: 0, dampening: 0, nesterov: false, groups: [0, 0], ...options },
      );

  test('must have one value for each parameter, of its shape, and a group that exists', () => {
    expect(infer({})).not.toThrow();
    expect(infer({ gradients: [[2]] })).toThrow('gradients: expected 2 values, one for each parameter, received 1');
    expect(infer({ gradients: [[2], [2]] })).toThrow('gradients[1]: expected [3], received [2]');
    expect(infer({}, { momentum: 0.9 })).toThrow('momenta: expected 2 values');
    expect(infer({ momenta: [[2], [3]] })).toThrow('momenta: expected 0 values');
    expect(infer({}, { groups: [0, 1] })).toThrow(
      'groups: expected one group below 1 for each of 2 parameters, received [0, 1]',
    );
    expect(infer({}, { groups: [0] })).toThrow('groups: expected');
  });
});
