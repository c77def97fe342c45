import { OptionError } from '../../errors';
import * as arithmetic from '../elementwise/arithmetic';
import { fill } from '../elementwise/fill';
import { broadcast, broadcastShape } from '../layout/broadcast';
import type { Variable } from '../op';
import { sameShape, type Shape } from '../shape';
import { expectVariable } from '../variable';

/** A variable, or a number that stands for a variable filled with it. */
export type Operand = Variable | number;

type PairOp =
  typeof arithmetic.add | typeof arithmetic.subtract | typeof arithmetic.multiply | typeof arithmetic.divide;

const isNumber = (operand: Operand): operand is number => typeof operand === 'number';

function jointShape(name: string, a: Operand, b: Operand): Shape {
  if (!isNumber(a)) return isNumber(b) ? a.type.shape : broadcastShape(a.type.shape, b.type.shape);
  if (!isNumber(b)) return b.type.shape;
  throw new OptionError(`${name}: expected a variable among the operands, received ${a} and ${b}`);
}

function pairwise(op: PairOp, a: Operand, b: Operand): Variable {
  if (!isNumber(a)) expectVariable('a', a);
  if (!isNumber(b)) expectVariable('b', b);
  const shape = jointShape(op.name, a, b);
  const { builder } = [a, b].find((operand) => !isNumber(operand)) as Variable;
  const widen = (operand: Operand): Variable => {
    if (isNumber(operand)) return builder.emit(fill, {}, { value: operand, shape }).y;
    return sameShape(operand.type.shape, shape) ? operand : builder.emit(broadcast, { x: operand }, { shape }).y;
  };
  return builder.emit(op, { a: widen(a), b: widen(b) }, {}).y;
}

/**
 * a + b, element by element.
 *
 * @param a Variable or number.
 * @param b Variable or number; shapes broadcast.
 * @returns The sum, of the shape that both broadcast to.
 * @throws ShapeError when the shapes do not broadcast; OptionError when both operands are numbers.
 * @example
 * const shifted = add(logits, bias); // [T, B, V] + [V]
 */
export const add = (a: Operand, b: Operand): Variable => pairwise(arithmetic.add, a, b);

/**
 * a - b, element by element.
 *
 * @param a Variable or number.
 * @param b Variable or number; shapes broadcast.
 * @returns The difference, of the shape that both broadcast to.
 * @throws ShapeError when the shapes do not broadcast; OptionError when both operands are numbers.
 * @example
 * const error = subtract(prediction, target);
 */
export const subtract = (a: Operand, b: Operand): Variable => pairwise(arithmetic.subtract, a, b);

/**
 * a ⊙ b, element by element; `matmul` is the matrix product.
 *
 * @param a Variable or number.
 * @param b Variable or number; shapes broadcast.
 * @returns The product, of the shape that both broadcast to.
 * @throws ShapeError when the shapes do not broadcast; OptionError when both operands are numbers.
 * @example
 * const gated = multiply(sigmoid(gate), value);
 */
export const multiply = (a: Operand, b: Operand): Variable => pairwise(arithmetic.multiply, a, b);

/**
 * a / b, element by element. A division by 0 gives ±Infinity or NaN, and a loss that holds one stops the step.
 *
 * @param a Variable or number.
 * @param b Variable or number; shapes broadcast.
 * @returns The quotient, of the shape that both broadcast to.
 * @throws ShapeError when the shapes do not broadcast; OptionError when both operands are numbers.
 * @example
 * const scaled = divide(scores, Math.sqrt(64));
 */
export const divide = (a: Operand, b: Operand): Variable => pairwise(arithmetic.divide, a, b);

/**
 * -x.
 *
 * @param x Variable of any shape.
 * @returns A variable of the same shape.
 * @example
 * const loss = mean(negate(log(likelihood)));
 */
export const negate = (x: Variable): Variable => multiply(x, -1);

/**
 * x², element by element.
 *
 * @param x Variable of any shape.
 * @returns A variable of the same shape.
 * @example
 * const loss = mean(square(subtract(prediction, target)));
 */
export const square = (x: Variable): Variable => multiply(x, x);
