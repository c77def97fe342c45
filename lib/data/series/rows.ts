/** Rows of a table as they come, and what their cells say. */
import { DataError } from '../../errors';
import { describe } from '../../options';
import { readCategory, readNumber, readTime } from './cells';
import type { Layout } from './options';

export type Row = Readonly<Record<string, unknown>>;

/** Reads cells, and names row and column of one that cannot be read. */
export class RowReader {
  private readonly indices: ReadonlyMap<string, Map<string, number>>;

  constructor(
    private readonly layout: Layout,
    /** Names a row of the source: `line 17`. */
    readonly place: (index: number) => string,
    /** Categories that have their indices already. */
    known: ReadonlyMap<string, readonly string[]> = new Map(),
  ) {
    const indicesOf = (names: readonly string[] = []) => new Map(names.map((name, index) => [name, index]));
    this.indices = new Map([...layout.categories.keys()].map((column) => [column, indicesOf(known.get(column))]));
  }

  /** Of each categorical column, in order of appearance. */
  get categories(): ReadonlyMap<string, readonly string[]> {
    return new Map([...this.indices].map(([column, indices]) => [column, [...indices.keys()]]));
  }

  time(row: Row, place: number): number {
    const { time } = this.layout;
    const value = typeof time === 'string' ? row[time] : time(row as never);
    const read = readTime(value);
    if (read !== null) return read;
    throw new DataError(
      `${this.place(place)}: ${typeof time === 'string' ? time : 'time'}: expected a time (a Date, milliseconds, or ISO 8601 such as 2024-03-01), received ${describe(value)}`,
    );
  }

  /** '' where the table is one series. */
  key(row: Row, place: number): string {
    const { key } = this.layout;
    if (key === null) return '';
    const value = readCategory(row[key]);
    if (typeof value === 'string') return value;
    throw new DataError(
      `${this.place(place)}: ${key}: expected text or a number that names the series, received ${describe(row[key])}`,
    );
  }

  /** A number, or the index of a category; NaN where it is missing. */
  cell(row: Row, column: string, place: number): number {
    const cell = this.layout.missingText.has(row[column]) ? undefined : row[column];
    const indices = this.indices.get(column);
    const value = indices ? categoryIndex(indices, readCategory(cell)) : readNumber(cell);
    if (value !== null) return value;
    throw new DataError(
      `${this.place(place)}: ${column}: expected ${indices ? 'text' : 'a number'}, received ${describe(cell)}`,
    );
  }
}

function categoryIndex(indices: Map<string, number>, category: string | null | undefined): number | null {
  if (category === null) return null;
  if (category === undefined) return NaN;
  const index = indices.get(category) ?? indices.size;
  indices.set(category, index);
  return index;
}

/** What takes tables with missing values; a model that knows none cannot be asked to. */
export const missingAdvice = ({ format }: Layout): string =>
  format
    ? 'the model was trained on a table without missing values, so fill it in, or train one on a table that is read ' +
      "with missing: 'forwardFill' or 'mask'"
    : "choose missing: 'forwardFill' or 'mask'";

/** A list for a message. */
export const someOf = (names: readonly string[]): string =>
  names.slice(0, 10).map(describe).join(', ') + (names.length > 10 ? `, ... (${names.length})` : '');
