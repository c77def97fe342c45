import type { FileSystem } from '../checkpoint/atomic';
import type { Checkpoint } from '../checkpoint/checkpoint';
import { CheckpointError } from '../errors';
import type { Data } from '../data/batch';
import type { Network } from '../nn/network';
import type { Signature } from '../nn/signature';
import { Checkpointer, type Snapshot } from './checkpointing';
import type { FitOptions, FitSettings } from './fitOptions';
import { MetricsLog } from './metricsLog';
import { showProgress, type Progress } from './progress';
import { expectSameOptions, newestCheckpoint, trainingOptions, type ResumePoint } from './resume';
import type { BestEpoch, History, TrainingEvent, WarningEvent } from './run';
import { RunFolder } from './runFolder';
import { RunLock } from './runLock';
import type { TrainingState } from './trainingState';

/** What the files need to know of the model. */
export interface FileHooks {
  metadata(inputs: Signature): Readonly<Record<string, string>>;
  restore(checkpoint: Checkpoint): void;
  readonly fileSystem?: FileSystem;
}

/** Events that are lines of `metrics.jsonl`. Of the others, the files themselves tell. */
const logged: readonly TrainingEvent['type'][] = ['step', 'epoch', 'skip'];

/** What a training writes while it runs: events to those who listen, metrics and checkpoints to its folder, if it has one. */
export class RunFiles {
  readonly folder: RunFolder | null;
  private readonly options: Record<string, unknown>;
  private readonly warnings: WarningEvent[] = [];
  /** What a resumption warns of, once it has told where it begins. */
  private readonly found: string[] = [];
  private lock: RunLock | null = null;
  private log: MetricsLog | null = null;
  private checkpointer: Checkpointer | null = null;
  private progress: Progress | null = null;
  /** What ends the training at the next step. */
  private failure: { readonly error: unknown } | null = null;
  /** Steps of which checkpoints have been written. */
  private readonly written = new Set<number>();
  /** Where the last checkpoint was taken. */
  private last = '';

  constructor(
    private readonly network: Network,
    data: Data,
    private readonly fitOptions: FitOptions<never>,
    private readonly settings: FitSettings,
    private readonly state: TrainingState,
    private readonly hooks: FileHooks,
    private readonly display: { readonly totalSteps: number | null; readonly figures: readonly string[] },
    private readonly emit: (event: TrainingEvent) => void,
  ) {
    this.folder = settings.place && new RunFolder(settings.place.path, hooks.fileSystem);
    this.options = trainingOptions(network, data, fitOptions, settings);
  }

  /** Makes the folder ready, and brings the training to where it stood. True when it goes on from a checkpoint. */
  async open(): Promise<boolean> {
    const { folder, settings, state, display } = this;
    if (this.fitOptions.progress) this.progress = showProgress(display.totalSteps, display.figures);
    if (!folder) return false;
    const point = await this.enter(folder);
    await this.openLog(folder, point?.record.metricsBytes ?? 0);
    if (settings.checkpoints) {
      const listener = {
        written: this.checkpointed.bind(this),
        failed: (error: CheckpointError) => this.trouble(error),
        before: () => this.log!.sync().catch((error: CheckpointError) => this.trouble(error)),
      };
      this.checkpointer = new Checkpointer(folder, settings.checkpoints, listener, state.step);
    }
    if (point) this.report({ type: 'resume', ...state.moment, path: point.path });
    for (const message of this.found) this.warn(message);
    return point !== null;
  }

  private async openLog({ metricsPath, fileSystem }: RunFolder, bytes: number): Promise<void> {
    this.log = await MetricsLog.open(metricsPath, bytes, (error) => this.trouble(error), fileSystem);
    const kept = this.log.bytes;
    if (kept < bytes)
      this.found.push(
        `${metricsPath}: expected the ${bytes} bytes that the run had written of its metrics, found ${kept}; the others are lost`,
      );
  }

  private async enter(folder: RunFolder): Promise<ResumePoint | null> {
    const { purpose } = this.settings.place!;
    if (purpose === 'go on') await folder.expectRun();
    await folder.make();
    this.lock = await RunLock.take(folder.lockPath, (error) => (this.failure ??= { error }));
    if (purpose === 'begin') await folder.expectEmpty();
    const point = purpose.startsWith('go on') ? await this.goOn(folder) : null;
    await folder.tidy();
    if (purpose === 'overwrite') await folder.clear();
    return point;
  }

  private async goOn(folder: RunFolder): Promise<ResumePoint | null> {
    const point = await newestCheckpoint(folder, (message) => this.found.push(message));
    if (!point) {
      await folder.expectUnfinished();
      return null;
    }
    expectSameOptions(folder, point.record.options, this.options);
    this.state.expectStates(point);
    this.hooks.restore(point.checkpoint);
    this.state.restore(point.record, point.checkpoint.states);
    for (const { step } of await folder.checkpoints()) this.written.add(step);
    this.last = this.place();
    return point;
  }

  report(event: TrainingEvent): void {
    if (logged.includes(event.type)) this.log?.write(event);
    this.progress?.show(event);
    this.emit(event);
  }

  /** After a step: a checkpoint, if one is due. */
  async endStep(): Promise<void> {
    this.throwIfFailed();
    if (this.checkpointer?.isDue(this.state.step)) await this.checkpoint();
  }

  /** After a pass: a checkpoint, if one is due, or if the validation was never better. */
  async endEpoch(): Promise<void> {
    this.throwIfFailed();
    const { watch, step } = this.state;
    const isBest = watch?.best?.step === step;
    if (isBest || this.checkpointer?.isDue(step)) await this.checkpoint();
  }

  /** The last checkpoint, and the end of those that are being written. */
  async finish(): Promise<void> {
    this.throwIfFailed();
    // Before the first step there is nothing to go on from.
    if (this.state.step > 0) await this.checkpoint();
    await this.checkpointer?.settle();
    this.throwIfFailed();
  }

  /** The model, for those who only want to use it: as a checkpoint, it may fail without the training being lost. */
  async saveModel(save: (path: string) => Promise<void>): Promise<void> {
    if (!this.folder) return;
    await save(this.folder.modelPath).catch((error: unknown) => {
      if (!(error instanceof CheckpointError)) throw error;
      this.trouble(error);
    });
    this.throwIfFailed();
  }

  /** However the training ends, nothing is being written any more. */
  async close(): Promise<void> {
    this.progress?.end();
    // What has ended the training is thrown already.
    await this.checkpointer?.settle().catch(() => {});
    try {
      await this.log?.close();
    } catch (error) {
      if (this.settings.checkpoints?.onFailure === 'stop') throw error;
    } finally {
      await this.lock?.release();
    }
  }

  history(ended: History['ended']): History {
    const { epochs, step, seconds, skippedSteps, watch } = this.state;
    const { warnings } = this;
    return { epochs, steps: step, seconds, skipped: skippedSteps, best: this.best(watch?.best), warnings, ended };
  }

  private best(best: Omit<BestEpoch, 'checkpoint'> | null | undefined): BestEpoch | null {
    if (!best) return null;
    return { ...best, checkpoint: this.written.has(best.step) ? this.folder!.checkpointPath(best.step) : null };
  }

  private async checkpoint(): Promise<void> {
    const place = this.place();
    if (!this.checkpointer || place === this.last) return;
    this.last = place;
    await this.checkpointer.begin(async () => this.snapshot());
  }

  private place(): string {
    const { epoch, batch, step } = this.state;
    return [epoch, batch, step].join();
  }

  private async snapshot(): Promise<Snapshot> {
    const { network, state } = this;
    const record = state.record(this.options, this.log!.bytes);
    const metadata = this.hooks.metadata(network.requireBound());
    const [parameters, states] = await Promise.all([network.readParameters(), state.readStates()]);
    return {
      moment: state.moment,
      bestStep: state.watch?.best?.step ?? null,
      parameters: Object.fromEntries(parameters),
      states,
      metadata,
      record,
    };
  }

  private checkpointed({ moment, bestStep }: Snapshot, path: string): void {
    this.written.add(moment.step);
    this.report({ type: 'checkpoint', ...moment, path, best: moment.step === bestStep });
  }

  /** Files could not be written: by choice, that ends the training, or is told and gone on from. */
  private trouble(error: CheckpointError): void {
    if (this.settings.checkpoints?.onFailure === 'stop') this.failure ??= { error };
    else this.warn(error.message);
  }

  private warn(message: string): void {
    const event: WarningEvent = { type: 'warning', ...this.state.moment, message };
    this.warnings.push(event);
    try {
      this.report(event);
    } catch (error) {
      // Of a listener, which ends the training at the next step.
      this.failure ??= { error };
    }
  }

  private throwIfFailed(): void {
    if (this.failure) throw this.failure.error;
    this.checkpointer?.throwIfFailed();
  }
}
