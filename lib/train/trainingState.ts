import type { ArrayView } from '../backend/backend';
import type { Network } from '../nn/network';
import type { Watch } from './earlyStopping';
import type { Measured, MeanFigures, MeansRecord } from './figures';
import { recordVersion, type TrainingRecord } from './record';
import type { EpochEvent } from './run';
import type { Stepper, StepperRecord } from './stepper';

/** States of a checkpoint that are the parameters of the best epoch bear this prefix. */
const bestPrefix = 'best/';

/** All on which the rest of a training depends, beside options and data: what a checkpoint keeps. */
export class TrainingState {
  /** The pass under way, counted from 1. */
  epoch = 1;
  /** Batches of it that have been taken. */
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

  get moment() {
    return { epoch: this.epoch, step: this.step, seconds: this.seconds };
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

  /** After the parameters. */
  restore(record: TrainingRecord, states: ReadonlyMap<string, ArrayView>): void {
    const isBest = (name: string) => name.startsWith(bestPrefix);
    this.stepper.restore(record.stepper as StepperRecord, new Map([...states].filter(([name]) => !isBest(name))));
    this.means.restore(record.means as MeansRecord);
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
