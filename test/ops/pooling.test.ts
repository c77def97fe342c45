import { log } from '../../lib/ops/elementwise/exponential';
import { float32, int32 } from '../../lib/ops/op';
import { maskedSoftmax } from '../../lib/ops/pooling/maskedSoftmax';
import { maskSteps } from '../../lib/ops/pooling/maskSteps';
import { maxPooling } from '../../lib/ops/pooling/maxPooling';
import { meanPooling } from '../../lib/ops/pooling/meanPooling';
import { weightedPooling } from '../../lib/ops/pooling/weightedPooling';
import { checkGradient } from '../support/checkGradient';
import { evaluate, writeOp, type Values, type Write } from '../support/evaluate';
import { floats, integers, Random, withDims, type Tensor } from '../support/random';

const sizes = { T: 4, B: 3, F: 2 };
/** One row with no steps, one with a single step, one with all. */
const ragged = integers([3], [0, 1, 4]);
const random = new Random(11);

interface Case {
  readonly write: Write;
  readonly operands: (T: number, B: number, F: number) => Record<string, Tensor>;
  /** Outputs over time, which are 0 past a length; others are 0 where it is 0. */
  readonly overTime?: boolean;
  /** float32 outputs. */
  readonly on?: readonly string[];
}

const sequence = (T: number, B: number, F: number) => ({ x: random.normal(T, B, F) });
const cases: Record<string, Case> = {
  mean_pooling: { write: writeOp(meanPooling, {}), operands: sequence },
  max_pooling: { write: writeOp(maxPooling, {}), operands: sequence, on: ['y'] },
  weighted_pooling: {
    write: writeOp(weightedPooling, {}),
    operands: (T, B, F) => ({ x: random.normal(T, B, F), weights: random.normal(T, B) }),
  },
  masked_softmax: {
    write: writeOp(maskedSoftmax, {}),
    operands: (T, B) => ({ x: random.normal(T, B) }),
    overTime: true,
  },
};

describe.each(Object.entries(cases))('%s', (_, { write, operands, overTime, on }) => {
  const { T, B, F } = sizes;
  const options = on ? { on } : {};

  test('lengths of T are as none', () => {
    const values = operands(T, B, F);
    expect(evaluate({ ...values, lengths: integers([B], [T, T, T]) }, write)).toEqual(evaluate(values, write));
  });

  test('each row is what it would be alone, without its padding', () => {
    const values = operands(T, B, F);
    const { y } = evaluate({ ...values, lengths: ragged }, write);
    for (let b = 1; b < B; b++) {
      const length = ragged.data[b]!;
      const own = Object.entries(values).map(([name, { data, shape }]): [string, Tensor] => {
        const width = data.length / (T * B);
        const rows = Array.from({ length }, (_, t) => [...data.subarray((t * B + b) * width, (t * B + b + 1) * width)]);
        return [name, floats([length, 1, ...shape.slice(2)], rows.flat())];
      });
      const alone = [...evaluate(Object.fromEntries(own), write).y!.data];
      const part = overTime
        ? Array.from({ length: T }, (_, t) => y!.data[t * B + b])
        : [...y!.data.slice(b * F, (b + 1) * F)];
      expect(part).toEqual(overTime ? [...alone, ...Array<number>(T - length).fill(0)] : alone);
    }
  });

  test('a row of length 0 gives zeros, and a large number past a length has no part', () => {
    const values = operands(T, B, F);
    const spoilt = Object.entries(values).map(([name, { data, shape }]): [string, Tensor] => {
      const width = data.length / (T * B);
      const past = (k: number) => Math.floor(k / width / B) >= ragged.data[Math.floor(k / width) % B]!;
      return [
        name,
        floats(
          shape,
          Array.from(data, (value, k) => (past(k) ? 1e6 : value)),
        ),
      ];
    });
    const { y } = evaluate({ ...Object.fromEntries(spoilt), lengths: ragged }, write);
    expect(y).toEqual(evaluate({ ...values, lengths: ragged }, write).y);
    const ofFirst = overTime ? Array.from({ length: T }, (_, t) => y!.data[t * B]) : [...y!.data.slice(0, F)];
    expect(ofFirst.every((value) => value === 0)).toBe(true);
  });

  describe('gradients meet finite differences', () => {
    test('without lengths', () => checkGradient(operands(T, B, F), write, options));
    test('with lengths 0, 1 and T', () => checkGradient({ ...operands(T, B, F), lengths: ragged }, write, options));
    test('of a single step', () => checkGradient(operands(1, 1, 1), write, options));

    test('along random directions at a larger size', () => {
      const values = { ...operands(9, 5, 17), lengths: integers([5], [9, 0, 4, 1, 8]) };
      checkGradient(values, write, { ...options, directions: true });
    });

    test('with sizes known only at run time', () => {
      const runTime = Object.entries(operands(T, B, F)).map(([name, value]): [string, Tensor] => [
        name,
        withDims(value, ['T', 'B', ...value.shape.slice(2)]),
      ]);
      const values: Values = { ...Object.fromEntries(runTime), lengths: withDims(ragged, ['B']) };
      checkGradient(values, write, options);
    });
  });
});

test('mean pooling is the mean', () => {
  const x = floats([3, 2, 1], [1, 10, 2, 20, 6, 60]);
  const { y } = evaluate({ x, lengths: integers([2], [3, 2]) }, writeOp(meanPooling, {}));
  expect([...y!.data]).toEqual([3, 15]);
});

test('max pooling names the first of equal steps, -1 where there are none, and keeps a NaN within a length', () => {
  const x = floats([3, 2, 2], [Math.exp(5), -1, 1, 1, Math.exp(5), 2, 1, 1, 4, 3, 1, 1]);
  const { y, index } = evaluate({ x, lengths: integers([2], [3, 0]) }, ({ x, lengths }, emit) =>
    emit(maxPooling, { x: emit(log, { x: x! }, {}).y, lengths: lengths! }, {}),
  );
  expect([...y!.data]).toEqual([5, NaN, 0, 0]);
  expect([...index!.data]).toEqual([0, 0, -1, -1]);
});

test('masked softmax sums to 1 over each length, far out too', () => {
  const x = floats([3, 2], [1000, 1, 1001, 2, 5, -1000]);
  const { y } = evaluate({ x, lengths: integers([2], [2, 3]) }, writeOp(maskedSoftmax, {}));
  const p = 1 / (1 + Math.exp(-1));
  [1 - p, 1 - p, p, p, 0, 0].forEach((value, k) => expect(y!.data[k]).toBeCloseTo(value, 14));
});

test('attention pooling as equations: the gradients of softmax and sum together meet finite differences', () => {
  const values = { x: random.normal(4, 3, 2), scores: random.normal(4, 3), lengths: ragged };
  checkGradient(values, ({ x, scores, lengths }, emit) => {
    const { y: weights } = emit(maskedSoftmax, { x: scores!, lengths: lengths! }, {});
    return { y: emit(weightedPooling, { x: x!, weights, lengths: lengths! }, {}).y, weights };
  });
});

test.each([[[4, 3, 2]], [[4, 3, 2, 2]]])('mask_steps keeps what lies within the lengths of shape %j', (shape) => {
  const x = random.normal(...shape);
  const { y } = evaluate({ x, lengths: ragged }, writeOp(maskSteps, {}));
  const width = x.data.length / 12;
  x.data.forEach((value, k) => {
    const row = Math.floor(k / width);
    expect(y!.data[k]).toBe(Math.floor(row / 3) < ragged.data[row % 3]! ? value : 0);
  });
  checkGradient({ x, lengths: ragged }, writeOp(maskSteps, {}));
});

describe('shapes that do not fit are refused by name', () => {
  const x = float32('T', 'B', 2);
  const lengths = int32('B');

  test.each([
    ['x without features', { x: float32('T', 'B'), lengths }, 'x: expected [T, B, F], received [T, B]'],
    ['lengths over time', { x, lengths: int32('T') }, 'lengths: expected [B], received [T]'],
  ])('%s', (_, types, message) => {
    for (const op of [meanPooling, maxPooling]) expect(() => op.infer(types, {})).toThrow(message);
    const weighted = { ...types, weights: float32('T', 'B') };
    expect(() => weightedPooling.infer(weighted, {})).toThrow(message);
  });

  test('weights of other steps', () => {
    const types = { x, weights: float32('B', 'T'), lengths: null };
    expect(() => weightedPooling.infer(types, {})).toThrow('weights: expected [T, B], received [B, T]');
  });

  test('scores with features', () => {
    expect(() => maskedSoftmax.infer({ x, lengths: null }, {})).toThrow('x: expected [T, B], received [T, B, 2]');
  });

  test('masks without steps', () => {
    const types = { x: float32('B', 2), lengths };
    expect(() => maskSteps.infer(types, {})).toThrow(
      'x: expected [T, B, ..., F] where there are lengths, received [B, 2]',
    );
  });
});
