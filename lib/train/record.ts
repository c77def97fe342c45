/** What a checkpoint says of a training beside its tensors. */
import { z } from 'zod';
import { CheckpointError } from '../errors';
import type { MeansRecord } from './figures';
import type { EpochEvent } from './run';
import type { StepperRecord } from './stepperRecord';

export const recordVersion = 1;

/** Also NaN and the infinities. */
const number = z.custom<number>((value) => typeof value === 'number');
const count = z.number().int().min(0);
const figures = z.object({ loss: number }).catchall(number);

const epochEvent: z.ZodType<EpochEvent> = z.object({
  type: z.literal('epoch'),
  epoch: count,
  step: count,
  train: figures,
  validation: figures.nullable(),
  seconds: number,
});

const stepperRecord: z.ZodType<StepperRecord> = z.object({
  step: count,
  batches: count,
  figures: z.array(z.record(z.string(), number.nullable())),
  carriedBatchSize: count.nullable(),
  streamBegins: z.boolean(),
});

const meansRecord: z.ZodType<MeansRecord> = z.object({
  means: z.array(z.tuple([z.string(), number])),
  sums: z.record(z.string(), z.record(z.string(), z.array(number))),
  weight: number,
  batches: count,
});

const recordSchema = z.object({
  version: z.literal(recordVersion),
  /** Options that change the weights, as JSON by name. */
  options: z.record(z.string(), z.unknown()),
  /** The pass under way, counted from 1, and how many of its batches have been taken. */
  epoch: count.min(1),
  batch: count,
  seconds: number,
  stepper: stepperRecord,
  means: meansRecord,
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
