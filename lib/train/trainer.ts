import { DataError, NonFiniteError } from '../errors';
import type { FileSystem } from '../checkpoint/atomic';
import type { Checkpoint } from '../checkpoint/checkpoint';
import { batchCount, type Batch, type Data } from '../data/batch';
import type { Network } from '../nn/network';
import type { Signature } from '../nn/signature';
import type { Shape } from '../ops/shape';
import { Watch } from './earlyStopping';
import { evaluate } from './evaluator';
import { Feed } from './feed';
import { MeanFigures } from './figures';
import { fitSettings, type FitOptions, type FitSettings } from './fitOptions';
import { RunFiles } from './runFiles';
import { Run, type EpochEvent, type History, type TrainingEvent } from './run';
import { figureNames } from './step';
import { Stepper, type StepOptions, type StepPlace } from './stepper';
import { TrainingState } from './trainingState';

/** What a model does around its training. */
export interface FitHooks {
  /** Throws for what the model cannot be trained on; before the first step. */
  check(): void;
  /** What a file says of the model, trained on these data, beside the weights. */
  metadata(inputs: Signature): Readonly<Record<string, string>>;
  /** Takes the parameters of a checkpoint; throws, nothing changed, when it is of another model or other data. */
  restore(checkpoint: Checkpoint): void;
  /** Writes the model, after the last step. */
  save(path: string): Promise<void>;
  /** Where checkpoints are written; for tests of what can go wrong there. */
  readonly fileSystem?: FileSystem;
}

/** Trains a network; see `Module.fit`. */
export function fit(
  network: Network,
  data: Data,
  options: FitOptions<never>,
  declaredShapes: Readonly<Record<string, Shape>>,
  hooks: FitHooks,
): Run {
  return new Run((emit, stop) =>
    network.exclusively('fit', async () => {
      const settings = fitSettings(data, options);
      hooks.check();
      return new Trainer(network, data, options, settings, declaredShapes, stop, hooks).train(emit);
    }),
  );
}

class Trainer {
  private readonly stepper: Stepper;
  private readonly stepOptions: StepOptions<never>;
  private readonly signals: readonly AbortSignal[];
  private readonly state: TrainingState;

  constructor(
    private readonly network: Network,
    private readonly data: Data,
    private readonly options: FitOptions<never>,
    private readonly settings: FitSettings,
    private readonly declaredShapes: Readonly<Record<string, Shape>>,
    private readonly stop: AbortSignal,
    private readonly hooks: FitHooks,
  ) {
    const { loss, optimizer, clipNorm, clipValue, metrics } = options;
    this.signals = options.signal ? [this.stop, options.signal] : [this.stop];
    this.stepOptions = { loss, optimizer, clipNorm, clipValue, metrics, carryState: settings.carries };
    this.stepper = new Stepper(network, optimizer, declaredShapes);
    const watch = settings.watch && new Watch(settings.watch);
    this.state = new TrainingState(network, this.stepper, () => new MeanFigures(this.stepOptions), watch);
  }

  async train(emit: (event: TrainingEvent) => void): Promise<History> {
    const { network, data, options, settings, state, hooks } = this;
    const files = new RunFiles(network, data, options, settings, state, hooks, this.display(), emit);
    try {
      const isResumed = await files.open();
      // A training that has just begun takes one step, however short its time.
      let ended = isResumed ? this.endReason() : null;
      // In the middle of a pass, that has to be ended first.
      if (ended && state.batch > 0) ended = await this.epoch(files, ended);
      while (!ended && state.epoch <= settings.epochs) ended = await this.epoch(files, null);
      await files.finish();
      state.watch?.restore(network);
      await files.saveModel((path) => hooks.save(path));
      return files.history(ended ?? 'done');
    } finally {
      await files.close();
    }
  }

  /** One pass over the data, or the rest of one; what it returns ends the training. */
  private async epoch(files: RunFiles, reason: History['ended'] | null): Promise<History['ended'] | null> {
    const { state } = this;
    if (this.settings.carries && state.batch === 0) this.stepper.resetCarriedState();
    const ended = reason ?? (await this.steps(files));
    if (state.batch === 0 && ended) return ended;
    if (state.batch === 0) throw new DataError('fit: the data hold no batch');
    // What ends within a pass goes on there: a checkpoint of it knows nothing of an end.
    if (ended) await files.finish();
    await this.endEpoch(files);
    if (ended) return ended;
    state.beginEpoch();
    // Only now, so that it goes on with the next pass.
    await files.endEpoch();
    return state.watch?.isOver ? 'earlyStopping' : null;
  }

  /** The steps of a pass up to its end (null), or to that of the training. */
  private async steps(files: RunFiles): Promise<History['ended'] | null> {
    const { state } = this;
    const feed = new Feed<Batch | readonly Batch[]>(
      this.data,
      { epoch: state.epoch - 1, begin: state.batch },
      this.accumulate,
    );
    try {
      for (;;) {
        const item = await feed.next(this.signals, this.secondsLeft() * 1000);
        this.options.signal?.throwIfAborted();
        if (item?.done) return null;
        if (item) await this.step(item.value, feed, files);
        this.options.signal?.throwIfAborted();
        const ended = this.endReason();
        if (ended) return ended;
        await files.endStep();
      }
    } finally {
      await feed.close();
    }
  }

  private async step(
    batch: Batch | readonly Batch[],
    feed: Feed<Batch | readonly Batch[]>,
    files: RunFiles,
  ): Promise<void> {
    const { state, stepper } = this;
    const { signal, maxSteps = Infinity } = this.options;
    const step = stepper.take(batch, this.stepOptions, { ...this.place(), signal });
    // The next batch is made while the native side works on this one.
    if (stepper.step + 1 < maxSteps) feed.ask();
    try {
      const { result, measured } = await step;
      state.took(measured);
      files.report({ type: 'step', epoch: state.epoch, seconds: state.seconds, ...result });
    } catch (error) {
      if (!(error instanceof NonFiniteError) || !state.skipped(this.settings.maxSkipped)) throw error;
      files.report({ type: 'skip', ...state.moment, message: error.message });
    }
    // A loop over the events has its turn, so that stop() at an event ends the training with the step that it tells of.
    await new Promise(setImmediate);
  }

  private async endEpoch(files: RunFiles): Promise<void> {
    const { state, network } = this;
    const { validation: data, loss, metrics, signal, carryState } = this.options;
    // Where every step was skipped, there is no mean.
    const none = () => ({ loss: NaN, ...Object.fromEntries(figureNames(this.options).map((name) => [name, NaN])) });
    const train = state.means.isEmpty ? none() : state.means.mean();
    const evaluation = { loss, metrics, signal, carryState };
    const validation = data ? await evaluate(network, data, evaluation, this.declaredShapes) : null;
    const event: EpochEvent = { type: 'epoch', ...state.moment, train, validation };
    state.epochs.push(event);
    this.stepper.observe(validation ?? train);
    if (validation) await state.watch?.note(validation, state.moment, network);
    files.report(event);
  }

  private display() {
    return { totalSteps: this.totalSteps(), figures: this.shownFigures() };
  }

  /** Figures for the eyes of who waits: metrics that were asked for, and bits per character where there are characters. */
  private shownFigures(): string[] {
    const { loss, metrics = [] } = this.options;
    const isText =
      this.data?.vocabulary !== undefined && typeof loss === 'object' && 'bitsPerCharacter' in loss.derived(0);
    const names = Array.isArray(metrics) ? (metrics as readonly string[]) : Object.keys(metrics);
    return [...(isText ? ['bitsPerCharacter'] : []), ...names];
  }

  private endReason(): History['ended'] | null {
    const { maxSteps = Infinity } = this.options;
    if (this.stop.aborted) return 'stopped';
    if (this.state.batch === 0 && this.state.watch?.isOver) return 'earlyStopping';
    return this.stepper.step >= maxSteps || this.secondsLeft() <= 0 ? 'budget' : null;
  }

  private place(): StepPlace {
    const { epochs } = this.settings;
    const totalEpochs = Number.isFinite(epochs) ? epochs : null;
    return { epoch: this.state.epoch - 1, totalEpochs, totalSteps: this.totalSteps() };
  }

  private secondsLeft(): number {
    return (this.options.maxSeconds ?? Infinity) - this.state.seconds;
  }

  private get accumulate(): number {
    return this.options.accumulate ?? 1;
  }

  /** Null where only the time or the data's end tells. */
  private totalSteps(): number | null {
    const batches = batchCount(this.data);
    const perEpoch = batches === undefined ? undefined : Math.ceil(batches / this.accumulate);
    const { maxSteps = Infinity } = this.options;
    const total = Math.min(maxSteps, perEpoch === undefined ? Infinity : perEpoch * this.settings.epochs);
    return Number.isFinite(total) ? total : null;
  }
}
