import { defineOp, expectShape, inPlace, many, one } from '../op';
import {
  expectAligned,
  expectAlignedIf,
  expectUpdate,
  updateAttributes,
  updateEach,
  updateOperands,
} from './parameters';

/**
 * Adam (Kingma & Ba 2015), with `decoupled` AdamW (Loshchilov & Hutter 2019), with `amsgrad` AMSGrad (Reddi et al. 2018),
 * as PyTorch writes them:
 *
 *     g = clip(scale·gradient)                (Adam adds weight_decay·p; AdamW first takes p = p·(1 - lr·weight_decay))
 *     m = β1·m + (1 - β1)·g
 *     v = β2·v + (1 - β2)·g²
 *     w = amsgrad ? max(w, v) : v             without amsgrad there are no maxima w
 *     p = p - lr / (1 - β1^t) · m / (√w / √(1 - β2^t) + eps)
 *
 * `powers` holds β1 and β2 to the number of steps taken; it starts at [1, 1] and is multiplied at each step.
 */
export const adam = defineOp({
  name: 'adam',
  operands: {
    ...updateOperands,
    first_moments: many('float32'),
    second_moments: many('float32'),
    max_second_moments: many('float32'),
    powers: one('float64'),
  },
  outputs: {
    parameters: inPlace(many('float32'), 'parameters'),
    first_moments: inPlace(many('float32'), 'first_moments'),
    second_moments: inPlace(many('float32'), 'second_moments'),
    max_second_moments: inPlace(many('float32'), 'max_second_moments'),
    powers: inPlace(one('float64'), 'powers'),
  },
  attributes: {
    ...updateAttributes,
    beta1: 'number',
    beta2: 'number',
    eps: 'number',
    decoupled: 'boolean',
    amsgrad: 'boolean',
  },
  infer({ first_moments, second_moments, max_second_moments, powers, ...operands }, { groups, amsgrad }) {
    const { parameters } = operands;
    expectUpdate(operands, groups);
    expectAligned(parameters, { first_moments, second_moments });
    expectAlignedIf(amsgrad, parameters, { max_second_moments });
    expectShape('powers', powers, [2]);
    return { parameters, first_moments, second_moments, max_second_moments, powers };
  },
  gradient: 'none',
  reference(call) {
    const { operands, outputs, attributes } = call;
    const { beta1, beta2, eps, decoupled, amsgrad } = attributes;
    const power1 = operands.powers.data[0]! * beta1;
    const power2 = operands.powers.data[1]! * beta2;
    outputs.powers.data.set([power1, power2]);
    updateEach(call, ({ index, rate, decay }) => (before, gradient, k) => {
      const p = decoupled ? before * (1 - rate * decay) : before;
      const g = decoupled ? gradient : gradient + decay * p;
      const m = beta1 * operands.first_moments[index]!.data[k]! + (1 - beta1) * g;
      const v = beta2 * operands.second_moments[index]!.data[k]! + (1 - beta2) * g * g;
      outputs.first_moments[index]!.data[k] = m;
      outputs.second_moments[index]!.data[k] = v;
      const w = amsgrad ? Math.max(operands.max_second_moments[index]!.data[k]!, v) : v;
      if (amsgrad) outputs.max_second_moments[index]!.data[k] = w;
      return p - ((rate / (1 - power1)) * m) / (Math.sqrt(w) / Math.sqrt(1 - power2) + eps);
    });
  },
});
