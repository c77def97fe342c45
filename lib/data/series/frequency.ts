/** Regular times: how far rows are apart, and which time a row has. All in UTC, so no day has 23 or 25 hours. */
import { OptionError } from '../../errors';
import { describe } from '../../options';
import { daysInMonth, millisecondsPerDay, monthOf } from './day';

/** Months differ in milliseconds, so they are counted by the calendar. */
export interface Frequency {
  readonly unit: 'millisecond' | 'month';
  /** Units from one row to the next. */
  readonly count: number;
}

export type FrequencyName = 'second' | 'minute' | 'hour' | 'day' | 'week' | 'month' | 'quarter' | 'year';

const milliseconds = (count: number): Frequency => ({ unit: 'millisecond', count });
const months = (count: number): Frequency => ({ unit: 'month', count });

const named: Readonly<Record<FrequencyName, Frequency>> = {
  second: milliseconds(1000),
  minute: milliseconds(60_000),
  hour: milliseconds(3_600_000),
  day: milliseconds(millisecondsPerDay),
  week: milliseconds(604_800_000),
  month: months(1),
  quarter: months(3),
  year: months(12),
};

/** A name, or milliseconds. */
export function frequencyOf(option: FrequencyName | number): Frequency {
  if (typeof option === 'number' && Number.isSafeInteger(option) && option > 0) return milliseconds(option);
  if (typeof option === 'string' && Object.hasOwn(named, option)) return named[option];
  throw new OptionError(
    `series: frequency: expected ${Object.keys(named).map(describe).join(', ')} or a positive integer of milliseconds, received ${describe(option)}`,
  );
}

/** In the largest unit that goes in evenly: `day`, `15 minutes`. */
export function formatFrequency({ unit, count }: Frequency): string {
  const sizes = Object.entries(named).filter(([, one]) => one.unit === unit);
  const [name, size] = sizes.reverse().find(([, one]) => count % one.count === 0) ?? [unit, { count: 1 }];
  const times = count / size.count;
  return times === 1 ? name : `${times} ${name}s`;
}

export const formatTime = (time: number): string => new Date(time).toISOString().replace(/T00:00:00.000Z$|\.000Z$/, '');

/** The times of the rows of one series: row 0 at `start`, then one every `frequency`. */
export class TimeGrid {
  constructor(
    /** In milliseconds since 1970. */
    readonly start: number,
    readonly frequency: Frequency,
    /** Of months: the day on which rows fall; in shorter months the last day. Default the day of `start`. */
    private readonly dayOfMonth = new Date(start).getUTCDate(),
  ) {}

  /** The time of a row, which may lie before the first and after the last. */
  at(row: number): number {
    const { start, frequency } = this;
    if (frequency.unit === 'millisecond') return start + row * frequency.count;
    const month = monthOf(new Date(start)) + row * frequency.count;
    const day = Math.min(this.dayOfMonth, daysInMonth(month));
    return Date.UTC(Math.floor(month / 12), month % 12, day) + timeOfDay(start);
  }

  /** The row at a time; null when none falls on it. */
  row(time: number): number | null {
    const { start, frequency } = this;
    const distance =
      frequency.unit === 'millisecond' ? time - start : monthOf(new Date(time)) - monthOf(new Date(start));
    const row = distance / frequency.count;
    return Number.isInteger(row) && this.at(row) === time ? row : null;
  }

  /** The first row at a time or after it. */
  rowFrom(time: number): number {
    const { start, frequency } = this;
    if (frequency.unit === 'millisecond') return Math.ceil((time - start) / frequency.count);
    const row = Math.floor((monthOf(new Date(time)) - monthOf(new Date(start))) / frequency.count);
    return this.at(row) >= time ? row : row + 1;
  }
}

const timeOfDay = (time: number): number => ((time % millisecondsPerDay) + millisecondsPerDay) % millisecondsPerDay;

/**
 * The frequency of ascending times: the least distance between neighbours, counted in months where all times fall on
 * one day of the month (or on the last of shorter months). Null for fewer than two times.
 */
export function inferFrequency(series: readonly ArrayLike<number>[]): Frequency | null {
  let least = Infinity;
  let leastMonths = Infinity;
  for (const times of series) {
    const isMonthly = fallOnOneDay(times);
    for (let row = 1; row < times.length; row++) {
      least = Math.min(least, times[row]! - times[row - 1]!);
      const apart = monthOf(new Date(times[row]!)) - monthOf(new Date(times[row - 1]!));
      leastMonths = isMonthly && apart > 0 ? Math.min(leastMonths, apart) : 0;
    }
  }
  if (least === Infinity) return null;
  return leastMonths > 0 && leastMonths < Infinity ? months(leastMonths) : milliseconds(least);
}

/** Whether all times share the time of the day and the day of the month, short months apart. */
function fallOnOneDay(times: ArrayLike<number>): boolean {
  if (times.length === 0) return true;
  const day = largestDay(times);
  for (let row = 0; row < times.length; row++) {
    const date = new Date(times[row]!);
    if (timeOfDay(times[row]!) !== timeOfDay(times[0]!)) return false;
    if (date.getUTCDate() !== Math.min(day, daysInMonth(monthOf(date)))) return false;
  }
  return true;
}

/** The day of the month on which monthly rows fall: in short months it is cut, so the largest tells. */
export function largestDay(times: ArrayLike<number>): number {
  let day = 1;
  for (let row = 0; row < times.length && day < 31; row++) day = Math.max(day, new Date(times[row]!).getUTCDate());
  return day;
}
