/** What the calendar says of a time, as numbers: known for every day to come, so a covariate for the future. In UTC. */
import { DataError, OptionError } from '../../errors';
import { checkOptions, describe } from '../../options';
import { dayOfYear, daysInMonth, millisecondsPerDay, monthOf, yearBegin } from './day';

export type CalendarFeature = 'minute' | 'hour' | 'weekday' | 'dayOfMonth' | 'dayOfYear' | 'month' | 'quarter';

/**
 * `cyclic`: sin and cos of 2π · position / period, so that the last of a cycle is near the first. `oneHot`: a column for
 * each whole position, 1 at the one that is.
 */
export type CalendarEncoding = 'cyclic' | 'oneHot';

/** A feature of one's own, a holiday for example: one number (true is 1), or as many each time. */
export type CalendarFunction = (time: Date) => number | boolean | readonly number[];

export interface CalendarOptions {
  /** Default `cyclic`. */
  readonly encoding?: CalendarEncoding;
}

interface Cycle {
  /** Columns of its one-hot encoding. */
  readonly size: number;
  /** Where in the cycle, in [0, period). */
  position(date: Date): number;
  /** Default `size`. */
  period?(date: Date): number;
}

/** Positions go on between whole ones where the time does: at 6:30 the hour is 6.5, in the one-hot encoding 6. */
const cycles: Readonly<Record<CalendarFeature, Cycle>> = {
  minute: {
    size: 60,
    position: (date) => date.getUTCMinutes() + date.getUTCSeconds() / 60 + date.getUTCMilliseconds() / 60_000,
  },
  hour: { size: 24, position: (date) => date.getUTCHours() + date.getUTCMinutes() / 60 + date.getUTCSeconds() / 3600 },
  // From Monday.
  weekday: { size: 7, position: (date) => (date.getUTCDay() + 6) % 7 },
  dayOfMonth: {
    size: 31,
    position: (date) => date.getUTCDate() - 1,
    period: (date) => daysInMonth(monthOf(date)),
  },
  dayOfYear: {
    size: 366,
    position: dayOfYear,
    period: (date) => (yearBegin(date, 1) - yearBegin(date)) / millisecondsPerDay,
  },
  month: { size: 12, position: (date) => date.getUTCMonth() },
  quarter: { size: 4, position: (date) => Math.floor(date.getUTCMonth() / 3) },
};

/** What a model file keeps of a feature; of a function its name alone. */
export type CalendarColumn =
  | { readonly calendar: CalendarFeature; readonly encoding: CalendarEncoding }
  | { readonly function: string; readonly size: number };

/** Features of the calendar among the covariates; see `calendar`. */
export class Calendar {
  constructor(
    readonly features: readonly (CalendarFeature | CalendarFunction)[],
    readonly encoding: CalendarEncoding,
  ) {}
}

/**
 * Features of each row's time, computed in UTC, for past and future alike.
 *
 *     calendar('weekday', 'dayOfYear')
 *     calendar('weekday', 'hour', { encoding: 'oneHot' })
 *     const holiday = (time: Date) => holidays.has(time.toISOString().slice(0, 10));
 *     calendar('month', holiday)
 *
 * A function must give finite numbers, as many for each time, and have a name: a model file keeps the name, and whoever
 * loads the model passes the function again.
 */
export function calendar(...args: readonly (CalendarFeature | CalendarFunction | CalendarOptions)[]): Calendar {
  const last = args.at(-1);
  const options = typeof last === 'object' ? last : {};
  const features = (typeof last === 'object' ? args.slice(0, -1) : args) as (CalendarFeature | CalendarFunction)[];
  checkOptions('calendar', options, ['encoding']);
  const { encoding = 'cyclic' } = options;
  if (encoding !== 'cyclic' && encoding !== 'oneHot')
    throw new OptionError(`calendar: encoding: expected 'cyclic' or 'oneHot', received ${describe(encoding)}`);
  if (features.length === 0)
    throw new OptionError(`calendar: expected one or more of ${knownFeatures()}, or functions`);
  for (const feature of features) {
    if (typeof feature === 'function' ? feature.name !== '' : Object.hasOwn(cycles, feature)) continue;
    const received = typeof feature === 'function' ? 'a function without a name' : describe(feature);
    throw new OptionError(`calendar: expected ${knownFeatures()} or a function that has a name, received ${received}`);
  }
  return new Calendar(features, encoding);
}

const knownFeatures = () => Object.keys(cycles).map(describe).join(', ');

/** The names of a calendar column's numbers. */
export function calendarNames(column: CalendarColumn): string[] {
  if ('function' in column) {
    const { size } = column;
    return Array.from({ length: size }, (_, index) => (size === 1 ? column.function : `${column.function}[${index}]`));
  }
  const { calendar: feature, encoding } = column;
  if (encoding === 'cyclic') return [`${feature}.sin`, `${feature}.cos`];
  return Array.from({ length: cycles[feature].size }, (_, index) => `${feature}=${index}`);
}

/** Writes the numbers of a column at a time to `out` from `at` on. `own` are the functions by name. */
export function writeCalendar(
  column: CalendarColumn,
  time: number,
  own: ReadonlyMap<string, CalendarFunction>,
  out: Float32Array | number[],
  at: number,
): void {
  const date = new Date(time);
  if ('function' in column) {
    const values = callOwn(column.function, own.get(column.function), date);
    if (values.length !== column.size)
      throw new DataError(
        `calendar: ${column.function}: expected as many numbers as before, ${column.size}, received ${values.length} for ${date.toISOString()}`,
      );
    values.forEach((value, index) => (out[at + index] = value));
    return;
  }
  const { size, position, period } = cycles[column.calendar];
  if (column.encoding === 'cyclic') {
    const angle = (2 * Math.PI * position(date)) / (period ? period(date) : size);
    out[at] = Math.sin(angle);
    out[at + 1] = Math.cos(angle);
  } else {
    const hot = Math.floor(position(date));
    for (let index = 0; index < size; index++) out[at + index] = index === hot ? 1 : 0;
  }
}

/** What a function of the user's own gives at a time, as numbers. */
export function callOwn(name: string, own: CalendarFunction | undefined, date: Date): readonly number[] {
  if (!own)
    throw new OptionError(
      `calendar: the function ${name} is not in the model file; pass calendar(${name}) as option 'calendar'`,
    );
  const given = own(date);
  const values = (Array.isArray(given) ? given : [typeof given === 'boolean' ? Number(given) : given]) as number[];
  if (values.length > 0 && values.every(Number.isFinite)) return values;
  throw new DataError(
    `calendar: ${name}: expected a finite number, true, false or an array of numbers, received ${describe(given)} for ${date.toISOString()}`,
  );
}
