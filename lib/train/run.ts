import { OptionError } from '../errors';
import { describe } from '../options';
import type { Best } from './earlyStopping';
import type { Figures } from './figures';
import type { StepResult } from './stepper';

export interface StepEvent extends StepResult {
  readonly type: 'step';
  /** Counted from 1. */
  readonly epoch: number;
  /** Since the start of the training. */
  readonly seconds: number;
}

export interface EpochEvent {
  readonly type: 'epoch';
  /** Counted from 1. */
  readonly epoch: number;
  /** Steps taken so far. */
  readonly step: number;
  /** Means over the steps of the epoch, each with the parameters of its time. */
  readonly train: Figures;
  /** After the epoch; null without validation data. */
  readonly validation: Figures | null;
  readonly seconds: number;
}

/** Where in a training something happened. */
interface Moment {
  /** The pass of the last step, counted from 1. */
  readonly epoch: number;
  /** Steps taken so far, those that were skipped included. */
  readonly step: number;
  readonly seconds: number;
}

/** A step whose loss or gradient norm was not finite: it changed nothing. */
export interface SkipEvent extends Moment {
  readonly type: 'skip';
  readonly message: string;
}

/** A checkpoint is on disk. It was taken after `step` steps; the training has gone on since. */
export interface CheckpointEvent extends Moment {
  readonly type: 'checkpoint';
  readonly path: string;
  /** Whether the validation was never better. */
  readonly best: boolean;
}

/** The training goes on from a checkpoint; the first event of a training that is resumed from one. */
export interface ResumeEvent extends Moment {
  readonly type: 'resume';
  readonly path: string;
}

/** Something went wrong with the files of the run, and the training goes on. */
export interface WarningEvent extends Moment {
  readonly type: 'warning';
  readonly message: string;
}

export type TrainingEvent = StepEvent | EpochEvent | SkipEvent | CheckpointEvent | ResumeEvent | WarningEvent;

export interface History {
  /** Those before a resumption included. */
  readonly epochs: readonly EpochEvent[];
  /** Those before a resumption, and those that were skipped, included. */
  readonly steps: number;
  /** Of training; of a resumed one, with the time before its checkpoint. */
  readonly seconds: number;
  /** Steps that were skipped because their loss or gradient norm was not finite. */
  readonly skipped: number;
  /** The epoch with the best validation; null where none was watched. */
  readonly best: BestEpoch | null;
  /** Trouble with files on the way, since the start or the resumption. */
  readonly warnings: readonly WarningEvent[];
  /** Why the training ended. */
  readonly ended: 'done' | 'budget' | 'stopped' | 'earlyStopping';
}

export interface BestEpoch extends Best {
  /** Its checkpoint; null where none was written. */
  readonly checkpoint: string | null;
}

const eventTypes: readonly TrainingEvent['type'][] = ['step', 'epoch', 'skip', 'checkpoint', 'resume', 'warning'];

type EventOf<T extends TrainingEvent['type']> = Extract<TrainingEvent, { type: T }>;

/** Step events that an iterating listener has not taken yet; older ones are dropped beyond this. */
const maxWaitingSteps = 256;

/**
 * A training under way: a promise of its history that is also an async iterable of its events. It starts at once and
 * never waits for a listener. Leaving the loop ends the listening only; `stop()` ends the training after the step under way.
 */
export class Run implements Promise<History>, AsyncIterable<TrainingEvent> {
  readonly [Symbol.toStringTag] = 'Run';
  private readonly history: Promise<History>;
  private readonly listeners: { type: string; listener: (event: never) => void }[] = [];
  private readonly streams = new Set<EventStream>();
  private readonly stopping = new AbortController();

  /** `train` reports events to `emit` and ends early when `stop` is aborted. */
  constructor(train: (emit: (event: TrainingEvent) => void, stop: AbortSignal) => Promise<History>) {
    this.history = train((event) => this.emit(event), this.stopping.signal);
  }

  /** Calls `listener` at each event of this type. A listener that throws ends the training: the run rejects with its error. */
  on<T extends TrainingEvent['type']>(type: T, listener: (event: EventOf<T>) => void): this {
    if (!eventTypes.includes(type))
      throw new OptionError(`on: expected one of ${eventTypes.map(describe).join(', ')}, received ${describe(type)}`);
    if (typeof listener !== 'function')
      throw new OptionError(`on: expected a function that takes the event, received ${describe(listener)}`);
    this.listeners.push({ type, listener });
    return this;
  }

  /** Ends the training after the step under way; the history then says `stopped`. */
  stop(): Promise<History> {
    this.stopping.abort();
    return this.history;
  }

  [Symbol.asyncIterator](): AsyncIterator<TrainingEvent> {
    const stream = new EventStream(() => this.streams.delete(stream));
    this.streams.add(stream);
    // The iteration tells of a failure; the promise need not be awaited as well.
    this.history.then(
      () => stream.end(null),
      (error: unknown) => stream.end({ error }),
    );
    return stream;
  }

  then<A = History, B = never>(
    done?: ((history: History) => A | PromiseLike<A>) | null,
    failed?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.history.then(done, failed);
  }

  catch<B = never>(failed?: ((reason: unknown) => B | PromiseLike<B>) | null): Promise<History | B> {
    return this.history.catch(failed);
  }

  finally(ended?: (() => void) | null): Promise<History> {
    return this.history.finally(ended);
  }

  private emit(event: TrainingEvent): void {
    for (const { type, listener } of this.listeners) {
      if (type === event.type) listener(event as never);
    }
    for (const stream of this.streams) stream.push(event);
  }
}

/** Events waiting for one `for await` loop. */
class EventStream implements AsyncIterator<TrainingEvent> {
  private readonly waiting: TrainingEvent[] = [];
  private readonly wanted: {
    resolve: (result: IteratorResult<TrainingEvent>) => void;
    reject: (reason: unknown) => void;
  }[] = [];
  private ended: { error: unknown } | 'done' | null = null;

  constructor(private readonly onReturn: () => void) {}

  push(event: TrainingEvent): void {
    const listener = this.wanted.shift();
    if (listener) return listener.resolve({ value: event, done: false });
    this.waiting.push(event);
    const steps = this.waiting.filter(({ type }) => type === 'step').length;
    if (steps > maxWaitingSteps)
      this.waiting.splice(
        this.waiting.findIndex(({ type }) => type === 'step'),
        1,
      );
  }

  end(failure: { error: unknown } | null): void {
    this.ended ??= failure ?? 'done';
    for (const { resolve, reject } of this.wanted.splice(0)) this.next().then(resolve, reject);
  }

  async next(): Promise<IteratorResult<TrainingEvent>> {
    const event = this.waiting.shift();
    if (event) return { value: event, done: false };
    if (this.ended === 'done') return { value: undefined, done: true };
    if (this.ended) {
      const { error } = this.ended;
      this.ended = 'done';
      throw error;
    }
    return new Promise((resolve, reject) => this.wanted.push({ resolve, reject }));
  }

  async return(): Promise<IteratorResult<TrainingEvent>> {
    this.onReturn();
    this.waiting.length = 0;
    this.ended = 'done';
    this.end(null);
    return { value: undefined, done: true };
  }
}
