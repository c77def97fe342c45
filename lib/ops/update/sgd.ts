import { defineOp, inPlace, many } from '../op';
import { expectAlignedIf, expectUpdate, updateAttributes, updateEach, updateOperands } from './parameters';
import { expectProgress } from './progress';

/**
 * Stochastic gradient descent with momentum, as PyTorch writes it:
 *
 *     g = clip(scale·gradient) + weight_decay·p
 *     m = momentum·m + (1 - dampening)·g            m = g in the first step
 *     p = p - learning_rate·(nesterov ? g + momentum·m : m)
 *
 * With momentum 0 there are no momenta, and m is g. Momenta start at 0; `begun` [], which dampening needs, is 0 before the
 * first step and 1 after it, and its list is empty without dampening.
 */
export const sgd = defineOp({
  name: 'sgd',
  operands: { ...updateOperands, momenta: many('float32'), begun: many('float64') },
  outputs: {
    parameters: inPlace(many('float32'), 'parameters'),
    momenta: inPlace(many('float32'), 'momenta'),
    begun: inPlace(many('float64'), 'begun'),
  },
  attributes: { ...updateAttributes, momentum: 'number', dampening: 'number', nesterov: 'boolean' },
  infer({ momenta, begun, ...operands }, { momentum, dampening, groups }) {
    expectUpdate(operands, groups);
    expectAlignedIf(momentum !== 0, operands.parameters, { momenta });
    expectProgress('begun', begun, momentum !== 0 && dampening !== 0);
    return { parameters: operands.parameters, momenta, begun };
  },
  gradient: 'none',
  reference(call) {
    const { operands, outputs, attributes } = call;
    const { momentum, nesterov } = attributes;
    const share = operands.begun[0]?.data[0] === 0 ? 1 : 1 - attributes.dampening;
    outputs.begun[0]?.data.fill(1);
    updateEach(call, ({ index, rate, decay }) => (p, gradient, k) => {
      const g = gradient + decay * p;
      if (momentum === 0) return p - rate * g;
      const m = momentum * operands.momenta[index]!.data[k]! + share * g;
      outputs.momenta[index]!.data[k] = m;
      return p - rate * (nesterov ? g + momentum * m : m);
    });
  },
});
