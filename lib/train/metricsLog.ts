import * as nodeFileSystem from 'node:fs/promises';
import { dirname } from 'node:path';
import { syncFolder, type FileSystem, type OpenFile } from '../checkpoint/atomic';
import { CheckpointError } from '../errors';
import type { TrainingEvent } from './run';

/** `metrics.jsonl`: the steps and epochs of a training, each as one line of JSON. */
export class MetricsLog {
  private waiting: Uint8Array[] = [];
  private flushing: Promise<void> = Promise.resolve();
  /** After a failure, the length of what waits at which it is tried again: each time twice as much. */
  private retryAt: number | null = null;
  private written: number;

  private constructor(
    private readonly path: string,
    private readonly file: OpenFile,
    /** Of all lines so far, those that wait included. */
    private total: number,
    private readonly onFailure: (error: CheckpointError) => void,
  ) {
    this.written = total;
  }

  /**
   * Keeps the first `bytes` bytes of what is there, so that lines after a checkpoint are not told twice. `onFailure` hears
   * why lines could not be written, once until that is possible again; they are kept until then.
   */
  static async open(
    path: string,
    bytes: number,
    onFailure: (error: CheckpointError) => void,
    fileSystem: FileSystem = nodeFileSystem,
  ): Promise<MetricsLog> {
    let file: OpenFile | null = null;
    try {
      const existing = await openExisting(path, fileSystem);
      file = existing ?? (await fileSystem.open(path, 'wx+'));
      if (!existing) await syncFolder(dirname(path), fileSystem);
      const { size } = await file.stat();
      // A file that has lost lines goes on after its last whole one.
      const kept = size >= bytes ? bytes : size === 0 ? 0 : await wholeLines(path);
      await unlessSpecial(file.truncate(kept));
      return new MetricsLog(path, file, kept, onFailure);
    } catch (error) {
      // What matters is why it could not be opened.
      await file?.close().catch(() => {});
      throw cannotBeWritten(path, error);
    }
  }

  get bytes(): number {
    return this.total;
  }

  write(event: TrainingEvent): void {
    const line = new TextEncoder().encode(`${JSON.stringify(event)}\n`);
    this.waiting.push(line);
    this.total += line.length;
    if (this.total - this.written < (this.retryAt ?? 0)) return;
    this.flush().catch((error: CheckpointError) => {
      if (this.retryAt === null) this.onFailure(error);
      this.retryAt = 2 * (this.total - this.written);
    });
  }

  /** Brings all lines so far to disk. */
  async sync(): Promise<void> {
    await this.flush();
    await unlessSpecial(this.file.datasync()).catch((error: unknown) => {
      throw cannotBeWritten(this.path, error);
    });
  }

  async close(): Promise<void> {
    try {
      await this.flush();
    } finally {
      await this.file.close();
    }
  }

  /** One write at a time, each of all that waits. */
  private flush(): Promise<void> {
    this.flushing = this.flushing.catch(() => {}).then(() => this.writeWaiting());
    return this.flushing;
  }

  private async writeWaiting(): Promise<void> {
    if (this.waiting.length === 0) return;
    const bytes = Buffer.concat(this.waiting);
    this.waiting = [];
    try {
      // In its place, so that a write that failed half way is written over.
      for (let done = 0; done < bytes.length;) {
        const { bytesWritten } = await this.file.write(bytes, done, bytes.length - done, this.written + done);
        done += bytesWritten;
      }
      this.written += bytes.length;
      this.retryAt = null;
    } catch (error) {
      this.waiting.unshift(bytes);
      throw cannotBeWritten(this.path, error);
    }
  }
}

const openExisting = (path: string, fileSystem: FileSystem): Promise<OpenFile | null> =>
  fileSystem.open(path, 'r+').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });

/** The length of the lines that have an end. */
const wholeLines = async (path: string): Promise<number> => (await nodeFileSystem.readFile(path)).lastIndexOf('\n') + 1;

/** A device or pipe has no length, and nothing to sync. */
async function unlessSpecial(operation: Promise<void>): Promise<void> {
  await operation.catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EINVAL') throw error;
  });
}

const cannotBeWritten = (path: string, error: unknown) =>
  new CheckpointError(`${path}: cannot be written: ${(error as Error).message}`, { cause: error });
