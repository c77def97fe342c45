import { DataError, NonFiniteError, OptionError, StateError } from '../errors';
import type { ArrayView, RunResult } from '../backend/backend';
import type { Batch } from '../data/batch';
import type { Loss, LossFunction } from '../nn/loss';
import type { Network } from '../nn/network';
import { randomKeyInput, type RecurrentState } from '../nn/trace';
import type { Shape } from '../ops/shape';
import type { Optimizer } from '../optim/optimizer';
import { prepareBatch, type PreparedBatch } from './batch';
import { figuresOf, readScalar, weightOf, type Figures } from './figures';
import { names, writeStep, type Metrics, type Objective } from './step';

export interface StepOptions {
  readonly loss: Loss | LossFunction;
  readonly optimizer: Optimizer;
  /** Gradients are scaled so that their global norm is at most this. Default: no clipping. */
  readonly clipNorm?: number;
  readonly metrics?: Metrics;
  /** Recurrent layers go on from the state in which the last batch ended. Default false. */
  readonly carryState?: boolean;
}

export interface StepResult {
  /** Counted from 1. */
  readonly step: number;
  readonly loss: number;
  /** The loss, what follows from it, and the metrics asked for. */
  readonly figures: Figures;
  readonly gradientNorm: number;
  readonly learningRate: number;
}

/** A step's figures with the weight that its loss has in a mean over steps. */
export interface WeightedStep {
  readonly result: StepResult;
  readonly weight: number;
}

let steppers = 0;

/** Takes training steps on a network with one optimizer, whose moments it owns. */
export class Stepper {
  /** Steps taken, those that failed included. */
  step = 0;
  private readonly id = ++steppers;
  private readonly objective: Objective;
  private readonly clipNorm: number | null;
  private readonly optimizer: Optimizer;
  private carried: readonly string[] = [];
  private carriedBatchSize: number | null = null;

  constructor(
    private readonly network: Network,
    private readonly options: StepOptions,
    private readonly declaredShapes: Readonly<Record<string, Shape>> = {},
  ) {
    const { loss, metrics, optimizer, clipNorm = null } = options;
    if (!loss) throw new OptionError('loss: expected a loss such as crossEntropy(), received none');
    if (!optimizer?.emit) throw new OptionError('optimizer: expected an optimizer such as adam(), received none');
    if (clipNorm !== null && !(clipNorm > 0))
      throw new OptionError(`clipNorm: expected a positive number, received ${String(clipNorm)}`);
    this.objective = { loss, metrics };
    this.optimizer = optimizer;
    this.clipNorm = clipNorm;
  }

  /** Forward, backward, clip, update. Rejects with NonFiniteError, nothing changed, when loss or gradient norm is not finite. */
  async take(
    batch: Batch,
    { totalSteps = null, signal }: { totalSteps?: number | null; signal?: AbortSignal } = {},
  ): Promise<WeightedStep> {
    const prepared = prepareBatch(batch, this.declaredShapes);
    const executable = this.prepare(prepared);
    const learningRate = this.optimizer.learningRate({ step: this.step, totalSteps });
    const scalars = this.scalars(learningRate);
    const used = Object.fromEntries(
      executable.program.inputs.flatMap(({ name }) => (scalars[name] ? [[name, scalars[name]]] : [])),
    );
    const inputs = { ...prepared.inputs, ...prepared.supervision, ...used };
    const result = await executable.run(this.network.store, inputs, { priority: 'training', signal });
    this.step++;
    if (result.failedGuard !== null) throw this.nonFinite(result);
    this.network.version++;
    const gradientNorm = readScalar(result, names.gradientNorm);
    const figures = figuresOf(this.objective.loss, result);
    return {
      result: { step: this.step, loss: figures.loss, figures, gradientNorm, learningRate },
      weight: weightOf(result),
    };
  }

  /** The next batch begins new sequences. */
  resetCarriedState(): void {
    this.network.zeroStates(this.carried);
  }

  private prepare({ inputSignature, supervisionSignature, counts }: PreparedBatch) {
    const { network } = this;
    network.bind(inputSignature);
    const recurrentState = this.recurrentState(counts.B ?? 1);
    const key = `step ${this.id} ${JSON.stringify([inputSignature, supervisionSignature])}`;
    const { written, executable } = network.prepare(key, counts, () => {
      this.ownMoments();
      const mode = { training: true, recurrentState };
      return writeStep(network, inputSignature, supervisionSignature, mode, this.objective, {
        optimizer: this.optimizer,
        clipNorm: this.clipNorm,
      });
    });
    if (network.momentOwner !== this)
      throw new StateError('another optimizer has trained this network since; make a new one to go on');
    this.carried = written.carried;
    return executable;
  }

  /** Carried state belongs to rows of a batch, so their number cannot change. */
  private recurrentState(batchSize: number): RecurrentState {
    if (!this.options.carryState) return 'zero';
    this.carriedBatchSize ??= batchSize;
    if (batchSize !== this.carriedBatchSize) {
      throw new DataError(
        `batch: with carried state every batch needs ${this.carriedBatchSize} rows, received ${batchSize}`,
      );
    }
    return { carried: `training ${batchSize}` };
  }

  /** The moments start at zero with the first step of this stepper; parameters unfrozen later get theirs then. */
  private ownMoments(): void {
    const { network } = this;
    const first = this.step === 0 && network.momentOwner !== this;
    if (first) network.momentOwner = this;
    network.ensureStates(this.optimizer.states(network.trainable()), first);
  }

  private scalars(learningRate: number): Record<string, ArrayView> {
    return {
      [names.learningRate]: { data: Float64Array.of(learningRate), shape: [1] },
      [names.weightDecay]: { data: Float64Array.of(this.optimizer.weightDecay), shape: [1] },
      [names.maxNorm]: { data: Float64Array.of(this.clipNorm ?? 0), shape: [] },
      [randomKeyInput]: { data: Int32Array.of(this.network.seed, this.step), shape: [2] },
    };
  }

  private nonFinite(result: RunResult): NonFiniteError {
    const what = result.failedGuard === names.loss ? 'loss' : 'gradient norm';
    const value = readScalar(result, result.failedGuard!);
    return new NonFiniteError(
      `step ${this.step}: expected a finite ${what}, received ${value}; weights, moments and carried state are as they were before the step`,
      this.step,
    );
  }
}
