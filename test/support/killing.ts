/** Processes that are killed while they write a checkpoint: what they tell, and how that is heard. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeSync } from 'node:fs';
import * as nodeFileSystem from 'node:fs/promises';
import { basename } from 'node:path';
import type { FileSystem } from '../../lib/checkpoint/atomic';
import { plain } from './crash';

const [begun, ended] = ['b', 'e'];
const tell = (what: string) => void writeSync(1, what);

/** The real file system, in a process that tells on its standard output when the file of a checkpoint is there, empty, and when it is on disk under its name. */
export function tellingFileSystem(): FileSystem {
  let isWriting = false;
  return {
    mkdir: (path) => nodeFileSystem.mkdir(path),
    rename: (from, to) => nodeFileSystem.rename(from, to),
    rm: (path, options) => nodeFileSystem.rm(path, options),
    async open(path, flags) {
      const handle = await nodeFileSystem.open(path, flags);
      const isFirst = basename(path).startsWith('.step-');
      if (isFirst) tell(begun);
      isWriting ||= isFirst;
      const isLast = isWriting && flags === 'r';
      return {
        ...plain(handle),
        // The folder in which it has its name now.
        async close() {
          await handle.close();
          if (isLast) tell(ended);
          isWriting &&= !isLast;
        },
      };
    },
  };
}

/** Runs a program until it has begun `writes` checkpoints and some milliseconds have passed. False when the last one was on disk before it was killed. */
export async function killWithinWrite(
  program: string,
  programArguments: readonly string[],
  writes: number,
  milliseconds: number,
): Promise<boolean> {
  const child = spawn(process.execPath, [program, ...programArguments], { stdio: ['ignore', 'pipe', 'inherit'] });
  let told = '';
  const count = (what: string) => told.split(what).length - 1;
  child.stdout.on('data', (more: Buffer) => {
    const before = count(begun);
    told += more.toString();
    if (before >= writes || count(begun) < writes) return;
    // Timers are too coarse for moments within a write.
    const end = performance.now() + milliseconds;
    while (performance.now() < end);
    child.kill('SIGKILL');
  });
  const [, signal] = (await once(child, 'close')) as [number | null, string | null];
  expect(signal).toBe('SIGKILL');
  return count(begun) > count(ended);
}
