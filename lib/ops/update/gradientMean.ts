import { defineOp, expectShape, many, one } from '../op';

/** gradients = sums / total_weight: of what `gradient_sum` added up. Zeros where nothing had any weight, as the loss then is. */
export const gradientMean = defineOp({
  name: 'gradient_mean',
  operands: { sums: many('float32'), total_weight: one('float64') },
  outputs: { gradients: many('float32') },
  attributes: {},
  infer({ sums, total_weight }) {
    expectShape('total_weight', total_weight, []);
    return { gradients: sums };
  },
  gradient: 'none',
  reference({ operands: { sums, total_weight }, outputs: { gradients } }) {
    const total = total_weight.data[0]!;
    sums.forEach(({ data }, index) => {
      const mean = gradients[index]!.data;
      for (let k = 0; k < data.length; k++) mean[k] = total === 0 ? 0 : data[k]! / total;
    });
  },
});
