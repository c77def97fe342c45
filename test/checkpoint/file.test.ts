import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readWhole } from '../../lib/checkpoint/file';

let folder = '';
beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'file-'))));
afterEach(() => rm(folder, { recursive: true }));

test.each([0, 1, 2, 3, 4, 6, 7])('a file of %i bytes is the same read in pieces of 3', async (size) => {
  const path = join(folder, 'file');
  const bytes = Uint8Array.from({ length: size }, (_, index) => index + 1);
  await writeFile(path, bytes);
  expect(Array.from(await readWhole(path, 3))).toEqual(Array.from(bytes));
});
