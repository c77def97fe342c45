import * as fs from 'node:fs';
import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { DataError } from '../../errors';
import { fill, type ByteSource } from './sources';

const [open, unlink, write, read] = [fs.open, fs.unlink, fs.write, fs.read].map((call) => promisify(call)) as [
  (path: string, flags: string, mode: number) => Promise<number>,
  (path: string) => Promise<void>,
  (file: number, bytes: Uint8Array) => Promise<{ bytesWritten: number }>,
  (file: number, bytes: Uint8Array, offset: number, length: number, at: number) => Promise<{ bytesRead: number }>,
];

/** Closes the file of a spool that nobody can read any more. */
const forgotten = new FinalizationRegistry<number>((file) => fs.close(file, () => {}));

/**
 * A temporary file that is filled once and then read. It has no name from its first moment on, so that the system frees it with the
 * process, however that ends, and nobody else can open it.
 */
export class Spool implements ByteSource {
  size = 0;

  private constructor(
    readonly name: string,
    private readonly file: number,
  ) {
    forgotten.register(this, file);
  }

  /** In `folder`, by default the system's for temporary files. @throws DataError when no file can be made there. */
  static async create(name: string, folder: string = tmpdir()): Promise<Spool> {
    const path = join(folder, `lstm-native-${randomUUID()}`);
    try {
      const file = await open(path, 'wx+', 0o600);
      const spool = new Spool(name, file);
      await unlink(path);
      return spool;
    } catch (cause) {
      throw new DataError(`${name}: no temporary file could be made in ${folder}`, { cause });
    }
  }

  /** @throws DataError when the disk is full, say. */
  async append(bytes: Uint8Array): Promise<void> {
    try {
      for (let done = 0; done < bytes.length;) {
        const { bytesWritten } = await write(this.file, bytes.subarray(done));
        done += bytesWritten;
      }
    } catch (cause) {
      throw new DataError(`${this.name}: the temporary file could not be written after ${this.size} bytes`, { cause });
    }
    this.size += bytes.length;
  }

  async read(into: Uint8Array, position: number): Promise<void> {
    await fill(into, position, async (part, at) => (await read(this.file, part, 0, part.length, at)).bytesRead);
  }
}
