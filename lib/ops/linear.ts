import { defineOp, expectRank, expectShape, float32, one, optional } from './op';
import { rowCount, type Shape } from './shape';

const lastAxis = (shape: Shape) => shape[shape.length - 1]!;

/** y[..., O] = x[..., I] · weightᵀ + bias. */
export const linear = defineOp({
  name: 'linear',
  operands: { x: one('float32'), weight: one('float32'), bias: optional('float32') },
  outputs: { y: one('float32') },
  attributes: {},
  infer({ x, weight, bias }) {
    expectRank('weight', weight, 2, '[O, I]');
    const [outputSize, inputSize] = weight.shape as [number, number];
    if (x.shape.length === 0) expectRank('x', x, 1, '[..., I]');
    expectShape('x', x, [...x.shape.slice(0, -1), inputSize]);
    if (bias) expectShape('bias', bias, [outputSize]);
    return { y: float32(...x.shape.slice(0, -1), outputSize) };
  },
  gradient({ operands: { x, weight, bias }, cotangents, wants, emit }) {
    const dy = cotangents.y!;
    return {
      x: wants('x') ? emit(linearBackwardInput, { dy, weight }, {}).dx : null,
      weight: wants('weight') ? emit(linearBackwardWeight, { dy, x }, {}).dweight : null,
      bias: bias && wants('bias') ? emit(linearBackwardBias, { dy }, {}).dbias : null,
    };
  },
  reference({ operands: { x, weight, bias }, outputs: { y } }) {
    const [outputSize, inputSize] = weight.shape as [number, number];
    for (let row = 0; row < rowCount(x.shape); row++) {
      for (let o = 0; o < outputSize; o++) {
        let sum = bias ? bias.data[o]! : 0;
        for (let i = 0; i < inputSize; i++) sum += x.data[row * inputSize + i]! * weight.data[o * inputSize + i]!;
        y.data[row * outputSize + o] = sum;
      }
    }
  },
});

/** dx = dy · weight. */
export const linearBackwardInput = defineOp({
  name: 'linear_backward_input',
  operands: { dy: one('float32'), weight: one('float32') },
  outputs: { dx: one('float32') },
  attributes: {},
  infer({ dy, weight }) {
    const [outputSize, inputSize] = weight.shape as [number, number];
    expectShape('dy', dy, [...dy.shape.slice(0, -1), outputSize]);
    return { dx: float32(...dy.shape.slice(0, -1), inputSize) };
  },
  gradient: 'none',
  reference({ operands: { dy, weight }, outputs: { dx } }) {
    const [outputSize, inputSize] = weight.shape as [number, number];
    for (let row = 0; row < rowCount(dy.shape); row++) {
      for (let i = 0; i < inputSize; i++) {
        let sum = 0;
        for (let o = 0; o < outputSize; o++) sum += dy.data[row * outputSize + o]! * weight.data[o * inputSize + i]!;
        dx.data[row * inputSize + i] = sum;
      }
    }
  },
});

/** dweight[O, I] = Σ over rows of dyᵀ · x. */
export const linearBackwardWeight = defineOp({
  name: 'linear_backward_weight',
  operands: { dy: one('float32'), x: one('float32') },
  outputs: { dweight: one('float32') },
  attributes: {},
  infer({ dy, x }) {
    expectShape('x', x, [...dy.shape.slice(0, -1), lastAxis(x.shape)]);
    return { dweight: float32(lastAxis(dy.shape), lastAxis(x.shape)) };
  },
  gradient: 'none',
  reference({ operands: { dy, x }, outputs: { dweight } }) {
    const [outputSize, inputSize] = dweight.shape as [number, number];
    for (let row = 0; row < rowCount(dy.shape); row++) {
      for (let o = 0; o < outputSize; o++) {
        for (let i = 0; i < inputSize; i++) {
          dweight.data[o * inputSize + i]! += dy.data[row * outputSize + o]! * x.data[row * inputSize + i]!;
        }
      }
    }
  },
});

/** dbias[O] = Σ over rows of dy. */
export const linearBackwardBias = defineOp({
  name: 'linear_backward_bias',
  operands: { dy: one('float32') },
  outputs: { dbias: one('float32') },
  attributes: {},
  infer({ dy }) {
    return { dbias: float32(lastAxis(dy.shape)) };
  },
  gradient: 'none',
  reference({ operands: { dy }, outputs: { dbias } }) {
    const outputSize = dbias.shape[0]!;
    for (let row = 0; row < rowCount(dy.shape); row++) {
      for (let o = 0; o < outputSize; o++) dbias.data[o]! += dy.data[row * outputSize + o]!;
    }
  },
});
