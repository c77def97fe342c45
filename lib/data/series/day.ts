/** Days of the calendar, in UTC. */

export const millisecondsPerDay = 86_400_000;

/** The first moment of a time's year, or of one some years `after` it. */
export const yearBegin = (date: Date, after = 0): number => Date.UTC(date.getUTCFullYear() + after, 0, 1);

/** Days since 1 January: 0 to 365. */
export const dayOfYear = (date: Date): number => Math.floor((date.getTime() - yearBegin(date)) / millisecondsPerDay);

/** Months since the year 0. */
export const monthOf = (date: Date): number => date.getUTCFullYear() * 12 + date.getUTCMonth();

/** Of a month counted from the year 0. */
export const daysInMonth = (month: number): number =>
  new Date(Date.UTC(Math.floor(month / 12), (month % 12) + 1, 0)).getUTCDate();
