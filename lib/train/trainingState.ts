import type { ArrayView } from '../backend/backend';
import { CheckpointError } from '../errors';
import type { Network } from '../nn/network';
import { formatShape } from '../ops/shape';
import type { Watch } from './earlyStopping';
import type { Measured, MeanFigures } from './figures';
import { recordVersion, type TrainingRecord } from './record';
import type { ResumePoint } from './resume';
import type { EpochEvent } from './run';
import type { Stepper } from './stepper';

/** States of a checkpoint that are the parameters of the best epoch bear this prefix. */
const bestPrefix = 'best/';
const isBest = (name: string): boolean => name.startsWith(bestPrefix);

/** All on which the rest of a training depends, beside options and data: what a checkpoint keeps. */
export class TrainingState {
  /** The pass under way, counted from 1. */
  epoch = 1;
  /** Batches of it that have been taken; with `accumulate`, lists of so many. */
  batch = 0;
  means: MeanFigures;
  readonly epochs: EpochEvent[] = [];
  skippedSteps = 0;
  private skippedInARow = 0;
  private secondsBefore = 0;
  private readonly begin = performance.now();

  constructor(
    private readonly network: Network,
    private readonly stepper: Stepper,
    private readonly newMeans: () => MeanFigures,
    readonly watch: Watch | null,
  ) {
    this.means = newMeans();
  }

  get step(): number {
    return this.stepper.step;
  }

  /** Of training, those before a resumption included. */
  get seconds(): number {
    return this.secondsBefore + (performance.now() - this.begin) / 1000;
  }

  /** With the pass of the last step, which is over where the next one has no step yet. */
  get moment() {
    const epoch = this.batch === 0 ? Math.max(1, this.epoch - 1) : this.epoch;
    return { epoch, step: this.step, seconds: this.seconds };
  }

  took(measured: Measured): void {
    this.means.add(measured);
    this.batch++;
    this.skippedInARow = 0;
  }

  /** Counts a step that changed nothing; false when there were more than `limit` in a row. */
  skipped(limit: number): boolean {
    if (this.skippedInARow >= limit) return false;
    this.batch++;
    this.skippedSteps++;
    this.skippedInARow++;
    return true;
  }

  beginEpoch(): void {
    this.epoch++;
    this.batch = 0;
    this.means = this.newMeans();
  }

  /** A copy of all states beside the parameters, by the names that `restore` takes. */
  async readStates(): Promise<Record<string, ArrayView>> {
    const { store } = this.network;
    const own = this.stepper.states().map(async (name) => {
      const { shape } = store.states.get(name)!;
      return [name, { data: await store.read(name), shape }] as const;
    });
    const best = [...(this.watch?.bestParameters ?? [])].map(
      ([path, parameter]) => [bestPrefix + path, parameter] as const,
    );
    return Object.fromEntries([...(await Promise.all(own)), ...best]);
  }

  record(options: TrainingRecord['options'], metricsBytes: number): TrainingRecord {
    return {
      version: recordVersion,
      options,
      epoch: this.epoch,
      batch: this.batch,
      seconds: this.seconds,
      stepper: this.stepper.record(),
      means: this.means.record(),
      epochs: [...this.epochs],
      skipped: this.skippedSteps,
      skippedInARow: this.skippedInARow,
      best: this.watch?.best ?? null,
      waited: this.watch?.waited ?? 0,
      metricsBytes,
    };
  }

  /** @throws CheckpointError unless a checkpoint of this model has the states that `restore` takes; before anything is restored. */
  expectStates({ path, record, checkpoint: { parameters, states } }: ResumePoint): void {
    const places = [...parameters].map(([name, { shape }]) => ({ path: name, shape }));
    const best = places.map(({ path, shape }) => ({ name: bestPrefix + path, shape }));
    const expected = [
      ...(record.stepper.step > 0 ? this.stepper.momentsOf(places) : []),
      ...([...states.keys()].some(isBest) ? best : []),
    ];
    for (const { name, shape } of expected) {
      const found = states.get(name)?.shape;
      if (!found || formatShape(found) !== formatShape(shape))
        throw new CheckpointError(
          `${path}: ${name}: expected ${formatShape(shape)}, received ${found ? formatShape(found) : 'no such state'}`,
        );
    }
  }

  /** After the parameters. */
  restore(record: TrainingRecord, states: ReadonlyMap<string, ArrayView>): void {
    this.stepper.restore(record.stepper, new Map([...states].filter(([name]) => !isBest(name))));
    this.means.restore(record.means);
    this.epoch = record.epoch;
    this.batch = record.batch;
    this.epochs.push(...record.epochs);
    this.skippedSteps = record.skipped;
    this.skippedInARow = record.skippedInARow;
    this.secondsBefore = record.seconds;
    const best = [...states].flatMap(([name, state]) =>
      isBest(name) ? [[name.slice(bestPrefix.length), state] as const] : [],
    );
    this.watch?.resume(record, best.length > 0 ? new Map(best) : null);
  }
}
