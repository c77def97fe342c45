/** Parts of a series in order of time. */
import { DataError, OptionError } from '../../errors';
import { describe } from '../../options';
import { boundariesOf, checkFractions, type Fractions, type PartName } from '../split';
import { readTime } from './cells';
import { formatTime, type TimeGrid } from './frequency';

/**
 * Fractions of the rows of each series that add up to 1; or where validation and test begin: a time (a Date, or ISO 8601),
 * or a number, the rows that the part has.
 */
export type Split = Fractions | { readonly validation: number | Date | string; readonly test: number | Date | string };

/** Rows `[begin, end)` of a series. */
export interface Range {
  readonly begin: number;
  readonly end: number;
}

const isFractions = (split: Split): split is Fractions => Array.isArray(split);

export function checkSplit(split: Split): void {
  if (isFractions(split)) return checkFractions('series', split);
  for (const name of ['validation', 'test'] as const) {
    const boundary: unknown = split?.[name];
    const isCount = Number.isSafeInteger(boundary) && (boundary as number) >= 0;
    if (isCount || (typeof boundary !== 'number' && readTime(boundary) !== null)) continue;
    throw new OptionError(
      `series: split: ${name}: expected a number of rows or a time (a Date, or ISO 8601), received ${describe(boundary)}`,
    );
  }
}

/** The rows of each part of a series of `length` rows. */
export function splitRows(split: Split, length: number, grid: TimeGrid, series: string): Record<PartName, Range> {
  const [validation, test] = isFractions(split) ? boundariesOf(split, length) : boundaries(split, length, grid);
  if (!(validation >= 0 && validation <= test && test <= length)) {
    throw new DataError(
      `series${series}: split: expected validation and test to begin in this order among ${length} rows from ${formatTime(grid.start)} on, ` +
        `received rows ${validation} and ${test}`,
    );
  }
  return {
    train: { begin: 0, end: validation },
    validation: { begin: validation, end: test },
    test: { begin: test, end: length },
  };
}

function boundaries(split: Exclude<Split, readonly unknown[]>, length: number, grid: TimeGrid): [number, number] {
  // A series may begin after a time, or end before it: the part is then all of it, or nothing.
  const rowAt = (time: Date | string) => Math.min(Math.max(grid.rowFrom(readTime(time)!), 0), length);
  const test = typeof split.test === 'number' ? length - split.test : rowAt(split.test);
  return [typeof split.validation === 'number' ? test - split.validation : rowAt(split.validation), test];
}
