import { isFiniteFloat32 } from '../arrays';
import { DataError, NonFiniteError, OptionError, StateError } from '../errors';
import type { ArrayView, RunResult, StateSpec } from '../backend/backend';
import type { Batch } from '../data/batch';
import type { AnyOutputs, Outputs } from '../nn/loss';
import type { Network } from '../nn/network';
import { randomKeyInput, streamBeginsInput, type RecurrentState } from '../nn/trace';
import type { Shape } from '../ops/shape';
import { checkOptions, describe } from '../options';
import type { Optimizer } from '../optim/optimizer';
import { ratesAt } from '../optim/groups';
import type { SchedulePoint } from '../optim/schedule';
import { mapValues } from '../mapValues';
import { prepareBatch, type PreparedBatch } from './batch';
import { measure, readScalar, type Figures, type Measured } from './figures';
import { checkObjective, names, objectiveKey, writeStep, type Objective } from './step';
import { updateScalars } from './update';

export interface StepOptions<O extends Outputs = AnyOutputs> extends Objective<O> {
  /**
   * `adam()`, `adamW()`, `sgd()`, `rmsprop()` or `adagrad()`. Its moments belong to the training: each `fit` starts them anew, also with the same
   * optimizer; for `trainStep` they go on with the optimizer object, and start anew after a `fit` with it.
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

/**
 * What a resumed training needs of a stepper beside states of the network's store: plain JSON.
 *
 * Everything else of an optimizer and its schedules follows from this: see `SchedulePoint`.
 */
export interface StepperRecord {
  readonly step: number;
  /** Of finished passes, for schedules; null for those not finite. */
  readonly figures: readonly Readonly<Record<string, number | null>>[];
  readonly carriedBatchSize: number | null;
  readonly streamBegins: boolean;
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

let steppers = 0;

/** Takes training steps on a network with one optimizer, whose moments it owns. */
export class Stepper {
  /** Steps taken, those that failed included. */
  step = 0;
  private readonly id = ++steppers;
  /** Optimizer states that hold this stepper's moments. */
  private readonly moments = new Set<string>();
  /** States that recurrent layers carry from batch to batch. */
  private readonly carried = new Set<string>();
  private carriedBatchSize: number | null = null;
  /** Whether the next batch with carried state begins new sequences. */
  private streamBegins = true;
  /** Of finished passes. */
  private figures: Readonly<Record<string, number>>[] = [];

  constructor(
    private readonly network: Network,
    private readonly optimizer: Optimizer,
    private readonly declaredShapes: Readonly<Record<string, Shape>> = {},
  ) {}

  /** Forward, backward, clip, update. Rejects with NonFiniteError, nothing changed, when loss or gradient norm is not finite. */
  async take(batch: Batch, options: StepOptions<never>, { signal, ...place }: StepPlace = {}): Promise<MeasuredStep> {
    const prepared = prepareBatch(batch, this.declaredShapes);
    const executable = this.prepare(prepared, options);
    const rates = ratesAt(this.optimizer.groups, {
      totalSteps: null,
      ...place,
      step: this.step,
      figures: this.figures,
    });
    const scalars = { ...updateScalars(this.update(options), rates), ...this.scalars() };
    const used = Object.fromEntries(
      executable.program.inputs.flatMap(({ name }) => (scalars[name] ? [[name, scalars[name]]] : [])),
    );
    const inputs = { ...prepared.inputs, ...prepared.supervision, ...used };
    const result = await executable.run(this.network.store, inputs, { priority: 'training', signal });
    this.step++;
    if (result.failedGuard !== null) throw this.nonFinite(result);
    if (options.carryState) this.streamBegins = false;
    const gradientNorm = readScalar(result, names.gradientNorm);
    const measured = measure(options, result);
    const { figures } = measured;
    return {
      result: { step: this.step, loss: figures.loss, figures, gradientNorm, learningRate: rates[0]! },
      measured,
    };
  }

  /** The next batch begins new sequences. */
  resetCarriedState(): void {
    this.network.zeroStates([...this.carried]);
    this.streamBegins = true;
  }

  /** Tells schedules of the figures with which a pass ended. */
  observe(figures: Readonly<Record<string, number>>): void {
    const kept = Object.entries(figures).map(([name, value]) => [name, Number.isFinite(value) ? value : NaN] as const);
    this.figures.push(Object.fromEntries(kept));
  }

  /** The states of the network's store that a resumed training needs beside the parameters: moments and carried states. */
  states(): string[] {
    return [...this.moments, ...this.carried];
  }

  /** What a resumed training needs beside states. */
  record(): StepperRecord {
    const { step, carriedBatchSize, streamBegins } = this;
    const nullable = (value: number) => (Number.isNaN(value) ? null : value);
    const figures = this.figures.map((pass) => mapValues(pass, nullable));
    return { step, figures, carriedBatchSize, streamBegins };
  }

  /**
   * Goes on where the stepper that wrote this record stood: the next step has the bits of the one it would have taken.
   *
   * @param states What `states()` named there, as read from the store. The network must be bound, with the parameters
   *   of that time.
   * @throws StateError when the optimizer has states that are not among them.
   */
  restore(record: StepperRecord, states: ReadonlyMap<string, ArrayView>): void {
    const { network, moments, carried } = this;
    network.requireBound();
    const own = new Map(this.optimizer.states(network.trainable()).map((state) => [state.name, state]));
    for (const name of record.step > 0 ? own.keys() : [])
      if (!states.has(name))
        throw new StateError(`${name}: the optimizer has this state, and the saved training has not`);
    const restored = [...states].map(([name, { data, shape }]): StateSpec & { initial: ArrayLike<number> } => ({
      name,
      dtype: own.get(name)?.dtype ?? 'float32',
      shape,
      initial: data,
    }));
    network.ensureStates(restored, true);
    network.momentOwner = this;
    for (const name of states.keys()) (own.has(name) ? moments : carried).add(name);
    this.step = record.step;
    this.figures = record.figures.map((pass) => mapValues(pass, (value) => value ?? NaN));
    this.carriedBatchSize = record.carriedBatchSize;
    this.streamBegins = record.streamBegins;
  }

  private prepare({ inputSignature, supervisionSignature, counts }: PreparedBatch, options: StepOptions<never>) {
    const { network } = this;
    network.bind(inputSignature);
    this.ownMoments();
    const recurrentState = this.recurrentState(counts.B ?? 1, options);
    const update = this.update(options);
    const clips = [update.clipNorm, update.clipValue].map((bound) => bound !== null);
    const key = [
      `step ${this.id} clip ${clips.join(' ')} ${objectiveKey(options)}`,
      JSON.stringify([recurrentState, inputSignature, supervisionSignature]),
    ].join(' ');
    const { written, executable } = network.prepare(key, counts, () => {
      const mode = { training: true, recurrentState };
      return writeStep(network, inputSignature, supervisionSignature, mode, options, update);
    });
    // An earlier training may have left states of these names.
    const carried = written.carried.map(({ name }) => name);
    network.zeroStates(carried.filter((name) => !this.carried.has(name)));
    for (const name of carried) this.carried.add(name);
    return executable;
  }

  /** Carried state belongs to rows of a batch, so their number cannot change. */
  private recurrentState(batchSize: number, { carryState = false }: StepOptions<never>): RecurrentState {
    if (!carryState) return 'zero';
    this.carriedBatchSize ??= batchSize;
    if (batchSize !== this.carriedBatchSize) {
      throw new DataError(
        `batch: with carried state every batch needs ${this.carriedBatchSize} rows, received ${batchSize}`,
      );
    }
    return { carried: `training ${batchSize}`, told: true };
  }

  /** The moments start at zero with the first step of this stepper; those of parameters unfrozen later, then. */
  private ownMoments(): void {
    const { network, moments } = this;
    const states = this.optimizer.states(network.trainable());
    if (states.length === 0) return;
    const { momentOwner } = network;
    if (momentOwner !== this && moments.size > 0) {
      // A fit with the same optimizer left moments of its own, with which it ended.
      if (!(momentOwner instanceof Stepper) || momentOwner.optimizer !== this.optimizer)
        throw new StateError(
          'another optimizer has trained this network since, and its moments took the place of those of this one; make a new optimizer to go on',
        );
      moments.clear();
      this.step = 0;
    }
    network.momentOwner = this;
    const fresh = states.filter(({ name }) => !moments.has(name));
    network.ensureStates(fresh, true);
    for (const { name } of fresh) moments.add(name);
  }

  private update({ clipNorm, clipValue }: StepOptions<never>) {
    return { optimizer: this.optimizer, clipNorm: clipNorm ?? null, clipValue: clipValue ?? null };
  }

  private scalars(): Record<string, ArrayView> {
    return {
      [streamBeginsInput]: { data: Float32Array.of(this.streamBegins ? 1 : 0), shape: [1] },
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
