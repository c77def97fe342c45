import { OptionError } from '../errors';
import { describe } from '../options';
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

export type TrainingEvent = StepEvent | EpochEvent;

export interface History {
  readonly epochs: readonly EpochEvent[];
  readonly steps: number;
  readonly seconds: number;
  /** Why the training ended. */
  readonly ended: 'done' | 'budget' | 'stopped';
}

const eventTypes: readonly TrainingEvent['type'][] = ['step', 'epoch'];

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
      throw new OptionError(`on: expected ${eventTypes.map(describe).join(' or ')}, received ${describe(type)}`);
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
