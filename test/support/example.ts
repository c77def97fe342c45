/** Runs a file of examples/ in a process of its own, on the sources. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const root = join(__dirname, '../..');

export class Example {
  /** All lines printed so far, standard error included. */
  readonly lines: string[] = [];
  private readonly child: ChildProcess;
  private readonly closed: Promise<unknown[]>;
  private readonly waiting = new Set<() => void>();

  constructor(name: string, args: readonly string[] = [], env: NodeJS.ProcessEnv = {}) {
    this.child = spawn(process.execPath, ['--import', 'tsx', join(root, 'examples', name), ...args], {
      cwd: root,
      env: { ...process.env, TSX_TSCONFIG_PATH: join(root, 'examples/tsconfig.json'), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.closed = once(this.child, 'close');
    for (const stream of [this.child.stdout!, this.child.stderr!]) {
      createInterface(stream).on('line', (line) => {
        this.lines.push(line);
        for (const look of this.waiting) look();
      });
    }
  }

  /** The first line that fits, printed already or yet to come. */
  async line(pattern: RegExp): Promise<string> {
    const found = () => this.lines.find((line) => pattern.test(line));
    let look = () => {};
    const printed = new Promise<void>((resolve) => {
      look = () => {
        if (found() !== undefined) resolve();
      };
    });
    this.waiting.add(look);
    look();
    await Promise.race([printed, this.closed]);
    this.waiting.delete(look);
    const line = found();
    if (line === undefined) throw new Error(`ended without a line like ${String(pattern)}:\n${this.lines.join('\n')}`);
    return line;
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** Null when a signal ended the process. */
  async exitCode(): Promise<number | null> {
    return (await this.closed)[0] as number | null;
  }
}

/** Runs an example to its end. */
export async function runExample(name: string, ...args: string[]): Promise<{ lines: string[]; code: number | null }> {
  const example = new Example(name, args);
  const code = await example.exitCode();
  return { lines: example.lines, code };
}
