import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

/** Plays a scene of nativeProcess.ts in a process of its own. A process that hangs is killed, and has no status. */
function play(scene: string, env: NodeJS.ProcessEnv = {}): { lines: string[]; status: number | null } {
  const script = join(__dirname, 'nativeProcess.ts');
  const { stdout, stderr, status, error } = spawnSync(process.execPath, ['--import', 'tsx', script, scene], {
    env: { ...process.env, ...env },
    encoding: 'utf8',
    timeout: 60_000,
    killSignal: 'SIGKILL',
  });
  if (error) throw error;
  return { lines: [...stdout.split('\n'), ...stderr.split('\n')].filter(Boolean), status };
}

test('a process ends by itself when its runs are done', () => {
  expect(play('run once')).toEqual({ lines: ['committed 1'], status: 0 });
});

test.each([
  { asked: 'nothing', threads: undefined, lines: ['read 1', 'committed 1'] },
  { asked: 'a team', threads: '2', lines: ['StateError', 'committed 1'] },
])('where $asked was asked for, a brief run takes place in its call or queues; its process ends by itself', (asked) => {
  expect(play('run briefly', { LSTM_NATIVE_THREADS: asked.threads })).toEqual({ lines: asked.lines, status: 0 });
});

test('process.exit in the middle of a run ends the process with its status', () => {
  expect(play('exit in the middle of a run')).toEqual({ lines: [], status: 7 });
});

test('a worker may be terminated in the middle of a run; the others go on', () => {
  expect(play('terminate a worker in the middle of a run')).toEqual({ lines: ['committed 1'], status: 0 });
});

test('workers may end at any moment: amid overlapping, synchronous and brief runs, and by process.exit', () => {
  expect(play('end workers at any moment')).toEqual({ lines: ['survived'], status: 0 });
});

test('the addon may be loaded in workers only, which come and go', () => {
  const lines = [...Array<string>(5).fill('committed 1'), 'survived'];
  expect(play('load in workers only, one after the other')).toEqual({ lines, status: 0 });
});

test('tfjs #8388: two workers and the main thread run at once', () => {
  const { lines, status } = play('two workers at once');
  expect(lines.sort()).toEqual(['committed 1', 'committed 100', 'committed 100']);
  expect(status).toBe(0);
});

test('a thousand models made and dropped, or disposed, leave no memory behind', () => {
  const { lines, status } = play('drop models', { LSTM_NATIVE_THREADS: '1' });
  expect(status).toBe(0);
  expect(lines).toHaveLength(2);
  // One model holds a megabyte and more; what is not collected yet may be some dozens.
  for (const line of lines) expect(Number(/\d+/.exec(line))).toBeLessThan(150);
}, 60_000);

test('a thousand streams stepped and dropped leave no memory behind', () => {
  const { lines, status } = play('drop streams', { LSTM_NATIVE_THREADS: '1' });
  expect(status).toBe(0);
  expect(Number(/\d+/.exec(lines.join()))).toBeLessThan(150);
}, 60_000);

test('wishes in the environment that cannot be met are errors', () => {
  expect(play('report the error', { LSTM_NATIVE_ISA: 'quantum' }).lines[0]).toMatch(
    /^ERR_BACKEND: LSTM_NATIVE_ISA is 'quantum'; this machine and build have: scalar/,
  );
  expect(play('report the error', { LSTM_NATIVE_THREADS: '0' }).lines).toEqual([
    "ERR_BACKEND: LSTM_NATIVE_THREADS: expected a number from 1 to 256, received '0'",
  ]);
  expect(play('run once', { LSTM_NATIVE_ISA: 'scalar', LSTM_NATIVE_THREADS: '3' }).lines).toEqual(['committed 1']);
});
