import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inject, injections, lasts, lead, quietStretches } from '../../../examples/support/anomalies';
import { beginnings, calibrate, RollingZScore } from '../../../examples/support/detectors';
import { randomNumbers } from '../../../examples/support/random';
import { readMote } from '../../../examples/support/sensors';
import { runExample } from '../../support/example';

const run = mkdtempSync(join(tmpdir(), 'lstm-native-sensors-'));

afterAll(() => rmSync(run, { recursive: true, force: true }));

test('the motes hold two labelled events, of 117 and 32 readings', () => {
  const motes = [1, 2, 3, 4].map(readMote);
  expect(motes.map(({ readings }) => readings.length)).toEqual([4417, 4417, 5039, 5041]);
  expect(motes.map(({ event }) => event && event[1] - event[0])).toEqual([117, null, null, 32]);
});

test('an injected anomaly changes one channel, and only while it lasts', () => {
  const units = { humidity: 0.1, temperature: 0.02 };
  const motes = [1, 4].map(readMote);
  for (const [kind, change] of Object.entries(injections)) {
    const [stretch] = quietStretches(motes, 1, randomNumbers(1));
    const changed = inject(stretch!, change, units, randomNumbers(2));
    expect(changed.slice(0, lead)).toEqual(stretch!.slice(0, lead));
    const readings = changed.flatMap((reading, index) =>
      reading.humidity === stretch![index]!.humidity && reading.temperature === stretch![index]!.temperature
        ? []
        : index,
    );
    expect(Math.max(0, ...readings)).toBeLessThan(lead + lasts);
    if (kind === 'nothing') expect(readings).toEqual([]);
    else if (kind === 'spike') expect(readings).toEqual([lead]);
    else expect(readings.length).toBeGreaterThan(lasts / 2);
    const humid = changed.some((reading, index) => reading.humidity !== stretch![index]!.humidity);
    const warm = changed.some((reading, index) => reading.temperature !== stretch![index]!.temperature);
    expect(humid && warm).toBe(false);
  }
});

test('quiet stretches keep clear of the events', () => {
  const motes = [1, 4].map(readMote);
  const labelled = new Set(motes.flatMap(({ readings, event }) => readings.slice(event![0], event![1])));
  const stretches = quietStretches(motes, 300, randomNumbers(3));
  expect(stretches.flat().filter((reading) => labelled.has(reading))).toHaveLength(0);
});

test('alarms less than a minute apart are one', () => {
  const alarms = Array.from({ length: 60 }, (_, index) => [3, 4, 15, 28, 59].includes(index));
  expect(beginnings(alarms)).toEqual([3, 28, 59]);
});

test('thresholds keep to the budget of false alarms, and would not if they were lower', () => {
  const motes = [2, 3].map(readMote);
  const zScore = new RollingZScore();
  const trials = motes.map(({ readings }) => ({ detector: zScore, readings, injected: [] }));
  const { detector, chosen } = calibrate(zScore, trials, 0.5);
  const [{ index, threshold }] = chosen as [(typeof chosen)[0]];
  const alarmsAbove = (least: number) =>
    motes.reduce((sum, { readings }) => {
      detector.reset();
      const raised = readings.map((reading, at) => detector.step(reading)[index]! > least && at >= 60);
      return sum + beginnings(raised).length;
    }, 0);
  // 9,456 readings, one in five seconds, are 13.1 hours.
  expect(alarmsAbove(threshold)).toBe(6);
  expect(alarmsAbove(threshold - 0.5)).toBeGreaterThan(6);
});

test('sensors.ts finds both events at once, and says which anomalies were injected', async () => {
  const { lines, code } = await runExample('sensors.ts', '--quick', '--run', run);
  expect(code).toBe(0);
  const forecaster = lines.find((line) => /LSTM forecaster +\d+ readings/.test(line));
  const delays = [...forecaster!.matchAll(/(\d+) readings/g)].map(([, readings]) => Number(readings));
  expect(delays).toHaveLength(2);
  expect(Math.max(...delays)).toBeLessThan(12);
  expect(lines.join('\n')).toMatch(/Injected into quiet readings .*\(synthetic\)/);
  expect(readFileSync(join(run, 'sensors.svg'), 'utf8')).toContain('Injected anomalies (synthetic)');
});
