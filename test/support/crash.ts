/** File systems on which things go wrong, to see what is left. */
import * as nodeFileSystem from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import type { FileSystem, OpenFile } from '../../lib/checkpoint/atomic';

/** A file as it is, to be given other methods. */
export const plain = (handle: nodeFileSystem.FileHandle): OpenFile => ({
  writeFile: (data) => handle.writeFile(data),
  write: (data, begin, length, position) => handle.write(data, begin, length, position),
  truncate: (length) => handle.truncate(length),
  stat: () => handle.stat(),
  sync: () => handle.sync(),
  datasync: () => handle.datasync(),
  close: () => handle.close(),
});

/**
 * The real file system, noting every call; at the `at`-th, or the one that it says, it fails once, or everything stops from
 * there on, as in a killed process.
 */
export class FaultyFileSystem implements FileSystem {
  readonly calls: string[] = [];

  private hasFailed = false;

  constructor(
    private readonly at: number | ((calls: readonly string[]) => boolean) = Infinity,
    private readonly fault: 'fail' | 'stop' = 'fail',
  ) {}

  async open(path: string, flags: string) {
    const kind = basename(path) === 'metrics.jsonl' ? 'metrics' : flags === 'r' ? 'folder' : 'file';
    await this.note(`open ${kind}`);
    const handle = await nodeFileSystem.open(path, flags);
    return {
      ...plain(handle),
      writeFile: async (data: Uint8Array) => {
        // What fails may have written a part.
        await this.note('write', () => handle.writeFile(data.subarray(0, data.length / 2)));
        await handle.writeFile(data);
      },
      write: async (data: Uint8Array, begin: number, length: number, position: number) => {
        await this.note(`write ${kind}`, async () => void (await handle.write(data, begin, length >> 1, position)));
        return handle.write(data, begin, length, position);
      },
      truncate: async (length: number) => {
        await this.note(`cut ${kind}`);
        await handle.truncate(length);
      },
      sync: async () => {
        await this.note(`sync ${kind}`);
        await handle.sync();
      },
      datasync: async () => {
        await this.note(`sync ${kind}`);
        await handle.datasync();
      },
      close: async () => {
        // Also where the call stops: this process lives on.
        await handle.close();
        await this.note(`close ${kind}`);
      },
    };
  }

  async mkdir(path: string): Promise<void> {
    await this.note('make folder');
    await nodeFileSystem.mkdir(path);
  }

  async rename(from: string, to: string): Promise<void> {
    await this.note('rename');
    await nodeFileSystem.rename(from, to);
  }

  async rm(path: string, options: { force: true }): Promise<void> {
    await this.note('remove');
    await nodeFileSystem.rm(path, options);
  }

  private async note(call: string, before: () => Promise<void> = async () => {}): Promise<void> {
    const index = this.calls.push(call) - 1;
    const { at } = this;
    const isFirst = !this.hasFailed && (typeof at === 'number' ? index === at : at(this.calls));
    if (isFirst) await before();
    this.hasFailed ||= isFirst;
    if (isFirst || (this.fault === 'stop' && this.hasFailed))
      throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
  }
}

interface Inode {
  content: Uint8Array;
  /** What is on the disk whatever happens. */
  durable: Uint8Array;
}

/** The files and folders of one folder, by their paths. */
type Entries = ReadonlyMap<string, Inode>;

interface Folder {
  entries: Map<string, Inode>;
  /** What may be found in it: with any of the changes since it was synced, or none. */
  possible: Entries[];
}

const powerFails = new Error('the power is gone');
const fault = (code: string, path: string) => Object.assign(new Error(`${code}: ${path}`), { code });
const emptyInode = (): Inode => ({ content: new Uint8Array(), durable: new Uint8Array() });
const emptyFolder = (): Folder => ({ entries: new Map(), possible: [new Map()] });

/**
 * A file system that loses power after `operations` operations. What is not synced may then be on the disk or not: of a
 * file's content any part, of a folder's changes any; and what was in a folder that is lost is lost with it.
 */
export class PoweredFileSystem implements FileSystem {
  private readonly folders: Map<string, Folder>;

  constructor(
    public operations: number,
    private readonly root = '/folder',
  ) {
    this.folders = new Map([[root, emptyFolder()]]);
  }

  async open(path: string, flags: string) {
    this.operate();
    if (this.folders.has(path)) return this.handle(emptyInode(), this.folders.get(path)!);
    const known = this.folder(path).entries.get(path);
    if (!known && flags.startsWith('r')) throw fault('ENOENT', path);
    const inode = known ?? emptyInode();
    if (!known) this.change(path, (entries) => entries.set(path, inode));
    return this.handle(inode, null);
  }

  async mkdir(path: string): Promise<void> {
    this.operate();
    if (this.folders.has(path)) throw fault('EEXIST', path);
    this.change(path, (entries) => entries.set(path, emptyInode()));
    this.folders.set(path, emptyFolder());
  }

  async rename(from: string, to: string): Promise<void> {
    this.operate();
    const inode = this.folder(from).entries.get(from)!;
    this.change(from, (entries) => {
      entries.set(to, inode);
      entries.delete(from);
    });
  }

  async rm(path: string): Promise<void> {
    this.operate();
    this.change(path, (entries) => entries.delete(path));
  }

  /** What may be found at `path` when the power is back; null for no file. */
  remains(path: string): (Uint8Array | null)[] {
    return this.found(dirname(path)).flatMap((entries) => {
      const inode = entries?.get(path);
      return inode ? remainsOf(inode) : [null];
    });
  }

  /** What may be found in a folder; null for no folder. */
  private found(path: string): (Entries | null)[] {
    const { possible } = this.folders.get(path) ?? emptyFolder();
    if (path === this.root) return possible;
    const above = this.found(dirname(path));
    const isThere = (entries: Entries | null) => entries?.has(path) ?? false;
    return [...(above.some(isThere) ? possible : []), ...(above.every(isThere) ? [] : [null])];
  }

  private handle(inode: Inode, folder: Folder | null) {
    const write = (data: Uint8Array, position: number) => {
      const content = new Uint8Array(Math.max(inode.content.length, position + data.length));
      content.set(inode.content);
      content.set(data, position);
      inode.content = content;
    };
    const writeAt = (data: Uint8Array, position: number) => {
      // Half of it is an operation of its own, so that the power can fail there.
      const half = data.length >> 1;
      this.operate();
      write(data.subarray(0, half), position);
      this.operate();
      write(data.subarray(half), position + half);
    };
    const sync = async () => {
      this.operate();
      if (folder) folder.possible = [new Map(folder.entries)];
      else inode.durable = inode.content;
    };
    return {
      writeFile: async (data: Uint8Array) => writeAt(data, inode.content.length),
      write: async (data: Uint8Array, begin: number, length: number, position: number) => {
        writeAt(data.subarray(begin, begin + length), position);
        return { bytesWritten: length };
      },
      truncate: async (length: number) => {
        this.operate();
        inode.content = inode.content.slice(0, length);
      },
      stat: async () => ({ size: inode.content.length }),
      sync,
      datasync: sync,
      close: async () => this.operate(),
    };
  }

  private folder(path: string): Folder {
    const folder = this.folders.get(dirname(path));
    if (!folder) throw fault('ENOENT', path);
    return folder;
  }

  private change(path: string, apply: (entries: Map<string, Inode>) => void): void {
    const folder = this.folder(path);
    apply(folder.entries);
    const changed = folder.possible.map((entries) => {
      const copy = new Map(entries);
      apply(copy);
      return copy;
    });
    folder.possible = [...folder.possible, ...changed];
  }

  private operate(): void {
    if (this.operations-- <= 0) throw powerFails;
  }
}

function remainsOf({ content, durable }: Inode): Uint8Array[] {
  if (content === durable) return [durable];
  const torn = content.map((byte, index) => (index % 2 ? byte : 0));
  return [durable, content, content.subarray(0, content.length >> 1), torn];
}
