import type { EventEmitter } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import promises from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from '../../lib';

const folder = mkdtempSync(join(tmpdir(), 'text-'));
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => jest.restoreAllMocks());

test('a text on the disk is opened a few times at once, however many rows a batch has', async () => {
  const { open } = promises;
  let [now, most] = [0, 0];
  jest.spyOn(promises, 'open').mockImplementation(async (...args) => {
    most = Math.max(most, ++now);
    const handle = await open(...args);
    (handle as unknown as EventEmitter).once('close', () => now--);
    return handle;
  });
  const path = join(folder, 'rows.txt');
  writeFileSync(path, Array.from({ length: 3000 }, (_, index) => index % 10).join(''));
  const sizes = { batchSize: 300, sequenceLength: 5 };
  const all = { split: [1, 0, 0] } as const;
  const onDisk = await text.fromFile(path, { ...all, inMemory: false });
  const inMemory = await text.fromFile(path, all);
  const batches: unknown[] = [];
  for await (const batch of onDisk.train.batches(sizes)) batches.push(batch);
  expect(batches).toEqual([...inMemory.train.batches(sizes)]);
  expect([now, most]).toEqual([0, 64]);
});
