import { multiply } from '../../lib/ops/elementwise/arithmetic';
import { tanh } from '../../lib/ops/elementwise/activations';
import { linear } from '../../lib/ops/linear';
import { lstm } from '../../lib/ops/recurrent/lstm';
import { plainLstm } from '../../lib/ops/recurrent/lstmKind';
import type { Op } from '../../lib/ops/op';
import { checkGradient, type GradientCheck } from './checkGradient';
import { writeOp, type Values } from './evaluate';
import { floats, Random } from './random';

/** The same op with the gradient of one operand replaced. */
function corrupt<O extends Op>(
  op: O,
  operand: string,
  change: (dx: unknown, call: Parameters<Exclude<Op['gradient'], 'none'>>[0]) => unknown,
): Op {
  const rule = op.gradient;
  if (rule === 'none') throw new Error('there is nothing to corrupt');
  return {
    ...op,
    gradient: (call) => {
      const gradients = rule(call);
      return { ...gradients, [operand]: change(gradients[operand], call) } as typeof gradients;
    },
  };
}

const caught = (values: Values, op: Op, attributes = {}, options?: GradientCheck) =>
  expect(() => checkGradient(values, writeOp(op, attributes), options)).toThrow(
    /the rule gives .*, the finite difference/,
  );

const random = new Random(23);

test('a rule that is right passes', () => {
  checkGradient(
    { x: random.normal(3) },
    writeOp(
      corrupt(tanh, 'x', (dx) => dx),
      {},
    ),
  );
});

test('a missing gradient is caught', () => {
  caught(
    { x: random.normal(3) },
    corrupt(tanh, 'x', () => null),
  );
});

test('a gradient that passes the cotangent through unchanged is caught', () => {
  caught(
    { x: random.normal(3) },
    corrupt(tanh, 'x', (_, { cotangents }) => cotangents.y),
  );
});

test('gradients of two operands exchanged are caught', () => {
  const { a, b } = { a: random.normal(2), b: random.normal(2) };
  caught(
    { a, b },
    corrupt(
      multiply,
      'a',
      (_, call) => call.emit(multiply, { a: call.cotangents.y as never, b: call.operands.a as never }, {}).y,
    ),
  );
});

test.each(['h0', 'c0', 'weight_hh', 'bias_hh'])(
  'a missing gradient of %s is caught among the others of an LSTM',
  (operand) => {
    const values = {
      x: random.normal(2, 2, 2),
      h0: random.normal(2, 2),
      c0: random.normal(2, 2),
      weight_ih: random.normal(8, 2),
      weight_hh: random.normal(8, 2),
      bias_hh: random.normal(8),
    };
    caught(
      values,
      corrupt(lstm, operand, () => null),
      { reverse: false, ...plainLstm },
      { on: ['y'] },
    );
    for (const directions of [true, 'together'] as const) {
      caught(
        values,
        corrupt(lstm, operand, () => null),
        { reverse: false, ...plainLstm },
        { on: ['y'], directions },
      );
    }
  },
);

test('one element of a small operand that is wrong by a thousandth is caught among all values together', () => {
  const bias = floats([5], Float64Array.of(1, 1, 1.001, 1, 1));
  const wrong = corrupt(
    linear,
    'bias',
    (dx, call) => call.emit(multiply, { a: dx as never, b: call.operands.bias as never }, {}).y,
  );
  caught({ x: random.normal(3, 4), weight: random.normal(5, 4), bias }, wrong, {}, { directions: 'together' });
});
