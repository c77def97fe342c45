import { DataError, NonFiniteError, StateError } from '../errors';
import type { ArrayView, RunResult, StateSpec } from '../backend/backend';
import type { Batch, Batches } from '../data/batch';
import type { Network, Written } from '../nn/network';
import { randomKeyInput, streamBeginsInput, type RecurrentState } from '../nn/trace';
import type { Shape } from '../ops/shape';
import { assignGroups, ratesAt, type ParameterPlace } from '../optim/groups';
import type { Optimizer } from '../optim/optimizer';
import { summedIn, sumStateNames, sumStates, writeMeanUpdate } from './accumulation';
import { isSeveral, iteratorOf, prepareBatch, type PreparedBatch } from './batch';
import { MeanFigures, measure, readScalar, type Measured } from './figures';
import { names, objectiveKey, writeStep } from './step';
import type { MeasuredStep, StepOptions, StepPlace } from './stepOptions';
import { fromJson, toJson, type StepperRecord } from './stepperRecord';
import { clipKey, updateScalars, type Update } from './update';

export { checkStepOptions, type MeasuredStep, type StepOptions, type StepPlace, type StepResult } from './stepOptions';

let steppers = 0;

/** Takes training steps on a network with one optimizer, whose moments it owns. */
export class Stepper {
  /** Steps taken, those that failed included. */
  step = 0;
  /** Batches taken, those of steps that failed included: random numbers are keyed by it. */
  batches = 0;
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

  /**
   * Forward, backward, clip, update. With several batches, the update takes the gradient of all of them as one.
   *
   * Rejects with NonFiniteError when loss or gradient norm is not finite. Nothing has then changed but, by batches before
   * that one, the carried state; those after it are left out, so that the next step begins where it would have begun.
   */
  async take(batches: Batch | Batches, options: StepOptions<never>, place: StepPlace = {}): Promise<MeasuredStep> {
    this.settleOwnership();
    if (!isSeveral(batches)) {
      const rates = this.rates(place);
      const update = this.update(options);
      const result = await this.run(batches, options, update, updateScalars(update, rates), place.signal);
      this.step++;
      if (result.failedGuard !== null) throw this.nonFinite(result);
      return this.measured(measure(options, result), result, rates);
    }
    const means = new MeanFigures(options);
    const summed = new Set<string>();
    const parts = iteratorOf(batches);
    let part = await parts.next();
    while (!part.done) {
      const run = this.sum(part.value, options, summed, place.signal);
      // The next one is made while the native side works on this one.
      const next = parts.next();
      next.catch(() => {});
      const result = await run;
      if (result.failedGuard !== null) await this.leaveOut(parts, next);
      if (result.failedGuard !== null) throw this.nonFinite(result);
      means.add(measure(options, result));
      part = await next;
    }
    if (means.isEmpty) throw new DataError('batch: expected at least one batch, received none');
    return this.takeMean(means.total(), options, summed, place);
  }

  /** Adds the gradients of a batch to the sums; `summed` are the parameters that have some. */
  private async sum(batch: Batch, options: StepOptions<never>, summed: Set<string>, signal: AbortSignal | undefined) {
    const { network } = this;
    const update = { ...this.update(options), sums: true };
    const keep = { [names.keep]: { data: Float64Array.of(summed.size > 0 ? 1 : 0), shape: [] } };
    return this.run(batch, options, update, keep, signal, (program) => {
      const added = summedIn(program, network.trainable()).filter((path) => !summed.has(path));
      // What earlier steps left for parameters on which the loss of another batch did not depend.
      if (summed.size > 0) network.zeroStates(sumStateNames(added));
      added.forEach((path) => summed.add(path));
    });
  }

  /** The update with the mean of the summed gradients. */
  private async takeMean(
    measured: Measured,
    options: StepOptions<never>,
    summed: ReadonlySet<string>,
    place: StepPlace,
  ): Promise<MeasuredStep> {
    const { network, optimizer } = this;
    const update = this.update(options);
    const rates = this.rates(place);
    const groups = assignGroups(optimizer.name, optimizer.groups, [...network.parameters.values()]);
    const parameters = network.trainable().filter(({ path }) => summed.has(path));
    const key = `mean ${this.id} ${clipKey(update)} ${parameters.map(({ path }) => path).join(' ')}`;
    const { executable } = network.prepare(key, {}, () =>
      writeMeanUpdate(
        parameters.map(({ path, shape }) => ({ path, shape, group: groups.get(path)! })),
        update,
      ),
    );
    const given = updateScalars(update, rates);
    const result = await executable.run(network.store, given, { priority: 'training', signal: place.signal });
    this.step++;
    if (result.failedGuard !== null) throw this.nonFinite(result);
    return this.measured(measured, result, rates);
  }

  /** Takes what is left of a step that failed, and does nothing with it. */
  private async leaveOut(parts: AsyncIterator<Batch>, next: Promise<IteratorResult<Batch>>): Promise<void> {
    this.step++;
    for (let part = await next; !part.done; part = await parts.next()) this.batches++;
  }

  /** The next batch begins new sequences. */
  resetCarriedState(): void {
    this.network.zeroStates([...this.carried]);
    this.streamBegins = true;
  }

  /** Tells schedules of the figures with which a pass ended. */
  observe(figures: Readonly<Record<string, number>>): void {
    this.figures.push(fromJson(toJson(figures)));
  }

  /** The states of the network's store that a resumed training needs beside the parameters: moments and carried states. */
  states(): string[] {
    return [...this.moments, ...this.carried];
  }

  /** The optimizer's states for these parameters, but for those that are frozen. */
  momentsOf(parameters: readonly ParameterPlace[]): StateSpec[] {
    return this.optimizer.states(parameters.filter(({ path }) => !this.network.frozen.has(path)));
  }

  /** What a resumed training needs beside states. */
  record(): StepperRecord {
    const { step, batches, carriedBatchSize, streamBegins } = this;
    return { step, batches, figures: this.figures.map(toJson), carriedBatchSize, streamBegins };
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
    this.batches = record.batches;
    this.figures = record.figures.map(fromJson);
    this.carriedBatchSize = record.carriedBatchSize;
    this.streamBegins = record.streamBegins;
  }

  /** Runs the program of a batch, with its arrays and, of the scalars, those that it has; `begin` is told of the program. */
  private async run(
    batch: Batch,
    options: StepOptions<never>,
    update: Update,
    scalars: Readonly<Record<string, ArrayView>>,
    signal: AbortSignal | undefined,
    begin: (program: Pick<Written, 'program'>) => void = () => {},
  ): Promise<RunResult> {
    const { network } = this;
    const prepared = prepareBatch(batch, this.declaredShapes);
    const executable = this.prepare(prepared, options, update);
    begin(executable);
    const own = { ...scalars, ...this.scalars() };
    const used = Object.fromEntries(
      executable.program.inputs.flatMap(({ name }) => (own[name] ? [[name, own[name]]] : [])),
    );
    const inputs = { ...prepared.inputs, ...prepared.supervision, ...used };
    const result = await executable.run(network.store, inputs, { priority: 'training', signal });
    this.batches++;
    if (options.carryState && result.failedGuard === null) this.streamBegins = false;
    return result;
  }

  private prepare(
    { inputSignature, supervisionSignature, counts }: PreparedBatch,
    options: StepOptions<never>,
    update: Update,
  ) {
    const { network } = this;
    network.bind(inputSignature);
    this.ownMoments();
    if (update.sums) network.ensureStates(sumStates(network.trainable()));
    const recurrentState = this.recurrentState(counts.B ?? 1, options);
    const key = [
      `step ${this.id} ${update.sums ? 'sums' : clipKey(update)} ${objectiveKey(options)}`,
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

  /** Begins anew where a fit with the same optimizer left moments of its own; first of all, as schedules follow the step. */
  private settleOwnership(): void {
    const { momentOwner } = this.network;
    if (momentOwner === this || this.moments.size === 0) return;
    if (!(momentOwner instanceof Stepper) || momentOwner.optimizer !== this.optimizer)
      throw new StateError(
        'another optimizer has trained this network since, and its moments took the place of those of this one; make a new optimizer to go on',
      );
    this.moments.clear();
    this.step = 0;
    this.batches = 0;
  }

  /** The moments start at zero with the first step of this stepper; those of parameters unfrozen later, then. */
  private ownMoments(): void {
    const { network, moments } = this;
    const states = this.optimizer.states(network.trainable());
    if (states.length === 0) return;
    network.momentOwner = this;
    const fresh = states.filter(({ name }) => !moments.has(name));
    network.ensureStates(fresh, true);
    for (const { name } of fresh) moments.add(name);
  }

  private update({ clipNorm, clipValue }: StepOptions<never>): Update {
    return { optimizer: this.optimizer, clipNorm: clipNorm ?? null, clipValue: clipValue ?? null };
  }

  /** The learning rate of each group for the next update. */
  private rates({ totalSteps = null, epoch, totalEpochs }: StepPlace): number[] {
    const { step, figures } = this;
    return ratesAt(this.optimizer.groups, { step, totalSteps, epoch, totalEpochs, figures });
  }

  private measured(measured: Measured, result: RunResult, rates: readonly number[]): MeasuredStep {
    const { figures } = measured;
    const gradientNorm = readScalar(result, names.gradientNorm);
    return {
      result: { step: this.step, loss: figures.loss, figures, gradientNorm, learningRate: rates[0]! },
      measured,
    };
  }

  private scalars(): Record<string, ArrayView> {
    return {
      [streamBeginsInput]: { data: Float32Array.of(this.streamBegins ? 1 : 0), shape: [1] },
      [randomKeyInput]: { data: Int32Array.of(this.network.seed, this.batches), shape: [2] },
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
