/** Series of one table, cut into parts in order of time, and the numbers that a model is given for them. */
import { DataError, OptionError } from '../../errors';
import { checkOptions, describe, positiveInteger } from '../../options';
import type { BatchInputs } from '../batch';
import { EncodedSeries, RowLayout } from './encode';
import { fitFormat } from './fitFormat';
import { withFutureRows } from './future';
import { ownOf, type SeriesFormat } from './format';
import type { Layout } from './options';
import { partNames, type PartName } from '../split';
import { checkSplit, splitRows, type Range, type Split } from './split';
import { someOf } from './rows';
import type { Table } from './table';
import {
  checkOriginOptions,
  Origins,
  SeriesWindows,
  WindowAssembler,
  type OriginOptions,
  type PartOfSeries,
  type WindowOptions,
  type WindowSizes,
} from './windows';

/** A place in time from which to forecast. */
export interface Origin {
  /** The series; '' where the table is one. */
  readonly key: string;
  /** The first row to be forecast, counted from 0 within the series; all rows before are known. */
  readonly row: number;
  /** Of that row. */
  readonly time: Date;
}

/** All that a `Series` is made of. */
export interface SeriesContents {
  readonly layout: Layout;
  readonly table: Table;
  /** Taken as it is; null where it is to be fitted on the training part. */
  readonly format: SeriesFormat | null;
}

/** Rows of each series in one of the parts. */
export class SeriesPart {
  constructor(
    readonly name: PartName,
    private readonly parts: readonly PartOfSeries[],
    private readonly layout: RowLayout,
  ) {}

  /** In rows, of all series together. */
  get length(): number {
    return this.parts.reduce((sum, { range }) => sum + range.end - range.begin, 0);
  }

  /**
   * All windows of the part as batches for `fit` and `evaluate`; see `SeriesWindows`. Targets are of this part alone. What
   * is before an origin may reach back into the part before, as at a forecast, where the past is known. A series that is
   * shorter than a window has none.
   *
   * @throws OptionError for bad options, DataError when the part is shorter than one window.
   */
  windows(options: WindowOptions): SeriesWindows {
    return new SeriesWindows(this.name, this.parts, this.layout, options);
  }

  /** The origins of the part's windows, series by series. @throws as `windows`. */
  origins(options: OriginOptions): Origin[] {
    checkOriginOptions('origins', options);
    const origins = new Origins(this.name, this.parts, options);
    return Array.from({ length: origins.length }, (_, index) => {
      const { series, row } = origins.at(index);
      return originOf(series, row);
    });
  }
}

const originOf = ({ table: { key, grid } }: EncodedSeries, row: number): Origin => ({
  key,
  row,
  time: new Date(grid.at(row)),
});

export interface WindowAtOptions extends WindowSizes {
  /**
   * Targets in the units of the table, `[B, k, M]`, that stand for the k rows after each origin, such as those that a model
   * has forecast: the windows then begin k rows later.
   */
  readonly given?: { readonly data: ArrayLike<number>; readonly shape: readonly number[] };
}

/** Series of one table. Made by `series.fromCsv`, `fromRecords` and `fromColumns`. */
export class Series {
  /** Columns, scaling and categories, as fitted on the training part. */
  readonly format: SeriesFormat;
  readonly train: SeriesPart;
  readonly validation: SeriesPart;
  readonly test: SeriesPart;
  private readonly encoded: ReadonlyMap<string, EncodedSeries>;
  private readonly rowLayout: RowLayout;

  constructor(private readonly contents: SeriesContents) {
    const { layout, table, format } = contents;
    const ranges = new Map(
      table.series.map(({ key, length, grid }) => {
        if (length === 0)
          throw new DataError(`series${key && ` ${describe(key)}`}: expected rows with targets, received none`);
        return [key, splitRows(layout.split, length, grid, key && ` ${describe(key)}`)];
      }),
    );
    const trainEnds = new Map([...ranges].map(([key, { train }]) => [key, train.end]));
    this.format = format ?? fitFormat(layout, table, trainEnds);
    this.rowLayout = new RowLayout(this.format);
    this.encoded = new Map(
      table.series.map((one) => [one.key, new EncodedSeries(one, this.rowLayout, table.categories)]),
    );
    [this.train, this.validation, this.test] = partNames.map((name) => this.part(name, ranges)) as [
      SeriesPart,
      SeriesPart,
      SeriesPart,
    ];
  }

  /** The keys of the series, in order of appearance; [''] where the table is one. */
  get keys(): readonly string[] {
    return [...this.encoded.keys()];
  }

  /** Rows of a series up to the present. */
  length(key?: string): number {
    return this.find(key).table.length;
  }

  /** The origin after the last row of a series. */
  end(key?: string): Origin {
    const series = this.find(key);
    return originOf(series, series.table.length);
  }

  /** The origins of the windows of a part, series by series. */
  origins(part: PartName, options: OriginOptions): Origin[] {
    if (!partNames.includes(part))
      throw new OptionError(`origins: expected ${partNames.map(describe).join(', ')}, received ${describe(part)}`);
    return this[part].origins(options);
  }

  /**
   * What a model is given at these origins, a row of the batch for each, as in the batches of `windows`. A row depends on
   * nothing from its origin on but covariates of the future.
   */
  windowAt(
    origins: readonly Pick<Origin, 'key' | 'row'>[],
    options: WindowAtOptions,
  ): { readonly inputs: BatchInputs } {
    checkOptions('windowAt', options, ['lookback', 'horizon', 'given']);
    const { lookback, horizon, given } = options;
    positiveInteger('windowAt', 'lookback', lookback);
    positiveInteger('windowAt', 'horizon', horizon);
    if (!Array.isArray(origins) || !origins.every((origin) => typeof origin === 'object' && origin !== null))
      throw new DataError(`windowAt: expected an array of origins { key, row }, received ${describe(origins)}`);
    const places = origins.map((origin: Pick<Origin, 'key' | 'row'>) => this.place(origin, lookback));
    const assembler = new WindowAssembler(this.rowLayout, { lookback, horizon });
    if (given === undefined) return { inputs: assembler.inputs(places) };
    const steps = this.givenSteps(given, origins.length);
    const later = places.map(({ series, row }) => ({ series, row: row + steps }));
    const width = this.rowLayout.size.past;
    const size = this.format.targets.length;
    return {
      inputs: assembler.inputs(later, (index, out, at) => {
        const { series, row } = places[index]!;
        const known = Math.max(lookback - steps, 0);
        if (known > 0) series.copyPast(row - known, known, out, at);
        for (let step = Math.max(steps - lookback, 0); step < steps; step++) {
          const begin = (index * steps + step) * size;
          const values = Array.from({ length: size }, (_, target) => given.data[begin + target]!);
          series.writeGiven(row + step, values, out, at + (lookback - steps + step) * width);
        }
      }),
    };
  }

  /** What a target (the first by default) was from an origin on, in the units of the table; NaN where missing or not known yet. */
  values(origin: Pick<Origin, 'key' | 'row'>, horizon: number, target = this.format.targets[0]!): Float64Array {
    checkStretch('values', origin, horizon);
    const column = this.column(target, origin.key);
    return Float64Array.from({ length: horizon }, (_, step) => column[origin.row + step] ?? NaN);
  }

  /** The times of the rows from an origin on. */
  times(origin: Pick<Origin, 'key' | 'row'>, horizon: number): Date[] {
    checkStretch('times', origin, horizon);
    const { key, row } = origin;
    const { grid } = this.find(key).table;
    return Array.from({ length: horizon }, (_, step) => new Date(grid.at(row + step)));
  }

  /** A numeric column up to the present in the units of the table; NaN where missing. Not a copy. */
  column(name: string, key?: string): Float64Array {
    const { columns, length } = this.find(key).table;
    const values = ownOf(this.format.spec.categories, name) ? undefined : columns.get(name);
    if (!values) throw new DataError(`series: expected a numeric column, received ${describe(name)}`);
    return values.subarray(0, length);
  }

  /**
   * The same table with other parts. Scaling is fitted anew, that of a given `format` too, whose columns and categories stay;
   * or it is kept as it is, so that a model goes on with it.
   *
   * @throws StateError where it is to be fitted anew and the format is from a file, which does not say how.
   */
  withSplit(split: Split, options: { readonly keepScaling?: boolean } = {}): this {
    checkOptions('withSplit', options, ['keepScaling']);
    checkSplit(split);
    const { layout, table } = this.contents;
    return this.remade({ layout: { ...layout, split }, table, format: options.keepScaling ? this.format : null });
  }

  /**
   * The same table, scaled as before, with rows of days to come: records that have the table's time, its key where there is
   * one, and its covariates of the future.
   *
   *     const known = sales.withFuture([{ date: '2024-03-01', promotion: 1 }, { date: '2024-03-02', promotion: 0 }]);
   *
   * @throws OptionError where the table has no such covariates; DataError for a record that lacks one, and for a day that
   *   is past already, comes twice or is left out.
   */
  withFuture(records: Iterable<object>): this {
    const { layout, table } = this.contents;
    return this.remade({ layout, table: withFutureRows(layout, table, records), format: this.format });
  }

  /** Of the same class: rooms above extend this one. */
  private remade(contents: SeriesContents): this {
    const make = this.constructor as new (contents: SeriesContents) => this;
    return new make(contents);
  }

  private part(name: PartName, ranges: ReadonlyMap<string, Record<PartName, Range>>): SeriesPart {
    const parts = [...this.encoded].map(([key, series]) => ({ series, range: ranges.get(key)![name] }));
    return new SeriesPart(name, parts, this.rowLayout);
  }

  private find(key?: string): EncodedSeries {
    const single = this.encoded.size === 1 ? [...this.encoded.values()][0] : undefined;
    const series = key === undefined ? single : this.encoded.get(key);
    if (series) return series;
    throw new DataError(`series: expected the key of one of ${someOf(this.keys)}, received ${describe(key)}`);
  }

  private place({ key, row }: Pick<Origin, 'key' | 'row'>, lookback: number) {
    const series = this.find(key);
    const { length, key: name } = series.table;
    if (Number.isInteger(row) && row >= lookback && row <= length) return { series, row };
    throw new DataError(
      `windowAt: expected an origin with ${lookback} rows before it, ` +
        (lookback > length
          ? `received ${name ? `${describe(name)}, ` : ''}a series of ${length} rows`
          : `so a row in ${lookback}..${length}, received ${describe(row)}`),
    );
  }

  private givenSteps(given: NonNullable<WindowAtOptions['given']>, batch: number): number {
    const { past, targets } = this.format.spec;
    if (past.length > 0)
      throw new DataError(
        `windowAt: given: expected series without covariates of the past, as none is known after the origin, received ${someOf(past)}`,
      );
    const shape: readonly unknown[] = Array.isArray(given?.shape) ? given.shape : [];
    const [rows, steps, size] = shape as readonly [number, number, number];
    const fits = shape.length === 3 && rows === batch && size === targets.length;
    if (fits && given.data?.length === batch * steps * size) return steps;
    throw new DataError(
      `windowAt: given: expected [${batch}, k, ${targets.length}] numbers as { data, shape }, received ` +
        (shape.length > 0 ? `${given.data?.length} of shape [${shape.join(', ')}]` : describe(given)),
    );
  }
}

/** Throws unless these are a place in a series and a number of rows from there on. */
function checkStretch(owner: string, origin: Pick<Origin, 'key' | 'row'>, rows: number): void {
  if (!Number.isInteger(origin?.row))
    throw new DataError(`${owner}: expected an origin { key, row }, received ${describe(origin)}`);
  positiveInteger(owner, 'horizon', rows);
}
