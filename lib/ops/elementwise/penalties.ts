import { defineOp, expectShape, one, refuseGradient } from '../op';
import { logistic } from './activations';
import { unary } from './unary';

const magnitude = unary('abs', {}, Math.abs, Math.sign);
/** y = |x|; its derivative at 0 is taken as 0. */
export const abs = magnitude.forward;
/** dx = dy ⊙ sign(x). */
export const absBackward = magnitude.backward;

const huberPair = unary(
  'huber',
  { delta: 'number' },
  (x, { delta }) => (Math.abs(x) <= delta ? (x * x) / 2 : delta * (Math.abs(x) - delta / 2)),
  (x, { delta }) => Math.max(-delta, Math.min(delta, x)),
);
/** y = x² / 2 where |x| ≤ δ, else δ (|x| − δ/2). Source: Huber 1964. */
export const huber = huberPair.forward;
/** dx = dy ⊙ x, x bounded to [−δ, δ]. */
export const huberBackward = huberPair.backward;

const softplusPair = unary('softplus', {}, (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))), logistic);
/** y = ln(1 + e^x), in the form that cannot overflow. */
export const softplus = softplusPair.forward;
/** dx = dy ⊙ σ(x). */
export const softplusBackward = softplusPair.backward;

/** y = q e where e ≥ 0, else (q − 1) e, for levels q. Source: Koenker & Bassett 1978. */
export const pinball = defineOp({
  name: 'pinball',
  operands: { error: one('float32'), level: one('float32') },
  outputs: { y: one('float32') },
  attributes: {},
  infer({ error, level }) {
    expectShape('level', level, error.shape);
    return { y: error };
  },
  gradient({ operands: { error, level }, cotangents, wants, emit }) {
    refuseGradient('level', wants('level'));
    return { error: emit(pinballBackward, { error, level, dy: cotangents.y! }, {}).derror };
  },
  reference({ operands: { error, level }, outputs: { y } }) {
    for (let k = 0; k < y.data.length; k++) {
      const [e, q] = [error.data[k]!, level.data[k]!];
      y.data[k] = e < 0 ? (q - 1) * e : q * e;
    }
  },
});

/** derror = dy ⊙ q where e > 0, (q − 1) where e < 0, and q − 1/2, halfway, at 0. */
export const pinballBackward = defineOp({
  name: 'pinball_backward',
  operands: { error: one('float32'), level: one('float32'), dy: one('float32') },
  outputs: { derror: one('float32') },
  attributes: {},
  infer({ error, level, dy }) {
    expectShape('level', level, error.shape);
    expectShape('dy', dy, error.shape);
    return { derror: error };
  },
  gradient: 'none',
  reference({ operands: { error, level, dy }, outputs: { derror } }) {
    for (let k = 0; k < derror.data.length; k++) {
      const below = error.data[k]! < 0 ? 1 : error.data[k]! > 0 ? 0 : 0.5;
      derror.data[k] = dy.data[k]! * (level.data[k]! - below);
    }
  },
});
