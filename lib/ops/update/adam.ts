import { defineOp, expectShape, inPlace, many, one, optional } from '../op';
import { expectAligned, expectGroups } from './parameters';

/**
 * Adam (Kingma & Ba 2015), and with `decoupled` AdamW (Loshchilov & Hutter 2019), as PyTorch writes them:
 *
 *     g = scale·gradient                      (Adam adds weight_decay·p; AdamW first takes p = p·(1 - lr·weight_decay))
 *     m = β1·m + (1 - β1)·g
 *     v = β2·v + (1 - β2)·g²
 *     p = p - lr / (1 - β1^t) · m / (√v / √(1 - β2^t) + eps)
 *
 * `powers` holds β1 and β2 to the number of steps taken; it starts at [1, 1] and is multiplied at each step.
 */
export const adam = defineOp({
  name: 'adam',
  operands: {
    parameters: many('float32'),
    gradients: many('float32'),
    first_moments: many('float32'),
    second_moments: many('float32'),
    powers: one('float64'),
    learning_rate: one('float64'),
    weight_decay: one('float64'),
    scale: optional('float64'),
  },
  outputs: {
    parameters: inPlace(many('float32'), 'parameters'),
    first_moments: inPlace(many('float32'), 'first_moments'),
    second_moments: inPlace(many('float32'), 'second_moments'),
    powers: inPlace(one('float64'), 'powers'),
  },
  attributes: { beta1: 'number', beta2: 'number', eps: 'number', decoupled: 'boolean', groups: 'integers' },
  infer({ parameters, gradients, first_moments, second_moments, powers, ...scalars }, { groups }) {
    expectAligned(parameters, { gradients, first_moments, second_moments });
    expectGroups(parameters, groups, scalars);
    expectShape('powers', powers, [2]);
    return { parameters, first_moments, second_moments, powers };
  },
  gradient: 'none',
  reference({ operands, outputs, attributes: { beta1, beta2, eps, decoupled, groups } }) {
    const power1 = operands.powers.data[0]! * beta1;
    const power2 = operands.powers.data[1]! * beta2;
    const scale = operands.scale?.data[0] ?? 1;
    outputs.powers.data.set([power1, power2]);
    operands.parameters.forEach(({ data: parameter }, index) => {
      const rate = operands.learning_rate.data[groups[index]!]!;
      const decay = operands.weight_decay.data[groups[index]!]!;
      const gradient = operands.gradients[index]!.data;
      for (let k = 0; k < parameter.length; k++) {
        const p = decoupled ? parameter[k]! * (1 - rate * decay) : parameter[k]!;
        const g = scale * gradient[k]! + (decoupled ? 0 : decay * p);
        const m = beta1 * operands.first_moments[index]!.data[k]! + (1 - beta1) * g;
        const v = beta2 * operands.second_moments[index]!.data[k]! + (1 - beta2) * g * g;
        outputs.first_moments[index]!.data[k] = m;
        outputs.second_moments[index]!.data[k] = v;
        const denominator = Math.sqrt(v) / Math.sqrt(1 - power2) + eps;
        outputs.parameters[index]!.data[k] = p - ((rate / (1 - power1)) * m) / denominator;
      }
    });
  },
});
