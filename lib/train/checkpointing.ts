import { makeFolder, writeFileAtomically } from '../checkpoint/atomic';
import { checkpointChunks, type Tensors } from '../checkpoint/checkpoint';
import { CheckpointError } from '../errors';
import type { WatchOptions } from './earlyStopping';
import type { RunFolder } from './runFolder';

/**
 * When checkpoints are written, beside those on `stop()`, at the end, and of each epoch that is the best so far. Each is
 * copied between two steps and written while the next ones run; the one after waits until it is on disk.
 */
export interface CheckpointOptions {
  /** After every so many steps: 100, 200, ... Default: by time only. */
  readonly everySteps?: number;
  /** When so many minutes have passed since the last. Default 5, or not at all where `everySteps` is given. */
  readonly everyMinutes?: number;
  /** How many are kept, the newest ones, beside the best. Default 3. */
  readonly keepLast?: number;
  /**
   * The figure of the validation that tells which checkpoint is the best; false for none. Default: the one that early
   * stopping watches, or the loss.
   */
  readonly best?: string | WatchOptions | false;
  /**
   * When metrics or a checkpoint cannot be written, on a full disk say: `continue` goes on with a `warning` event, the
   * checkpoints before stay and the next one is tried in its turn; `stop` ends the training with the error. Default `continue`.
   */
  readonly onFailure?: 'stop' | 'continue';
}

export interface CheckpointSettings {
  readonly everySteps: number;
  readonly everyMinutes: number;
  readonly keepLast: number;
  readonly onFailure: 'stop' | 'continue';
}

/** All of a training between two steps, copied. */
export interface Snapshot {
  readonly moment: { readonly epoch: number; readonly step: number; readonly seconds: number };
  /** The step of the best checkpoint, which is kept; null where there is none. */
  readonly bestStep: number | null;
  readonly parameters: Tensors;
  readonly states: Tensors;
  readonly metadata: Readonly<Record<string, string>>;
  readonly record: unknown;
}

export interface CheckpointListener {
  written(snapshot: Snapshot, path: string): void;
  failed(error: CheckpointError): void;
  /** Brings to disk what the checkpoint refers to, before it is there itself. */
  before(): Promise<void>;
}

/** Writes checkpoints, one at a time, beside the training. */
export class Checkpointer {
  private writing: Promise<void> | null = null;
  private failure: { readonly error: unknown } | null = null;
  private hasFolder = false;
  private lastStep: number;
  private lastTime = performance.now();

  constructor(
    private readonly folder: RunFolder,
    private readonly settings: CheckpointSettings,
    private readonly listener: CheckpointListener,
    step: number,
  ) {
    this.lastStep = step;
  }

  isDue(step: number): boolean {
    const { everySteps, everyMinutes } = this.settings;
    const isAtStep = Math.floor(step / everySteps) > Math.floor(this.lastStep / everySteps);
    return isAtStep || performance.now() - this.lastTime >= everyMinutes * 60_000;
  }

  /** Begins to write what `take` copies, as soon as the checkpoint before is written. Resolves when it is copied. */
  async begin(take: () => Promise<Snapshot>): Promise<void> {
    await this.settle();
    const snapshot = await take();
    this.lastStep = snapshot.moment.step;
    this.lastTime = performance.now();
    this.writing = this.write(snapshot).catch((error: unknown) => {
      this.failure = { error };
    });
  }

  /** Waits until nothing is being written; throws what ends the training. */
  async settle(): Promise<void> {
    await this.writing;
    this.writing = null;
    this.throwIfFailed();
  }

  /** Throws what a write that has ended says against going on. */
  throwIfFailed(): void {
    if (!this.failure) return;
    const { error } = this.failure;
    this.failure = null;
    throw error;
  }

  private async write(snapshot: Snapshot): Promise<void> {
    const { moment, bestStep, parameters, states, metadata, record } = snapshot;
    const { checkpointFolder, fileSystem } = this.folder;
    const path = this.folder.checkpointPath(moment.step);
    try {
      await this.listener.before();
      if (!this.hasFolder) await makeFolder(checkpointFolder, fileSystem);
      this.hasFolder = true;
      await writeFileAtomically(path, await checkpointChunks(parameters, states, metadata, record), fileSystem);
    } catch (error) {
      // It may be what was removed.
      this.hasFolder = false;
      return this.fail(`${path}: could not be written`, error);
    }
    this.listener.written(snapshot, path);
    try {
      await this.prune(moment.step, bestStep);
    } catch (error) {
      this.fail(`${checkpointFolder}: an old checkpoint could not be removed`, error);
    }
  }

  private fail(what: string, cause: unknown): void {
    const error =
      cause instanceof CheckpointError ? cause : new CheckpointError(`${what}: ${(cause as Error).message}`, { cause });
    if (this.settings.onFailure === 'stop') throw error;
    this.listener.failed(error);
  }

  /** Only when a newer one is on disk: so there is always one that is whole. */
  private async prune(newest: number, best: number | null): Promise<void> {
    const older = (await this.folder.checkpoints()).filter(({ step }) => step < newest);
    for (const { step, path } of older.slice(this.settings.keepLast - 1))
      if (step !== best) await this.folder.fileSystem.rm(path, { force: true });
  }
}
