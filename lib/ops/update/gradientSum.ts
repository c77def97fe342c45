import { defineOp, expectShape, inPlace, many, one, optional } from '../op';
import { expectAligned } from './parameters';

/**
 * sums = keep·sums + weight·gradients, total_weight = keep·total_weight + weight: the gradients of batches, each weighted
 * as its loss is in the mean over all of them, so that sums / total_weight is the gradient of the one large batch.
 *
 * A missing `weight` is 1. `keep` is 0 for the first batch, where what the sums hold is not read, else 1.
 */
export const gradientSum = defineOp({
  name: 'gradient_sum',
  operands: {
    gradients: many('float32'),
    sums: many('float32'),
    weight: optional('float32'),
    total_weight: one('float64'),
    keep: one('float64'),
  },
  outputs: { sums: inPlace(many('float32'), 'sums'), total_weight: inPlace(one('float64'), 'total_weight') },
  attributes: {},
  infer({ gradients, sums, weight, total_weight, keep }) {
    expectAligned(gradients, { sums });
    if (weight) expectShape('weight', weight, []);
    expectShape('total_weight', total_weight, []);
    expectShape('keep', keep, []);
    return { sums, total_weight };
  },
  gradient: 'none',
  reference({ operands: { gradients, sums, weight, total_weight, keep }, outputs }) {
    const factor = weight?.data[0] ?? 1;
    const keeps = keep.data[0] !== 0;
    outputs.total_weight.data[0] = (keeps ? total_weight.data[0]! : 0) + factor;
    gradients.forEach(({ data }, index) => {
      const before = sums[index]!.data;
      const next = outputs.sums[index]!.data;
      for (let k = 0; k < data.length; k++) next[k] = (keeps ? before[k]! : 0) + factor * data[k]!;
    });
  },
});
