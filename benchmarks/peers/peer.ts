/** A peer: another engine, in a process of its own, that runs the same case and is checked before it is timed. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { elementCount } from '../../lib/ops/shape';
import { inputsOf, outputsOf, type LanguageModelCase, type LayerCase, type PeerCase } from './protocol';

export type Tensors = Readonly<Record<string, Float32Array>>;

/** What starts a peer, and what to install where that fails. */
export interface PeerKind {
  readonly command: readonly string[];
  readonly install: string;
}

type Answer = Partial<Readonly<Record<'version' | 'error', string> & Record<'seconds', number>>>;

/** A first call that takes longer than this is no contender. */
const longestFirstCall = 10;

/** The threads of other engines spin a while after a run: they are given the time to fall asleep, so that they disturb nobody. */
const pause = 20;

export class PeerError extends Error {
  /** Whether the peer said that it has no such case; `cause` is its answer. */
  get isRefusal(): boolean {
    return this.cause instanceof Refusal;
  }
}

/** What a peer answers instead. */
class Refusal extends Error {}

export class Peer {
  private constructor(
    readonly name: string,
    readonly version: string,
    private readonly child: ChildProcess,
    private readonly lines: AsyncIterator<string>,
    private readonly folder: string,
  ) {}

  static async start(name: string, { command, install }: PeerKind): Promise<Peer> {
    const [program, ...rest] = command as [string, ...string[]];
    const child = spawn(program, rest, { stdio: ['pipe', 'pipe', 'pipe'] });
    let said = '';
    child.stderr.on('data', (text: Buffer) => (said = (said + text.toString()).slice(-2000)));
    const failed = new Promise<never>((_, reject) => child.once('error', reject));
    failed.catch(() => {});
    child.stdin.on('error', () => {});
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    try {
      const { version } = await Promise.race([answer(lines), failed]);
      return new Peer(name, version!, child, lines, mkdtempSync(join(tmpdir(), 'lstm-native-peer-')));
    } catch (cause) {
      child.kill();
      throw new PeerError(`${name}: could not be started: ${said.trim() || (cause as Error).message}\n  ${install}`);
    }
  }

  /** Prepares a case, runs it once, and gives its outputs; null when that takes too long. */
  async open(given: LayerCase | LanguageModelCase, threads: number, tensors: Tensors): Promise<Tensors | null> {
    const paths = { inputs: join(this.folder, 'inputs.bin'), outputs: join(this.folder, 'outputs.bin') };
    writeFileSync(paths.inputs, Buffer.concat(inputsOf(given).map(([name]) => bytesOf(tensors[name]!))));
    const started = performance.now();
    await this.ask({ open: { ...given, threads, ...paths } satisfies PeerCase });
    if ((performance.now() - started) / 1e3 > longestFirstCall) return null;
    const bytes = readFileSync(paths.outputs);
    let offset = 0;
    const next = (shape: readonly number[]) => {
      const array = new Float32Array(elementCount(shape));
      bytes.copy(new Uint8Array(array.buffer), 0, offset, (offset += array.byteLength));
      return array;
    };
    return Object.fromEntries(outputsOf(given).map(([name, shape]) => [name, next(shape)]));
  }

  /** Seconds of a run, the mean of `count`. */
  async time(count: number): Promise<number> {
    const { seconds } = await this.ask({ run: count });
    await sleep(pause);
    return seconds!;
  }

  close(): void {
    this.child.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }

  private async ask(question: object): Promise<Answer> {
    this.child.stdin!.write(`${JSON.stringify(question)}\n`);
    try {
      return await answer(this.lines);
    } catch (cause) {
      throw new PeerError(`${this.name}: ${(cause as Error).message}`, { cause });
    }
  }
}

const bytesOf = (array: Float32Array): Uint8Array => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

/** Lines that are no answers, such as a library's greeting, are passed over. */
async function answer(lines: AsyncIterator<string>): Promise<Answer> {
  for (;;) {
    const line = await lines.next();
    if (line.done) throw new Error('its process has ended');
    if (!line.value.startsWith('{')) continue;
    const parsed = JSON.parse(line.value) as Answer;
    if (parsed.error !== undefined) throw new Refusal(parsed.error);
    return parsed;
  }
}
