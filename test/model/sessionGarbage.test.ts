import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

test('a hundred thousand steps cause no garbage collection', () => {
  const script = join(__dirname, 'sessionGarbageProcess.ts');
  const { stdout, stderr } = spawnSync(process.execPath, ['--expose-gc', '--import', 'tsx', script], {
    encoding: 'utf8',
    timeout: 60_000,
  });
  if (stderr) throw new Error(stderr);
  const garbage = JSON.parse(stdout) as Record<string, { collections: number; bytes: number }>;
  const { litter, ...streams } = garbage;
  expect(Object.keys(streams)).toEqual(['features', 'numbers in a list', 'tokens']);
  for (const { collections, bytes } of Object.values(streams)) {
    expect(collections).toBe(0);
    // The smallest object has 12.
    expect(bytes).toBeLessThan(1);
  }
  // What leaves garbage is seen.
  expect(litter!.collections).toBeGreaterThan(0);
}, 60_000);
