/** Anomalies that were never measured: they are put into real readings, from a seed. */
import { channels, type Mote, type Reading } from './sensors';

/** Readings before an injected anomaly, for a detector to settle, and readings that the anomaly lasts: five minutes. */
export const lead = 240;
export const lasts = 60;

type Change = (value: number, at: { index: number; unit: number; held: number; random: () => number }) => number;

/** Each in units of the usual change of the channel from one reading to the next, on the training motes. */
export const injections: Readonly<Record<string, Change>> = {
  nothing: (value) => value,
  spike: (value, { index, unit }) => (index === 0 ? value + 6 * unit : value),
  drift: (value, { index, unit }) => value + 0.5 * unit * (index + 1),
  'stuck-at': (_, { held }) => held,
  'level shift': (value, { unit }) => value + 6 * unit,
  'noise burst': (value, { unit, random }) => value + 3 * unit * gaussian(random),
};

/** A copy of the readings in which one channel, chosen at random, is changed from index `lead` on, up or down. */
export function inject(readings: readonly Reading[], change: Change, units: Reading, random: () => number): Reading[] {
  const channel = channels[Math.floor(random() * channels.length)]!;
  const unit = units[channel] * (random() < 0.5 ? 1 : -1);
  const held = readings[lead - 1]![channel];
  return readings.map((reading, at) => {
    const index = at - lead;
    if (index < 0 || index >= lasts) return reading;
    return { ...reading, [channel]: change(reading[channel], { index, unit, held, random }) };
  });
}

/** Stretches of real readings, drawn at random, that lie before a mote's event or well after it. */
export function quietStretches(motes: readonly Mote[], count: number, random: () => number): (readonly Reading[])[] {
  const length = lead + lasts;
  const stretches: (readonly Reading[])[] = [];
  while (stretches.length < count) {
    const { readings, event } = motes[Math.floor(random() * motes.length)]!;
    const begin = Math.floor(random() * (readings.length - length));
    const [from, to] = event ?? [Infinity, -Infinity];
    if (begin + length < from || begin > to + lead) stretches.push(readings.slice(begin, begin + length));
  }
  return stretches;
}

/** A draw from the normal distribution (Box & Muller 1958). */
const gaussian = (random: () => number): number =>
  Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
