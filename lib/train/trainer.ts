import { DataError, OptionError } from '../errors';
import { batchCount, type Batch, type Data } from '../data/batch';
import type { AnyOutputs, Outputs } from '../nn/loss';
import type { Network } from '../nn/network';
import type { Shape } from '../ops/shape';
import { describe } from '../options';
import { evaluate } from './evaluator';
import { Feed } from './feed';
import { MeanFigures, type Figures } from './figures';
import { MetricsLog } from './metricsLog';
import { showProgress } from './progress';
import { Run, type EpochEvent, type History, type TrainingEvent } from './run';
import { checkStepOptions, Stepper, type StepOptions, type StepPlace } from './stepper';

export interface FitOptions<O extends Outputs = AnyOutputs> extends Omit<StepOptions<O>, 'carryState'> {
  /** Passes over the data. Default 1, or as many as `maxSteps` or `maxSeconds` allow. */
  readonly epochs?: number;
  /** Ends the training after this many steps. */
  readonly maxSteps?: number;
  /** Ends the training after the step during which this time has passed, or while it waits for data. */
  readonly maxSeconds?: number;
  /** Evaluated after each epoch, with the same loss and metrics. */
  readonly validation?: Data;
  /** Truncated backpropagation through time: recurrent state goes on from batch to batch, and starts at zero with each pass. Default: as the data say. */
  readonly carryState?: boolean;
  /** A bar on a terminal, plain lines elsewhere, on standard error, with the loss, metrics, and bits per character of text. Default false. */
  readonly progress?: boolean;
  /** A folder for `metrics.jsonl` and, at the end, `model.safetensors`. Those of an earlier run there are overwritten. */
  readonly runDir?: string;
  /** Ends the training at once: the step under way is abandoned, the run rejects with the signal's reason. `run.stop()` ends it kindly. */
  readonly signal?: AbortSignal;
}

const known: readonly (keyof FitOptions)[] = [
  'loss',
  'optimizer',
  'clipNorm',
  'clipValue',
  'metrics',
  'epochs',
  'maxSteps',
  'maxSeconds',
  'validation',
  'carryState',
  'progress',
  'runDir',
  'signal',
];

/** What a model does around its training. */
export interface FitHooks {
  /** Throws for what the model cannot be trained on; before the first step. */
  check(): void;
  /** After the last step, before the run resolves. */
  finish(): Promise<void>;
}

/** Trains a network; see `Module.fit`. */
export function fit(
  network: Network,
  data: Data,
  options: FitOptions<never>,
  declaredShapes: Readonly<Record<string, Shape>>,
  { check, finish }: FitHooks,
): Run {
  return new Run((emit, stop) =>
    network.exclusively('fit', async () => {
      checkFitOptions(options);
      check();
      const history = await new Trainer(network, data, options, declaredShapes, stop).train(emit);
      await finish();
      return history;
    }),
  );
}

function checkFitOptions(options: FitOptions<never>): void {
  checkStepOptions('fit', options, known);
  for (const name of ['epochs', 'maxSteps', 'maxSeconds'] as const) {
    const value = options[name];
    const valid =
      value === undefined ||
      (typeof value === 'number' && value > 0 && (name === 'maxSeconds' || Number.isInteger(value)));
    if (!valid)
      throw new OptionError(
        `fit: ${name}: expected a positive ${name === 'maxSeconds' ? 'number' : 'integer'}, received ${describe(value)}`,
      );
  }
}

class Trainer {
  private readonly stepper: Stepper;
  private readonly stepOptions: StepOptions<never>;
  private readonly begin = performance.now();
  private readonly epochs: number;
  private readonly carries: boolean;
  private readonly signals: readonly AbortSignal[];
  private readonly history: EpochEvent[] = [];

  constructor(
    private readonly network: Network,
    private readonly data: Data,
    private readonly options: FitOptions<never>,
    private readonly declaredShapes: Readonly<Record<string, Shape>>,
    private readonly stop: AbortSignal,
  ) {
    const { maxSteps, maxSeconds, carryState, loss, optimizer, clipNorm, clipValue, metrics } = options;
    this.epochs = options.epochs ?? (maxSteps === undefined && maxSeconds === undefined ? 1 : Infinity);
    this.carries = carryState ?? data?.continuesState ?? false;
    this.signals = options.signal ? [this.stop, options.signal] : [this.stop];
    this.stepOptions = { loss, optimizer, clipNorm, clipValue, metrics, carryState: this.carries };
    this.stepper = new Stepper(network, optimizer, declaredShapes);
  }

  async train(emit: (event: TrainingEvent) => void): Promise<History> {
    const log = this.options.runDir === undefined ? null : await MetricsLog.open(this.options.runDir);
    const progress = this.options.progress ? showProgress(this.totalSteps(), this.shownFigures()) : null;
    const report = (event: TrainingEvent) => {
      log?.write(event);
      progress?.show(event);
      emit(event);
    };
    try {
      let ended: History['ended'] | null = null;
      for (let epoch = 1; epoch <= this.epochs && !ended; epoch++) ended = await this.epoch(epoch, report);
      return { epochs: this.history, steps: this.stepper.step, seconds: this.seconds(), ended: ended ?? 'done' };
    } finally {
      progress?.end();
      await log?.close();
    }
  }

  /** One pass over the data; what it returns ends the training. */
  private async epoch(epoch: number, report: (event: TrainingEvent) => void): Promise<History['ended'] | null> {
    const means = new MeanFigures(this.stepOptions);
    if (this.carries) this.stepper.resetCarriedState();
    const feed = new Feed(this.data, { epoch: epoch - 1 });
    let ended: History['ended'] | null = null;
    try {
      while (!ended) {
        const item = await feed.next(this.signals, this.secondsLeft() * 1000);
        this.options.signal?.throwIfAborted();
        if (item?.done) break;
        if (item) await this.step(epoch, item.value, feed, means, report);
        ended = this.endReason();
      }
    } finally {
      await feed.close();
    }
    if (means.isEmpty && ended) return ended;
    if (means.isEmpty) throw new DataError('fit: the data hold no batch');
    await this.finishEpoch(epoch, means.mean(), report);
    return ended;
  }

  private async step(
    epoch: number,
    batch: Batch,
    feed: Feed,
    means: MeanFigures,
    report: (event: TrainingEvent) => void,
  ): Promise<void> {
    const { signal, maxSteps = Infinity } = this.options;
    const step = this.stepper.take(batch, this.stepOptions, { ...this.place(epoch), signal });
    // The next batch is made while the native side works on this one.
    if (this.stepper.step + 1 < maxSteps) feed.ask();
    const { result, measured } = await step;
    means.add(measured);
    report({ type: 'step', epoch, seconds: this.seconds(), ...result });
    // A loop over the events has its turn, so that stop() at an event ends the training with the step that it tells of.
    await new Promise(setImmediate);
  }

  private async finishEpoch(epoch: number, train: Figures, report: (event: TrainingEvent) => void): Promise<void> {
    const { validation: data, loss, metrics, signal } = this.options;
    const validation = data ? await evaluate(this.network, data, { loss, metrics, signal }, this.declaredShapes) : null;
    const event: EpochEvent = {
      type: 'epoch',
      epoch,
      step: this.stepper.step,
      train,
      validation,
      seconds: this.seconds(),
    };
    this.stepper.observe(validation ?? train);
    this.history.push(event);
    report(event);
  }

  /** Figures for the eyes of who waits: metrics that were asked for, and bits per character where there are characters. */
  private shownFigures(): string[] {
    const { loss, metrics = [] } = this.options;
    const isText =
      this.data.vocabulary !== undefined && typeof loss === 'object' && 'bitsPerCharacter' in loss.derived(0);
    const names = Array.isArray(metrics) ? (metrics as readonly string[]) : Object.keys(metrics);
    return [...(isText ? ['bitsPerCharacter'] : []), ...names];
  }

  private endReason(): History['ended'] | null {
    const { maxSteps = Infinity } = this.options;
    if (this.stop.aborted) return 'stopped';
    return this.stepper.step >= maxSteps || this.secondsLeft() <= 0 ? 'budget' : null;
  }

  private secondsLeft(): number {
    return (this.options.maxSeconds ?? Infinity) - this.seconds();
  }

  private seconds(): number {
    return (performance.now() - this.begin) / 1000;
  }

  private place(epoch: number): StepPlace {
    const totalEpochs = Number.isFinite(this.epochs) ? this.epochs : null;
    return { epoch: epoch - 1, totalEpochs, totalSteps: this.totalSteps() };
  }

  /** Null where only the time or the data's end tells. */
  private totalSteps(): number | null {
    const perEpoch = batchCount(this.data);
    const total = Math.min(
      this.options.maxSteps ?? Infinity,
      perEpoch === undefined ? Infinity : perEpoch * this.epochs,
    );
    return Number.isFinite(total) ? total : null;
  }
}
