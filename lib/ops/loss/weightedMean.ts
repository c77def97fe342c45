import { ShapeError } from '../../errors';
import { defineOp, expectShape, float32, one, optional, refuseGradient } from '../op';
import { formatShape } from '../shape';

/**
 * mean = Σ_r w_r Σ_f x / (F · Σ_r w_r) over rows r, the first `row_axes` axes, each of F elements; 0 when Σ w = 0.
 * total_weight = Σ w, or the number of rows without weights.
 */
export const weightedMean = defineOp({
  name: 'weighted_mean',
  operands: { x: one('float32'), weights: optional('float32') },
  outputs: { mean: one('float32'), total_weight: one('float32') },
  attributes: { row_axes: 'integer' },
  infer({ x, weights }, { row_axes }) {
    if (!Number.isInteger(row_axes) || row_axes < 0 || row_axes > x.shape.length)
      throw new ShapeError(`x: expected at least ${row_axes} axes, received ${formatShape(x.shape)}`);
    if (weights) expectShape('weights', weights, x.shape.slice(0, row_axes));
    return { mean: float32(), total_weight: float32() };
  },
  gradient({ operands: { x, weights }, outputs: { total_weight }, cotangents, wants, emit }) {
    refuseGradient('weights', wants('weights'));
    refuseGradient('total_weight', cotangents.total_weight !== null);
    const dmean = cotangents.mean;
    if (!dmean) return {};
    const operands = { dmean, weights, total_weight };
    return { x: emit(weightedMeanBackward, operands, { shape: x.type.shape }).dx };
  },
  reference({ operands: { x, weights }, outputs: { mean, total_weight }, attributes: { row_axes } }) {
    const rows = x.shape.slice(0, row_axes).reduce((product, size) => product * size, 1);
    const features = x.data.length / rows;
    let [sum, total] = [0, 0];
    for (let row = 0; row < rows; row++) {
      const weight = weights?.data[row] ?? 1;
      total += weight;
      // What counts nothing may be anything.
      if (weight === 0) continue;
      for (let k = row * features; k < (row + 1) * features; k++) sum += weight * x.data[k]!;
    }
    mean.data[0] = total === 0 ? 0 : sum / (features * total);
    total_weight.data[0] = total;
  },
});

/** dx = dmean · w / (F · Σ w), 0 when Σ w = 0. */
export const weightedMeanBackward = defineOp({
  name: 'weighted_mean_backward',
  operands: { dmean: one('float32'), weights: optional('float32'), total_weight: one('float32') },
  outputs: { dx: one('float32') },
  attributes: { shape: 'shape' },
  infer({ dmean, weights, total_weight }, { shape }) {
    expectShape('dmean', dmean, []);
    expectShape('total_weight', total_weight, []);
    if (weights) expectShape('weights', weights, shape.slice(0, weights.shape.length));
    return { dx: float32(...shape) };
  },
  gradient: 'none',
  reference({ operands: { dmean, weights, total_weight }, outputs: { dx } }) {
    const total = total_weight.data[0]!;
    if (total === 0) return;
    const rows = weights ? weights.data.length : total;
    const features = dx.data.length / rows;
    for (let k = 0; k < dx.data.length; k++) {
      const weight = weights ? weights.data[Math.floor(k / features)]! : 1;
      dx.data[k] = (dmean.data[0]! * weight) / (features * total);
    }
  },
});
