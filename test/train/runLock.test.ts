/** A run folder belongs to one training at a time, until that ends or its process is gone. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { adam, CheckpointError, crossEntropy, StateError, type FitOptions } from '../../lib';
import { isRunning, parseHolder, thisProcess, type Holder } from '../../lib/train/holder';
import { RunLock } from '../../lib/train/runLock';
import { languageModel, tokenBatch } from '../support/models';
import { transpileTo } from '../support/transpile';

const programs = mkdtempSync(join(tmpdir(), 'lock-'));
const program = join(programs, 'test/train/lockHolder.js');
beforeAll(() => transpileTo(programs, join(__dirname, 'lockHolder.ts')), 120_000);
afterAll(() => rmSync(programs, { recursive: true, force: true }));

let folder = '';
let runDir = '';
let lockPath = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lock-'));
  runDir = join(folder, 'run');
  await mkdir(runDir);
  lockPath = join(runDir, 'run.lock');
});
afterEach(() => rm(folder, { recursive: true }));

const data = [tokenBatch(1, 2, 3), tokenBatch(2, 2, 3)];
const fit = (options: Partial<FitOptions> = {}) =>
  languageModel({ backend: 'reference' }).fit(data, { loss: crossEntropy(), optimizer: adam(), runDir, ...options });

async function holdElsewhere(path = lockPath): Promise<ChildProcess> {
  const child = spawn(process.execPath, [program, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  const closed = once(child, 'close');
  child.kill('SIGKILL');
  await closed;
}

const hold =
  (holder: Partial<Holder>, secondsAgo = 0) =>
  async () => {
    writeFileSync(lockPath, JSON.stringify({ ...(await thisProcess()), ...holder }));
    const time = Date.now() / 1000 - secondsAgo;
    utimesSync(lockPath, time, time);
  };

test('a folder in which another process trains is refused by name, with the process and what to do', async () => {
  const child = await holdElsewhere();
  try {
    for (const options of [{}, { resume: true }, { overwrite: true }]) {
      const error: unknown = await fit(options).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(StateError);
      const { message } = error as StateError;
      expect(message).toContain(`fit: ${runDir} is in use by process ${child.pid} on `);
      expect(message).toContain('wait until that training ends, stop it, or take another folder');
      expect(message).toContain(`remove ${lockPath}`);
    }
    expect(await readdir(runDir)).toEqual(['run.lock']);
    expect(parseHolder(readFileSync(lockPath, 'utf8'))!.pid).toBe(child.pid);
  } finally {
    await kill(child);
  }
});

test('what a killed process left holds nobody up, and is gone after the next training', async () => {
  await kill(await holdElsewhere());
  expect(existsSync(lockPath)).toBe(true);
  expect(await fit({ resume: true })).toMatchObject({ steps: 2 });
  expect((await readdir(runDir)).sort()).toEqual(['checkpoints', 'metrics.jsonl', 'model.safetensors']);
});

test('of two trainings of one process, either may have the folder, and the other is refused', async () => {
  const both = await Promise.allSettled([fit({ epochs: 3 }), fit({ epochs: 3 })]);
  const [refused] = both.filter(({ status }) => status === 'rejected') as [PromiseRejectedResult];
  const [trained] = both.filter(({ status }) => status === 'fulfilled') as [PromiseFulfilledResult<object>];
  expect(refused.reason).toBeInstanceOf(StateError);
  expect(refused.reason).toMatchObject({
    message: expect.stringContaining(`in use by this process ${process.pid} on `) as string,
  });
  expect(trained.value).toMatchObject({ steps: 6, ended: 'done' });
  expect(await fit({ epochs: 4, resume: true })).toMatchObject({ steps: 8 });
});

test.each<[string, () => Promise<unknown>]>([
  ['is done', async () => fit()],
  [
    'is stopped',
    async () => {
      const run = fit({ epochs: 50 });
      await run.on('step', () => void run.stop());
    },
  ],
  [
    'fails',
    async () => {
      const run = fit().on('step', () => {
        throw new Error('a fault');
      });
      await expect(run).rejects.toThrow('a fault');
    },
  ],
  [
    'is aborted',
    async () => {
      const controller = new AbortController();
      const run = fit({ signal: controller.signal }).on('step', () => controller.abort(new Error('enough')));
      await expect(run).rejects.toThrow('enough');
    },
  ],
  [
    'is refused',
    async () => {
      writeFileSync(join(runDir, 'model.safetensors'), '');
      await expect(fit()).rejects.toThrow('holds a run already');
    },
  ],
])('the folder is given up when a training %s', async (_, train) => {
  await train();
  expect((await readdir(runDir)).filter((name) => name.startsWith('run.lock'))).toEqual([]);
});

test('a folder that cannot be written is told of as such', async () => {
  // A folder in the file's place.
  await mkdir(lockPath);
  utimesSync(lockPath, 0, 0);
  await expect(fit()).rejects.toThrow(CheckpointError);
  await expect(fit()).rejects.toThrow(`${lockPath}: cannot be removed: `);
});

describe('a holder', () => {
  const elsewhere = { place: 'another machine', host: 'far', pid: 7 };

  test.each<[string, () => Promise<void>]>([
    ['whose number has been given to another process', hold({ start: '1' })],
    ['of another container or host that is silent for a minute', hold(elsewhere, 70)],
    ['whose start cannot be told, and that is silent for a minute', hold({ start: null }, 70)],
    [
      'that was killed before it could say who it is',
      async () => {
        writeFileSync(lockPath, '{"pid":');
        utimesSync(lockPath, 1, 1);
      },
    ],
    [
      'whose successor was killed too, while it took over',
      async () => {
        await hold({ start: '1' })();
        writeFileSync(`${lockPath}.succession`, readFileSync(lockPath));
      },
    ],
  ])('%s is gone', async (_, left) => {
    await left();
    expect(await fit()).toMatchObject({ steps: 2 });
    expect(existsSync(lockPath)).toBe(false);
    expect(existsSync(`${lockPath}.succession`)).toBe(false);
  });

  test.each<[string, () => Promise<void>, RegExp]>([
    [
      'of another container or host that has just given a sign of life',
      hold(elsewhere, 5),
      /in use by process 7 on far, since .*, which was alive \d+ s ago.*If it is gone, try again when it has been silent for 60 s/,
    ],
    ['whose start cannot be told, with a fresh sign of life', hold({ start: null }), /which was alive \d+ s ago/],
    ['of this process, however long ago', hold({}, 1000), /in use by this process/],
    [
      'that has not said yet who it is',
      async () => writeFileSync(lockPath, ''),
      /in use by a process that is not named/,
    ],
  ])('%s keeps its folder', async (_, left, message) => {
    await left();
    const before = readFileSync(lockPath, 'utf8');
    await expect(fit()).rejects.toThrow(StateError);
    await expect(fit()).rejects.toThrow(message);
    expect(readFileSync(lockPath, 'utf8')).toBe(before);
    expect(await readdir(runDir)).toEqual([basename(lockPath)]);
  });

  const onLinux = process.platform === 'linux' ? test : test.skip;

  onLinux('that was killed is gone before its parent has heard of it', async () => {
    // What `sleep` was before started a process that it knows nothing of.
    const parent = spawn('sh', ['-c', 'sleep 60 & echo $!; exec sleep 60'], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await once(parent.stdout, 'data')) as [Buffer];
    const pid = Number(line.toString());
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const holder = { ...(await thisProcess()), pid, start: stat.split(' ')[21]! };
    expect(await isRunning(holder)).toBe(true);
    process.kill(pid, 'SIGKILL');
    while (readFileSync(`/proc/${pid}/stat`, 'utf8').split(' ')[2] !== 'Z') await new Promise(setImmediate);
    expect(await isRunning(holder)).toBe(false);
    await kill(parent);
  });
});

test.each([
  ['nobody held', async () => {}],
  ['a process held that is gone', hold({ start: '1' })],
] as const)('of many that want a folder at once that %s, one gets it', async (_, left) => {
  for (let round = 0; round < 20; round++) {
    await left();
    const taken = await Promise.allSettled(Array.from({ length: 6 }, () => RunLock.take(lockPath, () => {})));
    const locks = taken.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    expect(locks).toHaveLength(1);
    for (const one of taken) if (one.status === 'rejected') expect(one.reason).toBeInstanceOf(StateError);
    await locks[0]!.release();
    expect(await readdir(runDir)).toEqual([]);
  }
});

describe('a lock whose file was removed', () => {
  const lost = (seconds: number) => {
    let tell: (error: unknown) => void = () => {};
    const heard = new Promise<unknown>((resolve) => (tell = resolve));
    return { heard, lock: RunLock.take(lockPath, tell, seconds) };
  };

  test('is taken again', async () => {
    const { lock } = lost(0.01);
    await lock;
    rmSync(lockPath);
    while (!existsSync(lockPath)) await new Promise((resolve) => setTimeout(resolve, 5));
    await expect(fit()).rejects.toThrow('in use by this process');
    await (await lock).release();
    expect(existsSync(lockPath)).toBe(false);
  });

  test('and taken by another process is lost, and that one keeps it', async () => {
    const { heard, lock } = lost(0.01);
    await lock;
    const other = join(folder, 'other.lock');
    const child = await holdElsewhere(other);
    try {
      renameSync(other, lockPath);
      expect(await heard).toMatchObject({ message: expect.stringContaining(`process ${child.pid} on `) as string });
      await (await lock).release();
      expect(parseHolder(readFileSync(lockPath, 'utf8'))!.pid).toBe(child.pid);
    } finally {
      await kill(child);
    }
  });
});

test('a training whose folder another process has taken ends with an error that names it', async () => {
  // Only the timer of the lock, which gives its signs of life.
  jest.useFakeTimers({
    doNotFake: ['nextTick', 'setImmediate', 'setTimeout', 'performance', 'Date', 'queueMicrotask'],
  });
  const child = await holdElsewhere(join(folder, 'other.lock'));
  try {
    const run = fit({ epochs: 100_000 });
    run.on('step', ({ step }) => {
      if (step === 3) renameSync(join(folder, 'other.lock'), lockPath);
      if (step === 3) jest.advanceTimersByTime(10_000);
    });
    await expect(run).rejects.toThrow(StateError);
    await expect(run).rejects.toThrow(`is in use by process ${child.pid} on `);
    expect(parseHolder(readFileSync(lockPath, 'utf8'))!.pid).toBe(child.pid);
  } finally {
    jest.useRealTimers();
    await kill(child);
  }
});

test('a sign of life is a new time of the file, and changes nothing else', async () => {
  const lock = await RunLock.take(lockPath, () => {}, 0.01);
  const before = readFileSync(lockPath, 'utf8');
  utimesSync(lockPath, 1, 1);
  while (statSync(lockPath).mtimeMs < 10_000) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(readFileSync(lockPath, 'utf8')).toBe(before);
  await lock.release();
});
