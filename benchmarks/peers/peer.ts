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
  readonly command: readonly [string, ...string[]];
  readonly install: string;
}

type Answer = Partial<Readonly<Record<'version' | 'error', string> & Record<'seconds', number>>>;

/** What a peer does not do: it says that it has no such case, it takes too long, or its process has ended. */
export class PeerError extends Error {}

/** One process of a peer, from its start to its end. */
class PeerProcess {
  private said = '';
  private readonly child: ChildProcess;
  private readonly lines: AsyncIterator<string>;
  private readonly failed: Promise<never>;

  constructor([program, ...rest]: readonly [string, ...string[]]) {
    const child = spawn(program, rest, { stdio: ['pipe', 'pipe', 'pipe'] });
    child.stderr.on('data', (text: Buffer) => (this.said = (this.said + text.toString()).slice(-2000)));
    this.failed = new Promise<never>((_, reject) => child.once('error', reject));
    this.failed.catch(() => {});
    child.stdin.on('error', () => {});
    this.lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    this.child = child;
  }

  get stderr(): string {
    return this.said.trim();
  }

  async ask(question: object): Promise<Answer> {
    this.pause(false);
    this.child.stdin!.write(`${JSON.stringify(question)}\n`);
    const answer = await this.answer();
    this.pause(true);
    return answer;
  }

  /** The threads of other engines spin for a while after a run. Out of its turn the whole process stands still. */
  private pause(still: boolean): void {
    if (process.platform !== 'win32') this.child.kill(still ? 'SIGSTOP' : 'SIGCONT');
  }

  /** The next answer. Lines that are no answers, such as a library's greeting, are passed over. */
  async answer(): Promise<Answer> {
    for (;;) {
      const line = await Promise.race([this.lines.next(), this.failed]);
      if (line.done) throw new ProcessEnded(this.ending());
      if (!line.value.startsWith('{')) continue;
      const parsed = JSON.parse(line.value) as Answer;
      if (parsed.error !== undefined) throw new PeerError(parsed.error);
      return parsed;
    }
  }

  kill(): void {
    // One that computes would not hear of anything less.
    this.child.kill('SIGKILL');
  }

  private ending(): string {
    const last = this.stderr.split('\n').at(-1);
    return `its process has ended${last ? `: ${last}` : ''}`;
  }
}

class ProcessEnded extends PeerError {}

export class Peer {
  private constructor(
    readonly name: string,
    readonly version: string,
    private readonly kind: PeerKind,
    private readonly longestFirstCall: number,
    /** Null after one that ended, or was ended for taking too long; the next case starts another. */
    private process: PeerProcess | null,
    private readonly folder: string,
  ) {}

  /** `longestFirstCall`: seconds after which a peer that has not opened a case is ended. */
  static async start(name: string, kind: PeerKind, longestFirstCall = 10): Promise<Peer> {
    const { process, version } = await Peer.startProcess(name, kind);
    return new Peer(name, version, kind, longestFirstCall, process, mkdtempSync(join(tmpdir(), 'lstm-native-peer-')));
  }

  private static async startProcess(name: string, { command, install }: PeerKind) {
    const process = new PeerProcess(command);
    try {
      const { version } = await process.answer();
      return { process, version: version! };
    } catch (cause) {
      process.kill();
      const reason = process.stderr || (cause as Error).message;
      throw new PeerError(`${name}: could not be started: ${reason}\n  ${install}`);
    }
  }

  /** Prepares a case, runs it once, and gives its outputs. */
  async open(given: LayerCase | LanguageModelCase, threads: number, tensors: Tensors): Promise<Tensors> {
    this.process ??= (await Peer.startProcess(this.name, this.kind)).process;
    const paths = { inputs: join(this.folder, 'inputs.bin'), outputs: join(this.folder, 'outputs.bin') };
    writeFileSync(paths.inputs, Buffer.concat(inputsOf(given).map(([name]) => bytesOf(tensors[name]!))));
    await this.ask({ open: { ...given, threads, ...paths } satisfies PeerCase }, this.longestFirstCall);
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
    return (await this.ask({ run: count })).seconds!;
  }

  close(): void {
    this.end();
    rmSync(this.folder, { recursive: true, force: true });
  }

  private end(): void {
    this.process?.kill();
    this.process = null;
  }

  /** With a limit in seconds a process that has not answered by then is ended. */
  private async ask(question: object, limit?: number): Promise<Answer> {
    if (!this.process) throw new PeerError('its process has ended');
    const timer = new AbortController();
    const late = limit === undefined ? [] : [tooLate(limit, timer.signal)];
    try {
      return await Promise.race([this.process.ask(question), ...late]);
    } catch (error) {
      if (!(error instanceof PeerError) || error instanceof ProcessEnded) this.end();
      throw error instanceof PeerError ? error : new PeerError((error as Error).message, { cause: error });
    } finally {
      timer.abort();
    }
  }
}

async function tooLate(limit: number, signal: AbortSignal): Promise<never> {
  await sleep(limit * 1e3, undefined, { signal }).catch(() => {});
  throw new ProcessEnded(`its first call took more than ${limit} s`);
}

const bytesOf = (array: Float32Array): Uint8Array => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
