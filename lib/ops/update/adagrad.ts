import { defineOp, expectShape, inPlace, many, one } from '../op';
import { expectAligned, expectUpdate, updateAttributes, updateEach, updateOperands } from './parameters';

/**
 * Adagrad (Duchi et al. 2011), as PyTorch writes it:
 *
 *     g = clip(scale·gradient) + weight_decay·p
 *     s = s + g²
 *     p = p - learning_rate / (1 + (t - 1)·lr_decay) · g / (√s + eps)
 *
 * `steps` [] holds the number of steps taken, t - 1 in step t.
 */
export const adagrad = defineOp({
  name: 'adagrad',
  operands: { ...updateOperands, sums: many('float32'), steps: one('float64') },
  outputs: {
    parameters: inPlace(many('float32'), 'parameters'),
    sums: inPlace(many('float32'), 'sums'),
    steps: inPlace(one('float64'), 'steps'),
  },
  attributes: { ...updateAttributes, lr_decay: 'number', eps: 'number' },
  infer({ sums, steps, ...operands }, { groups }) {
    expectUpdate(operands, groups);
    expectAligned(operands.parameters, { sums });
    expectShape('steps', steps, []);
    return { parameters: operands.parameters, sums, steps };
  },
  gradient: 'none',
  reference(call) {
    const { operands, outputs, attributes } = call;
    const steps = operands.steps.data[0]!;
    const slowing = 1 + steps * attributes.lr_decay;
    outputs.steps.data[0] = steps + 1;
    updateEach(call, ({ index, rate, decay }) => (p, gradient, k) => {
      const g = gradient + decay * p;
      const s = operands.sums[index]!.data[k]! + g * g;
      outputs.sums[index]!.data[k] = s;
      return p - ((rate / slowing) * g) / (Math.sqrt(s) + attributes.eps);
    });
  },
});
