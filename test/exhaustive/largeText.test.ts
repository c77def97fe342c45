import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { trainOnFile, writeLargeText } from '../support/largeTextFile';

const megabyte = 2 ** 20;
let folder = '';
const path = () => join(folder, 'large.txt');

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'large-text-'));
  await writeLargeText(path(), 3 * 2 ** 30);
});
afterAll(() => rm(folder, { recursive: true }));

test.each(['characters', 'bytes'] as const)(
  '50 training steps on a text of 3 GB need at most 250 MB of memory beside what is imported: %s',
  async (level) => {
    const { imported, peak, steps, seconds, tokens } = await trainOnFile(path(), level, 50);
    const grown = (peak - imported) / megabyte;
    process.stdout.write(
      `text of ${((await stat(path())).size / 2 ** 30).toFixed(1)} GiB as ${level}: ${grown.toFixed(0)} MB above the ${(imported / megabyte).toFixed(0)} after import; ` +
        `opened in ${seconds.opening.toFixed(1)} s, ${steps} steps in ${seconds.training.toFixed(1)} s\n`,
    );
    expect(steps).toBe(50);
    expect(tokens).toBeGreaterThan(2 * 2 ** 30);
    expect(grown).toBeLessThan(250);
  },
);
