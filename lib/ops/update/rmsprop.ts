import { defineOp, inPlace, many } from '../op';
import {
  expectAligned,
  expectAlignedIf,
  expectUpdate,
  updateAttributes,
  updateEach,
  updateOperands,
} from './parameters';

/**
 * RMSprop (Hinton 2012; centred, Graves 2013), as PyTorch defines it:
 *
 *     g = clip(scale·gradient) + weight_decay·p
 *     v = alpha·v + (1 - alpha)·g²
 *     u = g / (√v + eps)
 *     m = momentum·m + u                                without momentum, m is u and there are no momenta
 *     p = p - learning_rate·m
 *
 * Centred, the mean a = alpha·a + (1 - alpha)·g joins, and v is the variance. PyTorch subtracts a² from the mean of the
 * squares, which leaves little of a float32, or a negative number, where gradients change little; the same number comes of
 *
 *     v = alpha·(v + (1 - alpha)·(g - a)²)              with a of the step before
 */
export const rmsprop = defineOp({
  name: 'rmsprop',
  operands: {
    ...updateOperands,
    variances: many('float32'),
    gradient_averages: many('float32'),
    momenta: many('float32'),
  },
  outputs: {
    parameters: inPlace(many('float32'), 'parameters'),
    variances: inPlace(many('float32'), 'variances'),
    gradient_averages: inPlace(many('float32'), 'gradient_averages'),
    momenta: inPlace(many('float32'), 'momenta'),
  },
  attributes: { ...updateAttributes, alpha: 'number', eps: 'number', momentum: 'number', centered: 'boolean' },
  infer({ variances, gradient_averages, momenta, ...operands }, { groups, momentum, centered }) {
    const { parameters } = operands;
    expectUpdate(operands, groups);
    expectAligned(parameters, { variances });
    expectAlignedIf(centered, parameters, { gradient_averages });
    expectAlignedIf(momentum !== 0, parameters, { momenta });
    return { parameters, variances, gradient_averages, momenta };
  },
  gradient: 'none',
  reference(call) {
    const { operands, outputs, attributes } = call;
    const { alpha, eps, momentum, centered } = attributes;
    updateEach(call, ({ index, rate, decay }) => (p, gradient, k) => {
      const g = gradient + decay * p;
      const a = centered ? operands.gradient_averages[index]!.data[k]! : 0;
      const past = operands.variances[index]!.data[k]!;
      const square = (1 - alpha) * (g - a) ** 2;
      const v = centered ? alpha * (past + square) : alpha * past + square;
      outputs.variances[index]!.data[k] = v;
      if (centered) outputs.gradient_averages[index]!.data[k] = alpha * a + (1 - alpha) * g;
      const u = g / (Math.sqrt(v) + eps);
      if (momentum === 0) return p - rate * u;
      const m = momentum * operands.momenta[index]!.data[k]! + u;
      outputs.momenta[index]!.data[k] = m;
      return p - rate * m;
    });
  },
});
