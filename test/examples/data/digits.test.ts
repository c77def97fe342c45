import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { load } from 'lstm-native';
import { batchesOf, digitsBetween } from '../../../examples/support/digits';
import { runExample } from '../../support/example';
import { digitsRight } from '../../support/exampleFigures';

const run = mkdtempSync(join(tmpdir(), 'lstm-native-digits-'));

let example: Awaited<ReturnType<typeof runExample>>;

beforeAll(async () => {
  example = await runExample('digits.ts', '--quick', '--run', run);
});

afterAll(() => rmSync(run, { recursive: true, force: true }));

test('the three parts hold every one of the 10,000 digits once', () => {
  const parts = [digitsBetween(0, 0.7), digitsBetween(0.7, 0.8), digitsBetween(0.8, 1)];
  expect(parts.map((part) => part.length)).toEqual([6995, 1001, 2004]);
  const seen = new Set(parts.flat().map(({ image }) => Buffer.from(image.buffer).toString('latin1')));
  expect(seen.size).toBe(10_000);
});

test('digits.ts reads most held-out digits right after a short training', () => {
  expect(example.code).toBe(0);
  // By chance it would be 11 %.
  expect(digitsRight(example.lines)).toBeGreaterThan(80);
});

test('digits.ts leaves a chart of the confusions, and a model that reads a digit', async () => {
  const chart = readFileSync(join(run, 'digits.svg'), 'utf8');
  expect(chart).toMatch(/^<svg[^]*Accuracy by epoch[^]*<\/svg>\n$/);
  const model = await load(join(run, 'model.safetensors'));
  const { shape } = await model.predict([...batchesOf(digitsBetween(0.9, 1).slice(0, 3), 3)][0]!);
  expect(shape).toEqual([3, 10]);
  model.dispose();
});
