import { defineOp, float64, many, one } from '../op';

/** norm = √(Σ gradient²) over all gradients together. */
export const gradientNorm = defineOp({
  name: 'gradient_norm',
  operands: { gradients: many('float32') },
  outputs: { norm: one('float64') },
  attributes: {},
  infer() {
    return { norm: float64() };
  },
  gradient: 'none',
  reference({ operands: { gradients }, outputs: { norm } }) {
    let sum = 0;
    for (const { data } of gradients) for (let k = 0; k < data.length; k++) sum += data[k]! ** 2;
    norm.data[0] = Math.sqrt(sum);
  },
});
