import { defineOp, inPlace, many, one, optional } from '../op';
import { expectAligned, expectGroups } from './parameters';

/**
 * Stochastic gradient descent with momentum, as PyTorch writes it:
 *
 *     g = scale·gradient + weight_decay·p
 *     m = momentum·m + (1 - dampening)·g
 *     p = p - learning_rate·(nesterov ? g + momentum·m : m)
 *
 * With momentum 0 there are no momenta, and m is g. Momenta start at 0; PyTorch starts them at g, which differs only
 * when there is dampening.
 */
export const sgd = defineOp({
  name: 'sgd',
  operands: {
    parameters: many('float32'),
    gradients: many('float32'),
    momenta: many('float32'),
    learning_rate: one('float64'),
    weight_decay: one('float64'),
    scale: optional('float64'),
  },
  outputs: {
    parameters: inPlace(many('float32'), 'parameters'),
    momenta: inPlace(many('float32'), 'momenta'),
  },
  attributes: { momentum: 'number', dampening: 'number', nesterov: 'boolean', groups: 'integers' },
  infer({ parameters, gradients, momenta, learning_rate, weight_decay, scale }, { momentum, groups }) {
    expectAligned(parameters, momentum === 0 ? { gradients } : { gradients, momenta });
    if (momentum === 0) expectAligned([], { momenta });
    expectGroups(parameters, groups, { learning_rate, weight_decay, scale });
    return { parameters, momenta };
  },
  gradient: 'none',
  reference({ operands, outputs, attributes: { momentum, dampening, nesterov, groups } }) {
    operands.parameters.forEach(({ data: p }, index) => {
      const rate = operands.learning_rate.data[groups[index]!]!;
      const decay = operands.weight_decay.data[groups[index]!]!;
      const scale = operands.scale?.data[0] ?? 1;
      const gradient = operands.gradients[index]!.data;
      for (let k = 0; k < p.length; k++) {
        const g = scale * gradient[k]! + decay * p[k]!;
        let direction = g;
        if (momentum !== 0) {
          const m = momentum * operands.momenta[index]!.data[k]! + (1 - dampening) * g;
          outputs.momenta[index]!.data[k] = m;
          direction = nesterov ? g + momentum * m : m;
        }
        outputs.parameters[index]!.data[k] = p[k]! - rate * direction;
      }
    });
  },
});
