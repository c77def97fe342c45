import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { birthsChanges, birthsRows, holidays } from '../../../examples/support/births';
import { runExample } from '../../support/example';
import { maeOf, summaryIn } from '../../support/exampleFigures';

const folder = mkdtempSync(join(tmpdir(), 'lstm-native-forecasts-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A whole drawing with these texts, in whatever order they are drawn. */
function expectChart(path: string, ...texts: readonly string[]): void {
  const svg = readFileSync(path, 'utf8');
  expect([svg.startsWith('<svg'), svg.endsWith('</svg>\n')]).toEqual([true, true]);
  expect(texts.filter((text) => !svg.includes(text))).toEqual([]);
}

test('births.ts is better than naive forecasts after a short training, in bands that are sane', async () => {
  const run = join(folder, 'births');
  const { code, lines } = await runExample('births.ts', '--quick', '--run', run);
  expect({ code, last: lines.at(-1) }).toEqual({ code: 0, last: `Written to ${run}: births.svg, summary.json.` });
  const summary = summaryIn(run);
  expect(summary.origins).toHaveLength(39);
  expect(maeOf(summary, 'seasonal naive 7')).toBeCloseTo(393.68, 1);
  expect(maeOf(summary, 'seasonal naive 364')).toBeCloseTo(295.29, 1);
  expect(maeOf(summary, 'seasonal naive 364, level corrected')).toBeCloseTo(254.12, 1);
  expect(summary.overall.mae).toBeLessThan(maeOf(summary, 'seasonal naive 364'));
  expect(summary.bands[0]!.coverage).toBeGreaterThan(0.6);
  expect(summary.bands[0]!.coverage).toBeLessThan(0.95);
  expectChart(join(run, 'births.svg'), 'Births a day in the United States', 'ridge, with holidays');
});

test('seattle.ts is better than the weather of a year ago, beside the naive forecasts of the same weeks', async () => {
  const run = join(folder, 'seattle');
  const { code, lines } = await runExample('seattle.ts', '--quick', '--run', run);
  expect({ code, last: lines.at(-1) }).toEqual({ code: 0, last: `Written to ${run}: seattle.svg, summary.json.` });
  const summary = summaryIn(run);
  const figures = ['seasonal naive 365', 'naive', 'climatology', 'damped anomaly'].map((name) => maeOf(summary, name));
  expect(figures.map((mae) => mae.toFixed(2))).toEqual(['3.77', '3.17', '3.15', '2.90']);
  expect(summary.overall.mae).toBeLessThan(figures[0]!);
  expect(summary.bands[0]!.coverage).toBeGreaterThan(0.6);
  expect(summary.bands[0]!.coverage).toBeLessThan(0.95);
  expectChart(join(run, 'seattle.svg'), 'daily maximum temperature', 'damped anomaly');
});

test('the holidays of a year are where the calendar has them', () => {
  const days = Array.from({ length: 366 }, (_, day) => new Date(Date.UTC(1988, 0, 1 + day)));
  const found = (index: number) =>
    days
      .filter((day) => holidays(day)[2 * index] || holidays(day)[2 * index + 1])
      .map((day) => day.toISOString().slice(5, 10));
  // New Year, 4 July, Presidents' Day, Memorial Day, Labor Day, Thanksgiving, and 29 February.
  expect([0, 4, 11, 12, 14, 17, 22].map(found)).toEqual([
    ...[['01-01'], ['07-04'], ['02-15'], ['05-30'], ['09-05'], ['11-24'], ['02-29']],
  ]);
});

test('changes are those since the same weekday 52 weeks before, and nothing of the future', () => {
  const rows = birthsRows();
  const changes = birthsChanges();
  expect(changes).toHaveLength(rows.length - 728);
  const [row] = changes.slice(1000);
  expect(row!.date).toEqual(rows[1728]!.date);
  expect(row!.change).toBe(rows[1728]!.births - rows[1364]!.births);
  expect(row!.lastChange).toBe(rows[1364]!.births - rows[1000]!.births);
});
