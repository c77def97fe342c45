/**
 * A layer's training step at T 16 to 4,096: its cost should be a constant and so much for each step in time. The row of
 * the longest has the lines through all of them: `rSquared` of the one with the least squares, which is 1 where cost is
 * linear; and `constant` in microseconds and `perStep` in microseconds a step of the one with the least relative
 * squares, since in the other the longest alone tell. `off` is the largest deviation of a time from that, in percent.
 */
import { measurePeak } from '../../lib/backend/native/native';
import { repeated, type Setting } from '../contest';
import { LstmLayer, nameOf, operationsOf, type LayerSize } from '../lstmLayer';
import { alternate, median, type Contender } from '../measure';
import { rowBesidePeak, type Row, type Rows } from '../report';

const layers = [
  { B: 16, I: 64, H: 64 },
  { B: 8, I: 128, H: 128 },
];
const lengths = Array.from({ length: 9 }, (_, power) => 16 << power);

export async function* linearity({ rounds, wanted }: Setting): Rows {
  for (const layer of layers) {
    const sizes = lengths.map((T) => ({ T, ...layer }));
    if (sizes.some((size) => wanted(nameOf(size)))) yield* await measureRows(sizes, rounds);
  }
}

async function measureRows(sizes: readonly LayerSize[], rounds: number): Promise<Row[]> {
  const steps = sizes.map((size) => new LstmLayer(size, 'train'));
  const contenders: Record<string, Contender> = { peak: measurePeak };
  for (const step of steps) contenders[nameOf(step.size)] = await repeated(step.time);
  const samples = await alternate(contenders, rounds);
  for (const step of steps) step.dispose();
  const rows = sizes.map((size) => {
    const name = { suite: 'linearity', case: nameOf(size), pass: 'train' } as const;
    return rowBesidePeak(name, operationsOf(size, 'train'), { seconds: samples[nameOf(size)]!, peak: samples.peak! });
  });
  const times = sizes.map((size) => median(samples[nameOf(size)]!) * 1e6);
  const lengths = sizes.map(({ T }) => T);
  const plain = fitLine(
    lengths,
    times,
    times.map(() => 1),
  );
  const relative = fitLine(
    lengths,
    times,
    times.map((time) => time ** -2),
  );
  const figures = {
    constant: relative.constant,
    perStep: relative.slope,
    rSquared: plain.rSquared,
    off: 100 * Math.max(...times.map((time, k) => Math.abs(1 - relative.at(lengths[k]!) / time))),
  };
  return rows.map((row, index) => (index < rows.length - 1 ? row : { ...row, figures }));
}

/** The line y = constant + slope x with the least weighted sum of squares. R² = 1 - sum (y - line)² / sum (y - mean)². */
export function fitLine(x: readonly number[], y: readonly number[], weights: readonly number[]) {
  const sum = (term: (x: number, y: number) => number) =>
    weights.reduce((total, weight, k) => total + weight * term(x[k]!, y[k]!), 0);
  const total = sum(() => 1);
  const [meanX, meanY] = [sum((x) => x) / total, sum((_, y) => y) / total];
  const slope = sum((x, y) => (x - meanX) * (y - meanY)) / sum((x) => (x - meanX) ** 2);
  const constant = meanY - slope * meanX;
  const at = (x: number) => constant + slope * x;
  const rSquared = 1 - sum((x, y) => (y - at(x)) ** 2) / sum((_, y) => (y - meanY) ** 2);
  return { constant, slope, rSquared, at };
}
