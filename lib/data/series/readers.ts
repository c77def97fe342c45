/** Tables from CSV, records and columns. */
import { createReadStream } from 'node:fs';
import { pipeline, type Readable } from 'node:stream';
import { parse, type CsvError, type Info } from 'csv-parse';
import { DataError, OptionError } from '../../errors';
import { describe } from '../../options';
import { layoutOf, type FormatOptions, type Layout, type SeriesOptions } from './options';
import { Series, type SeriesContents } from './series';
import type { Row } from './rows';
import { TableBuilder } from './table';

/** A row of CSV: text by the names of the first line. */
export type CsvRow = Readonly<Record<string, string>>;

export interface CsvOptions {
  /** Between two cells. Default ','. */
  readonly delimiter?: string;
}

/** Columns by name, of equal length. */
export type SeriesColumns = Readonly<Record<string, ArrayLike<number> | readonly unknown[]>>;

export interface SeriesReaders<S extends Series> {
  /**
   * Reads a table from CSV with a header line (UTF-8; quotes and a byte order mark as usual), row by row.
   *
   *     const births = await series.fromCsv('births.csv', {
   *       time: 'date',
   *       target: 'births',
   *       covariates: { future: calendar('weekday', 'dayOfYear') },
   *     });
   *     const model = sequential([lstm(64), quantileHead([0.1, 0.5, 0.9], { horizon: 28 })]);
   *     await model.fit(births.train.windows({ lookback: 180, horizon: 28 }), { optimizer: adam(), epochs: 20 });
   *
   * With `{ format: model.series }` the rows are read as those that a model was trained on; they are then all of `test`.
   *
   * @throws OptionError for bad options; DataError that names line and column for a file that cannot be read, a column that
   *   is missing, text where a number should be, times out of order, twice or irregular, values that are missing.
   */
  fromCsv(source: string | Readable, options: (SeriesOptions<CsvRow> | FormatOptions<CsvRow>) & CsvOptions): Promise<S>;

  /** As `fromCsv`, from objects: `[{ time: '2024-03-01', births: 9812 }, ...]`. Numbers may be text. */
  fromRecords<R extends object>(records: Iterable<R>, options: SeriesOptions<R> | FormatOptions<R>): S;

  /** As `fromCsv`, from arrays by column: `{ time: Float64Array, births: Float64Array }`. */
  fromColumns(columns: SeriesColumns, options: SeriesOptions | FormatOptions): S;
}

/** Readers that make objects of a class: rooms above extend `Series`. */
export function seriesReaders<S extends Series>(SeriesClass: new (contents: SeriesContents) => S): SeriesReaders<S> {
  const made = (layout: Layout, builder: TableBuilder) =>
    new SeriesClass({ layout, table: builder.finish(), format: layout.format });
  return {
    async fromCsv(source, options) {
      const layout = layoutOf(options, ['delimiter']);
      const builder = new TableBuilder(layout, (line) => `line ${line}`);
      await readCsv(source, options.delimiter ?? ',', builder);
      return made(layout, builder);
    },
    fromRecords(records, options) {
      const layout = layoutOf(options);
      const builder = new TableBuilder(layout, (index) => `records[${index}]`);
      readRecords(records, builder);
      return made(layout, builder);
    },
    fromColumns(columns, options) {
      const layout = layoutOf(options);
      const builder = new TableBuilder(layout, (index) => `row ${index} (from 0)`);
      readColumns(columns, builder);
      return made(layout, builder);
    },
  };
}

/** Bytes of one row: a quote that is left open would take the rest of the file into one cell. */
const maxRowSize = 1024 * 1024;

async function readCsv(source: string | Readable, delimiter: string, builder: TableBuilder): Promise<void> {
  if (typeof delimiter !== 'string' || delimiter === '')
    throw new OptionError(`series: delimiter: expected one or more characters, received ${describe(delimiter)}`);
  const isPath = typeof source === 'string' && source !== '';
  if (isPath && /[\r\n]/.test(source))
    throw new OptionError(
      'series: expected the path of a CSV file or a Readable stream, received text of several lines; is it the table itself? Readable.from([text]) makes a stream of it',
    );
  if (!isPath && typeof (source as Partial<Readable> | null)?.pipe !== 'function')
    throw new OptionError(`series: expected the path of a CSV file or a Readable stream, received ${describe(source)}`);
  const input = isPath ? createReadStream(source) : (source as Readable);
  const parser = parse({
    bom: true,
    delimiter,
    info: true,
    max_record_size: maxRowSize,
    skip_empty_lines: true,
    trim: true,
    columns: (header: string[]) => {
      checkHeader(header);
      builder.expectColumns(header, delimiterHint(header, delimiter));
      return header;
    },
  });
  // Its errors reach the parser, and so the loop; among them that of a stream which is destroyed before its end.
  pipeline(input, parser, () => {});
  try {
    for await (const { record, info } of parser as AsyncIterable<{ record: CsvRow; info: Info }>) {
      builder.add(record, info.lines);
    }
  } catch (error) {
    throw csvError(error, isPath ? `${shortened(source)}: ` : '');
  } finally {
    input.destroy();
  }
}

/** A line that holds none of the delimiters, but many of another. */
function delimiterHint(header: readonly string[], delimiter: string): string {
  const other = [';', '\t', '|', ','].find(
    (one) => one !== delimiter && header.length === 1 && header[0]!.includes(one),
  );
  return other === undefined ? '' : `; are the cells apart by ${JSON.stringify(other)}? Then pass it as delimiter`;
}

/** A path in a message, which a long one would flood. */
const shortened = (path: string): string => (path.length > 200 ? `${path.slice(0, 80)}...${path.slice(-80)}` : path);

function checkHeader(header: readonly string[]): void {
  const twice = header.find((name, index) => header.indexOf(name) < index);
  if (twice !== undefined)
    throw new DataError(`series: line 1: expected each column once, received ${describe(twice)} twice`);
}

/** What the user's own function throws goes on as it is. */
function csvError(error: unknown, source: string): unknown {
  if (error instanceof DataError) return new DataError(`${source}${error.message}`, { cause: error });
  const code = (error as { code?: unknown } | null)?.code;
  if (typeof code !== 'string') return error;
  const reason = code.startsWith('CSV_')
    ? `not CSV: ${reasonOf(error as CsvError)}`
    : `the table could not be read: ${code}`;
  return new DataError(`${source}${reason}`, { cause: error });
}

const reasonOf = ({ code, lines, message }: CsvError): string =>
  code === 'CSV_MAX_RECORD_SIZE'
    ? `expected rows of at most ${maxRowSize} bytes, received more up to line ${String(lines)}; is a quote left open?`
    : message;

function readRecords(records: Iterable<object>, builder: TableBuilder): void {
  if (typeof records !== 'object' || records === null || typeof records[Symbol.iterator] !== 'function')
    throw new OptionError(`series: expected an array of records, received ${describe(records)}`);
  let index = 0;
  for (const record of records) {
    if (typeof record !== 'object' || record === null)
      throw new DataError(`records[${index}]: expected an object, received ${describe(record)}`);
    builder.add(record as Row, index++);
  }
}

function readColumns(columns: SeriesColumns, builder: TableBuilder): void {
  if (typeof columns !== 'object' || columns === null)
    throw new OptionError(`series: expected columns by name, received ${describe(columns)}`);
  const entries = Object.entries(columns);
  const [first] = entries;
  for (const [name, values] of entries) {
    if (!Array.isArray(values) && !ArrayBuffer.isView(values))
      throw new DataError(`series: ${name}: expected an array, received ${describe(values)}`);
    if (values.length !== first![1].length)
      throw new DataError(
        `series: ${name}: expected ${first![1].length} values, as many as ${describe(first![0])}, received ${values.length}`,
      );
  }
  builder.expectColumns(Object.keys(columns));
  // One row object that is read at another place each time.
  let index = 0;
  const row: Row = Object.defineProperties(
    {},
    Object.fromEntries(entries.map(([name, values]) => [name, { enumerable: true, get: () => values[index] }])),
  );
  for (; index < (first?.[1].length ?? 0); index++) builder.add(row, index);
}

/** Tables of time series. */
export const series = seriesReaders(Series);
