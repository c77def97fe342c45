/** Cells of a table as numbers, categories and times. Text comes from CSV, other values from records and columns. */

const decimal = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

const isAbsent = (cell: unknown): boolean =>
  cell === undefined || cell === null || (typeof cell === 'string' && cell.trim() === '');

/** A finite number, true (1) or false (0), or decimal text. NaN where the cell is empty, null, undefined or NaN. Null for all else. */
export function readNumber(cell: unknown): number | null {
  if (typeof cell === 'number') return Math.abs(cell) === Infinity ? null : cell;
  if (isAbsent(cell)) return NaN;
  if (typeof cell === 'boolean') return Number(cell);
  if (typeof cell !== 'string' || !decimal.test(cell.trim())) return null;
  const value = Number(cell);
  return Number.isFinite(value) ? value : null;
}

/** Text, or a number or boolean as text. Undefined where the cell is empty. Null for all else. */
export function readCategory(cell: unknown): string | null | undefined {
  if (isAbsent(cell) || Number.isNaN(cell)) return undefined;
  if (typeof cell === 'string') return cell.trim();
  return typeof cell === 'number' || typeof cell === 'boolean' ? String(cell) : null;
}

/** Year, month, day, hours, minutes, seconds, zone. */
const iso = /^(\d{4})(?:-(\d\d)(?:-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d(?:\.\d+)?))?\s?(Z|[+-]\d\d(?::?\d\d)?)?)?)?)?$/;

/** Milliseconds since 1970 of a Date, of whole milliseconds, or of ISO 8601 text, in UTC where it names no zone. Null for all else. */
export function readTime(value: unknown): number | null {
  if (Object.prototype.toString.call(value) === '[object Date]') return whole((value as Date).getTime());
  if (typeof value === 'number') return whole(value);
  return typeof value === 'string' ? readIso(value.trim()) : null;
}

const whole = (time: number): number | null => (Number.isInteger(time) && Math.abs(time) <= 8.64e15 ? time : null);

function readIso(text: string): number | null {
  const match = iso.exec(text);
  if (!match) return null;
  const [, year, month = '01', day = '01', hour = '00', minute = '00', second = '00', zone = 'Z'] = match;
  const time = Date.UTC(+year!, +month - 1, +day, +hour, +minute, 0, Math.round(+second * 1000));
  const date = new Date(time);
  // Date.UTC reads the 30th of February as the 1st of March, and the year 12 as 1912.
  const exists = date.getUTCFullYear() === +year! && date.getUTCMonth() === +month - 1 && date.getUTCDate() === +day;
  return exists && +hour < 24 && +minute < 60 && +second < 60 ? time - zoneOffset(zone) : null;
}

function zoneOffset(zone: string): number {
  if (zone === 'Z') return 0;
  const minutes = +zone.slice(1, 3) * 60 + +(zone.slice(3).replace(':', '') || '0');
  return (zone.startsWith('-') ? -1 : 1) * minutes * 60_000;
}
