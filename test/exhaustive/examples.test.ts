/** The examples at their full budgets keep the figures that they are shown with; each prints what it came to. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runExample } from '../support/example';
import { digitsRight, maeOf, summaryIn, vowelsRight } from '../support/exampleFigures';

const folder = mkdtempSync(join(tmpdir(), 'lstm-native-full-examples-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const report = (line: string) => process.stdout.write(`${line}\n`);

/** Runs an example to its end, without --quick. */
async function runInFull(name: string): Promise<{ run: string; lines: string[] }> {
  const run = join(folder, name);
  const { lines, code } = await runExample(`${name}.ts`, '--run', run);
  // What it printed says why it failed.
  expect([code, code === 0 ? '' : lines.join('\n')]).toEqual([0, '']);
  return { run, lines };
}

test('births.ts is no worse than the level-corrected day 52 weeks ago, in a band of 80 % that covers 72 to 88 %', async () => {
  const { run } = await runInFull('births');
  const summary = summaryIn(run);
  const { overall, origins } = summary;
  const [band] = summary.bands;
  const naive = maeOf(summary, 'seasonal naive 364, level corrected');
  report(
    `births: MAE ${overall.mae.toFixed(1)}, naive ${naive.toFixed(1)}; the band covers ${(100 * band!.coverage).toFixed(1)} %`,
  );
  expect(origins).toHaveLength(39);
  expect(overall.mae).toBeLessThanOrEqual(254);
  expect(overall.mae).toBeLessThan(naive);
  expect(band!.nominal).toBeCloseTo(0.8);
  expect(band!.coverage).toBeGreaterThanOrEqual(0.72);
  expect(band!.coverage).toBeLessThanOrEqual(0.88);
});

test('seattle.ts has a mean absolute error below 3.1 °C, better than persistence and climatology', async () => {
  const { run } = await runInFull('seattle');
  const summary = summaryIn(run);
  const { overall, origins, baselines, bands } = summary;
  report(
    `Seattle: MAE ${overall.mae.toFixed(3)}, ${baselines.map(({ name, mae }) => `${name} ${mae.toFixed(3)}`).join(', ')}; ` +
      `the band covers ${(100 * bands[0]!.coverage).toFixed(1)} %`,
  );
  expect(origins).toHaveLength(52);
  expect(overall.mae).toBeLessThan(3.1);
  for (const name of ['naive', 'climatology']) expect(overall.mae).toBeLessThan(maeOf(summary, name));
});

test('digits.ts reads at least 97 % of the held-out digits right', async () => {
  const { lines } = await runInFull('digits');
  const right = digitsRight(lines);
  report(`digits: ${right} % of the held-out digits read right`);
  expect(right).toBeGreaterThanOrEqual(97);
});

test('stress.ts tags more vowels right than the commonest stress of each vowel in its place', async () => {
  const { lines } = await runInFull('stress');
  const [network, commonest] = ['bidirectional LSTM', 'commonest of vowel and place'].map((tagger) =>
    vowelsRight(lines, tagger),
  );
  report(`stress: ${network} % of the vowels right, commonest of vowel and place ${commonest} %`);
  expect(network).toBeGreaterThan(commonest!);
});
