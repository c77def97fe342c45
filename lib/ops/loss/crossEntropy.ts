import { ShapeError } from '../../errors';
import {
  defineOp,
  expectShape,
  float32,
  onDemand,
  one,
  optional,
  refuseGradient,
  type ValueType,
  type View,
} from '../op';
import { logSumExp } from '../softmax';

/** One target, and one weight if there are any, for each row of logits. */
export function expectRows(logits: ValueType, targets: ValueType, weights: ValueType | null): void {
  if (logits.shape.length === 0) throw new ShapeError('logits: expected [..., V], received a scalar');
  expectShape('targets', targets, logits.shape.slice(0, -1));
  if (weights) expectShape('weights', weights, targets.shape);
}

/** The weight of a row: 0 where the target is to be ignored, 1 when there are no weights. */
export const weightOf = (targets: View, weights: View | null, row: number, ignored: number) =>
  targets.data[row] === ignored ? 0 : (weights?.data[row] ?? 1);

/** loss = Σ w·(ln Σ e^logits - logits[target]) / Σ w over the rows whose target is not `ignore_index`; 0 when Σ w = 0. */
export const crossEntropy = defineOp({
  name: 'cross_entropy',
  operands: { logits: one('float32'), targets: one('int32'), weights: optional('float32') },
  outputs: { loss: one('float32'), total_weight: one('float32'), log_sum_exp: onDemand('float32') },
  attributes: { ignore_index: 'integer' },
  infer({ logits, targets, weights }) {
    expectRows(logits, targets, weights);
    return { loss: float32(), total_weight: float32(), log_sum_exp: float32(...targets.shape) };
  },
  gradient({ operands: { logits, targets, weights }, outputs: { log_sum_exp, total_weight }, ...call }) {
    const { attributes, cotangents, wants, emit } = call;
    refuseGradient('weights', wants('weights'));
    refuseGradient('log_sum_exp', cotangents.log_sum_exp !== null);
    const dloss = cotangents.loss;
    if (!dloss) return {};
    const operands = { dloss, logits, targets, weights, log_sum_exp, total_weight };
    return { logits: emit(crossEntropyBackward, operands, attributes).dlogits };
  },
  reference({ operands: { logits, targets, weights }, outputs: { loss, total_weight, log_sum_exp }, attributes }) {
    const size = logits.shape.at(-1)!;
    let [sum, total] = [0, 0];
    for (let row = 0; row < targets.data.length; row++) {
      const normalizer = logSumExp(logits.data, row * size, size);
      log_sum_exp.data[row] = normalizer;
      const weight = weightOf(targets, weights, row, attributes.ignore_index);
      total += weight;
      if (weight !== 0) sum += weight * (normalizer - logits.data[row * size + targets.data[row]!]!);
    }
    loss.data[0] = total === 0 ? 0 : sum / total;
    total_weight.data[0] = total;
  },
});

/** dlogits = dloss · w / Σ w · (softmax(logits) - one-hot(target)). */
export const crossEntropyBackward = defineOp({
  name: 'cross_entropy_backward',
  operands: {
    dloss: one('float32'),
    logits: one('float32'),
    targets: one('int32'),
    weights: optional('float32'),
    log_sum_exp: one('float32'),
    total_weight: one('float32'),
  },
  outputs: { dlogits: one('float32') },
  attributes: { ignore_index: 'integer' },
  infer({ dloss, logits, targets, weights, log_sum_exp, total_weight }) {
    expectRows(logits, targets, weights);
    expectShape('dloss', dloss, []);
    expectShape('log_sum_exp', log_sum_exp, targets.shape);
    expectShape('total_weight', total_weight, []);
    return { dlogits: logits };
  },
  gradient: 'none',
  reference({ operands, outputs: { dlogits }, attributes }) {
    const { dloss, logits, targets, weights, log_sum_exp, total_weight } = operands;
    const size = logits.shape.at(-1)!;
    for (let row = 0; row < targets.data.length; row++) {
      const weight = weightOf(targets, weights, row, attributes.ignore_index);
      if (weight === 0) continue;
      const scale = (dloss.data[0]! * weight) / total_weight.data[0]!;
      for (let k = 0; k < size; k++) {
        const probability = Math.exp(logits.data[row * size + k]! - log_sum_exp.data[row]!);
        dlogits.data[row * size + k] = scale * (probability - (k === targets.data[row] ? 1 : 0));
      }
    }
  },
});
