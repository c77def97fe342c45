import { defineOp, expectShape, float64, one } from '../op';

/** scale = min(1, max_norm / (norm + 1e-6)): what brings gradients of this norm down to max_norm (Pascanu et al. 2013). */
export const clipScale = defineOp({
  name: 'clip_scale',
  operands: { norm: one('float64'), max_norm: one('float64') },
  outputs: { scale: one('float64') },
  attributes: {},
  infer({ norm, max_norm }) {
    expectShape('norm', norm, []);
    expectShape('max_norm', max_norm, []);
    return { scale: float64() };
  },
  gradient: 'none',
  reference({ operands: { norm, max_norm }, outputs: { scale } }) {
    scale.data[0] = Math.min(1, max_norm.data[0]! / (norm.data[0]! + 1e-6));
  },
});
