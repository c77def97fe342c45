import { isFiniteFloat32 } from '../arrays';
import { OptionError } from '../errors';
import type { AnyOutputs, Outputs } from '../nn/loss';
import { checkOptions, describe } from '../options';
import type { Optimizer } from '../optim/optimizer';
import type { SchedulePoint } from '../optim/schedule';
import type { Figures, Measured } from './figures';
import { checkObjective, type Objective } from './step';

export interface StepOptions<O extends Outputs = AnyOutputs> extends Objective<O> {
  /**
   * `adam()`, `adamW()`, `sgd()`, `rmsprop()` or `adagrad()`. Its moments belong to the training: each `fit` starts them
   * anew, also with the same optimizer; for `trainStep` they go on with the optimizer object, and start anew after a `fit`
   * with it.
   */
  readonly optimizer: Optimizer;
  /** Gradients are scaled so that their global norm is at most this. Default: no clipping. */
  readonly clipNorm?: number;
  /** Each element of a gradient is then held within ± this, so both bounds hold. Default: no clipping. */
  readonly clipValue?: number;
  /** Recurrent layers go on from the state in which the last batch ended. Default false. */
  readonly carryState?: boolean;
}

export interface StepResult {
  /** Counted from 1. */
  readonly step: number;
  readonly loss: number;
  /** `loss`, what follows from it (`perplexity`, `bitsPerCharacter`, `rootMeanSquaredError`), and the metrics asked for. */
  readonly figures: Figures;
  /** Of all gradients together, before clipping. */
  readonly gradientNorm: number;
  /** That of parameters in no group. */
  readonly learningRate: number;
}

/** A step, and what it adds to figures over several. */
export interface MeasuredStep {
  readonly result: StepResult;
  readonly measured: Measured;
}

/** Where in a training a step is taken, and what may abandon it. */
export interface StepPlace extends Partial<Pick<SchedulePoint, 'totalSteps' | 'epoch' | 'totalEpochs'>> {
  readonly signal?: AbortSignal;
}

const knownOptions = ['loss', 'optimizer', 'clipNorm', 'clipValue', 'metrics', 'carryState'];

/** Throws for options that no step could be taken with. */
export function checkStepOptions(
  owner: string,
  options: StepOptions<never>,
  known: readonly string[] = knownOptions,
): void {
  checkOptions(owner, options ?? {}, known);
  const { optimizer } = options ?? {};
  checkObjective(owner, options ?? {});
  if (typeof optimizer?.emit !== 'function')
    throw new OptionError(
      `${owner}: optimizer: expected an optimizer such as adam(), called, received ${describe(optimizer)}`,
    );
  for (const name of ['clipNorm', 'clipValue'] as const) {
    const bound = options[name] ?? null;
    if (bound !== null && !(typeof bound === 'number' && bound > 0 && isFiniteFloat32(bound)))
      throw new OptionError(
        `${owner}: ${name}: expected a positive number, finite in float32, received ${describe(bound)}`,
      );
  }
}
