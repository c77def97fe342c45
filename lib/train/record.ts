/** What a checkpoint says of a training beside its tensors. */
import { z } from 'zod';
import { CheckpointError } from '../errors';
import type { EpochEvent } from './run';

export const recordVersion = 1;

/** Also NaN and the infinities. */
const number = z.custom<number>((value) => typeof value === 'number');
const count = z.number().int().min(0);
const epochEvent = z.custom<EpochEvent>((event) => (event as Partial<EpochEvent> | null)?.type === 'epoch');

const recordSchema = z.object({
  version: z.literal(recordVersion),
  /** Options that change the weights, as JSON by name. */
  options: z.record(z.string(), z.unknown()),
  /** The pass under way, counted from 1, and how many of its batches have been taken. */
  epoch: count.min(1),
  batch: count,
  seconds: number,
  stepper: z.unknown(),
  means: z.unknown(),
  epochs: z.array(epochEvent),
  skipped: count,
  skippedInARow: count,
  best: z.object({ epoch: count, step: count, metric: z.string(), value: number }).nullable(),
  /** Epochs since the best. */
  waited: count,
  /** The length of `metrics.jsonl`. */
  metricsBytes: count,
});

export type TrainingRecord = z.infer<typeof recordSchema>;

export function parseRecord(path: string, record: unknown): TrainingRecord {
  const parsed = recordSchema.safeParse(record);
  if (parsed.success) return parsed.data;
  throw new CheckpointError(
    `${path}: the training that it tells of is not one that this version reads: ${z.prettifyError(parsed.error)}`,
  );
}
