import { adagrad } from '../../lib/ops/update/adagrad';
import { adam } from '../../lib/ops/update/adam';
import { clipScale } from '../../lib/ops/update/clipScale';
import { gradientMean } from '../../lib/ops/update/gradientMean';
import { gradientNorm } from '../../lib/ops/update/gradientNorm';
import { gradientSum } from '../../lib/ops/update/gradientSum';
import { rmsprop } from '../../lib/ops/update/rmsprop';
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
    begun: [],
    learning_rate: view(0.1, 0.01),
    weight_decay: view(0, 0.5),
    scale: null,
    clip_value: null,
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

  test('bounds each element of the scaled gradient, but not the decay', () => {
    const { parameters } = run(sgd, operands({ scale: scalar(2), clip_value: scalar(1.5) }), plain);
    expectData(parameters![0]!, 1 - 0.1 * 1, 2 + 0.1 * 1.5);
    expectData(parameters![1]!, 3 - 0.01 * (1.5 + 0.5 * 3));
  });

  test('a gradient that is no number stays none under a bound', () => {
    const gradients = [view(NaN, -Infinity), view(2)];
    const { parameters } = run(sgd, operands({ gradients, clip_value: scalar(1) }), plain);
    expect(parameters![0]!.data[0]).toBeNaN();
    expect(parameters![0]!.data[1]).toBeCloseTo(2.1, 13);
  });

  test('the first step is not dampened, and says that it was', () => {
    const attributes = { ...plain, momentum: 0.9, dampening: 0.25 };
    const momenta = [view(0, 0), view(0)];
    const first = run(sgd, operands({ momenta, begun: [scalar(0)] }), attributes);
    expectData(first.momenta![0]!, 0.5, -1);
    expectData(first.begun![0]!, 1);
    const second = run(sgd, operands({ momenta: first.momenta!, begun: first.begun! }), attributes);
    expectData(second.momenta![0]!, 0.9 * 0.5 + 0.75 * 0.5, -0.9 - 0.75);
  });

  test('momentum accumulates, dampened, and nesterov looks ahead', () => {
    const momenta = [view(1, 1), view(-1)];
    const attributes = { ...plain, momentum: 0.9, dampening: 0.25 };
    const heavy = run(sgd, operands({ momenta, begun: [scalar(1)] }), attributes);
    expectData(heavy.momenta![0]!, 0.9 + 0.75 * 0.5, 0.9 - 0.75);
    expectData(heavy.parameters![0]!, 1 - 0.1 * 1.275, 2 - 0.1 * 0.15);
    const ahead = run(sgd, operands({ momenta }), { ...attributes, dampening: 0, nesterov: true });
    expectData(ahead.parameters![0]!, 1 - 0.1 * (0.5 + 0.9 * 1.4), 2 - 0.1 * (-1 + 0.9 * -0.1));
  });
});

describe('adam', () => {
  const attributes = { beta1: 0.9, beta2: 0.99, eps: 1e-8, decoupled: false, amsgrad: false, groups: [0] };
  const operands = (extra: Bindings = {}): Bindings => ({
    parameters: [view(1, -2)],
    gradients: [view(0.5, -4)],
    first_moments: [view(0, 0)],
    second_moments: [view(0, 0)],
    max_second_moments: [],
    powers: view(1, 1),
    learning_rate: view(0.1),
    weight_decay: view(0),
    scale: null,
    clip_value: null,
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

describe('amsgrad', () => {
  test('divides by the largest second moment so far', () => {
    const operands = {
      parameters: [view(1, 1)],
      gradients: [view(0.1, 3)],
      first_moments: [view(0, 0)],
      second_moments: [view(4, 0)],
      max_second_moments: [view(5, 0.001)],
      powers: view(0, 0),
      learning_rate: view(0.1),
      weight_decay: view(0),
      scale: null,
      clip_value: null,
    };
    const attributes = { beta1: 0, beta2: 0.5, eps: 0, decoupled: false, amsgrad: true, groups: [0] };
    const { parameters, second_moments, max_second_moments } = run(adam, operands, attributes);
    expectData(second_moments![0]!, 2 + 0.5 * 0.01, 4.5);
    expectData(max_second_moments![0]!, 5, 4.5);
    expectData(parameters![0]!, 1 - (0.1 * 0.1) / Math.sqrt(5), 1 - (0.1 * 3) / Math.sqrt(4.5));
  });
});

const single = (extra: Bindings): Bindings => ({
  parameters: [view(2)],
  gradients: [view(3)],
  learning_rate: view(0.1),
  weight_decay: view(0.5),
  scale: null,
  clip_value: null,
  ...extra,
});

describe('adagrad', () => {
  test('divides by the root of the sum of all squares, at a rate that falls with the steps', () => {
    const operands = single({ sums: [view(9)], steps: scalar(4) });
    const { parameters, sums, steps } = run(adagrad, operands, { lr_decay: 0.25, eps: 1, groups: [0] });
    expectData(sums![0]!, 25);
    expectData(steps!, 5);
    expectData(parameters![0]!, 2 - ((0.1 / 2) * 4) / 6);
  });
});

describe('rmsprop', () => {
  const attributes = { alpha: 0.75, eps: 1, momentum: 0, centered: false, groups: [0] };
  const operands = (extra: Bindings = {}) =>
    single({ variances: [view(16)], gradient_averages: [], momenta: [], ...extra });

  test('divides by the root of the mean square', () => {
    const { parameters, variances } = run(rmsprop, operands(), attributes);
    expectData(variances![0]!, 16);
    expectData(parameters![0]!, 2 - (0.1 * 4) / 5);
  });

  test('momentum adds up the quotients', () => {
    const { parameters, momenta } = run(rmsprop, operands({ momenta: [view(2)] }), { ...attributes, momentum: 0.5 });
    expectData(momenta![0]!, 1 + 4 / 5);
    expectData(parameters![0]!, 2 - 0.1 * 1.8);
  });

  test('centred, the variance is the mean square less the square of the mean', () => {
    let [variance, average, square] = [0, 0, 0];
    for (const g of [3, 3.5, -1, 2.25]) {
      const given = operands({
        gradients: [view(g)],
        weight_decay: view(0),
        variances: [view(variance)],
        gradient_averages: [view(average)],
      });
      const next = run(rmsprop, given, { ...attributes, centered: true });
      square = 0.75 * square + 0.25 * g ** 2;
      average = 0.75 * average + 0.25 * g;
      variance = square - average ** 2;
      expectData(next.variances![0]!, variance);
      expectData(next.gradient_averages![0]!, average);
      expectData(next.parameters![0]!, 2 - (0.1 * g) / (Math.sqrt(variance) + 1));
    }
  });
});

describe('gradients of several batches', () => {
  const sums = [view(1, 2), view(3)];
  const gradients = [view(10, 20), view(30)];

  test('add up with the weights of their batches', () => {
    const operands = { gradients, sums, weight: scalar(0.5), total_weight: scalar(4), keep: scalar(1) };
    const next = run(gradientSum, operands, {});
    expectData(next.sums![0]!, 6, 12);
    expectData(next.sums![1]!, 18);
    expectData(next.total_weight!, 4.5);
  });

  test('begin with the first batch, whatever was there, and count a batch without weight as one', () => {
    const operands = {
      gradients,
      sums: [view(NaN, 2), view(3)],
      weight: null,
      total_weight: scalar(NaN),
      keep: scalar(0),
    };
    const next = run(gradientSum, operands, {});
    expectData(next.sums![0]!, 10, 20);
    expectData(next.total_weight!, 1);
  });

  const mean = (total: number) => {
    const outputs = { gradients: [view(0, 0), view(0)] };
    gradientMean.reference({ operands: { sums, total_weight: scalar(total) }, outputs, attributes: {} });
    return outputs.gradients;
  };

  test('have a mean, which is 0 where nothing had any weight', () => {
    expectData(mean(4)[0]!, 0.25, 0.5);
    expectData(mean(0)[1]!, 0);
  });
});

describe('lists', () => {
  const type = (...shape: number[]) => ({ dtype: 'float32', shape }) as const;
  const groups = { learning_rate: type(1), weight_decay: type(1), scale: null, clip_value: null, begun: [] };
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
