import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

test('a hundred thousand steps cause no garbage collection', () => {
  const script = join(__dirname, 'sessionGarbageProcess.ts');
  const { stdout, stderr } = spawnSync(process.execPath, ['--expose-gc', '--import', 'tsx', script], {
    encoding: 'utf8',
    timeout: 60_000,
  });
  if (stderr) throw new Error(stderr);
  const counts = JSON.parse(stdout) as Record<string, number>;
  const { litter, ...streams } = counts;
  expect(streams).toEqual({ features: 0, 'numbers in a list': 0, tokens: 0 });
  // What leaves garbage is seen.
  expect(litter).toBeGreaterThan(0);
}, 60_000);
