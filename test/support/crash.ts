/** File systems on which things go wrong, to see what is left. */
import * as nodeFileSystem from 'node:fs/promises';
import type { FileSystem } from '../../lib/checkpoint/atomic';

/** The real file system, noting every call; at the `at`-th it fails once, or everything stops from there on, as in a killed process. */
export class FaultyFileSystem implements FileSystem {
  readonly calls: string[] = [];

  constructor(
    private readonly at = Infinity,
    private readonly fault: 'fail' | 'stop' = 'fail',
  ) {}

  async open(path: string, flags: string) {
    const kind = flags === 'r' ? 'folder' : 'file';
    await this.note(`open ${kind}`);
    const handle = await nodeFileSystem.open(path, flags);
    return {
      writeFile: async (data: Uint8Array) => {
        // What fails may have written a part.
        await this.note('write', () => handle.writeFile(data.subarray(0, data.length / 2)));
        await handle.writeFile(data);
      },
      sync: async () => {
        await this.note(`sync ${kind}`);
        await handle.sync();
      },
      close: async () => {
        // Also where the call stops: this process lives on.
        await handle.close();
        await this.note(`close ${kind}`);
      },
    };
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
    if (index === this.at) await before();
    if (index === this.at || (this.fault === 'stop' && index > this.at))
      throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
  }
}

interface Inode {
  content: Uint8Array;
  /** What is on the disk whatever happens. */
  durable: Uint8Array;
}

type Entries = ReadonlyMap<string, Inode>;

const powerFails = new Error('the power is gone');

/**
 * A file system of one folder that loses power after `operations` operations. What is not synced may then be on the disk
 * or not: of a file's content any part, of the folder's changes any.
 */
export class PoweredFileSystem implements FileSystem {
  private entries = new Map<string, Inode>();
  /** The folder as it may be found: with any of the changes since it was synced, or none. */
  private possible: Entries[] = [new Map()];

  constructor(public operations: number) {}

  async open(path: string, flags: string) {
    this.operate();
    if (flags === 'r') return this.folder();
    const inode: Inode = { content: new Uint8Array(), durable: new Uint8Array() };
    this.change((entries) => entries.set(path, inode));
    return {
      writeFile: async (data: Uint8Array) => {
        const append = (part: Uint8Array) => (inode.content = Uint8Array.from([...inode.content, ...part]));
        // Half of it is an operation of its own, so that the power can fail there.
        const half = data.length >> 1;
        this.operate();
        append(data.subarray(0, half));
        this.operate();
        append(data.subarray(half));
      },
      sync: async () => {
        this.operate();
        inode.durable = inode.content;
      },
      close: async () => this.operate(),
    };
  }

  async rename(from: string, to: string): Promise<void> {
    this.operate();
    const inode = this.entries.get(from)!;
    this.change((entries) => {
      entries.set(to, inode);
      entries.delete(from);
    });
  }

  async rm(path: string): Promise<void> {
    this.operate();
    this.change((entries) => entries.delete(path));
  }

  /** What may be found at `path` when the power is back; null for no file. */
  remains(path: string): (Uint8Array | null)[] {
    return this.possible.flatMap((entries) => {
      const inode = entries.get(path);
      return inode ? remainsOf(inode) : [null];
    });
  }

  private folder() {
    return {
      writeFile: async () => {},
      sync: async () => {
        this.operate();
        this.possible = [new Map(this.entries)];
      },
      close: async () => this.operate(),
    };
  }

  private change(apply: (entries: Map<string, Inode>) => void): void {
    apply(this.entries);
    const changed = this.possible.map((entries) => {
      const copy = new Map(entries);
      apply(copy);
      return copy;
    });
    this.possible = [...this.possible, ...changed];
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
