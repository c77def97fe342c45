import { open, readFile, rm, stat, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { CheckpointError, StateError } from '../errors';
import { isRunning, parseHolder, thisProcess, type Holder } from './holder';

/** Between two signs of life. */
const secondsBetween = 10;
/** Six signs of life missed: a process that still works does not pause for so long. */
const secondsUntilGone = 60;

/**
 * A file that says which process has a run folder to itself. It is there while that process trains.
 *
 * One that a killed process left holds nobody up: where its process can be looked for, it is gone as soon as that is (its
 * number, its start, the boot and the namespace of processes must all be those of one that runs); in another container
 * or on another host, when it has given no sign of life for a minute: every 10 s the holder writes its file again. Ages
 * are differences of times that the file's own system gave, so clocks of hosts need not agree.
 */
export class RunLock {
  private readonly timer: NodeJS.Timeout;
  private beating: Promise<void> = Promise.resolve();

  private constructor(
    private readonly path: string,
    private own: OwnFile,
    private readonly onLost: (error: unknown) => void,
    seconds: number,
  ) {
    this.timer = setInterval(() => {
      this.beating = this.beating.then(() => this.beat());
    }, seconds * 1000);
    // A training keeps the process alive, its lock does not.
    this.timer.unref();
  }

  /**
   * `onLost` hears why the lock is held no more: its file was removed, and another process has taken the folder.
   *
   * @throws StateError when another process holds it, or another training of this one.
   */
  static async take(path: string, onLost: (error: unknown) => void, seconds = secondsBetween): Promise<RunLock> {
    return new RunLock(path, await claim(path), onLost, seconds);
  }

  async release(): Promise<void> {
    clearInterval(this.timer);
    await this.beating;
    await this.own.giveUp();
  }

  private async beat(): Promise<void> {
    await this.own.sign().catch(() => {});
    if (await this.own.isThere()) return;
    try {
      const own = await claim(this.path);
      await this.own.giveUp();
      this.own = own;
    } catch (error) {
      clearInterval(this.timer);
      this.onLost(error);
    }
  }
}

/** A file with what this process says of itself, kept open to tell whether it is still the one of that name. */
class OwnFile {
  private constructor(
    private readonly path: string,
    private readonly file: FileHandle,
    private readonly text: Buffer,
  ) {}

  /** Null when there is one. */
  static async create(path: string): Promise<OwnFile | null> {
    let own: OwnFile | null = null;
    try {
      const text = Buffer.from(`${JSON.stringify(await thisProcess())}\n`);
      own = new OwnFile(path, await open(path, 'wx'), text);
      await own.sign();
      return own;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return null;
      await own?.giveUp();
      throw new CheckpointError(`${path}: cannot be written: ${(error as Error).message}`, { cause: error });
    }
  }

  async sign(): Promise<void> {
    await this.file.write(this.text, 0, this.text.length, 0);
    // A network's file system may keep to this host what is not synced.
    await this.file.sync();
  }

  async modified(): Promise<number> {
    return (await this.file.stat()).mtimeMs;
  }

  isThere(): Promise<boolean> {
    return this.file.stat().then(
      ({ nlink }) => nlink > 0,
      // As a network's file system says of a file that was removed; of other trouble, that it is still there.
      (error: NodeJS.ErrnoException) => error.code !== 'ESTALE',
    );
  }

  async giveUp(): Promise<void> {
    // What another process has put in its place is not ours to remove.
    if (await this.isThere()) await rm(this.path, { force: true }).catch(() => {});
    await this.file.close().catch(() => {});
  }
}

/** Makes the file, or takes the place of a holder that is gone. */
async function claim(path: string): Promise<OwnFile> {
  const own = await OwnFile.create(path);
  if (own) return own;
  const holder = await holderOf(path);
  if (holder && (await isRunning(holder))) throw inUse(path, holder);
  // Who removes the file of a holder that is gone must be alone, or it may be that of a quicker rival. To be alone takes a
  // lock like the other, so that who is killed here is succeeded in the same way.
  const succession = await claim(`${path}.succession`);
  try {
    await removeAbandoned(path, await succession.modified());
  } finally {
    await succession.giveUp();
  }
  return claim(path);
}

const holderOf = async (path: string): Promise<Holder | null> =>
  parseHolder(await readFile(path, 'utf8').catch(() => ''));

/** Throws unless the holder is gone at the time `now`, by the clock of the file's system. */
async function removeAbandoned(path: string, now: number): Promise<void> {
  // Read first: so a network's file system asks for the file's age anew.
  const holder = await holderOf(path);
  const file = await stat(path).catch(() => null);
  // It has been given up meanwhile.
  if (!file) return;
  const runs = holder && (await isRunning(holder));
  const seconds = (now - file.mtimeMs) / 1000;
  if (holder && runs) throw inUse(path, holder);
  if (runs === null && seconds < secondsUntilGone) throw perhapsInUse(path, holder, seconds);
  await rm(path, { force: true }).catch((error: Error) => {
    throw new CheckpointError(`${path}: cannot be removed: ${error.message}`, { cause: error });
  });
}

const advice = 'wait until that training ends, stop it, or take another folder';

const inUse = (path: string, { pid, host, since }: Holder): StateError =>
  new StateError(
    `fit: ${dirname(path)} is in use by ${pid === process.pid ? 'this process' : 'process'} ${pid} on ${host}, ` +
      `since ${since}; ${advice}. If that process trains nothing there, remove ${path}`,
  );

/** Where only signs of life tell of the holder. */
function perhapsInUse(path: string, holder: Holder | null, seconds: number): StateError {
  const who = holder ? `process ${holder.pid} on ${holder.host}, since ${holder.since}` : 'a process that is not named';
  return new StateError(
    `fit: ${dirname(path)} is in use by ${who}, which was alive ${Math.max(0, Math.round(seconds))} s ago; ${advice}. ` +
      `If it is gone, try again when it has been silent for ${secondsUntilGone} s, or remove ${path}`,
  );
}
