/**
 * A layer's training step at T 16 to 4,096: its cost should be a constant and so much for each step in time. The row of
 * the longest has the line that fits all of them: `constant` in microseconds, `perStep` in microseconds a step,
 * `rSquared`, and `off`, the largest deviation of a time from it in percent of the time.
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
  const { constant, slope, rSquared, off } = fitLine(
    sizes.map(({ T }) => T),
    times,
  );
  const figures = { constant, perStep: slope, rSquared, off: 100 * off };
  return rows.map((row, index) => (index < rows.length - 1 ? row : { ...row, figures }));
}

/**
 * The line y = constant + slope x with the least sum of squared relative deviations, since a time is as uncertain as it
 * is long. R² = 1 - sum (y - line)² / sum (y - mean)², of the times as they are.
 */
export function fitLine(x: readonly number[], y: readonly number[]) {
  const sum = (term: (x: number, y: number) => number) => x.reduce((total, at, k) => total + term(at, y[k]!), 0);
  const weight = sum((_, y) => y ** -2);
  const [meanX, meanY] = [sum((x, y) => x / y ** 2) / weight, sum((_, y) => 1 / y) / weight];
  const slope = sum((x, y) => ((x - meanX) * (y - meanY)) / y ** 2) / sum((x, y) => (x - meanX) ** 2 / y ** 2);
  const constant = meanY - slope * meanX;
  const left = (x: number, y: number) => y - constant - slope * x;
  const mean = sum((_, y) => y) / y.length;
  const rSquared = 1 - sum((x, y) => left(x, y) ** 2) / sum((_, y) => (y - mean) ** 2);
  const off = Math.max(...x.map((at, k) => Math.abs(left(at, y[k]!) / y[k]!)));
  return { constant, slope, rSquared, off };
}
