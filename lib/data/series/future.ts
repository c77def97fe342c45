/** Rows of days to come, whose covariates are known ahead, added to a table. */
import { DataError, OptionError } from '../../errors';
import { describe } from '../../options';
import { formatTime } from './frequency';
import { futureTableColumns, type Layout } from './options';
import { missingAdvice, RowReader, someOf, type Row } from './rows';
import { maxRows, type SeriesTable, type Table } from './table';

/** By row of a series: a number for each covariate of the future. */
type RowsAhead = Map<number, readonly number[]>;

const place = (index: number): string => `future[${index}]`;

/** The table with these rows; what it had of the same days is replaced. */
export function withFutureRows(layout: Layout, table: Table, records: Iterable<object>): Table {
  const columns = futureTableColumns(layout.future);
  if (columns.length === 0)
    throw new OptionError(
      'future: expected a table with columns among its covariates of the future, received none; what the calendar says of days to come is computed',
    );
  if (typeof records !== 'object' || typeof records?.[Symbol.iterator] !== 'function')
    throw new OptionError(
      `future: expected an array of records with ${someOf(columns)}, received ${describe(records)}`,
    );
  const reader = new RowReader(layout, place, table.categories);
  const ahead = new Map(table.series.map(({ key }) => [key, new Map() as RowsAhead]));
  let index = 0;
  for (const record of records) {
    const row = expectRecord(record, columns, index);
    const series = seriesOf(table, reader.key(row, index), index);
    const at = rowAhead(series, reader.time(row, index), index);
    const rows = ahead.get(series.key)!;
    if (rows.has(at))
      throw new DataError(
        `${place(index)}: time: expected each once, received ${formatTime(series.grid.at(at))} again`,
      );
    rows.set(
      at,
      columns.map((column) => value(layout, reader, row, column, index)),
    );
    index++;
  }
  const series = table.series.map((one) => extended(layout, one, columns, ahead.get(one.key)!));
  return { ...table, series, categories: reader.categories };
}

function expectRecord(record: unknown, columns: readonly string[], index: number): Row {
  if (typeof record !== 'object' || record === null)
    throw new DataError(`${place(index)}: expected a record with ${someOf(columns)}, received ${describe(record)}`);
  const absent = columns.filter((column) => !(column in record));
  if (absent.length === 0) return record as Row;
  throw new DataError(
    `${place(index)}: expected the columns ${someOf(columns)}, received ${describe(record)} without ${someOf(absent)}`,
  );
}

function seriesOf(table: Table, key: string, index: number): SeriesTable {
  const series = table.series.find((one) => one.key === key);
  if (series) return series;
  const known = someOf(table.series.map((one) => one.key));
  throw new DataError(`${place(index)}: expected the key of one of ${known}, received ${describe(key)}`);
}

function rowAhead({ grid, length }: SeriesTable, time: number, index: number): number {
  const row = grid.row(time);
  if (row !== null && row >= length) return row;
  throw new DataError(
    `${place(index)}: time: expected one from ${formatTime(grid.at(length))} on, the first without targets, as far apart as the table's, received ${formatTime(time)}`,
  );
}

function value(layout: Layout, reader: RowReader, row: Row, column: string, index: number): number {
  const read = reader.cell(row, column, index);
  if (Number.isNaN(read) && layout.missing === 'refuse')
    throw new DataError(`${place(index)}: ${column}: expected a value, received none; ${missingAdvice(layout)}`);
  return read;
}

/** Throws where a time before `rows` is left out, and gaps are not to be filled. */
function expectEach({ gaps }: Layout, { key, grid, rows: first }: SeriesTable, rows: number, ahead: RowsAhead): void {
  const owner = `future${key && ` of ${describe(key)}`}`;
  if (rows > maxRows) throw new DataError(`${owner}: expected a table of at most ${maxRows} rows, received ${rows}`);
  const absent: string[] = [];
  // A year that is mistyped leaves out more than a message can name.
  for (let row = first; gaps === 'refuse' && row < rows && absent.length < 10; row++)
    if (!ahead.has(row)) absent.push(formatTime(grid.at(row)));
  if (absent.length === 0) return;
  throw new DataError(
    `${owner}: expected a row for each time up to ${formatTime(grid.at(rows - 1))}, received none for ${absent.join(', ')}${absent.length < 10 ? '' : ', ...'}`,
  );
}

function extended(layout: Layout, series: SeriesTable, columns: readonly string[], ahead: RowsAhead): SeriesTable {
  let { rows } = series;
  for (const row of ahead.keys()) rows = Math.max(rows, row + 1);
  expectEach(layout, series, rows, ahead);
  const grown = [...series.columns].map(([column, known]): [string, Float64Array] => {
    const values = new Float64Array(rows).fill(NaN);
    values.set(known);
    const at = columns.indexOf(column);
    if (at >= 0) for (const [row, given] of ahead) values[row] = given[at]!;
    return [column, values];
  });
  return { ...series, rows, columns: new Map(grown) };
}
