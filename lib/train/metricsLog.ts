import { createWriteStream, type WriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { once } from 'node:events';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { CheckpointError } from '../errors';
import type { TrainingEvent } from './run';

/** `metrics.jsonl`: each event of a training as one line of JSON. */
export class MetricsLog {
  private failure: Error | null = null;

  private constructor(
    private readonly stream: WriteStream,
    private readonly path: string,
  ) {
    stream.on('error', (error) => (this.failure = error));
  }

  static async open(runDir: string): Promise<MetricsLog> {
    const path = join(runDir, 'metrics.jsonl');
    try {
      await mkdir(runDir, { recursive: true });
      const stream = createWriteStream(path);
      await once(stream, 'open');
      return new MetricsLog(stream, path);
    } catch (error) {
      throw new CheckpointError(`${path}: cannot be written: ${(error as Error).message}`, { cause: error });
    }
  }

  write(event: TrainingEvent): void {
    this.stream.write(`${JSON.stringify(event)}\n`);
  }

  async close(): Promise<void> {
    this.stream.end();
    // Also when writing has failed and closed the stream already.
    await finished(this.stream).catch((error: Error) => (this.failure ??= error));
    if (this.failure)
      throw new CheckpointError(`${this.path}: cannot be written: ${this.failure.message}`, { cause: this.failure });
  }
}
