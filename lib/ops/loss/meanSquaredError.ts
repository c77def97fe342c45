import { ShapeError } from '../../errors';
import { negated } from '../elementwise/arithmetic';
import { defineOp, expectShape, float32, one, optional, refuseGradient, type ValueType } from '../op';

function expectPairs(prediction: ValueType, target: ValueType, weights: ValueType | null): void {
  if (prediction.shape.length === 0) throw new ShapeError('prediction: expected [..., F], received a scalar');
  expectShape('target', target, prediction.shape);
  if (weights) expectShape('weights', weights, prediction.shape.slice(0, -1));
}

/** loss = Σ w·Σ (prediction - target)² / (F · Σ w), the inner sum over the F features of a row; 0 when Σ w = 0. */
export const meanSquaredError = defineOp({
  name: 'mean_squared_error',
  operands: { prediction: one('float32'), target: one('float32'), weights: optional('float32') },
  outputs: { loss: one('float32'), total_weight: one('float32') },
  attributes: {},
  infer({ prediction, target, weights }) {
    expectPairs(prediction, target, weights);
    return { loss: float32(), total_weight: float32() };
  },
  gradient({ operands: { prediction, target, weights }, outputs: { total_weight }, cotangents, wants, emit }) {
    refuseGradient('weights', wants('weights'));
    const dloss = cotangents.loss;
    if (!dloss) return {};
    const operands = { dloss, prediction, target, weights, total_weight };
    const { dprediction } = emit(meanSquaredErrorBackward, operands, {});
    return { prediction: dprediction, target: wants('target') ? negated(emit, dprediction) : null };
  },
  reference({ operands: { prediction, target, weights }, outputs: { loss, total_weight } }) {
    const features = prediction.shape.at(-1)!;
    const rows = prediction.data.length / features;
    let [sum, total] = [0, 0];
    for (let row = 0; row < rows; row++) {
      const weight = weights?.data[row] ?? 1;
      total += weight;
      for (let k = row * features; k < (row + 1) * features; k++) {
        sum += weight * (prediction.data[k]! - target.data[k]!) ** 2;
      }
    }
    loss.data[0] = total === 0 ? 0 : sum / (features * total);
    total_weight.data[0] = total;
  },
});

/** dprediction = dloss · 2w · (prediction - target) / (F · Σ w). */
export const meanSquaredErrorBackward = defineOp({
  name: 'mean_squared_error_backward',
  operands: {
    dloss: one('float32'),
    prediction: one('float32'),
    target: one('float32'),
    weights: optional('float32'),
    total_weight: one('float32'),
  },
  outputs: { dprediction: one('float32') },
  attributes: {},
  infer({ dloss, prediction, target, weights, total_weight }) {
    expectPairs(prediction, target, weights);
    expectShape('dloss', dloss, []);
    expectShape('total_weight', total_weight, []);
    return { dprediction: prediction };
  },
  gradient: 'none',
  reference({ operands: { dloss, prediction, target, weights, total_weight }, outputs: { dprediction } }) {
    const features = prediction.shape.at(-1)!;
    const total = total_weight.data[0]!;
    if (total === 0) return;
    for (let k = 0; k < prediction.data.length; k++) {
      const weight = weights?.data[Math.floor(k / features)] ?? 1;
      dprediction.data[k] =
        (2 * dloss.data[0]! * weight * (prediction.data[k]! - target.data[k]!)) / (features * total);
    }
  },
});
