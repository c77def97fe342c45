import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { trainOnFile, writeLargeText } from '../support/largeTextFile';

const megabyte = 2 ** 20;

test('the memory that training takes does not grow with the file: 100 MB more of text take less than 40 MB', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'text-memory-'));
  try {
    const grown: number[] = [];
    for (const size of [20, 120]) {
      const path = join(folder, `${size}.txt`);
      await writeLargeText(path, size * megabyte);
      const { imported, peak, inMemory } = await trainOnFile(path, 'characters', 10);
      expect(inMemory).toBe(false);
      grown.push((peak - imported) / megabyte);
    }
    expect(grown[1]! - grown[0]!).toBeLessThan(40);
    expect(grown[1]).toBeLessThan(250);
  } finally {
    await rm(folder, { recursive: true });
  }
}, 120_000);
