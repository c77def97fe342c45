/** What examples come to, read from what they print and write. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Scores } from '../../lib';

/** The figures of a forecasting example, from the summary in its run folder. */
export const summaryIn = (run: string) => JSON.parse(readFileSync(join(run, 'summary.json'), 'utf8')) as Scores;

export const maeOf = ({ baselines }: Scores, name: string) => baselines.find((one) => one.name === name)!.mae;

/** The percentage of held-out digits that digits.ts says it read right. */
export const digitsRight = (lines: readonly string[]) =>
  parseFloat(lines.find((line) => line.includes('held-out digits read right'))!);

/** The percentage of vowels that stress.ts says this tagger has right. */
export const vowelsRight = (lines: readonly string[], tagger: string) =>
  parseFloat(lines.find((line) => line.startsWith(`  ${tagger} `))!.slice(50));
