/** What a model must know of the series that it was trained on, to read new ones and to say its forecasts in their units. */
import { z } from 'zod';
import { DataError } from '../../errors';
import { checkOptions, describe } from '../../options';
import { calendarNames, type CalendarFunction } from './calendar';
import { unscale, type Scaler, type ScalingOf } from './scaling';

const names = z.array(z.string());
const scalers = z.record(
  z.string(),
  z.object({ log: z.boolean(), offset: z.number(), deviation: z.number().positive() }),
);
const size = z.number().int().positive();

const calendarColumn = z.union([
  z.object({
    calendar: z.enum(['minute', 'hour', 'weekday', 'dayOfMonth', 'dayOfYear', 'month', 'quarter']),
    encoding: z.enum(['cyclic', 'oneHot']),
  }),
  z.object({ function: z.string(), size }),
]);

const specSchema = z.object({
  /** The column of times; null where a function gives them. */
  time: z.string().nullable(),
  /** The column that tells the series of a table apart; null where the table is one series. */
  key: z.string().nullable(),
  frequency: z.object({ unit: z.enum(['millisecond', 'month']), count: size }),
  targets: names.min(1),
  /** Covariates that are known up to the present. */
  past: names,
  /** Covariates that are known for the days to come as well. */
  future: z.array(z.union([z.string(), calendarColumn])),
  /** Covariates that do not change with time. */
  static: names,
  /** The categories of each categorical column, in the order of its one-hot columns. */
  categories: z.record(z.string(), names),
  missing: z.enum(['refuse', 'forwardFill', 'mask']),
  /** Of the numeric columns that change with time, by series ('' where the table is one) and column. */
  scalers: z.record(z.string(), scalers),
  /** Of the numeric static columns. */
  staticScalers: scalers,
  /** Of the windows; null until windows are made. */
  window: z.object({ lookback: size, horizon: size }).nullable(),
});

export type SeriesFormatSpec = z.infer<typeof specSchema>;
export type FutureColumn = SeriesFormatSpec['future'][number];
export type MissingPolicy = SeriesFormatSpec['missing'];

/** What a record has under a name; what all objects inherit, such as `constructor`, is none of it. */
export const ownOf = <V>(record: Readonly<Record<string, V>>, name: string): V | undefined =>
  Object.hasOwn(record, name) ? record[name] : undefined;

/** Functions of the calendar by name, which no file can keep. */
export type OwnFunctions = ReadonlyMap<string, CalendarFunction>;

/**
 * Columns and their roles, scaling per series and column, categories, frequency and the sizes of windows: what a model
 * keeps of the series that it was trained on, in its file too (`model.series`).
 */
export class SeriesFormat {
  private constructor(
    readonly spec: SeriesFormatSpec,
    readonly functions: OwnFunctions,
    /** How the scalers were fitted; null where the format was read from a file, which does not keep it. */
    readonly scaling: ScalingOf | null,
  ) {}

  /** @throws DataError where two numbers that a model is given would have one name. */
  static of(
    spec: SeriesFormatSpec,
    functions: OwnFunctions = new Map(),
    scaling: ScalingOf | null = null,
  ): SeriesFormat {
    const format = new SeriesFormat(specSchema.parse(spec), functions, scaling);
    const { past, static: still } = format.inputs;
    for (const all of [past, still]) {
      const twice = all.find((name, index) => all.indexOf(name) < index);
      if (twice !== undefined)
        throw new DataError(
          `series: expected inputs of distinct names, received ${describe(twice)} twice; call a column or function otherwise`,
        );
    }
    return format;
  }

  /** @throws DataError unless `json` is what `toJSON` gave. */
  static fromJSON(json: unknown): SeriesFormat {
    const parsed = specSchema.safeParse(json);
    if (parsed.success) return new SeriesFormat(parsed.data, new Map(), null);
    throw new DataError(`series: expected the format of series: ${z.prettifyError(parsed.error)}`);
  }

  toJSON(): SeriesFormatSpec {
    return this.spec;
  }

  /** Whether the same rows become the same numbers in the same windows. */
  equals(other: SeriesFormat): boolean {
    return JSON.stringify(this.spec) === JSON.stringify(other.spec);
  }

  /** The same with windows of these sizes. */
  withWindow(window: { readonly lookback: number; readonly horizon: number }): SeriesFormat {
    const { lookback, horizon } = window;
    return new SeriesFormat({ ...this.spec, window: { lookback, horizon } }, this.functions, this.scaling);
  }

  withFunctions(functions: OwnFunctions): SeriesFormat {
    return new SeriesFormat(this.spec, functions, this.scaling);
  }

  /** The keys of the series; [''] where the table is one. */
  get keys(): readonly string[] {
    return Object.keys(this.spec.scalers);
  }

  /** Rows that a model sees before the first one that it forecasts; null until windows are made. */
  get lookback(): number | null {
    return this.spec.window?.lookback ?? null;
  }

  /** Rows that a model forecasts at once; null until windows are made. */
  get horizon(): number | null {
    return this.spec.window?.horizon ?? null;
  }

  get targets(): readonly string[] {
    return this.spec.targets;
  }

  /** The names of the numbers that a model is given, in order: `past` [lookback, C], `future` [horizon, F], `static` [S]. */
  get inputs(): {
    readonly past: readonly string[];
    readonly future: readonly string[];
    readonly static: readonly string[];
  } {
    const { targets, past, future, static: still } = this.spec;
    const numeric = (columns: readonly string[]) => columns.filter((column) => !ownOf(this.spec.categories, column));
    const own = [...targets, ...past];
    const known = future.flatMap((column) =>
      typeof column === 'string' ? this.columnNames(column) : calendarNames(column),
    );
    const futureNames = [...known, ...this.maskNames(numeric(future.filter((column) => typeof column === 'string')))];
    return {
      past: [...own.flatMap((column) => this.columnNames(column)), ...this.maskNames(numeric(own)), ...futureNames],
      future: futureNames,
      static: still.flatMap((column) => this.columnNames(column)),
    };
  }

  /** @throws DataError for a series or column that the format does not know. */
  scaler(column: string, key = ''): Scaler {
    const ofSeries = ownOf(this.spec.scalers, key);
    if (!ofSeries)
      throw new DataError(`series: expected one of ${this.keys.map(describe).join(', ')}, received ${describe(key)}`);
    const scaler = ownOf(ofSeries, column);
    if (scaler) return scaler;
    const known = Object.keys(ofSeries).map(describe).join(', ');
    throw new DataError(`series: expected one of the columns ${known}, received ${describe(column)}`);
  }

  /** What a model says of a target (the first by default), in the units of the series. */
  unscale(values: ArrayLike<number>, options: { readonly key?: string; readonly target?: string } = {}): Float64Array {
    checkOptions('unscale', options, ['key', 'target']);
    if (typeof values !== 'object' || typeof values?.length !== 'number')
      throw new DataError(`unscale: expected an array of numbers, received ${describe(values)}`);
    const scaler = this.scaler(options.target ?? this.targets[0]!, options.key);
    return Float64Array.from(values, (value) => unscale(scaler, value));
  }

  private columnNames(column: string): string[] {
    return ownOf(this.spec.categories, column)?.map((category) => `${column}=${category}`) ?? [column];
  }

  private maskNames(columns: readonly string[]): string[] {
    return this.spec.missing === 'mask' ? columns.map((column) => `${column} observed`) : [];
  }
}
