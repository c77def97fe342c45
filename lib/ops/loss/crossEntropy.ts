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

const attributes = { ignore_index: 'integer', label_smoothing: 'number' } as const;

function expectLabels(logits: ValueType, class_weights: ValueType | null): void {
  if (class_weights) expectShape('class_weights', class_weights, logits.shape.slice(-1));
}

/** How much of a row's label stands at class k, times what k weighs: (1 − ε) c_k [k = target] + ε/V c_k. */
function labelWeight(target: number, size: number, classWeights: View | null, smoothing: number) {
  const classWeight = (k: number) => classWeights?.data[k] ?? 1;
  return (k: number) => ((k === target ? 1 - smoothing : 0) + smoothing / size) * classWeight(k);
}

/**
 * loss = Σ w·Σ_k l_k (ln Σ e^logits − logits[k]) / Σ w·c[target] over the rows whose target is not `ignore_index`, with
 * the labels l_k = (1 − ε) c_k [k = target] + ε/V c_k of smoothing ε and class weights c; 0 when the divisor is 0.
 */
export const crossEntropy = defineOp({
  name: 'cross_entropy',
  operands: {
    logits: one('float32'),
    targets: one('int32'),
    weights: optional('float32'),
    class_weights: optional('float32'),
  },
  outputs: { loss: one('float32'), total_weight: one('float32'), log_sum_exp: onDemand('float32') },
  attributes,
  infer({ logits, targets, weights, class_weights }) {
    expectRows(logits, targets, weights);
    expectLabels(logits, class_weights);
    return { loss: float32(), total_weight: float32(), log_sum_exp: float32(...targets.shape) };
  },
  gradient({ operands: { logits, targets, weights, class_weights }, outputs: { log_sum_exp, total_weight }, ...call }) {
    const { attributes, cotangents, wants, emit } = call;
    refuseGradient('weights', wants('weights'));
    refuseGradient('class_weights', wants('class_weights'));
    refuseGradient('log_sum_exp', cotangents.log_sum_exp !== null);
    const dloss = cotangents.loss;
    if (!dloss) return {};
    const operands = { dloss, logits, targets, weights, class_weights, log_sum_exp, total_weight };
    return { logits: emit(crossEntropyBackward, operands, attributes).dlogits };
  },
  reference({ operands, outputs: { loss, total_weight, log_sum_exp }, attributes: { ignore_index, label_smoothing } }) {
    const { logits, targets, weights, class_weights } = operands;
    const size = logits.shape.at(-1)!;
    let [sum, total] = [0, 0];
    for (let row = 0; row < targets.data.length; row++) {
      const normalizer = logSumExp(logits.data, row * size, size);
      log_sum_exp.data[row] = normalizer;
      const weight = weightOf(targets, weights, row, ignore_index);
      if (weight === 0) continue;
      const target = targets.data[row]!;
      const label = labelWeight(target, size, class_weights, label_smoothing);
      total += weight * (class_weights?.data[target] ?? 1);
      for (let k = 0; k < size; k++)
        if (label(k) !== 0) sum += weight * label(k) * (normalizer - logits.data[row * size + k]!);
    }
    loss.data[0] = total === 0 ? 0 : sum / total;
    total_weight.data[0] = total;
  },
});

/** dlogits_k = dloss · w / total_weight · (softmax(logits)_k Σ l − l_k), with the labels l of `crossEntropy`. */
export const crossEntropyBackward = defineOp({
  name: 'cross_entropy_backward',
  operands: {
    dloss: one('float32'),
    logits: one('float32'),
    targets: one('int32'),
    weights: optional('float32'),
    class_weights: optional('float32'),
    log_sum_exp: one('float32'),
    total_weight: one('float32'),
  },
  outputs: { dlogits: one('float32') },
  attributes,
  infer({ dloss, logits, targets, weights, class_weights, log_sum_exp, total_weight }) {
    expectRows(logits, targets, weights);
    expectLabels(logits, class_weights);
    expectShape('dloss', dloss, []);
    expectShape('log_sum_exp', log_sum_exp, targets.shape);
    expectShape('total_weight', total_weight, []);
    return { dlogits: logits };
  },
  gradient: 'none',
  reference({ operands, outputs: { dlogits }, attributes: { ignore_index, label_smoothing } }) {
    const { dloss, logits, targets, weights, class_weights, log_sum_exp, total_weight } = operands;
    const size = logits.shape.at(-1)!;
    for (let row = 0; row < targets.data.length; row++) {
      const weight = weightOf(targets, weights, row, ignore_index);
      if (weight === 0 || total_weight.data[0] === 0) continue;
      const scale = (dloss.data[0]! * weight) / total_weight.data[0]!;
      const label = labelWeight(targets.data[row]!, size, class_weights, label_smoothing);
      let whole = 0;
      for (let k = 0; k < size; k++) whole += label(k);
      let others = 0;
      for (let k = 0; k < size; k++) {
        const probability = Math.exp(logits.data[row * size + k]! - log_sum_exp.data[row]!);
        dlogits.data[row * size + k] = scale * (probability * whole - label(k));
        if (k !== targets.data[row]) others += dlogits.data[row * size + k]!;
      }
      // They add up to 0: with a rounded log_sum_exp that is right where probability − 1 would lose its digits.
      dlogits.data[row * size + targets.data[row]!] = -others;
    }
  },
});
