import type { Batch, Tensor } from '../../../lib/data/batch';
import { formatTime } from '../../../lib/data/series/frequency';
import type { SeriesOptions } from '../../../lib/data/series/options';
import { series } from '../../../lib/data/series/readers';

export const day = 86_400_000;
export const start = Date.UTC(2024, 0, 1);
export const dateOf = (row: number): string => formatTime(start + row * day);

/** Daily records from 2024-01-01 on. */
export const daily = (count: number, columns: (row: number) => object = (row) => ({ births: row + 1 })) =>
  Array.from({ length: count }, (_, row) => ({ date: dateOf(row), ...columns(row) }));

export const options = { time: 'date', target: 'births' } as const satisfies SeriesOptions;

export const births = (count: number, more: Partial<SeriesOptions> = {}, columns?: (row: number) => object) =>
  series.fromRecords(daily(count, columns) as Record<string, unknown>[], { ...options, ...more });

/** A tensor as nested arrays. */
export function nested({ data, shape }: Tensor): unknown {
  const [size, ...rest] = shape;
  if (size === undefined) return data[0];
  const step = data.length / size;
  return Array.from({ length: size }, (_, index) =>
    nested({ data: data.subarray(index * step, (index + 1) * step), shape: rest }),
  );
}

export const inputs = (batch: Pick<Batch, 'inputs'>): Readonly<Record<string, Tensor>> =>
  ('data' in batch.inputs ? { past: batch.inputs } : batch.inputs) as Record<string, Tensor>;
