import {
  defineOp,
  expectShape,
  one,
  type Emit,
  type GradientCall,
  type Gradients,
  type Op,
  type Variable,
} from '../op';
import { fill } from './fill';

const pair = { a: one('float32'), b: one('float32') } as const;
const result = { y: one('float32') } as const;
type NoAttributes = Record<never, never>;
type PairGradient = (call: GradientCall<typeof pair, typeof result, NoAttributes>) => Gradients<typeof pair>;
type PairOp<N extends string> = Op<typeof pair, typeof result, NoAttributes> & { readonly name: N };

/** An op on two operands of equal shape; `broadcast` makes them equal. */
function pairwise<const N extends string>(
  name: N,
  apply: (a: number, b: number) => number,
  gradient: PairGradient,
): PairOp<N> {
  return defineOp({
    name,
    operands: pair,
    outputs: result,
    attributes: {},
    infer({ a, b }) {
      expectShape('b', b, a.shape);
      return { y: a };
    },
    gradient,
    reference({ operands: { a, b }, outputs: { y } }) {
      for (let k = 0; k < y.data.length; k++) y.data[k] = apply(a.data[k]!, b.data[k]!);
    },
  });
}

/** y = a + b. */
export const add = pairwise(
  'add',
  (a, b) => a + b,
  ({ cotangents: { y: dy } }) => ({ a: dy, b: dy }),
);

/** y = a - b. */
export const subtract = pairwise(
  'subtract',
  (a, b) => a - b,
  ({ cotangents, wants, emit }) => {
    const dy = cotangents.y!;
    return { a: dy, b: wants('b') ? negated(emit, dy) : null };
  },
);

/** y = a ⊙ b. */
export const multiply: PairOp<'multiply'> = pairwise(
  'multiply',
  (a, b) => a * b,
  ({ operands: { a, b }, cotangents, wants, emit }) => {
    const dy = cotangents.y!;
    return {
      a: wants('a') ? emit(multiply, { a: dy, b }, {}).y : null,
      b: wants('b') ? emit(multiply, { a: dy, b: a }, {}).y : null,
    };
  },
);

/** y = a / b. */
export const divide: PairOp<'divide'> = pairwise(
  'divide',
  (a, b) => a / b,
  ({ operands: { b }, outputs: { y }, cotangents, wants, emit }) => {
    const da = emit(divide, { a: cotangents.y!, b }, {}).y;
    return { a: da, b: wants('b') ? negated(emit, emit(multiply, { a: da, b: y }, {}).y) : null };
  },
);

/** -x. */
export function negated(emit: Emit, x: Variable): Variable {
  const minusOne = emit(fill, {}, { value: -1, shape: x.type.shape }).y;
  return emit(multiply, { a: x, b: minusOne }, {}).y;
}
