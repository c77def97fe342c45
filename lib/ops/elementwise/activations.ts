import { defineOp, expectShape, one } from '../op';

/** dx from y and dy; the activations' derivatives are simplest in terms of their values. */
function activationBackward<const N extends string>(name: N, derivative: (y: number) => number) {
  return defineOp({
    name,
    operands: { y: one('float32'), dy: one('float32') },
    outputs: { dx: one('float32') },
    attributes: {},
    infer({ y, dy }) {
      expectShape('dy', dy, y.shape);
      return { dx: y };
    },
    gradient: 'none',
    reference({ operands: { y, dy }, outputs: { dx } }) {
      for (let k = 0; k < dx.data.length; k++) dx.data[k] = dy.data[k]! * derivative(y.data[k]!);
    },
  });
}

function activation<const N extends string>(
  name: N,
  apply: (x: number) => number,
  backward: ReturnType<typeof activationBackward>,
) {
  return defineOp({
    name,
    operands: { x: one('float32') },
    outputs: { y: one('float32') },
    attributes: {},
    infer({ x }) {
      return { y: x };
    },
    gradient: ({ outputs: { y }, cotangents, emit }) => ({ x: emit(backward, { y, dy: cotangents.y! }, {}).dx }),
    reference({ operands: { x }, outputs: { y } }) {
      for (let k = 0; k < y.data.length; k++) y.data[k] = apply(x.data[k]!);
    },
  });
}

/** 1 / (1 + e^-x), in the form that cannot overflow. */
export function logistic(x: number): number {
  if (x >= 0) return 1 / (1 + Math.exp(-x));
  const exponential = Math.exp(x);
  return exponential / (1 + exponential);
}

/** dx = dy ⊙ y ⊙ (1 - y). */
export const sigmoidBackward = activationBackward('sigmoid_backward', (y) => y * (1 - y));
/** y = σ(x) = 1 / (1 + e^-x). */
export const sigmoid = activation('sigmoid', logistic, sigmoidBackward);

/** dx = dy ⊙ (1 - y²). */
export const tanhBackward = activationBackward('tanh_backward', (y) => 1 - y * y);
/** y = tanh(x). */
export const tanh = activation('tanh', Math.tanh, tanhBackward);

/** dx = dy where y > 0, else 0: the derivative at 0 is taken as 0. */
export const reluBackward = activationBackward('relu_backward', (y) => (y > 0 ? 1 : 0));
/** y = max(x, 0). */
export const relu = activation('relu', (x) => (x < 0 ? 0 : x), reluBackward);
