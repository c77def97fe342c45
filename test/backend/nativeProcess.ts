/** What the tests of processes and worker threads run, in a process of its own: the first argument names the scene. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import type { LstmNativeError } from '../../lib/errors';
import { native } from '../../lib/backend/native/native';
import { allCounts, committed, doublingProgram, doublingStore, slow } from './nativePrograms';

const say = (line: string) => process.stdout.write(`${line}\n`);

function start(scene: string): Worker {
  const code = `require('tsx/cjs/api').register(); require(${JSON.stringify(__filename)});`;
  return new Worker(code, { eval: true, workerData: scene });
}

function ended(worker: Worker): Promise<void> {
  return new Promise((resolve, reject) => worker.once('error', reject).once('exit', () => resolve()));
}

const message = (worker: Worker) => new Promise((resolve) => worker.once('message', resolve));

async function runOnce(): Promise<void> {
  const { run, store } = slow(1 << 16, 50);
  await run();
  say(`committed ${await committed(store)}`);
}

/** Resident megabytes after `count` streams, a megabyte of state each, were stepped, dropped and collected. */
async function dropStreams(count: number): Promise<number> {
  for (let index = 0; index < count; index++) {
    const { executable, store } = slow(1 << 17, 1);
    executable.repeatSync(store, { x: { data: new Float32Array(1), shape: [1] } })();
    if (index % 50 === 0) await new Promise(setImmediate);
  }
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  // Each round may free what held the next.
  for (let round = 0; round < 3; round++) {
    collect();
    await new Promise(setImmediate);
  }
  return process.memoryUsage().rss / 2 ** 20;
}

/** Resident megabytes after `count` models were made, run and dropped, or disposed. */
async function dropModels(count: number, dispose: boolean): Promise<number> {
  for (let index = 0; index < count; index++) {
    const executable = native.prepare(doublingProgram(), allCounts(5));
    const store = doublingStore();
    store.allocate([{ name: 'ballast', dtype: 'float32', shape: [1 << 18] }]);
    const x = { data: new Float32Array(75), shape: [5, 5, 3] };
    await executable.run(store, { x });
    // Abortable, it queues.
    await executable.run(store, { x }, { signal: new AbortController().signal });
    executable.runSync(store, { x });
    if (!dispose) continue;
    store.dispose();
    executable.dispose();
  }
  return process.memoryUsage().rss / 2 ** 20;
}

const scenes: Record<string, () => Promise<void> | void> = {
  'run once': runOnce,
  async 'exit in the middle of a run'() {
    void slow().run();
    setTimeout(() => process.exit(7), 20);
  },
  async 'endless runs'() {
    const { run } = slow();
    const first = run();
    parentPort!.postMessage('started');
    for (await first; ;) await run();
  },
  async 'terminate a worker in the middle of a run'() {
    for (let round = 0; round < 5; round++) {
      const worker = start('endless runs');
      await message(worker);
      await worker.terminate();
    }
    await runOnce();
  },
  async 'overlapping runs and reads'() {
    const { run, store } = slow(1 << 14, 5);
    parentPort!.postMessage('started');
    for (;;) await Promise.all([run(), run(), store.read('state')]);
  },
  async 'synchronous runs'() {
    const executable = native.prepare(doublingProgram(), allCounts(5));
    const store = doublingStore();
    const x = { data: new Float32Array(75), shape: [5, 5, 3] };
    const streamed = slow(1 << 10, 3);
    const repeat = streamed.executable.repeatSync(streamed.store, { x: { data: new Float32Array(1), shape: [1] } });
    parentPort!.postMessage('started');
    for (let round = 0; ; round++) {
      executable.runSync(store, { x });
      repeat();
      if (round % 50 === 0) await new Promise(setImmediate);
    }
  },
  async 'brief runs'() {
    const executable = native.prepare(doublingProgram(), allCounts(5));
    const store = doublingStore();
    const x = { data: new Float32Array(75), shape: [5, 5, 3] };
    parentPort!.postMessage('started');
    for (;;) await Promise.all([executable.run(store, { x }), executable.run(store, { x }), store.read('weight')]);
  },
  async 'run briefly'() {
    const { run, store } = slow(16, 1);
    const busy = slow().run();
    const running = run();
    // Until a run that queued is over, its states cannot be read.
    try {
      say(`read ${store.readNow('state')[0]}`);
    } catch (error) {
      say((error as Error).name);
    }
    await Promise.all([busy, running]);
    say(`committed ${await committed(store)}`);
    void run();
  },
  'exit in the middle of runs'() {
    void slow().run();
    setTimeout(() => process.exit(3), 10);
  },
  async 'end workers at any moment'() {
    for (const scene of ['overlapping runs and reads', 'synchronous runs', 'brief runs']) {
      for (let round = 0; round < 10; round++) {
        const worker = start(scene);
        await message(worker);
        await new Promise((resolve) => setTimeout(resolve, 4 * round));
        await worker.terminate();
      }
    }
    for (let round = 0; round < 5; round++) await ended(start('exit in the middle of runs'));
    say('survived');
  },
  async 'load in workers only, one after the other'() {
    for (let round = 0; round < 5; round++) await ended(start('run once'));
    say('survived');
  },
  async 'two workers at once'() {
    await Promise.all([ended(start('train')), ended(start('train')), runOnce()]);
  },
  async train() {
    const { run, store } = slow(1 << 12, 20);
    for (let step = 0; step < 100; step++) await run({ priority: 'training' });
    say(`committed ${await committed(store)}`);
  },
  async 'drop streams'() {
    // The allocator keeps what a thousand streams took at their worst moment, and takes no more for the next.
    const early = await dropStreams(1000);
    const late = await dropStreams(1000);
    say(`grew by ${Math.max(0, Math.round(late - early))} MB`);
  },
  async 'drop models'() {
    for (const dispose of [false, true]) {
      const early = await dropModels(300, dispose);
      const late = await dropModels(1000, dispose);
      say(`grew by ${Math.max(0, Math.round(late - early))} MB`);
    }
  },
  async 'report the error'() {
    try {
      await runOnce();
    } catch (error) {
      const { code, message: text } = error as LstmNativeError;
      say(`${code}: ${text}`);
    }
  },
};

void scenes[isMainThread ? process.argv[2]! : (workerData as string)]!();
