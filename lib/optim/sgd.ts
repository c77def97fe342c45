import { float32Limit } from '../arrays';
import { OptionError } from '../errors';
import { checkOptions } from '../options';
import { sgd as sgdOp } from '../ops/update/sgd';
import { inRange, setNexts, stateSpecs, stateVariables, type Optimizer } from './optimizer';
import { scheduleOf, type Schedule } from './schedule';

export interface SgdOptions {
  /** Default 1e-2. */
  readonly lr?: number | Schedule;
  /** Default 0. */
  readonly momentum?: number;
  /** Factor 1 − dampening on the gradient that enters the momentum. Default 0. */
  readonly dampening?: number;
  /** Default false. */
  readonly nesterov?: boolean;
  /** L2 penalty λ, added to the gradient as λ·p. Default 0. */
  readonly weightDecay?: number;
}

const momentumState = 'sgd.momentum';

/**
 * Stochastic gradient descent with momentum μ:
 *
 *     g ← g + λp        b ← μb + (1 − dampening)·g        p ← p − lr·b        (Nesterov: p ← p − lr·(g + μb))
 *
 * Source: PyTorch `optim.SGD`; b starts at 0, which equals PyTorch's for dampening 0.
 */
export function sgd(options: SgdOptions = {}): Optimizer {
  checkOptions('sgd', options, ['lr', 'momentum', 'dampening', 'nesterov', 'weightDecay']);
  const { lr = 1e-2, momentum = 0, dampening = 0, nesterov = false, weightDecay = 0 } = options;
  inRange('sgd', 'momentum', momentum, 0, 1);
  inRange('sgd', 'dampening', dampening, 0, 1);
  inRange('sgd', 'weightDecay', weightDecay, 0, float32Limit);
  if (nesterov && (momentum === 0 || dampening !== 0))
    throw new OptionError('sgd: nesterov: expected a momentum and no dampening');
  return {
    name: 'sgd',
    learningRate: scheduleOf(lr),
    weightDecay,
    states: (parameters) => (momentum === 0 ? [] : stateSpecs(momentumState, parameters)),
    emit(builder, trainables, scalars) {
      const momenta = momentum === 0 ? [] : stateVariables(builder, momentumState, trainables);
      const next = builder.emit(
        sgdOp,
        {
          parameters: trainables.map((t) => t.parameter),
          gradients: trainables.map((t) => t.gradient),
          momenta,
          ...scalars,
        },
        { momentum, dampening, nesterov, groups: trainables.map(() => 0) },
      );
      const paths = trainables.map(({ path }) => path);
      setNexts(builder, paths, next.parameters);
      if (momenta.length)
        setNexts(
          builder,
          paths.map((path) => `${momentumState}.${path}`),
          next.momenta,
        );
    },
  };
}
