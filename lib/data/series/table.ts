/** Rows of a table, as they come, gathered by series and column, and set on regular times. */
import { DataError } from '../../errors';
import { describe } from '../../options';
import { formatFrequency, formatTime, inferFrequency, largestDay, TimeGrid, type Frequency } from './frequency';
import { changingColumns, futureTableColumns, type Layout } from './options';
import { missingAdvice, RowReader, someOf, type Row } from './rows';

/** One series on regular times, in the units of the table. */
export interface SeriesTable {
  readonly key: string;
  readonly grid: TimeGrid;
  /** Rows up to the present. */
  readonly length: number;
  /** With those for which future covariates alone are known. */
  readonly rows: number;
  /** By name; NaN where missing. Of a categorical column, indices into `Table.categories`. */
  readonly columns: ReadonlyMap<string, Float64Array>;
  /** A number, or the index of a category. */
  readonly statics: ReadonlyMap<string, number>;
}

export interface Table {
  readonly series: readonly SeriesTable[];
  readonly frequency: Frequency;
  /** The categories of each categorical column in order of appearance. */
  readonly categories: ReadonlyMap<string, readonly string[]>;
}

/** What came of one series. */
interface Gathered {
  readonly times: number[];
  /** Where each row stands in the source, for messages. */
  readonly places: number[];
  readonly columns: ReadonlyMap<string, number[]>;
  readonly statics: ReadonlyMap<string, number>;
}

/** The largest number of rows that filling gaps may make: more is a frequency that does not fit. */
export const maxRows = 2 ** 27;

export class TableBuilder {
  private readonly series = new Map<string, Gathered>();
  private readonly changing: readonly string[];
  private readonly read: RowReader;
  private readonly seen = new Set<string>();

  /** `place` names a row of the source: `line 17`. */
  constructor(
    private readonly layout: Layout,
    private readonly place: (index: number) => string,
  ) {
    this.changing = changingColumns(layout);
    for (const column of [...this.changing, ...layout.still, layout.time, layout.key])
      refusePrototype('series', 'a column', column);
    this.read = new RowReader(layout, place);
  }

  /** Throws unless a table with these columns has all that are asked for; `hint` says why it may not. */
  expectColumns(names: readonly string[], hint = ''): void {
    const { time, key, still } = this.layout;
    const asked = [
      ...(typeof time === 'string' ? [time] : []),
      ...(key === null ? [] : [key]),
      ...this.changing,
      ...still,
    ];
    const absent = asked.find((name) => !names.includes(name));
    if (absent !== undefined)
      throw new DataError(`series: expected a column ${describe(absent)}, received ${someOf(names) || 'none'}${hint}`);
  }

  add(row: Row, place: number): void {
    const time = this.read.time(row, place);
    const key = this.read.key(row, place);
    const gathered = this.series.get(key) ?? this.begin(key, row, place);
    this.checkOrder(gathered, time, place);
    gathered.times.push(time);
    gathered.places.push(place);
    for (const column of this.changing) {
      if (row[column] !== undefined) this.seen.add(column);
      gathered.columns.get(column)!.push(this.read.cell(row, column, place));
    }
    for (const column of this.layout.still) this.checkStill(gathered, row, column, place);
  }

  /** @throws DataError for a table without rows, irregular times, and what is missing and may not be. */
  finish(): Table {
    if (this.series.size === 0) throw new DataError('series: expected a table with rows, received none');
    const absent = this.changing.find((column) => !this.seen.has(column));
    if (absent !== undefined)
      throw new DataError(`series: expected a column ${describe(absent)} with values, received none in any row`);
    const frequency = this.layout.frequency ?? inferFrequency([...this.series.values()].map(({ times }) => times));
    if (!frequency)
      throw new DataError('series: expected two rows or more of a series to tell its frequency; or pass frequency');
    return {
      series: [...this.series].map(([key, gathered]) => this.onGrid(key, gathered, frequency)),
      frequency,
      categories: this.read.categories,
    };
  }

  private begin(key: string, row: Row, place: number): Gathered {
    const { format, still } = this.layout;
    if (format && !format.keys.includes(key))
      throw new DataError(
        `${this.place(place)}: ${this.layout.key}: expected a series that the model knows (${someOf(format.keys)}), received ${describe(key)}`,
      );
    refusePrototype(`${this.place(place)}: ${this.layout.key}`, 'a series', key);
    const gathered = {
      times: [],
      places: [],
      columns: new Map(this.changing.map((column) => [column, []])),
      statics: new Map(still.map((column) => [column, this.read.cell(row, column, place)])),
    };
    this.series.set(key, gathered);
    return gathered;
  }

  private checkOrder({ times, places }: Gathered, time: number, place: number): void {
    const before = times.at(-1);
    if (before === undefined || time > before) return;
    const last = this.place(places.at(-1)!);
    const hint = this.layout.key === null ? '; rows of several series need key, the column that tells them apart' : '';
    throw new DataError(
      time === before
        ? `${this.place(place)}: time: expected each time once, received ${formatTime(time)} again, after ${last}${hint}`
        : `${this.place(place)}: time: expected a time after ${formatTime(before)} (${last}), received ${formatTime(time)}${hint}`,
    );
  }

  private checkStill({ statics, places }: Gathered, row: Row, column: string, place: number): void {
    const value = this.read.cell(row, column, place);
    if (Number.isNaN(value))
      throw new DataError(`${this.place(place)}: ${column}: expected a value, as it is static, received none`);
    if (value === statics.get(column)) return;
    throw new DataError(
      `${this.place(place)}: ${column}: expected the same in all rows of a series, as it is static; received ${describe(row[column])}, which ${this.place(places[0]!)} has not`,
    );
  }

  private onGrid(key: string, gathered: Gathered, frequency: Frequency): SeriesTable {
    const { times, statics } = gathered;
    const grid = new TimeGrid(times[0]!, frequency, largestDay(times));
    const rowOf = this.rowsOf(gathered, grid);
    const rows = rowOf(times.length - 1) + 1;
    if (rows > maxRows)
      throw new DataError(
        `series: expected at most ${maxRows} rows with gaps filled, received ${rows} at one every ${formatFrequency(frequency)}`,
      );
    const columns = new Map(
      [...gathered.columns].map(([column, given]) => {
        if (given.length === rows) return [column, Float64Array.from(given)];
        const filled = new Float64Array(rows).fill(NaN);
        given.forEach((value, index) => (filled[rowOf(index)] = value));
        return [column, filled];
      }),
    );
    const length = this.presentLength(columns, rows);
    if (this.layout.missing === 'refuse') this.refuseMissing(gathered, length);
    return { key, grid, length, rows, columns, statics };
  }

  /** The row of the grid for each row that came; throws where it has none, or where one is left out and may not be. */
  private rowsOf({ times, places }: Gathered, grid: TimeGrid): (index: number) => number {
    const rows = times.map((time, index) => {
      const row = grid.row(time);
      if (row !== null) return row;
      throw new DataError(
        `${this.place(places[index]!)}: time: expected one row every ${formatFrequency(grid.frequency)} from ${formatTime(grid.start)} on, received ${formatTime(time)} between two`,
      );
    });
    const gap = this.layout.gaps === 'refuse' ? rows.findIndex((row, index) => row !== index) : -1;
    if (gap < 0) return (index) => rows[index]!;
    throw new DataError(
      `${this.place(places[gap]!)}: time: expected ${formatTime(grid.at(gap))}, one ${formatFrequency(grid.frequency)} after ${this.place(places[gap - 1]!)}, ` +
        `received ${formatTime(times[gap]!)}; ${this.gapAdvice}`,
    );
  }

  private get gapAdvice(): string {
    const { format, missing } = this.layout;
    return format && missing === 'refuse'
      ? missingAdvice(this.layout)
      : "gaps: 'fill' takes rows that are left out as missing";
  }

  /** Where future covariates are known further than targets, the rows with targets alone have been. */
  private presentLength(columns: ReadonlyMap<string, Float64Array>, rows: number): number {
    const { targets, future } = this.layout;
    if (futureTableColumns(future).length === 0) return rows;
    let length = rows;
    while (length > 0 && targets.every((target) => Number.isNaN(columns.get(target)![length - 1]))) length--;
    return length;
  }

  private refuseMissing({ columns, places }: Gathered, length: number): void {
    const known = futureTableColumns(this.layout.future);
    for (const [column, values] of columns) {
      const index = values.findIndex(Number.isNaN);
      if (index < 0 || (index >= length && !known.includes(column))) continue;
      throw new DataError(
        `${this.place(places[index]!)}: ${column}: expected a value, received none; ${missingAdvice(this.layout)}`,
      );
    }
  }
}

/** A record by name cannot hold it: it would be the prototype. */
function refusePrototype(place: string, what: string, name: unknown): void {
  if (name === '__proto__') throw new DataError(`${place}: expected ${what} of another name than '__proto__'`);
}
