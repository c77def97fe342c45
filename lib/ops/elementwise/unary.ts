import { defineOp, expectShape, one, type Attributes, type AttributeSpec } from '../op';

/**
 * A function of each element and its backward op, dx = dy ⊙ f'(x), which reads x: for functions whose derivative is not
 * simplest in terms of their values.
 */
export function unary<const N extends string, const A extends AttributeSpec>(
  name: N,
  attributes: A,
  apply: (x: number, attributes: Attributes<A>) => number,
  derivative: (x: number, attributes: Attributes<A>) => number,
) {
  const backward = defineOp({
    name: `${name}_backward`,
    operands: { x: one('float32'), dy: one('float32') },
    outputs: { dx: one('float32') },
    attributes,
    infer({ x, dy }) {
      expectShape('dy', dy, x.shape);
      return { dx: x };
    },
    gradient: 'none',
    reference({ operands: { x, dy }, outputs: { dx }, attributes }) {
      for (let k = 0; k < dx.data.length; k++) dx.data[k] = dy.data[k]! * derivative(x.data[k]!, attributes);
    },
  });
  const forward = defineOp({
    name,
    operands: { x: one('float32') },
    outputs: { y: one('float32') },
    attributes,
    infer({ x }) {
      return { y: x };
    },
    gradient: ({ operands: { x }, cotangents, attributes, emit }) => ({
      x: emit(backward, { x, dy: cotangents.y! }, attributes).dx,
    }),
    reference({ operands: { x }, outputs: { y }, attributes }) {
      for (let k = 0; k < y.data.length; k++) y.data[k] = apply(x.data[k]!, attributes);
    },
  });
  return { forward, backward };
}
