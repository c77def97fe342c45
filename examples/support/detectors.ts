import type { Session } from 'lstm-native';
import { changeOf, channels, readingsPerHour, type Reading } from './sensors';
import { lasts, lead } from './anomalies';

/** A statistic of the latest readings that raises an alarm when it is too large. */
interface Rule {
  readonly name: string;
  /** How many readings it looks at. */
  readonly window: number;
}

/** Takes a stream, one reading at a time, and gives the statistic of each of its rules. */
export interface Detector {
  readonly name: string;
  readonly rules: readonly Rule[];
  reset(): void;
  step(reading: Reading): number[];
}

/** Some rules of a detector with a threshold each. */
export interface Alarm {
  readonly detector: Detector;
  readonly chosen: readonly (Rule & { readonly index: number; readonly threshold: number })[];
}

/** z = |x − mean| / standard deviation of the last `window` readings, the larger of the two channels. */
export class RollingZScore implements Detector {
  readonly name = 'rolling z-score';
  readonly rules = [12, 24, 60, 120, 240].map((window) => ({ name: 'z-score', window }));
  private past: Reading[] = [];

  reset(): void {
    this.past = [];
  }

  step(reading: Reading): number[] {
    const scores = this.rules.map(({ window }) => {
      const past = this.past.slice(-window);
      return past.length < 12 ? 0 : Math.max(...channels.map((channel) => zScore(reading, past, channel)));
    });
    this.past = [...this.past.slice(-239), reading];
    return scores;
  }
}

function zScore(reading: Reading, past: readonly Reading[], channel: keyof Reading): number {
  const mean = meanOf(past.map((one) => one[channel]));
  const deviation = Math.sqrt(meanOf(past.map((one) => (one[channel] - mean) ** 2)));
  // Sensors report hundredths: no deviation is smaller.
  return Math.abs(reading[channel] - mean) / Math.max(deviation, 0.01);
}

/**
 * How the residuals e = (change − forecast) / forecast scale of the last `window` readings deviate from those of a
 * forecaster that is right. Jumps: mean e² is large. Drifts: |Σ e| / √window is large, e clipped to ±2 lest a jump
 * count as one. Silence: mean e² is small.
 */
export class ForecastResiduals implements Detector {
  readonly name = 'LSTM forecaster';
  readonly rules = [
    ...[1, 2, 4, 8, 16].map((window) => ({ name: 'jump', window })),
    ...[16, 32, 60].map((window) => ({ name: 'drift', window })),
    ...[16, 32, 60].map((window) => ({ name: 'silence', window })),
  ];
  private before: Reading | null = null;
  private forecast: readonly number[] = [];
  private residuals: number[][] = [];

  /** The session's output is location, scale and degrees of freedom of each channel's next change. */
  constructor(
    private readonly session: Session,
    private readonly units: Reading,
  ) {}

  reset(): void {
    this.session.reset();
    this.before = null;
    this.residuals = [];
  }

  step(reading: Reading): number[] {
    const change = changeOf(reading, this.before ?? reading, this.units);
    if (this.before) {
      const residual = change.map((value, k) => (value - this.forecast[3 * k]!) / this.forecast[3 * k + 1]!);
      this.residuals = [...this.residuals.slice(-59), residual];
    }
    this.before = reading;
    this.forecast = Array.from(this.session.step(change));
    return this.rules.map((rule) => Math.max(...channels.map((_, k) => this.statistic(rule, k))));
  }

  private statistic({ name, window }: Rule, channel: number): number {
    const past = this.residuals.slice(-window).map((residual) => residual[channel]!);
    if (past.length < window) return -Infinity;
    if (name === 'drift') return Math.abs(meanOf(past.map(clipped))) * Math.sqrt(window);
    const energy = meanOf(past.map((residual) => residual ** 2));
    return name === 'jump' ? energy : -energy;
  }
}

/** A mote without events, by which a detector is judged that was not trained on it: its own forecasts are better than at others. */
export interface Trial {
  readonly detector: Detector;
  readonly readings: readonly Reading[];
  /** Stretches of it into which an anomaly was put. */
  readonly injected: readonly (readonly Reading[])[];
}

/**
 * Chooses thresholds, and one window for each kind of rule, for `detector` by the `trials` of its like. Every choice of
 * windows is given the thresholds at which its rules together raise `perHour` alarms there, all of them false, each rule at
 * equally many readings; the choice that then finds most of the injected stretches is taken.
 */
export function calibrate(detector: Detector, trials: readonly Trial[], perHour: number): Alarm {
  const streams = trials.map((trial) => scoresOf(trial.detector, trial.readings));
  const stretches = trials.flatMap((trial) =>
    trial.injected.map((readings) => scoresOf(trial.detector, readings).slice(lead, lead + lasts)),
  );
  const hours = trials.reduce((sum, { readings }) => sum + readings.length, 0) / readingsPerHour;
  let best: Alarm['chosen'] = [];
  let most = -1;
  for (const windows of choicesOf(detector.rules)) {
    const thresholds = thresholdsOf(windows, streams, Math.floor(perHour * hours));
    const chosen = windows.map((index, position) => ({
      ...detector.rules[index]!,
      index,
      threshold: thresholds[position]!,
    }));
    const found = stretches.filter((scores) => scores.some((row) => isRaised(row, chosen))).length;
    if (found > most) [best, most] = [chosen, found];
  }
  return { detector, chosen: best };
}

/** Every way to take one rule of each kind, by their indices. */
function choicesOf(rules: readonly Rule[]): number[][] {
  const kinds = [...new Set(rules.map(({ name }) => name))];
  return kinds.reduce<number[][]>(
    (choices, kind) =>
      choices.flatMap((choice) => rules.flatMap(({ name }, index) => (name === kind ? [[...choice, index]] : []))),
    [[]],
  );
}

const isRaised = (row: readonly number[], chosen: Alarm['chosen']): boolean =>
  chosen.some(({ index, threshold }) => row[index]! > threshold);

/** For each reading of a stream from its beginning, whether there is alarm. */
export const alarmsIn = ({ detector, chosen }: Alarm, readings: readonly Reading[]): boolean[] =>
  scoresOf(detector, readings).map((row) => isRaised(row, chosen));

/** Where alarms begin: those less than a minute apart are one. */
export function beginnings(alarms: readonly boolean[]): number[] {
  let last = -Infinity;
  return alarms.flatMap((alarm, index) => {
    if (!alarm) return [];
    const begins = index - last > 12;
    last = index;
    return begins ? [index] : [];
  });
}

/** What each reading scores; nothing in the first five minutes, in which a detector settles. */
function scoresOf(detector: Detector, readings: readonly Reading[]): number[][] {
  detector.reset();
  return readings.map((reading, index) => {
    const scores = detector.step(reading);
    return index < 60 ? scores.map(() => -Infinity) : scores;
  });
}

/** The lowest thresholds, each exceeded by equally many readings, above which alarms begin at most `allowed` times. */
function thresholdsOf(rules: readonly number[], streams: readonly (readonly number[][])[], allowed: number): number[] {
  const sorted = rules.map((index) =>
    streams.flatMap((scores) => scores.map((row) => row[index]!)).sort((a, b) => b - a),
  );
  const at = (above: number) => sorted.map((scores) => scores[above]!);
  const alarms = (thresholds: readonly number[]) =>
    streams.reduce((sum, scores) => {
      const raised = scores.map((row) => rules.some((index, position) => row[index]! > thresholds[position]!));
      return sum + beginnings(raised).length;
    }, 0);
  let above = 0;
  while (alarms(at(above + 1)) <= allowed) above++;
  return at(above);
}

const clipped = (residual: number): number => Math.min(2, Math.max(-2, residual));

const meanOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
