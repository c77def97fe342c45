/**
 * Watches sensors as their readings come in: a forecaster that learned two quiet sensors raises the alarm at two others
 * when readings are not as it foresaw. Beside it, a rolling z-score with the same budget of false alarms.
 *
 *     npm ci --prefix examples
 *     npm run example -- sensors.ts              about half a minute
 *     npm run example -- sensors.ts --quick
 *
 * Data: humidity and temperature every five seconds from four motes; at motes 1 and 4 an event was brought about once. Suthaharan,
 * Alzahrani, Rajasegarar, Leckie & Palaniswami 2010, "Labelled data collection for anomaly detection in wireless sensor
 * networks"; database under ODC-By 1.0, contents under CC BY 4.0. Two events say little about a detector, so anomalies of
 * five kinds are also injected into quiet readings; those are synthetic, and called so wherever they appear.
 * Models, windows and thresholds come from motes 2 and 3 alone. Thresholds are set on each of them by a forecaster that
 * learned the other, since a forecaster is surer of a sensor that it knows than of those that it will watch. Writes model.safetensors and sensors.svg to --run DIR.
 */
import { parseArgs } from 'node:util';
import { adam, cosine, lstm, sequential, studentTHead, type Module } from 'lstm-native';
import { inject, injections, lasts, lead, quietStretches } from './support/anomalies';
import { writeChart } from './support/chart';
import {
  alarmsIn,
  beginnings,
  calibrate,
  ForecastResiduals,
  RollingZScore,
  type Alarm,
  type Detector,
} from './support/detectors';
import { randomNumbers } from './support/random';
import { script } from './support/script';
import { readingsPerHour, readMote, usualChange, windowsOf, type Mote, type Reading } from './support/sensors';
import { sensorsChart, type DetectionRates } from './support/sensorsChart';

/** The sensors to learn from; two others are watched. */
const trainingMotes = [2, 3];
/** False alarms that both detectors may raise on the training motes. */
const falseAlarmsPerHour = 0.5;

/** `run` is a folder for what is kept of the training. */
async function trainForecaster(ids: readonly number[], units: Reading, epochs: number, run?: string): Promise<Module> {
  const motes = ids.map(readMote);
  const parts = (begin: number, end: number) =>
    motes.map(({ readings }) => readings.slice(Math.floor(begin * readings.length), Math.floor(end * readings.length)));
  const random = randomNumbers(1);
  // At every step, a distribution of the next change of both channels; its likelihood is the loss.
  const model = sequential([lstm(32), studentTHead({ targets: 2 })], { seed: 1 });
  const { epochs: passes, seconds } = await model.fit(() => windowsOf(parts(0, 0.8), units, random), {
    optimizer: adam({ lr: cosine(5e-3, { totalSteps: epochs * 4 }) }),
    clipNorm: 1,
    epochs,
    validation: () => windowsOf(parts(0.8, 1), units),
    ...(run !== undefined && { runDir: run, overwrite: true }),
  });
  const { train, validation } = passes.at(-1)!;
  console.log(
    `Trained for ${seconds.toFixed(1)} s on the first 80 % of ${ids.length > 1 ? 'motes' : 'mote'} ${ids.join(' and ')}: loss ${train.loss.toFixed(3)}, ` +
      `on the rest ${validation!.loss.toFixed(3)}.`,
  );
  return model;
}

/** The forecaster's alarm and the z-score's, each with thresholds that trials on the training motes set. */
async function alarmsOf(
  training: readonly Mote[],
  units: Reading,
  { epochs, perKind, run }: { epochs: number; perKind: number; run: string },
): Promise<Alarm[]> {
  const trials = training.map((mote) => ({
    readings: mote.readings,
    injected: Object.values(injectedInto([mote], Math.ceil(perKind / 4), units, 1)).flat(),
  }));
  const calibrated = (detector: Detector, judges: readonly Detector[]) => {
    const judged = trials.map((trial, index) => ({ ...trial, detector: judges[index] }));
    return calibrate(detector, judged, falseAlarmsPerHour);
  };
  const forecasting = async (ids: readonly number[], run?: string) =>
    new ForecastResiduals((await trainForecaster(ids, units, epochs, run)).session(), units);
  const judges: Detector[] = [];
  for (const mote of trainingMotes) judges.push(await forecasting(trainingMotes.filter((other) => other !== mote)));
  const forecaster = await forecasting(trainingMotes, run);
  const zScore = new RollingZScore();
  return [calibrated(forecaster, judges), calibrated(zScore, [zScore, zScore])];
}

async function main(): Promise<void> {
  const { values: options } = parseArgs({
    options: { quick: { type: 'boolean', default: false }, run: { type: 'string', default: 'runs/sensors' } },
  });
  const training = trainingMotes.map(readMote);
  const watched = [1, 4].map(readMote);
  const units = { humidity: usualChange(training, 'humidity'), temperature: usualChange(training, 'temperature') };
  const budget = options.quick ? { epochs: 10, perKind: 10 } : { epochs: 40, perKind: 100 };
  const { perKind } = budget;
  const alarms = await alarmsOf(training, units, { ...budget, run: options.run });
  console.log(`\nChosen on motes 2 and 3, for at most ${falseAlarmsPerHour} false alarms an hour there:`);
  for (const { detector, chosen } of alarms) {
    const rules = chosen.map(({ name, window, threshold }) => `${name} over ${window} above ${threshold.toFixed(2)}`);
    console.log(`  ${detector.name.padEnd(16)} ${rules.join(', ')}`);
  }

  console.log('\nThe labelled events of motes 1 and 4 (false alarms are all that begin outside the label):');
  console.log('                     mote 1: delay   mote 4: delay   false alarms an hour');
  for (const alarm of alarms) {
    const [first, second] = watched.map((mote) => outcome(alarm, mote));
    const hours = (first.quietReadings + second.quietReadings) / readingsPerHour;
    console.log(
      `  ${alarm.detector.name.padEnd(16)} ${delay(first.delay)} ${delay(second.delay)}   ` +
        `${((first.falseAlarms + second.falseAlarms) / hours).toFixed(2)} (${first.falseAlarms} and ${second.falseAlarms} in ${hours.toFixed(1)} h)`,
    );
  }

  const rates: DetectionRates = detectionRates(alarms, injectedInto(watched, perKind, units, 2));
  console.log(
    `\nInjected into quiet readings of motes 1 and 4, ${perKind} of each kind (synthetic): found within 5 minutes`,
  );
  console.log(`  ${''.padEnd(12)} ${alarms.map(({ detector }) => detector.name.padStart(16)).join('')}`);
  for (const [kind, found] of Object.entries(rates)) {
    console.log(`  ${kind.padEnd(12)} ${found.map((rate) => `${(100 * rate).toFixed(0)} %`.padStart(16)).join('')}`);
  }
  console.log("  'nothing' is how often either raises an alarm by chance: the same stretches, left as they are.");

  const chart = `${options.run}/sensors.svg`;
  await writeChart(chart, sensorsChart(watched, alarms, rates), { width: 1000, height: 820 });
  console.log(`\nWritten to ${chart}.`);
}

/** Readings from the event's begin to the first alarm within it, and alarms that begin elsewhere. */
function outcome(alarm: Alarm, { readings, event }: Mote) {
  const [begin, end] = event!;
  const raised = alarmsIn(alarm, readings);
  const first = raised.findIndex((isRaised, index) => isRaised && index >= begin && index < end);
  return {
    delay: first < 0 ? null : first - begin,
    falseAlarms: beginnings(raised).filter((index) => index < begin || index >= end).length,
    quietReadings: readings.length - (end - begin),
  };
}

const delay = (readings: number | null): string => (readings === null ? 'missed' : `${readings} readings`).padStart(15);

/** `count` stretches of readings for each kind of anomaly. */
function injectedInto(
  motes: readonly Mote[],
  count: number,
  units: Reading,
  seed: number,
): Record<string, Reading[][]> {
  const random = randomNumbers(seed);
  const stretches = quietStretches(motes, count, random);
  return Object.fromEntries(
    Object.entries(injections).map(([kind, change]) => [
      kind,
      stretches.map((stretch) => inject(stretch, change, units, random)),
    ]),
  );
}

/** By kind, the fraction of stretches in which each detector raises an alarm while the anomaly lasts. */
const detectionRates = (alarms: readonly Alarm[], injected: Record<string, Reading[][]>): DetectionRates =>
  Object.fromEntries(
    Object.entries(injected).map(([kind, stretches]) => [
      kind,
      alarms.map((alarm) => {
        const found = stretches.filter((stretch) =>
          alarmsIn(alarm, stretch)
            .slice(lead, lead + lasts)
            .includes(true),
        );
        return found.length / stretches.length;
      }),
    ]),
  );

script('sensors.ts [--quick] [--run runs/sensors]', main);
