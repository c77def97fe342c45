import { randomUUID } from 'node:crypto';
import * as nodeFileSystem from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { CheckpointError } from '../errors';

/** What writing needs of an open file, or of a folder that was opened to be synced. */
export interface OpenFile {
  writeFile(data: Uint8Array): Promise<void>;
  write(data: Uint8Array, begin: number, length: number, position: number): Promise<{ bytesWritten: number }>;
  truncate(length: number): Promise<void>;
  stat(): Promise<{ size: number }>;
  sync(): Promise<void>;
  datasync(): Promise<void>;
  close(): Promise<void>;
}

/** What writing needs of `node:fs/promises`. */
export interface FileSystem {
  open(path: string, flags: string): Promise<OpenFile>;
  mkdir(path: string): Promise<unknown>;
  rename(from: string, to: string): Promise<void>;
  rm(path: string, options: { force: true }): Promise<void>;
}

/** As `writeFileAtomically` calls its temporary files. */
const temporaryName = /^\..+\.[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}\.tmp$/;

/**
 * Writes a file so that at any moment, power failure included, `path` holds either its old content or all of the new:
 * a temporary file beside it is filled, brought to disk, renamed over it, and the rename brought to disk.
 *
 * @throws CheckpointError, whose `cause` is the system's error; the temporary file is removed then.
 */
export async function writeFileAtomically(
  path: string,
  chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  fileSystem: FileSystem = nodeFileSystem,
): Promise<void> {
  const folder = dirname(path);
  // A rename is atomic within one file system only, so the temporary file stands in the same folder.
  const temporary = join(folder, `.${basename(path)}.${randomUUID()}.tmp`);
  try {
    await withFile(fileSystem, temporary, 'wx', async (file) => {
      for await (const chunk of chunks) await file.writeFile(chunk);
      await file.sync();
    });
    await fileSystem.rename(temporary, path);
    await syncFolder(folder, fileSystem);
  } catch (cause) {
    // What matters is why writing failed, not whether the clean-up did.
    await fileSystem.rm(temporary, { force: true }).catch(() => undefined);
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new CheckpointError(`${path}: could not be written: ${reason}`, { cause });
  }
}

/** Makes a folder and those above it where there are none, so that a power failure afterwards takes none of them away. */
export async function makeFolder(path: string, fileSystem: FileSystem = nodeFileSystem): Promise<void> {
  const above = dirname(path);
  try {
    await fileSystem.mkdir(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' && above !== path) {
      await makeFolder(above, fileSystem);
      await fileSystem.mkdir(path);
    } else if (code !== 'EEXIST') throw error;
  }
  // Also where it was there: whoever made it may have been killed before this.
  await syncFolder(above, fileSystem);
}

/** Brings to disk which files a folder holds. */
export const syncFolder = (path: string, fileSystem: FileSystem = nodeFileSystem): Promise<void> =>
  withFile(fileSystem, path, 'r', (file) => file.sync());

/** Removes what writers of `folder` left behind that were killed. Nobody may be writing there. */
export async function removeTemporaries(folder: string, fileSystem: FileSystem = nodeFileSystem): Promise<void> {
  const names = await nodeFileSystem.readdir(folder).catch(() => []);
  for (const name of names) if (temporaryName.test(name)) await fileSystem.rm(join(folder, name), { force: true });
}

async function withFile(
  fileSystem: FileSystem,
  path: string,
  flags: string,
  use: (file: OpenFile) => Promise<void>,
): Promise<void> {
  const file = await fileSystem.open(path, flags);
  try {
    await use(file);
  } finally {
    await file.close();
  }
}
