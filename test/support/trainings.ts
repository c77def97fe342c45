/** What a training leaves, told so that two can be compared. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { History } from '../../lib';

/** Without what depends on the clock. */
export const timeless = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, (key, part: unknown) => (key === 'seconds' ? undefined : part)));

/** All of a history that does not depend on the clock, or on the folder. */
export const timelessHistory = ({ epochs, steps, skipped, best, ended }: History): unknown =>
  timeless({ epochs, steps, skipped, best: best && { ...best, checkpoint: null }, ended });

export const metricsIn = async (runDir: string): Promise<unknown[]> =>
  (await readFile(join(runDir, 'metrics.jsonl'), 'utf8'))
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => timeless(JSON.parse(line)));
