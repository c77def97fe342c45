/** A series as a model sees it: float32 rows, scaled and one-hot, made once; windows are stretches of them. */
import { isFiniteFloat32 } from '../../arrays';
import { DataError } from '../../errors';
import { describe } from '../../options';
import { calendarNames, writeCalendar } from './calendar';
import { notPositive, placeOf } from './fitFormat';
import { futureTableColumns } from './options';
import { ownOf, type SeriesFormat } from './format';
import { formatTime } from './frequency';
import { scale, type Scaler } from './scaling';
import type { Range } from './split';
import { someOf } from './rows';
import type { SeriesTable } from './table';

/** Numbers of a column within a row. */
interface Place {
  readonly column: string;
  readonly at: number;
}

/** Where in a row each number stands: targets, past covariates, their masks, then all that is known of the future. */
export class RowLayout {
  readonly size: { readonly past: number; readonly future: number; readonly static: number };
  private readonly at = new Map<string, number>();

  constructor(readonly format: SeriesFormat) {
    const { past, future, static: still } = format.inputs;
    this.size = { past: past.length, future: future.length, static: still.length };
    past.forEach((name, index) => this.at.set(name, index));
  }

  /** Where the future's numbers begin in a row of the past: they are its last. */
  get futureBegin(): number {
    return this.size.past - this.size.future;
  }

  /** Where a column's numbers begin. */
  value(column: string): Place {
    const [first] = ownOf(this.format.spec.categories, column) ?? [];
    return { column, at: this.at.get(first === undefined ? column : `${column}=${first}`)! };
  }

  /** Where the number stands that says whether a column's is known; null where none does. */
  mask(column: string): number | null {
    return this.at.get(`${column} observed`) ?? null;
  }
}

export class EncodedSeries {
  /** `[rows, C]`. */
  private readonly features: Float32Array;
  /** `[S]`. */
  readonly statics: Float32Array;

  constructor(
    readonly table: SeriesTable,
    private readonly layout: RowLayout,
    /** The table's own names of categories, by column. */
    private readonly categories: ReadonlyMap<string, readonly string[]>,
  ) {
    const { targets, past, future } = layout.format.spec;
    this.features = new Float32Array(table.rows * layout.size.past);
    for (const column of [...targets, ...past]) this.writeColumn(column, table.length);
    for (const column of futureTableColumns(future)) this.writeColumn(column, table.rows);
    if (future.length > 0)
      for (let row = 0; row < table.rows; row++) {
        this.writeCalendars(row, this.features, row * layout.size.past + layout.futureBegin);
      }
    this.statics = this.encodeStatics();
  }

  /** Rows `[begin, begin + count)` of what a model is told of the past, `[count, C]`. */
  copyPast(begin: number, count: number, out: Float32Array, at: number): void {
    const { past } = this.layout.size;
    out.set(this.features.subarray(begin * past, (begin + count) * past), at);
  }

  /** Rows of what is known of the future, `[count, F]`; calendars go on after the last row. */
  copyFuture(begin: number, count: number, out: Float32Array, at: number): void {
    const { past, future } = this.layout.size;
    const { futureBegin } = this.layout;
    for (let row = begin; row < begin + count; row++, at += future) {
      if (row < this.table.rows) {
        out.set(this.features.subarray(row * past + futureBegin, (row + 1) * past), at);
      } else {
        this.expectKnown(row);
        this.writeCalendars(row, out, at);
      }
    }
  }

  /** Rows of the scaled targets, `[count, M]`. */
  copyTargets(begin: number, count: number, out: Float32Array, at: number): void {
    const { past } = this.layout.size;
    const size = this.layout.format.targets.length;
    for (let row = begin; row < begin + count; row++, at += size) {
      out.set(this.features.subarray(row * past, row * past + size), at);
    }
  }

  /** 1 for each row with all its targets, 0 for the others. */
  copyWeights(begin: number, count: number, out: Float32Array, at: number): void {
    const columns = this.layout.format.targets.map((target) => this.table.columns.get(target)!);
    for (let row = begin; row < begin + count; row++, at++) {
      out[at] = columns.some((values) => Number.isNaN(values[row])) ? 0 : 1;
    }
  }

  /** Whether a target is missing in rows `[begin, end)`. */
  hasMissingTargets({ begin, end }: Range): boolean {
    return this.layout.format.targets.some((target) =>
      this.table.columns.get(target)!.subarray(begin, end).some(Number.isNaN),
    );
  }

  /** A row of the past in which other values, in the units of the table, stand for the targets. */
  writeGiven(row: number, values: ArrayLike<number>, out: Float32Array, at: number): void {
    const { format, size, futureBegin } = this.layout;
    out.fill(0, at, at + size.past);
    format.targets.forEach((target, index) => {
      const value = values[index]!;
      const { at: place } = this.layout.value(target);
      out[at + place] = this.scaled(format.scaler(target, this.table.key), value, target, row);
      const mask = this.layout.mask(target);
      if (mask !== null) out[at + mask] = 1;
    });
    if (size.future > 0) this.copyFuture(row, 1, out, at + futureBegin);
  }

  private writeColumn(column: string, end: number): void {
    const values = this.table.columns.get(column)!;
    const { categories, missing } = this.layout.format.spec;
    const { at } = this.layout.value(column);
    const write = ownOf(categories, column)
      ? this.categoryWriter(column, at)
      : this.numberWriter(this.layout.format.scaler(column, this.table.key), column, at);
    const mask = this.layout.mask(column);
    let known = NaN;
    for (let row = 0; row < end; row++) {
      const value = values[row]!;
      if (!Number.isNaN(value)) known = value;
      const shown = missing === 'forwardFill' ? known : value;
      if (!Number.isNaN(shown)) write(row, shown);
      if (mask !== null) this.features[row * this.layout.size.past + mask] = Number.isNaN(value) ? 0 : 1;
    }
  }

  private numberWriter(scaler: Scaler, column: string, at: number) {
    const { past } = this.layout.size;
    return (row: number, value: number) => {
      this.features[row * past + at] = this.scaled(scaler, value, column, row);
    };
  }

  private scaled(scaler: Scaler, value: number, column: string, row: number): number {
    if (scaler.log && value <= 0) throw notPositive(column, value, this.table, row);
    const scaled = scale(scaler, value);
    if (isFiniteFloat32(scaled)) return scaled;
    throw new DataError(
      `${placeOf(this.table, row)}: ${column}: expected a number that is finite in float32 after scaling, received ${value}, scaled ${scaled}`,
    );
  }

  private categoryWriter(column: string, at: number) {
    const { past } = this.layout.size;
    const indices = this.knownCategories(column);
    return (row: number, index: number) => {
      const known = indices[index]!;
      if (known < 0) throw this.unknownCategory(column, index, placeOf(this.table, row));
      this.features[row * past + at + known] = 1;
    };
  }

  /** For each category of the table its index in the format; -1 where the format has none. */
  private knownCategories(column: string): number[] {
    const known = this.layout.format.spec.categories[column]!;
    return this.categories.get(column)!.map((category) => known.indexOf(category));
  }

  private unknownCategory(column: string, index: number, place: string): DataError {
    const known = someOf(this.layout.format.spec.categories[column]!);
    const received = describe(this.categories.get(column)![index]!);
    return new DataError(
      `${place}: ${column}: expected a category of the training part (${known}), received ${received}`,
    );
  }

  private writeCalendars(row: number, out: Float32Array, at: number): void {
    const { spec, functions } = this.layout.format;
    const time = this.table.grid.at(row);
    for (const column of spec.future) {
      if (typeof column === 'string') at += ownOf(spec.categories, column)?.length ?? 1;
      else {
        writeCalendar(column, time, functions, out, at);
        at += calendarNames(column).length;
      }
    }
  }

  private expectKnown(row: number): void {
    const columns = futureTableColumns(this.layout.format.spec.future);
    if (columns.length === 0) return;
    const last = formatTime(this.table.grid.at(this.table.rows - 1));
    throw new DataError(
      `${placeOf(this.table, row)}: ${columns.join(', ')}: expected to be known so far ahead, received rows up to ${last}; ` +
        'give more to forecast as future, or add rows without targets to the table',
    );
  }

  private encodeStatics(): Float32Array {
    const { static: columns, categories, staticScalers } = this.layout.format.spec;
    const numbers = columns.flatMap((column) => {
      const value = this.table.statics.get(column)!;
      const known = ownOf(categories, column);
      if (!known) return [this.scaled(staticScalers[column]!, value, column, 0)];
      const index = this.knownCategories(column)[value]!;
      if (index < 0) throw this.unknownCategory(column, value, placeOf(this.table, 0));
      return known.map((_, category) => (category === index ? 1 : 0));
    });
    return Float32Array.from(numbers);
  }
}
