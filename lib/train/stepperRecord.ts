import { mapValues } from '../mapValues';

/**
 * What a resumed training needs of a stepper beside states of the network's store: plain JSON.
 *
 * Everything else of an optimizer and its schedules follows from this: see `SchedulePoint`.
 */
export interface StepperRecord {
  readonly step: number;
  readonly batches: number;
  /** Of finished passes, for schedules; null for those not finite. */
  readonly figures: readonly Readonly<Record<string, number | null>>[];
  readonly carriedBatchSize: number | null;
  readonly streamBegins: boolean;
}

type Pass = StepperRecord['figures'][number];

/** Figures as JSON can hold them: null for those not finite. */
export const toJson = (pass: Readonly<Record<string, number>>): Pass =>
  mapValues(pass, (value) => (Number.isFinite(value) ? value : null));

export const fromJson = (pass: Pass): Readonly<Record<string, number>> => mapValues(pass, (value) => value ?? NaN);
