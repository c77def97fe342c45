/** A text of any size, and what training on it takes. */
import { execFile } from 'node:child_process';
import { open, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { LargeTextReport } from './largeText';
import { Random } from './random';

const blockSize = 2 ** 20;

/** Blocks of prose of some 60 characters, each block begun by its number, so that no two stretches are the same. */
export async function writeLargeText(path: string, size: number): Promise<void> {
  const { bavail, bsize } = await statfs(join(path, '..'));
  if (bavail * bsize < size) throw new Error(`${path}: ${size} bytes do not fit on the disk`);
  const random = new Random(1);
  const alphabet = [...'etaoinshrdlucmfwypvbgkjqxz      .,;!?ETAOIN', 'é', '—', '中'];
  const letters = Array.from({ length: blockSize / 2 }, () => alphabet[Math.floor(random.next() * alphabet.length)]!);
  const prose = Buffer.from(letters.join(''));
  const file = await open(path, 'w');
  try {
    for (let written = 0, block = 0; written < size; block++) {
      const head = Buffer.from(`\n${block} `);
      await file.write(head);
      await file.write(prose);
      written += head.length + prose.length;
    }
  } finally {
    await file.close();
  }
}

/** Trains in a process of its own. */
export async function trainOnFile(
  path: string,
  level: 'characters' | 'bytes',
  steps: number,
): Promise<LargeTextReport> {
  const args = ['--import', 'tsx', join(__dirname, 'largeText.ts'), path, level, String(steps)];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  return JSON.parse(stdout) as LargeTextReport;
}
