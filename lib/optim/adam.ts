import { float32Limit } from '../arrays';
import { OptionError } from '../errors';
import { checkOptions, describe } from '../options';
import { adam as adamOp } from '../ops/update/adam';
import { inRange, setNexts, stateSpecs, stateVariables, type Optimizer } from './optimizer';
import { scheduleOf, type Schedule } from './schedule';

export interface AdamOptions {
  /** Default 1e-3. */
  readonly lr?: number | Schedule;
  /** β1 and β2. Default [0.9, 0.999]. */
  readonly betas?: readonly [number, number];
  /** Default 1e-8. */
  readonly eps?: number;
  /** λ: an L2 penalty for `adam` (default 0), decoupled decay for `adamW` (default 0.01). */
  readonly weightDecay?: number;
}

const firstMoment = 'adam.first_moment';
const secondMoment = 'adam.second_moment';
/** float64 [2]: β1^t and β2^t. */
const powersState = 'adam.powers';

/**
 * Adam:
 *
 *     g ← g + λp        m ← β1·m + (1 − β1)·g        v ← β2·v + (1 − β2)·g²
 *     p ← p − lr · (m / (1 − β1^t)) / (√(v / (1 − β2^t)) + ε)
 *
 * Sources: Kingma & Ba 2015; PyTorch `optim.Adam`.
 */
export const adam = (options: AdamOptions = {}): Optimizer => make('adam', options, false, 0);

/** Adam with decoupled weight decay, p ← p·(1 − lr·λ) before the step. Sources: Loshchilov & Hutter 2019; PyTorch `optim.AdamW`. */
export const adamW = (options: AdamOptions = {}): Optimizer => make('adamW', options, true, 0.01);

function make(name: string, options: AdamOptions, decoupled: boolean, defaultDecay: number): Optimizer {
  checkOptions(name, options, ['lr', 'betas', 'eps', 'weightDecay']);
  const { lr = 1e-3, betas = [0.9, 0.999], eps = 1e-8, weightDecay = defaultDecay } = options;
  if (!Array.isArray(betas) || betas.length !== 2)
    throw new OptionError(`${name}: betas: expected two numbers, [0.9, 0.999], received ${describe(betas)}`);
  const [beta1, beta2] = betas as readonly [number, number];
  inRange(name, 'betas[0]', beta1, 0, 1);
  inRange(name, 'betas[1]', beta2, 0, 1);
  inRange(name, 'eps', eps, 0, float32Limit);
  inRange(name, 'weightDecay', weightDecay, 0, float32Limit);
  return {
    name,
    learningRate: scheduleOf(lr),
    weightDecay,
    states: (parameters) => [
      ...stateSpecs(firstMoment, parameters),
      ...stateSpecs(secondMoment, parameters),
      { name: powersState, dtype: 'float64', shape: [2], initial: [1, 1] },
    ],
    emit(builder, trainables, scalars) {
      const next = builder.emit(
        adamOp,
        {
          parameters: trainables.map((t) => t.parameter),
          gradients: trainables.map((t) => t.gradient),
          first_moments: stateVariables(builder, firstMoment, trainables),
          second_moments: stateVariables(builder, secondMoment, trainables),
          powers: builder.state(powersState, { dtype: 'float64', shape: [2] }),
          ...scalars,
        },
        { beta1, beta2, eps, decoupled, groups: trainables.map(() => 0) },
      );
      const paths = trainables.map(({ path }) => path);
      setNexts(builder, paths, next.parameters);
      setNexts(
        builder,
        paths.map((path) => `${firstMoment}.${path}`),
        next.first_moments,
      );
      setNexts(
        builder,
        paths.map((path) => `${secondMoment}.${path}`),
        next.second_moments,
      );
      builder.setNext(powersState, next.powers);
    },
  };
}
