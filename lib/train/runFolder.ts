import * as nodeFileSystem from 'node:fs/promises';
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { makeFolder, removeTemporaries, syncFolder, type FileSystem } from '../checkpoint/atomic';
import { CheckpointError, OptionError } from '../errors';

const stepFile = /^step-(\d+)\.safetensors$/;

export interface CheckpointFile {
  readonly step: number;
  readonly path: string;
}

/**
 * The files of one training:
 *
 *     run.lock                               while a process trains here: which
 *     metrics.jsonl                          a line for each step and epoch
 *     checkpoints/step-00000200.safetensors  all that is needed to go on after 200 steps
 *     model.safetensors                      the model, at the end
 */
export class RunFolder {
  readonly lockPath: string;
  readonly metricsPath: string;
  readonly modelPath: string;
  readonly checkpointFolder: string;

  constructor(
    readonly path: string,
    readonly fileSystem: FileSystem = nodeFileSystem,
  ) {
    this.lockPath = join(path, 'run.lock');
    this.metricsPath = join(path, 'metrics.jsonl');
    this.modelPath = join(path, 'model.safetensors');
    this.checkpointFolder = join(path, 'checkpoints');
  }

  checkpointPath(step: number): string {
    return join(this.checkpointFolder, `step-${String(step).padStart(8, '0')}.safetensors`);
  }

  /** Newest first. */
  async checkpoints(): Promise<CheckpointFile[]> {
    return (await namesIn(this.checkpointFolder))
      .flatMap((name) => {
        const step = stepFile.exec(name)?.[1];
        return step === undefined ? [] : [{ step: Number(step), path: join(this.checkpointFolder, name) }];
      })
      .sort((a, b) => b.step - a.step);
  }

  /** Which of a training's files are here. */
  async holds(): Promise<{ readonly metrics: boolean; readonly model: boolean; readonly checkpoints: boolean }> {
    const names = await namesIn(this.path);
    return {
      // A training that failed before its first step has told of nothing.
      metrics: (await sizeOf(this.metricsPath)) > 0,
      model: names.includes(basename(this.modelPath)),
      checkpoints: (await this.checkpoints()).length > 0,
    };
  }

  /** Throws unless a new training may begin here without writing over another. */
  async expectEmpty(): Promise<void> {
    const { metrics, model, checkpoints } = await this.holds();
    if (!metrics && !model && !checkpoints) return;
    throw new OptionError(
      `fit: runDir: ${this.path} holds a run already; go on with it by resume: true, take another folder, ` +
        'or remove the run by overwrite: true',
    );
  }

  /** Throws unless there is a run, or what is left of one. */
  async expectRun(): Promise<void> {
    const { metrics, model, checkpoints } = await this.holds();
    if (!metrics && !model && !checkpoints)
      throw new CheckpointError(`fit: resume: ${this.path} holds no run to go on with`);
  }

  /** Throws unless a run without checkpoints may be begun again: it was ended before the first one, or never began. */
  async expectUnfinished(): Promise<void> {
    const { model } = await this.holds();
    if (model)
      throw new CheckpointError(
        `fit: resume: ${this.path} holds a model without checkpoints, from which nothing can go on`,
      );
  }

  /** Makes the folder where there is none. */
  async make(): Promise<void> {
    try {
      await makeFolder(this.path, this.fileSystem);
    } catch (error) {
      throw new CheckpointError(`${this.path}: cannot be written: ${(error as Error).message}`, { cause: error });
    }
  }

  /** Clears away what killed trainings left of files that they were writing. */
  async tidy(): Promise<void> {
    try {
      await removeTemporaries(this.path, this.fileSystem);
      await removeTemporaries(this.checkpointFolder, this.fileSystem);
    } catch (error) {
      throw new CheckpointError(`${this.path}: cannot be written: ${(error as Error).message}`, { cause: error });
    }
  }

  /** Removes the files of a training, and no others. The checkpoints go last: whoever is killed in between can go on. */
  async clear(): Promise<void> {
    const { fileSystem } = this;
    try {
      const checkpoints = await this.checkpoints();
      for (const path of [this.modelPath, this.metricsPath]) await fileSystem.rm(path, { force: true });
      await syncFolder(this.path, fileSystem);
      for (const { path } of checkpoints) await fileSystem.rm(path, { force: true });
      if (checkpoints.length > 0) await syncFolder(this.checkpointFolder, fileSystem);
    } catch (error) {
      throw new CheckpointError(`${this.path}: cannot be removed: ${(error as Error).message}`, { cause: error });
    }
  }

  /** Puts a checkpoint that cannot be read out of the way, without removing it. */
  async setAside(path: string): Promise<string> {
    const aside = join(dirname(path), `${basename(path)}.damaged`);
    await this.fileSystem.rename(path, aside);
    return aside;
  }
}

async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => null))?.size ?? 0;
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // Making the folder will tell of a file in its place.
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw new CheckpointError(`${folder}: cannot be read: ${(error as Error).message}`, { cause: error });
  }
}
