import fc from 'fast-check';
import { DataError, OptionError } from '../../../lib/errors';
import { readTime } from '../../../lib/data/series/cells';
import { calendar, calendarNames, writeCalendar, type CalendarColumn } from '../../../lib/data/series/calendar';
import { formatFrequency, frequencyOf, inferFrequency, largestDay, TimeGrid } from '../../../lib/data/series/frequency';
import { series } from '../../../lib/data/series/readers';
import { births, daily, inputs, options } from './support';

const at = (column: CalendarColumn, time: string) => {
  const out: number[] = [];
  writeCalendar(column, Date.parse(time), new Map(), out, 0);
  return out;
};
const hot = (feature: string, time: string) =>
  at({ calendar: feature, encoding: 'oneHot' } as CalendarColumn, time).indexOf(1);
/** In turns. */
const phase = (feature: string, time: string) => {
  const [sin, cos] = at({ calendar: feature, encoding: 'cyclic' } as CalendarColumn, time);
  return (Math.atan2(sin!, cos!) / (2 * Math.PI) + 1) % 1;
};

describe('calendar features', () => {
  test('are positions in a cycle, in UTC', () => {
    const time = '2024-02-29T18:45:30Z';
    expect(phase('minute', time)).toBeCloseTo(45.5 / 60, 12);
    expect(phase('hour', time)).toBeCloseTo((18 + 45.5 / 60) / 24, 12);
    expect(phase('weekday', time)).toBeCloseTo(3 / 7, 12);
    expect(phase('dayOfMonth', time)).toBeCloseTo(28 / 29, 12);
    expect(phase('dayOfYear', time)).toBeCloseTo(59 / 366, 12);
    expect(phase('month', time)).toBeCloseTo(1 / 12, 12);
    expect(phase('quarter', time)).toBeCloseTo(0, 12);
    expect(phase('dayOfYear', '2023-12-31')).toBeCloseTo(364 / 365, 12);
  });

  test('or columns of which one is 1', () => {
    const time = '2024-12-31T23:59:59Z';
    const names = ['minute', 'hour', 'weekday', 'dayOfMonth', 'dayOfYear', 'month', 'quarter'];
    expect(names.map((feature) => hot(feature, time))).toEqual([59, 23, 1, 30, 365, 11, 3]);
    expect(hot('minute', '1969-07-20T20:17:40Z')).toBe(17);
    const sizes = names.map((calendar) => calendarNames({ calendar, encoding: 'oneHot' } as CalendarColumn).length);
    expect(sizes).toEqual([60, 24, 7, 31, 366, 12, 4]);
    expect(calendarNames({ calendar: 'quarter', encoding: 'oneHot' })[3]).toBe('quarter=3');
  });

  test("may be functions of one's own, of one number or several", () => {
    const holiday = (time: Date) => time.getUTCDate() === 6;
    const moon = (time: Date) => [time.getUTCDate() / 100, 2];
    const covariates = { future: calendar('weekday', holiday, moon, { encoding: 'oneHot' }) };
    const table = births(6, { covariates, split: [1, 0, 0] });
    expect(table.format.inputs.future.slice(7)).toEqual(['holiday', 'moon[0]', 'moon[1]']);
    const { future } = inputs(table.windowAt([table.end()], { lookback: 2, horizon: 2 }));
    expect([...future!.data.slice(7, 10)]).toEqual([0, Math.fround(0.07), 2]);
    const { past } = inputs(table.windowAt([table.end()], { lookback: 1, horizon: 2 }));
    expect([...past!.data.slice(8)]).toEqual([1, Math.fround(0.06), 2]);
  });

  test('of what is no feature, and functions that give no numbers, are refused', () => {
    expect(() => calendar()).toThrow(OptionError);
    expect(() => calendar('weekDay' as never)).toThrow("received 'weekDay'");
    expect(() => calendar(() => 1)).toThrow('a function without a name');
    expect(() => calendar('month', { encoding: 'sine' as never })).toThrow("expected 'cyclic' or 'oneHot'");
    const odd = (time: Date) => (time.getUTCDate() === 3 ? NaN : 1);
    expect(() => births(6, { covariates: { future: calendar(odd) } })).toThrow(
      'calendar: odd: expected a finite number, true, false or an array of numbers, received NaN for 2024-01-03T00:00:00.000Z',
    );
    const growing = (time: Date) => Array<number>(time.getUTCDate()).fill(0);
    expect(() => births(6, { covariates: { future: calendar(growing) } })).toThrow(DataError);
  });
});

describe('times', () => {
  test.each([
    ['2024-03-01', Date.UTC(2024, 2, 1)],
    ['2024-03', Date.UTC(2024, 2, 1)],
    ['1969', Date.UTC(1969, 0, 1)],
    ['2024-03-01T06:30', Date.UTC(2024, 2, 1, 6, 30)],
    ['2024-03-01 06:30:15.5', Date.UTC(2024, 2, 1, 6, 30, 15, 500)],
    ['2024-03-01T06:30:00+02:00', Date.UTC(2024, 2, 1, 4, 30)],
    ['2024-03-01T06:30:00-0130', Date.UTC(2024, 2, 1, 8)],
    ['2024-03-01T06:30Z', Date.UTC(2024, 2, 1, 6, 30)],
    [86_400_000, Date.UTC(1970, 0, 2)],
    [new Date(5), 5],
  ])('%s is read as UTC', (value, time) => expect(readTime(value)).toBe(time));

  test.each([
    '2023-02-29',
    '2024-13-01',
    '20240301',
    '03/01/2024',
    '2024-03-01T24:00',
    '1',
    '',
    new Date(NaN),
    1.5,
    NaN,
    null,
  ])('%p is none', (value) => expect(readTime(value)).toBeNull());
});

describe('a frequency', () => {
  const times = (...list: string[]) => list.map((time) => Date.parse(time));

  test('is the least distance, in months where rows fall on one day of the month or the last', () => {
    const found = (...list: string[]) => formatFrequency(inferFrequency([times(...list)])!);
    expect(found('2024-01-01', '2024-01-02', '2024-01-05')).toBe('day');
    expect(found('2024-01-01T00:00Z', '2024-01-01T00:15Z')).toBe('15 minutes');
    expect(found('2024-01-15', '2024-02-15', '2024-04-15')).toBe('month');
    expect(found('2023-11-30', '2023-12-31', '2024-01-31', '2024-02-29')).toBe('month');
    expect(found('2024-01-01', '2024-07-01', '2025-01-01')).toBe('2 quarters');
    expect(found('2024-01-01', '2025-01-01')).toBe('year');
    expect(found('2024-01-01', '2024-01-08')).toBe('week');
    expect(inferFrequency([times('2024-01-01')])).toBeNull();
    expect(formatFrequency(frequencyOf(7))).toBe('7 milliseconds');
    expect(formatFrequency(frequencyOf('quarter'))).toBe('quarter');
  });

  test('of months puts rows on the last day of shorter months', () => {
    const given = times('2023-11-30', '2023-12-31', '2024-01-31', '2024-02-29', '2024-03-31');
    const grid = new TimeGrid(given[0]!, frequencyOf('month'), largestDay(given));
    expect(given.map((_, row) => grid.at(row))).toEqual(given);
    expect(given.map((time) => grid.row(time))).toEqual([0, 1, 2, 3, 4]);
    expect(grid.row(Date.parse('2024-01-30'))).toBeNull();
  });

  test('gives each row a time and each time its row', () => {
    const named = fc.constantFrom('second', 'hour', 'day', 'week', 'month', 'quarter', 'year', 1234 as never);
    const begin = fc.date({ min: new Date('1900-01-01'), max: new Date('2100-01-01'), noInvalidDate: true });
    fc.assert(
      fc.property(named, begin, fc.integer({ min: -50, max: 500 }), (name, date, row) => {
        const grid = new TimeGrid(date.getTime(), frequencyOf(name));
        expect(grid.row(grid.at(row))).toBe(row);
        expect(grid.at(row + 1)).toBeGreaterThan(grid.at(row));
        expect(grid.row(grid.at(row) + 1)).toBeNull();
        expect(grid.rowFrom(grid.at(row)) === row).toBe(true);
        expect(grid.rowFrom(grid.at(row) + 1) === row + 1).toBe(true);
      }),
    );
  });

  test('of years, with a gap that is filled', () => {
    const rows = [1969, 1970, 1972].map((year) => ({ date: `${year}`, births: year }));
    const table = series.fromRecords(rows, { ...options, gaps: 'fill', missing: 'mask', split: [1, 0, 0] });
    expect([...table.column('births')]).toEqual([1969, 1970, NaN, 1972]);
    expect(table.end().time.toISOString()).toBe('1973-01-01T00:00:00.000Z');
    expect(table.format.spec.frequency).toEqual({ unit: 'month', count: 12 });
  });

  test('that is given is kept to', () => {
    expect(births(4, { frequency: 'day', split: [1, 0, 0] }).format.spec.frequency.count).toBe(86_400_000);
    expect(() => births(4, { frequency: 'week' })).toThrow('records[1]: time: expected one row every week');
    expect(() => births(4, { frequency: 'hour' })).toThrow(
      'expected 2024-01-01T01:00:00, one hour after records[0], received 2024-01-02',
    );
    expect(series.fromRecords(daily(1), { ...options, frequency: 'day', split: [1, 0, 0] }).length()).toBe(1);
  });
});
