import { adam, adamW, linear, mean, multiply, sequential, sgd, type Optimizer, type Variable } from '../../lib';
import { eachBackend, type BackendName } from '../support/eachBackend';
import { floats32 } from '../support/models';

const inputs = floats32([1], [1, 1]);
// y = w, so the loss w²/2 has the gradient w.
const loss = (y: Variable) => mean(multiply(0.5, multiply(y, y)));

/** The weight after each step, begun at 1. */
async function trajectory(optimizer: Optimizer, backend: BackendName, steps = 4): Promise<number[]> {
  const model = sequential([linear(1, { bias: false })], { backend }).bind({ inputs });
  await model.loadStateDict({ '0.weight': floats32([1], [1, 1]) });
  const weights: number[] = [];
  for (let step = 0; step < steps; step++) {
    await model.trainStep({ inputs }, { loss, optimizer });
    weights.push((await model.stateDict())['0.weight']!.data[0]!);
  }
  return weights;
}

/** The same, from the published formulas. */
function expected(step: (w: number, t: number) => number, steps = 4): number[] {
  let w = 1;
  return Array.from({ length: steps }, (_, t) => (w = step(w, t + 1)));
}

function adamFormula(lr: number, decay: number, decoupled: boolean) {
  let [m, v] = [0, 0];
  return (w: number, t: number) => {
    const kept = decoupled ? w * (1 - lr * decay) : w;
    const gradient = decoupled ? w : w + decay * w;
    m = 0.9 * m + 0.1 * gradient;
    v = 0.999 * v + 0.001 * gradient ** 2;
    return kept - (lr * (m / (1 - 0.9 ** t))) / (Math.sqrt(v / (1 - 0.999 ** t)) + 1e-8);
  };
}

function sgdFormula(lr: number, momentum: number, dampening: number, nesterov: boolean, decay = 0) {
  let b = 0;
  return (w: number, t: number) => {
    const gradient = w + decay * w;
    b = momentum * b + (t === 1 ? 1 : 1 - dampening) * gradient;
    return w - lr * (nesterov ? gradient + momentum * b : b);
  };
}

eachBackend((backend) => {
  test.each<[string, Optimizer, (w: number, t: number) => number]>([
    ['sgd', sgd({ lr: 0.1 }), sgdFormula(0.1, 0, 0, false)],
    ['sgd with decay', sgd({ lr: 0.1, weightDecay: 0.5 }), sgdFormula(0.1, 0, 0, false, 0.5)],
    ['sgd with momentum', sgd({ lr: 0.1, momentum: 0.9 }), sgdFormula(0.1, 0.9, 0, false)],
    ['sgd with dampening', sgd({ lr: 0.1, momentum: 0.9, dampening: 0.2 }), sgdFormula(0.1, 0.9, 0.2, false)],
    ['sgd after Nesterov', sgd({ lr: 0.1, momentum: 0.9, nesterov: true }), sgdFormula(0.1, 0.9, 0, true)],
    ['adam', adam({ lr: 0.1 }), adamFormula(0.1, 0, false)],
    ['adam with an L2 penalty', adam({ lr: 0.1, weightDecay: 0.5 }), adamFormula(0.1, 0.5, false)],
    ['adamW, which decays by 0.01', adamW({ lr: 0.1 }), adamFormula(0.1, 0.01, true)],
  ])('%s follows its formula', async (_, optimizer, formula) => {
    const received = await trajectory(optimizer, backend);
    // Four steps of float32; the reference rounds nothing.
    const bound = backend === 'reference' ? 1e-12 : 8 * 2 ** -24;
    expected(formula).forEach((weight, k) => expect(Math.abs(received[k]! - weight)).toBeLessThan(bound));
  });
});
