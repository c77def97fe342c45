import { gru, gruBackward, gruBackwardWeight } from '../../../lib/ops/recurrent/gru';
import { float32, int32 } from '../../../lib/ops/op';
import { rnn, rnnBackward } from '../../../lib/ops/recurrent/rnn';
import { checkGradient } from '../../support/checkGradient';
import { evaluate, writeOp, type Values } from '../../support/evaluate';
import { cellOperands, cells, gruCell, type CellSizes } from '../../support/cells';
import { floats, integers, withDims, type Tensor } from '../../support/random';

const sizes = { T: 4, B: 3, I: 2, H: 3 };
/** One row with no steps, one with a single step, one with all. */
const ragged = integers([3], [0, 1, 4]);

describe.each(cells.map((cell) => [cell.name, cell] as const))('%s', (_, cell) => {
  const operands = (size: CellSizes, leaveOut?: readonly string[]) => cellOperands(cell, size, leaveOut);

  test('missing initial states and biases are zeros', () => {
    const { B, H } = sizes;
    const zeros = (...shape: number[]) => floats(shape, Array<number>(shape.reduce((a, b) => a * b)).fill(0));
    const present = { h0: zeros(B, H), bias_ih: zeros(cell.gates * H), bias_hh: zeros(cell.gates * H) };
    const rest = operands(sizes, Object.keys(present));
    expect(evaluate(rest, cell.sequence(false))).toEqual(evaluate({ ...rest, ...present }, cell.sequence(false)));
  });

  test('a chain of steps is the sequence, bit for bit', () => {
    const { x, h0, ...weights } = operands(sizes) as Record<string, Tensor> & { x: Tensor; h0: Tensor };
    const whole = evaluate({ x, h0, ...weights }, cell.sequence(false));
    const { B, I, H } = sizes;
    let h: Tensor = h0;
    for (let t = 0; t < sizes.T; t++) {
      const input = floats([B, I], x.data.subarray(t * B * I, (t + 1) * B * I));
      const next = evaluate({ x: input, h, ...weights }, cell.step);
      h = floats([B, H], next.h_next!.data);
      expect(h.data).toEqual(whole.y!.data.slice(t * B * H, (t + 1) * B * H));
    }
    expect(h).toEqual(whole.h_n);
  });

  test.each([false, true])('each row is what it would be alone, without its padding (reverse %p)', (reverse) => {
    const { T, B, I, H } = sizes;
    const { x, h0, ...weights } = operands(sizes) as Record<string, Tensor> & { x: Tensor; h0: Tensor };
    const batch = evaluate({ x, h0, ...weights, lengths: ragged }, cell.sequence(reverse));
    for (let b = 0; b < B; b++) {
      const length = ragged.data[b]!;
      const order = Array.from({ length }, (_, t) => (reverse ? length - 1 - t : t));
      const own = {
        x: floats(
          [length, 1, I],
          order.flatMap((t) => [...x.data.subarray((t * B + b) * I, (t * B + b + 1) * I)]),
        ),
        h0: floats([1, H], h0.data.subarray(b * H, (b + 1) * H)),
      };
      const alone = length > 0 ? evaluate({ ...own, ...weights }, cell.sequence(false)) : null;
      const final = batch.h_n!.data.slice(b * H, (b + 1) * H);
      expect([...final]).toEqual([...(alone?.h_n!.data ?? own.h0.data)]);
      for (let t = 0; t < T; t++) {
        const k = order.indexOf(t);
        const expected = k < 0 ? Array<number>(H).fill(0) : [...alone!.y!.data.subarray(k * H, (k + 1) * H)];
        expect([...batch.y!.data.subarray((t * B + b) * H, (t * B + b + 1) * H)]).toEqual(expected);
      }
    }
  });

  describe('gradients meet finite differences', () => {
    const losses = [['y'], ['h_n'], ['y', 'h_n']];
    const cases = losses.flatMap((on) => [false, true].map((reverse) => ({ on, reverse })));

    test.each(cases)('with a loss on $on, reverse $reverse', ({ on, reverse }) => {
      checkGradient(operands(sizes), cell.sequence(reverse), { on });
    });

    test.each(cases)('with lengths 0, 1 and T and a loss on $on, reverse $reverse', ({ on, reverse }) => {
      checkGradient({ ...operands(sizes), lengths: ragged }, cell.sequence(reverse), { on });
    });

    test.each([['h0'], ['bias_ih'], ['bias_hh'], ['h0', 'bias_ih', 'bias_hh']].map((missing) => [missing]))(
      'without %j',
      (missing) => {
        const values = { ...operands(sizes, missing), lengths: ragged };
        for (const reverse of [false, true]) checkGradient(values, cell.sequence(reverse), { on: ['y', 'h_n'] });
      },
    );

    test.each([
      { T: 1, B: 1, I: 1, H: 1 },
      { T: 1, B: 2, I: 3, H: 5 },
      { T: 3, B: 1, I: 1, H: 4 },
    ])('at T $T, B $B, I $I, H $H', (small) => {
      checkGradient(operands(small), cell.sequence(false), { on: ['y'] });
    });

    test('along random directions at a larger size', () => {
      const values = { ...operands({ T: 9, B: 5, I: 7, H: 17 }), lengths: integers([5], [9, 0, 4, 1, 8]) };
      checkGradient(values, cell.sequence(true), { on: ['y', 'h_n'], directions: true });
    });

    test('with sizes known only at run time', () => {
      const { x, h0, ...weights } = operands(sizes) as Record<string, Tensor> & { x: Tensor; h0: Tensor };
      const runTime = {
        x: withDims(x, ['T', 'B', sizes.I]),
        h0: withDims(h0, ['B', sizes.H]),
        lengths: withDims(ragged, ['B']),
      };
      checkGradient({ ...weights, ...runTime }, cell.sequence(true), { on: ['y', 'h_n'] });
    });

    test('with one variable as both weights of a two-layer stack', () => {
      checkGradient(operands({ T: 3, B: 2, I: 3, H: 3 }, ['h0']), ({ x, ...weights }, emit) => {
        const first = cell.sequence(false)({ x: x!, ...weights }, emit).y!;
        return { y: cell.sequence(true)({ x: first, ...weights }, emit).y! };
      });
    });

    test('for a single step', () => {
      const { x, h0, ...weights } = operands({ T: 1, B: 3, I: 2, H: 4 });
      const values: Values = { x: floats([3, 2], x!.data), h: h0!, ...weights };
      checkGradient(values, cell.step, { on: ['h_next'] });
      const withoutBias = Object.fromEntries(Object.entries(values).filter(([name]) => !name.startsWith('bias')));
      checkGradient(withoutBias, cell.step, { on: ['h_next'] });
    });

    test('for steps that feed on themselves', () => {
      const { h0, ...weights } = operands({ T: 1, B: 2, I: 3, H: 3 }, ['x']);
      checkGradient({ h: h0!, ...weights }, ({ h, ...parameters }, emit) => {
        let state = h!;
        for (let k = 0; k < 3; k++) state = cell.step({ x: state, h: state, ...parameters }, emit).h_next!;
        return { state };
      });
    });
  });

  test.each([
    ['x', float32('T', 2), 'x: expected [T, B, I], received [T, 2]'],
    ['h0', float32('B', 4), 'h0: expected [B, 3], received [B, 4]'],
    ['weight_ih', float32(5, 2), `weight_ih: expected [${3 * cell.gates}, 2], received [5, 2]`],
    ['weight_hh', float32(8, 3), `weight_hh: expected [${3 * cell.gates}, 3], received [8, 3]`],
    ['bias_ih', float32(2), `bias_ih: expected [${3 * cell.gates}], received [2]`],
    ['bias_hh', float32(3, 1), `bias_hh: expected [${3 * cell.gates}], received [3, 1]`],
    ['keep_hidden', float32('T', 'B', 2), 'keep_hidden: expected [T, B, 3], received [T, B, 2]'],
    ['keep_hidden', float32(2), 'keep_hidden: expected [3], received [2]'],
    ['hidden_mask', float32('T', 'B', 3), 'hidden_mask: expected [B, 3], received [T, B, 3]'],
    ['lengths', int32('T'), 'lengths: expected [B], received [T]'],
  ])('a wrong %s is refused by name', (slot, type, message) => {
    const rows = 3 * cell.gates;
    const types = {
      ...{ x: float32('T', 'B', 2), h0: float32('B', 3), weight_ih: float32(rows, 2), weight_hh: float32(rows, 3) },
      ...{ bias_ih: float32(rows), bias_hh: float32(rows), keep_hidden: float32(3), hidden_mask: float32('B', 3) },
      ...{ lengths: int32('B'), [slot]: type },
    };
    const infer = () =>
      cell.gates === 3
        ? gru.infer(types, { reverse: false, reset_after: true })
        : rnn.infer(types, { reverse: false, relu: false });
    expect(infer).toThrow(message);
  });
});

describe('the equations', () => {
  const sigma = (z: number) => 1 / (1 + Math.exp(-z));
  const [wr, wz, wn, ur, uz, un, br, bz, bn, cr, cz, cn] = [
    ...[0.5, -0.3, 0.8, 0.1, 0.4, -0.6, 0.05, 1, -0.1, 0.3, -0.2, 0.7],
  ] as [number, number, number, number, number, number, number, number, number, number, number, number];

  test.each([true, false])('one gru unit over two steps is what the equations give by hand (after %p)', (after) => {
    let h = 0.25;
    const expected = [1, -2].map((x) => {
      const r = sigma(wr * x + br + ur * h + cr);
      const z = sigma(wz * x + bz + uz * h + cz);
      const n = Math.tanh(wn * x + bn + (after ? r * (un * h + cn) : un * (r * h) + cn));
      h = (1 - z) * n + z * h;
      return h;
    });
    const values = {
      x: floats([2, 1, 1], [1, -2]),
      h0: floats([1, 1], [0.25]),
      weight_ih: floats([3, 1], [wr, wz, wn]),
      weight_hh: floats([3, 1], [ur, uz, un]),
      bias_ih: floats([3], [br, bz, bn]),
      bias_hh: floats([3], [cr, cz, cn]),
    };
    const { y, h_n } = evaluate(values, writeOp(gru, { reverse: false, reset_after: after }));
    expected.forEach((value, t) => expect(y!.data[t]).toBeCloseTo(value, 14));
    expect(h_n!.data[0]).toBe(y!.data[1]);
  });

  test.each([true, false])('one rnn unit over two steps is what the equation gives by hand (relu %p)', (relu) => {
    let h = 0.25;
    const expected = [1, -2].map((x) => {
      const z = wn * x + bn + un * h + cn;
      h = relu ? Math.max(0, z) : Math.tanh(z);
      return h;
    });
    const values = {
      x: floats([2, 1, 1], [1, -2]),
      h0: floats([1, 1], [0.25]),
      weight_ih: floats([1, 1], [wn]),
      weight_hh: floats([1, 1], [un]),
      bias_ih: floats([1], [bn]),
      bias_hh: floats([1], [cn]),
    };
    const { y } = evaluate(values, writeOp(rnn, { reverse: false, relu }));
    expected.forEach((value, t) => expect(y!.data[t]).toBeCloseTo(value, 14));
  });
});

describe('the gru', () => {
  const values = { ...cellOperands(gruCell(true), sizes), lengths: ragged };

  test('keeps gates and the recurrent part 0 past a length', () => {
    const { gates, recurrent } = evaluate(values, writeOp(gru, { reverse: true, reset_after: true }));
    for (let row = 0; row < sizes.T * sizes.B; row++) {
      const used = Math.floor(row / sizes.B) < ragged.data[row % sizes.B]!;
      for (const view of [gates!, recurrent!]) {
        const size = view.shape[2]!;
        expect(view.data.subarray(row * size, (row + 1) * size).every((value) => value === 0)).toBe(!used);
      }
    }
  });

  test.each(['gates', 'recurrent'])('promises no gradient through %s', (slot) => {
    expect(() => checkGradient(values, writeOp(gru, { reverse: false, reset_after: true }), { on: [slot] })).toThrow(
      `${slot}: no gradient`,
    );
  });

  test('carries run-time sizes through forward and backward', () => {
    const attributes = { reverse: false, reset_after: true };
    const none = { keep_hidden: null, hidden_mask: null };
    const parameters = { weight_ih: float32(9, 2), weight_hh: float32(9, 3), bias_ih: null, bias_hh: null };
    const h0 = float32('B', 3);
    const lengths = int32('B');
    const forward = gru.infer({ x: float32('T', 'B', 2), h0, lengths, ...none, ...parameters }, attributes);
    const { y, h_n, gates, recurrent } = forward;
    expect(forward).toEqual({ y: recurrent, h_n: h0, gates: float32('T', 'B', 9), recurrent: float32('T', 'B', 3) });
    const state = { y, h0, lengths };
    const cotangents = { dy: y, dh_n: h_n };
    const { weight_hh } = parameters;
    const backward = gruBackward.infer({ ...cotangents, gates, recurrent, weight_hh, ...none, ...state }, attributes);
    expect(backward).toEqual({ dgates: gates, drecurrent: y, dh0: h0, dh: y });
    const { dgates, drecurrent } = backward;
    expect(gruBackwardWeight.infer({ dgates, drecurrent, recurrent, ...state }, attributes)).toEqual({
      dweight_hh: weight_hh,
    });
  });
});

test('the rnn carries run-time sizes through its backward pass', () => {
  const y = float32('T', 'B', 3);
  const none = { keep_hidden: null, hidden_mask: null };
  const operands = { dy: y, dh_n: float32('B', 3), gates: y, weight_hh: float32(3, 3), ...none, lengths: int32('B') };
  expect(rnnBackward.infer(operands, { reverse: true, relu: true })).toEqual({
    dgates: y,
    dh0: float32('B', 3),
    dh: y,
  });
});
