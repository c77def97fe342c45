import { DataError, OptionError } from '../errors';
import { batchCount, iterate, type Data } from '../data/batch';
import type { AnyOutputs, Outputs } from '../nn/loss';
import type { Network } from '../nn/network';
import type { Shape } from '../ops/shape';
import { evaluate } from './evaluator';
import { MeanFigures, type Figures } from './figures';
import { MetricsLog } from './metricsLog';
import { showProgress } from './progress';
import { Run, type EpochEvent, type History, type TrainingEvent } from './run';
import { checkStepOptions, Stepper, type StepOptions } from './stepper';

export interface FitOptions<O extends Outputs = AnyOutputs> extends Omit<StepOptions<O>, 'carryState'> {
  /** Passes over the data. Default 1, or as many as `maxSteps` or `maxSeconds` allow. */
  readonly epochs?: number;
  /** Ends the training after this many steps. */
  readonly maxSteps?: number;
  /** Ends the training after the step during which this time has passed. */
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

/** Trains a network; see `Module.fit`. `finish` runs after the last step, before the run resolves. */
export function fit(
  network: Network,
  data: Data,
  options: FitOptions<never>,
  declaredShapes: Readonly<Record<string, Shape>>,
  finish: (history: History) => Promise<void>,
): Run {
  return new Run((emit, stop) =>
    network.exclusively('fit', async () => {
      checkFitOptions(options);
      const history = await new Trainer(network, data, options, declaredShapes, stop).train(emit);
      await finish(history);
      return history;
    }),
  );
}

function checkFitOptions(options: FitOptions<never>): void {
  checkStepOptions('fit', options, known);
  for (const name of ['epochs', 'maxSteps', 'maxSeconds'] as const) {
    const value = options[name];
    const valid = value === undefined || (value > 0 && (name === 'maxSeconds' || Number.isInteger(value)));
    if (!valid)
      throw new OptionError(
        `fit: ${name}: expected a positive ${name === 'maxSeconds' ? 'number' : 'integer'}, received ${String(value)}`,
      );
  }
}

class Trainer {
  private readonly stepper: Stepper;
  private readonly stepOptions: StepOptions<never>;
  private readonly begin = performance.now();
  private readonly epochs: number;
  private readonly carries: boolean;
  private readonly history: EpochEvent[] = [];

  constructor(
    private readonly network: Network,
    private readonly data: Data,
    private readonly options: FitOptions<never>,
    private readonly declaredShapes: Readonly<Record<string, Shape>>,
    private readonly stop: AbortSignal,
  ) {
    const { maxSteps, maxSeconds, carryState, loss, optimizer, clipNorm, metrics } = options;
    this.epochs = options.epochs ?? (maxSteps === undefined && maxSeconds === undefined ? 1 : Infinity);
    this.carries = carryState ?? data?.continuesState ?? false;
    this.stepOptions = { loss, optimizer, clipNorm, metrics, carryState: this.carries };
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
    const means = new MeanFigures(this.options.loss);
    if (this.carries) this.stepper.resetCarriedState();
    let ended: History['ended'] | null = null;
    const batches = iterate(this.data);
    // The next batch is made while the native side works on this one.
    let next = batches.next();
    try {
      for (;;) {
        const item = await unlessAborted(next, [this.stop, ...(this.options.signal ? [this.options.signal] : [])]);
        if (!item) {
          this.options.signal?.throwIfAborted();
          ended = 'stopped';
          break;
        }
        if (item.done) break;
        const step = this.stepper.take(item.value, this.stepOptions, {
          totalSteps: this.totalSteps(),
          signal: this.options.signal,
        });
        next = batches.next();
        const { result, weight } = await settled(step, next);
        means.add(result.figures, weight);
        report({ type: 'step', epoch, seconds: this.seconds(), ...result });
        ended = this.endReason();
        if (ended) break;
      }
    } finally {
      const closing = batches.return(undefined);
      // Data that do not come cannot be waited for.
      if (this.isAborted()) closing.catch(() => {});
      else await closing;
    }
    if (means.isEmpty && ended) return ended;
    if (means.isEmpty) throw new DataError('fit: the data hold no batch');
    await this.finishEpoch(epoch, means.mean(), report);
    return ended;
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
    this.history.push(event);
    report(event);
  }

  /** Figures for the eyes of who waits: metrics that were asked for, and bits per character where there are characters. */
  private shownFigures(): string[] {
    const { loss, metrics = [] } = this.options;
    const isText =
      this.data.vocabulary !== undefined && typeof loss !== 'function' && 'bitsPerCharacter' in loss.derived(0);
    const names = Array.isArray(metrics) ? (metrics as readonly string[]) : Object.keys(metrics);
    return [...(isText ? ['bitsPerCharacter'] : []), ...names];
  }

  private endReason(): History['ended'] | null {
    const { maxSteps = Infinity, maxSeconds = Infinity } = this.options;
    if (this.stop.aborted) return 'stopped';
    return this.stepper.step >= maxSteps || this.seconds() >= maxSeconds ? 'budget' : null;
  }

  private isAborted(): boolean {
    return this.stop.aborted || (this.options.signal?.aborted ?? false);
  }

  private seconds(): number {
    return (performance.now() - this.begin) / 1000;
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

/** What is awaited, or null as soon as one of the signals is aborted. */
function unlessAborted<T>(awaited: Promise<T>, signals: readonly AbortSignal[]): Promise<T | null> {
  return new Promise((resolve, reject) => {
    const leave = () => resolve(null);
    for (const signal of signals) {
      if (signal.aborted) leave();
      signal.addEventListener('abort', leave, { once: true });
    }
    const settle = () => signals.forEach((signal) => signal.removeEventListener('abort', leave));
    awaited.then(resolve, reject).finally(settle);
  });
}

/** The step's outcome; when it fails, a failure of the prefetched batch is not left unhandled. */
async function settled<T>(step: Promise<T>, next: Promise<unknown>): Promise<T> {
  next.catch(() => {});
  return step;
}
