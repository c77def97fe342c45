import { accuracy } from '../../lib/ops/loss/accuracy';
import { crossEntropy } from '../../lib/ops/loss/crossEntropy';
import { meanSquaredError } from '../../lib/ops/loss/meanSquaredError';
import { softmax } from '../../lib/ops/softmax';
import { checkGradient } from '../support/checkGradient';
import { evaluate, writeOp } from '../support/evaluate';
import { floats, integers, Random } from '../support/random';

const random = new Random(13);
const ignore_index = -100;

describe('softmax', () => {
  test('normalizes each row, however large its values', () => {
    const { y } = evaluate({ x: floats([2, 2], [0, Math.log(3), 5000, 5000]) }, writeOp(softmax, {}));
    [0.25, 0.75, 0.5, 0.5].forEach((expected, k) => expect(y!.data[k]).toBeCloseTo(expected, 14));
  });

  test.each([[[4]], [[2, 3]], [[2, 2, 3]], [[3, 1]]])('its gradient meets finite differences for shape %j', (shape) => {
    checkGradient({ x: random.normal(...shape) }, writeOp(softmax, {}));
  });

  test('a scalar is refused', () => {
    expect(() => evaluate({ x: floats([], [1]) }, writeOp(softmax, {}))).toThrow('x: expected at least one axis');
  });
});

describe('cross_entropy', () => {
  const write = writeOp(crossEntropy, { ignore_index, label_smoothing: 0 });
  const logits = random.normal(2, 3, 5);
  const targets = integers([2, 3], [0, 4, ignore_index, 2, 2, 1]);
  const weights = floats([2, 3], [1, 0.5, 7, 0, 2, 0.25]);

  test('is the mean of -ln softmax at the targets', () => {
    const loss = evaluate(
      { logits: floats([2, 2], [0, Math.log(3), 0, 0]), targets: integers([2], [1, 0]) },
      write,
    ).loss!;
    expect(loss.data[0]).toBeCloseTo((-Math.log(0.75) - Math.log(0.5)) / 2, 14);
  });

  test('weights rows, and leaves out those to be ignored', () => {
    const only = (row: number) =>
      evaluate(
        {
          logits: floats([5], logits.data.subarray(row * 5, row * 5 + 5)),
          targets: integers([], [targets.data[row]!]),
        },
        write,
      ).loss!.data[0]!;
    const { loss, total_weight } = evaluate({ logits, targets, weights }, write);
    expect(total_weight!.data[0]).toBe(3.75);
    expect(loss!.data[0]).toBeCloseTo((only(0) + 0.5 * only(1) + 2 * only(4) + 0.25 * only(5)) / 3.75, 13);
  });

  test('is 0, with zero gradients, when no row counts', () => {
    const none = integers([2, 3], Array<number>(6).fill(ignore_index));
    expect(evaluate({ logits, targets: none }, write).loss!.data[0]).toBe(0);
    checkGradient({ logits, targets: none }, write, { on: ['loss'] });
    checkGradient({ logits, targets, weights: floats([2, 3], Array<number>(6).fill(0)) }, write, {
      on: ['loss'],
      constants: ['weights'],
    });
  });

  test.each([
    ['alone', { logits, targets }],
    ['with weights', { logits, targets, weights }],
  ])('its gradient %s meets finite differences', (_, values) => {
    checkGradient(values, write, { on: ['loss'], constants: ['weights'] });
  });

  test('no gradient is promised for weights or through log_sum_exp', () => {
    expect(() => checkGradient({ logits, targets, weights }, write, { on: ['loss'] })).toThrow('weights: no gradient');
    expect(() => checkGradient({ logits, targets }, write, { on: ['log_sum_exp'] })).toThrow(
      'log_sum_exp: no gradient',
    );
  });

  test('targets and weights of another shape are refused by name', () => {
    expect(() => evaluate({ logits, targets: integers([6], [0, 0, 0, 0, 0, 0]) }, write)).toThrow(
      'targets: expected [2, 3]',
    );
    expect(() => evaluate({ logits, targets, weights: floats([1], [1]) }, write)).toThrow('weights: expected [2, 3]');
  });
});

describe('accuracy', () => {
  const write = writeOp(accuracy, { ignore_index });
  const logits = floats([4, 3], [1, 2, 0, 3, 3, 1, 0, 0, 9, 5, 0, 0]);
  const score = (targets: number[], weights?: number[]) =>
    evaluate({ logits, targets: integers([4], targets), ...(weights && { weights: floats([4], weights) }) }, write)
      .accuracy!.data[0];

  test('is the share of rows whose largest logit is at the target; the lowest index wins a tie', () => {
    expect(score([1, 0, 2, 0])).toBe(1);
    expect(score([1, 1, 2, 1])).toBe(0.5);
  });

  test('counts weights and leaves out rows to be ignored', () => {
    expect(score([1, 1, ignore_index, 0], [3, 1, 100, 0])).toBe(0.75);
    expect(score([ignore_index, ignore_index, ignore_index, ignore_index])).toBe(0);
  });
});

describe('mean_squared_error', () => {
  const write = writeOp(meanSquaredError, {});
  const values = { prediction: random.normal(2, 3, 2), target: random.normal(2, 3, 2) };
  const weights = floats([2, 3], [1, 0, 2, 0.5, 1, 0]);

  test('is the weighted mean of the squared differences', () => {
    const { loss } = evaluate(
      { prediction: floats([2, 2], [1, 2, 3, 4]), target: floats([2, 2], [0, 0, 0, 0]), weights: floats([2], [1, 3]) },
      write,
    );
    expect(loss!.data[0]).toBe((5 + 3 * 25) / (2 * 4));
  });

  test('is 0, with zero gradients, when all weights are 0', () => {
    const none = { ...values, weights: floats([2, 3], [0, 0, 0, 0, 0, 0]) };
    expect(evaluate(none, write).loss!.data[0]).toBe(0);
    checkGradient(none, write, { on: ['loss'], constants: ['weights'] });
  });

  test.each([
    ['alone', values],
    ['with weights', { ...values, weights }],
  ])('its gradients %s meet finite differences, the target included', (_, given) => {
    checkGradient(given, write, { on: ['loss'], constants: ['weights'] });
  });

  test('shapes that differ are refused by name', () => {
    expect(() => evaluate({ ...values, target: random.normal(2, 3, 1) }, write)).toThrow('target: expected [2, 3, 2]');
    expect(() => evaluate({ ...values, weights: random.normal(2, 3, 1) }, write)).toThrow('weights: expected [2, 3]');
  });
});
