/** Processes that hold something: who they are, and whether they still run. */
import { readFile, readlink } from 'node:fs/promises';
import { hostname } from 'node:os';
import { z } from 'zod';

const holderSchema = z.object({
  pid: z.number().int().min(1),
  host: z.string(),
  /** Where this number means this process: on Linux, one boot of one machine and one namespace of processes; else, the host. */
  place: z.string(),
  /** When it started, as its system counts; null where that cannot be told. A number is given anew to later processes. */
  start: z.string().nullable(),
  /** When it began to hold, for who reads of it. */
  since: z.string(),
});

export type Holder = z.infer<typeof holderSchema>;

export const thisProcess = async (): Promise<Holder> => ({
  pid: process.pid,
  host: hostname(),
  place: await placeOfProcesses(),
  start: (await statusOf(process.pid))?.start ?? null,
  since: new Date().toISOString(),
});

/** What a process wrote of itself; null for anything else, such as what it was killed while writing. */
export function parseHolder(text: string): Holder | null {
  try {
    return holderSchema.parse(JSON.parse(text));
  } catch {
    return null;
  }
}

/** Whether that very process runs; null where this one cannot know, as in another container or on another host. */
export async function isRunning({ pid, place, start }: Holder): Promise<boolean | null> {
  if (place !== (await placeOfProcesses())) return null;
  if (!exists(pid)) return false;
  const status = await statusOf(pid);
  if (!status || start === null) return null;
  return status.start === start && !status.isDead;
}

/** Containers on one machine may have one host name, and the same numbers for other processes; the kernel tells them apart. */
async function placeOfProcesses(): Promise<string> {
  try {
    const [boot, namespace] = await Promise.all([
      readFile('/proc/sys/kernel/random/boot_id', 'utf8'),
      readlink('/proc/self/ns/pid'),
    ]);
    return `${boot.trim()} ${namespace}`;
  } catch {
    return hostname();
  }
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // One that may not be signalled is there.
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

/** From `/proc/<pid>/stat` of Linux, by proc(5); null where there is none. */
async function statusOf(pid: number): Promise<{ readonly start: string; readonly isDead: boolean } | null> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  // The second field, a name in parentheses, may hold anything; the third is the state, the 22nd the start.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const start = fields[19];
  // One that was killed is a zombie until its parent has heard of it.
  return start === undefined ? null : { start, isDead: 'ZXx'.includes(fields[0]!) };
}
