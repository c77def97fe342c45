/** What users say of a table: which columns play which part. */
import { OptionError } from '../../errors';
import { checkOptions, describe } from '../../options';
import { Calendar } from './calendar';
import type { MissingPolicy, OwnFunctions, SeriesFormat } from './format';
import { frequencyOf, type Frequency, type FrequencyName } from './frequency';
import { missingAdvice } from './rows';
import { scalingOptions, type Scaling, type ScalingKind, type ScalingOf } from './scaling';
import { checkSplit, type Split } from './split';

/** A Date, milliseconds since 1970, or ISO 8601 (`2024-03-01`, `2024-03-01T06:00`), read as UTC where it names no zone. */
export type TimeValue = Date | number | string;

interface TableOptions {
  /** What cells say where a value is missing, beside nothing at all: `['NA', '-']`. Default none. */
  readonly missingText?: string | readonly string[];
  /** What happens where rows are left out: an error (default), or they are taken as missing. */
  readonly gaps?: 'refuse' | 'fill';
  /** Default: 70 % of the rows of each series for training, 15 % for validation, 15 % for test, in order of time; with a `format` all for test. */
  readonly split?: Split;
}

export interface SeriesOptions<Row = Readonly<Record<string, unknown>>> extends TableOptions {
  /** The column that holds the times, or a function of the row that gives them. */
  readonly time: string | ((row: Row) => TimeValue);
  /** How far rows are apart: a name or milliseconds. Default: the least distance between two rows, which all others must be multiples of. */
  readonly frequency?: FrequencyName | number;
  /** The column that tells the series of a table apart. Rows of several may be mixed; each is ordered. Default: the table is one series. */
  readonly key?: string;
  /** What is forecast: one or several columns of numbers. */
  readonly target: string | readonly string[];
  readonly covariates?: {
    /** Columns that are known up to the present. */
    readonly past?: string | readonly string[];
    /** Columns that are known for the days to come as well, and features of the calendar. Rows for days to come have no targets. */
    readonly future?: string | Calendar | readonly (string | Calendar)[];
    /** Columns that are the same in all rows of a series. */
    readonly static?: string | readonly string[];
  };
  /**
   * Covariates that are categories, each given to the model as one number for each category, 1 at the one that is. The
   * categories are those of the training part in alphabetical order, or those given here: `{ weather: ['rain', 'sun'] }`.
   */
  readonly categorical?: string | readonly string[] | Readonly<Record<string, readonly string[] | true>>;
  /** One for all numeric columns, or by column: `{ births: 'minMax', price: { kind: 'standard', log: true } }`. Default `standard`. */
  readonly scaling?: ScalingKind | Readonly<Record<string, Scaling>>;
  /**
   * What is done where a number is missing: an error (default), the last one that was known, or a column more that says 1
   * where it was known. What was never known yet is 0 after scaling; targets that are missing weigh 0 in the loss.
   */
  readonly missing?: MissingPolicy;
}

/** Rows for a model that is trained: its format says all, but for what no file can keep. */
export interface FormatOptions<Row = Readonly<Record<string, unknown>>> extends TableOptions {
  readonly format: SeriesFormat;
  /** Default: the column of the model; where it was trained with a function, the function again. */
  readonly time?: string | ((row: Row) => TimeValue);
  /** The functions among the calendar features of the model. */
  readonly calendar?: Calendar;
}

/** The options in full. */
export interface Layout {
  readonly time: string | ((row: never) => TimeValue);
  readonly key: string | null;
  /** Null where the rows tell. */
  readonly frequency: Frequency | null;
  readonly gaps: 'refuse' | 'fill';
  readonly targets: readonly string[];
  readonly past: readonly string[];
  readonly future: readonly (string | Calendar)[];
  readonly still: readonly string[];
  /** By column; null where the training part tells. */
  readonly categories: ReadonlyMap<string, readonly string[] | null>;
  /** Null where a format does not say: one that was read from a file. */
  readonly scaling: ScalingOf | null;
  readonly missing: MissingPolicy;
  readonly missingText: ReadonlySet<unknown>;
  readonly split: Split;
  /** Of a trained model, which says all of the above. */
  readonly format: SeriesFormat | null;
}

/** The columns of a table that hold what changes with time, each once. */
export const changingColumns = ({ targets, past, future }: Pick<Layout, 'targets' | 'past' | 'future'>): string[] => [
  ...targets,
  ...past,
  ...futureTableColumns(future),
];

export const futureTableColumns = (future: readonly unknown[]): string[] =>
  future.filter((column) => typeof column === 'string');

const defaultSplit: Split = [0.7, 0.15, 0.15];

const known: readonly (keyof SeriesOptions)[] = [
  'time',
  'frequency',
  'gaps',
  'key',
  'target',
  'covariates',
  'categorical',
  'scaling',
  'missing',
  'missingText',
  'split',
];
const knownWithFormat: readonly (keyof FormatOptions)[] = [
  'format',
  'time',
  'gaps',
  'missingText',
  'split',
  'calendar',
];

/** `more` are names of options that the reader of the table takes itself. */
export function layoutOf(options: SeriesOptions<never> | FormatOptions<never>, more: readonly string[] = []): Layout {
  const hasFormat = typeof options === 'object' && options !== null && 'format' in options;
  checkOptions('series', options, [...(hasFormat ? knownWithFormat : known), ...more]);
  const { gaps = 'refuse', split = hasFormat ? [0, 0, 1] : defaultSplit } = options;
  if (gaps !== 'refuse' && gaps !== 'fill')
    throw new OptionError(`series: gaps: expected 'refuse' or 'fill', received ${describe(gaps)}`);
  checkSplit(split);
  const table = { gaps, split, missingText: new Set(columns('missingText', options.missingText ?? [])) };
  const layout = hasFormat ? ofFormat(options, table) : ofOptions(options, table);
  if (gaps === 'fill' && layout.missing === 'refuse')
    throw new OptionError(`series: gaps: rows that are filled in are missing values; ${missingAdvice(layout)}`);
  return layout;
}

function ofOptions(options: SeriesOptions<never>, table: Pick<Layout, 'gaps' | 'split' | 'missingText'>): Layout {
  const { time, key = null, covariates = {}, missing = 'refuse', frequency } = options;
  if (typeof time !== 'function') column('time', time);
  if (key !== null) column('key', key);
  checkOptions('series: covariates', covariates, ['past', 'future', 'static']);
  if (!['refuse', 'forwardFill', 'mask'].includes(missing))
    throw new OptionError(`series: missing: expected 'refuse', 'forwardFill' or 'mask', received ${describe(missing)}`);
  const targets = columns('target', options.target);
  if (targets.length === 0) throw new OptionError('series: target: expected one or more columns, received none');
  const past = columns('covariates: past', covariates.past ?? []);
  const still = columns('covariates: static', covariates.static ?? []);
  const future = futureColumns(covariates.future ?? []);
  checkOnce([...changingColumns({ targets, past, future }), ...still]);
  const categories = categoriesOf(options.categorical ?? [], [...past, ...futureTableColumns(future), ...still]);
  const numeric = [...targets, ...past, ...futureTableColumns(future), ...still].filter(
    (name) => !categories.has(name),
  );
  return {
    ...table,
    time,
    key,
    frequency: frequency === undefined ? null : frequencyOf(frequency),
    targets,
    past,
    future,
    still,
    categories,
    scaling: scalingOf(options.scaling, numeric),
    missing,
    format: null,
  };
}

function ofFormat(options: FormatOptions<never>, table: Pick<Layout, 'gaps' | 'split' | 'missingText'>): Layout {
  const { format, calendar } = options;
  // By shape and not by class: the format may come from another copy of this package.
  if (!Array.isArray(format?.spec?.targets) || !Array.isArray(format.spec.future))
    throw new OptionError(
      `series: format: expected that of a trained model, model.series, received ${describe(format)}`,
    );
  const { spec } = format;
  const time = options.time ?? spec.time;
  if (time === null)
    throw new OptionError('series: time: the model was trained with a function of the row for it; pass it again');
  return {
    ...table,
    time,
    key: spec.key,
    frequency: spec.frequency,
    targets: spec.targets,
    past: spec.past,
    future: futureTableColumns(spec.future),
    still: spec.static,
    categories: new Map(Object.entries(spec.categories)),
    scaling: format.scaling ?? null,
    missing: spec.missing,
    format: calendar ? format.withFunctions(new Map([...format.functions, ...functionsOf([calendar])])) : format,
  };
}

/** The functions of the user's own among the features, by name. */
export function functionsOf(future: readonly unknown[]): OwnFunctions {
  const all = future.flatMap((item) => (item instanceof Calendar ? item.features : []));
  return new Map(all.flatMap((feature) => (typeof feature === 'function' ? [[feature.name, feature]] : [])));
}

function column(option: string, value: unknown): asserts value is string {
  if (typeof value !== 'string' || value === '')
    throw new OptionError(`series: ${option}: expected the name of a column, received ${describe(value)}`);
}

function columns(option: string, value: unknown): readonly string[] {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  return list.map((name) => {
    column(option, name);
    return name;
  });
}

function futureColumns(value: unknown): readonly (string | Calendar)[] {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  return list.map((item) => {
    if (item instanceof Calendar) return item;
    if (typeof item === 'string' && item !== '') return item;
    throw new OptionError(
      `series: covariates: future: expected names of columns or calendar(...), received ${describe(item)}`,
    );
  });
}

function checkOnce(names: readonly string[]): void {
  const twice = names.find((name, index) => names.indexOf(name) < index);
  if (twice !== undefined)
    throw new OptionError(`series: expected each column in one role, received ${describe(twice)} in two`);
}

function categoriesOf(option: NonNullable<SeriesOptions['categorical']>, covariates: readonly string[]) {
  const entries: readonly (readonly [string, unknown])[] =
    typeof option === 'object' && !Array.isArray(option)
      ? Object.entries(option)
      : columns('categorical', option).map((name) => [name, true]);
  const given = (name: string, value: unknown): readonly string[] | null => {
    if (!covariates.includes(name))
      throw new OptionError(`series: categorical: expected covariates, received ${describe(name)}, which is none`);
    if (value === true) return null;
    const isList = Array.isArray(value) && value.length > 0 && value.every((one) => typeof one === 'string');
    if (isList && new Set(value).size === value.length) return value;
    throw new OptionError(
      `series: categorical: ${name}: expected true or distinct strings, received ${describe(value)}`,
    );
  };
  return new Map(entries.map(([name, value]) => [name, given(name, value)]));
}

function scalingOf(option: SeriesOptions['scaling'], numeric: readonly string[]): ScalingOf {
  if (typeof option !== 'object') {
    const all = scalingOptions('all columns', option);
    return () => all;
  }
  checkOptions('series: scaling', option, numeric);
  const byColumn = new Map(Object.entries(option).map(([name, one]) => [name, scalingOptions(name, one)]));
  return (name) => byColumn.get(name) ?? scalingOptions(name);
}
