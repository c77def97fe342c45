import { defineOp, expectRank, expectShape, float32, one } from './op';

/** y[..., E] = weight[tokens[...]]: the row of each token. */
export const embedding = defineOp({
  name: 'embedding',
  operands: { tokens: one('int32'), weight: one('float32') },
  outputs: { y: one('float32') },
  attributes: {},
  infer({ tokens, weight }) {
    expectRank('weight', weight, 2, '[V, E]');
    return { y: float32(...tokens.shape, weight.shape[1]!) };
  },
  gradient({ operands: { tokens, weight }, cotangents, emit }) {
    return { weight: emit(embeddingBackward, { dy: cotangents.y!, tokens }, { shape: weight.type.shape }).dweight };
  },
  reference({ operands: { tokens, weight }, outputs: { y } }) {
    const size = weight.shape[1]!;
    for (let row = 0; row < tokens.data.length; row++) {
      for (let k = 0; k < size; k++) y.data[row * size + k] = weight.data[tokens.data[row]! * size + k]!;
    }
  },
});

/** dweight[V, E]: each row of dy is added to the row of its token. */
export const embeddingBackward = defineOp({
  name: 'embedding_backward',
  operands: { dy: one('float32'), tokens: one('int32') },
  outputs: { dweight: one('float32') },
  attributes: { shape: 'shape' },
  infer({ dy, tokens }, { shape }) {
    expectShape('dy', dy, [...tokens.shape, shape[1]!]);
    return { dweight: float32(...shape) };
  },
  gradient: 'none',
  reference({ operands: { dy, tokens }, outputs: { dweight } }) {
    const size = dweight.shape[1]!;
    for (let row = 0; row < tokens.data.length; row++) {
      for (let k = 0; k < size; k++) dweight.data[tokens.data[row]! * size + k]! += dy.data[row * size + k]!;
    }
  },
});
