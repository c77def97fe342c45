import { defineOp, expectRank, expectShape, float32, one, optional, type ValueType, type View } from './op';
import { rowCount, type Shape } from './shape';

const lastAxis = (shape: Shape) => shape[shape.length - 1]!;

/** With lengths, the rows are those of a batch over time. */
function expectLengths(slot: string, rows: ValueType, lengths: ValueType | null): void {
  if (!lengths) return;
  expectRank(slot, rows, 3, '[T, B, ·] with lengths');
  expectShape('lengths', lengths, [rows.shape[1]!]);
}

/** The rows of [..., features] one by one; with lengths, those of [T, B, features] that are within them. */
function* activeRows({ shape }: View, lengths: View | null): Generator<number> {
  const batch = lengths ? shape[1]! : 1;
  for (let row = 0; row < rowCount(shape); row++) {
    if (!lengths || Math.floor(row / batch) < lengths.data[row % batch]!) yield row;
  }
}

/**
 * y[..., O] = x[..., I] · weightᵀ + bias.
 *
 * With `lengths`, x is [T, B, I] and row b has `lengths[b]` steps: what stands past them is not read, and y is 0 there. So
 * it is in the gradients.
 */
export const linear = defineOp({
  name: 'linear',
  operands: {
    x: one('float32'),
    weight: one('float32'),
    bias: optional('float32'),
    lengths: optional('int32'),
  },
  outputs: { y: one('float32') },
  attributes: {},
  infer({ x, weight, bias, lengths }) {
    expectRank('weight', weight, 2, '[O, I]');
    const [outputSize, inputSize] = weight.shape as [number, number];
    if (x.shape.length === 0) expectRank('x', x, 1, '[..., I]');
    expectShape('x', x, [...x.shape.slice(0, -1), inputSize]);
    if (bias) expectShape('bias', bias, [outputSize]);
    expectLengths('x', x, lengths);
    return { y: float32(...x.shape.slice(0, -1), outputSize) };
  },
  gradient({ operands: { x, weight, bias, lengths }, cotangents, wants, emit }) {
    const dy = cotangents.y!;
    return {
      x: wants('x') ? emit(linearBackwardInput, { dy, weight, lengths }, {}).dx : null,
      weight: wants('weight') ? emit(linearBackwardWeight, { dy, x, lengths }, {}).dweight : null,
      bias: bias && wants('bias') ? emit(linearBackwardBias, { dy, lengths }, {}).dbias : null,
    };
  },
  reference({ operands: { x, weight, bias, lengths }, outputs: { y } }) {
    const [outputSize, inputSize] = weight.shape as [number, number];
    for (const row of activeRows(x, lengths)) {
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
  operands: { dy: one('float32'), weight: one('float32'), lengths: optional('int32') },
  outputs: { dx: one('float32') },
  attributes: {},
  infer({ dy, weight, lengths }) {
    const [outputSize, inputSize] = weight.shape as [number, number];
    expectShape('dy', dy, [...dy.shape.slice(0, -1), outputSize]);
    expectLengths('dy', dy, lengths);
    return { dx: float32(...dy.shape.slice(0, -1), inputSize) };
  },
  gradient: 'none',
  reference({ operands: { dy, weight, lengths }, outputs: { dx } }) {
    const [outputSize, inputSize] = weight.shape as [number, number];
    for (const row of activeRows(dy, lengths)) {
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
  operands: { dy: one('float32'), x: one('float32'), lengths: optional('int32') },
  outputs: { dweight: one('float32') },
  attributes: {},
  infer({ dy, x, lengths }) {
    expectShape('x', x, [...dy.shape.slice(0, -1), lastAxis(x.shape)]);
    expectLengths('dy', dy, lengths);
    return { dweight: float32(lastAxis(dy.shape), lastAxis(x.shape)) };
  },
  gradient: 'none',
  reference({ operands: { dy, x, lengths }, outputs: { dweight } }) {
    const [outputSize, inputSize] = dweight.shape as [number, number];
    for (const row of activeRows(dy, lengths)) {
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
  operands: { dy: one('float32'), lengths: optional('int32') },
  outputs: { dbias: one('float32') },
  attributes: {},
  infer({ dy, lengths }) {
    expectLengths('dy', dy, lengths);
    return { dbias: float32(lastAxis(dy.shape)) };
  },
  gradient: 'none',
  reference({ operands: { dy, lengths }, outputs: { dbias } }) {
    const outputSize = dbias.shape[0]!;
    for (const row of activeRows(dy, lengths)) {
      for (let o = 0; o < outputSize; o++) dbias.data[o]! += dy.data[row * outputSize + o]!;
    }
  },
});
