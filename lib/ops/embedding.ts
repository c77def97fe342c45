import { defineOp, expectRank, expectShape, float32, one, optional, refuseGradient } from './op';

/** y[..., E] = scale[token]·weight[token]: the row of each token; the scale is 1 where it is left out. It receives no gradient. */
export const embedding = defineOp({
  name: 'embedding',
  operands: { tokens: one('int32'), weight: one('float32'), scale: optional('float32') },
  outputs: { y: one('float32') },
  attributes: {},
  infer({ tokens, weight, scale }) {
    expectRank('weight', weight, 2, '[V, E]');
    if (scale) expectShape('scale', scale, [weight.shape[0]!]);
    return { y: float32(...tokens.shape, weight.shape[1]!) };
  },
  gradient({ operands: { tokens, weight, scale }, cotangents, wants, emit }) {
    refuseGradient('scale', wants('scale'));
    const { shape } = weight.type;
    return { weight: emit(embeddingBackward, { dy: cotangents.y!, tokens, scale }, { shape }).dweight };
  },
  reference({ operands: { tokens, weight, scale }, outputs: { y } }) {
    const size = weight.shape[1]!;
    for (let row = 0; row < tokens.data.length; row++) {
      const token = tokens.data[row]!;
      const factor = scale?.data[token] ?? 1;
      for (let k = 0; k < size; k++) y.data[row * size + k] = factor * weight.data[token * size + k]!;
    }
  },
});

/** dweight[V, E]: each row of dy, times the scale of its token, is added to the token's row. */
export const embeddingBackward = defineOp({
  name: 'embedding_backward',
  operands: { dy: one('float32'), tokens: one('int32'), scale: optional('float32') },
  outputs: { dweight: one('float32') },
  attributes: { shape: 'shape' },
  infer({ dy, tokens, scale }, { shape }) {
    if (scale) expectShape('scale', scale, [shape[0]!]);
    expectShape('dy', dy, [...tokens.shape, shape[1]!]);
    return { dweight: float32(...shape) };
  },
  gradient: 'none',
  reference({ operands: { dy, tokens, scale }, outputs: { dweight } }) {
    const size = dweight.shape[1]!;
    for (let row = 0; row < tokens.data.length; row++) {
      const token = tokens.data[row]!;
      const factor = scale?.data[token] ?? 1;
      for (let k = 0; k < size; k++) dweight.data[token * size + k]! += factor * dy.data[row * size + k]!;
    }
  },
});
