/** The format of series, from options and the training part alone. */
import { DataError, StateError } from '../../errors';
import { describe } from '../../options';
import { Calendar, callOwn, type CalendarColumn } from './calendar';
import { SeriesFormat, type FutureColumn, type SeriesFormatSpec } from './format';
import { formatTime } from './frequency';
import { changingColumns, functionsOf, type Layout } from './options';
import { fitScaler, type Scaler, type ScalingOf } from './scaling';
import type { SeriesTable, Table } from './table';

const nameOf = (key: string): string => (key === '' ? '' : ` of ${describe(key)}`);

/** `trainEnd`: rows of the training part, by series. Of a layout with a format, all but its scaling is kept. */
export function fitFormat(layout: Layout, table: Table, trainEnd: ReadonlyMap<string, number>): SeriesFormat {
  const { targets, past, still, scaling, format } = layout;
  if (!scaling)
    throw new StateError(
      'series: the format was read from a file, which does not say how its scaling was fitted, so it cannot be fitted ' +
        'anew; pass keepScaling: true, or read the table with the options that the model was trained with',
    );
  const scalers = fitScalers(layout, scaling, table, trainEnd);
  if (format) return SeriesFormat.of({ ...format.spec, ...scalers, window: null }, format.functions, scaling);
  return SeriesFormat.of(
    {
      time: typeof layout.time === 'string' ? layout.time : null,
      key: layout.key,
      frequency: table.frequency,
      targets: [...targets],
      past: [...past],
      future: layout.future.flatMap((item): FutureColumn[] =>
        item instanceof Calendar ? calendarColumns(item, table.series[0]!.grid.start) : [item],
      ),
      static: [...still],
      categories: Object.fromEntries(
        [...layout.categories].map(([column, given]) => [
          column,
          [...(given ?? fitCategories(table, column, trainEnd))],
        ]),
      ),
      missing: layout.missing,
      ...scalers,
      window: null,
    },
    functionsOf(layout.future),
    scaling,
  );
}

function fitScalers(
  layout: Layout,
  scaling: ScalingOf,
  table: Table,
  trainEnd: ReadonlyMap<string, number>,
): Pick<SeriesFormatSpec, 'scalers' | 'staticScalers'> {
  const isNumeric = (column: string) => !layout.categories.has(column);
  const numeric = changingColumns(layout).filter(isNumeric);
  const scalers = table.series.map((series): [string, Record<string, Scaler>] => {
    const end = trainEnd.get(series.key)!;
    if (end === 0)
      throw new DataError(`series: expected one or more rows in the training part${nameOf(series.key)}, received none`);
    return [series.key, Object.fromEntries(numeric.map((column) => [column, fitColumn(scaling, series, column, end)]))];
  });
  const staticScalers = layout.still.filter(isNumeric).map((column): [string, Scaler] => {
    const values = table.series.map(({ statics }) => statics.get(column)!);
    return [column, fitScaler(values, values.length, scaling(column))];
  });
  return { scalers: Object.fromEntries(scalers), staticScalers: Object.fromEntries(staticScalers) };
}

function fitColumn(scalingOf: ScalingOf, series: SeriesTable, column: string, end: number): Scaler {
  const values = series.columns.get(column)!;
  let isEmpty = true;
  const scaling = scalingOf(column);
  for (let row = 0; row < end; row++) {
    const value = values[row]!;
    if (Number.isNaN(value)) continue;
    isEmpty = false;
    if (scaling.log && value <= 0) throw notPositive(column, value, series, row);
  }
  if (isEmpty)
    throw new DataError(
      `series: ${column}: expected numbers in the training part${nameOf(series.key)}, received none in ${end} rows`,
    );
  return fitScaler(values, end, scaling);
}

/** Where in a series something stands, for messages. */
export const placeOf = ({ key, grid }: SeriesTable, row: number): string =>
  `series${nameOf(key)}: ${formatTime(grid.at(row))}`;

export const notPositive = (column: string, value: number, series: SeriesTable, row: number): DataError =>
  new DataError(
    `${placeOf(series, row)}: ${column}: expected a positive number, as its logarithm is taken, received ${value}`,
  );

/** How many numbers a function gives is found by asking it for the first row's time. */
function calendarColumns({ features, encoding }: Calendar, time: number): CalendarColumn[] {
  return features.map((feature) =>
    typeof feature === 'function'
      ? { function: feature.name, size: callOwn(feature.name, feature, new Date(time)).length }
      : { calendar: feature, encoding },
  );
}

function fitCategories(table: Table, column: string, trainEnd: ReadonlyMap<string, number>): string[] {
  const found = new Set<number>();
  for (const { key, columns, statics } of table.series) {
    const values = columns.get(column);
    if (!values) found.add(statics.get(column)!);
    else for (let row = 0; row < trainEnd.get(key)!; row++) found.add(values[row]!);
  }
  const names = [...found]
    .filter((index) => !Number.isNaN(index))
    .map((index) => table.categories.get(column)![index]!);
  if (names.length > 0) return names.sort();
  throw new DataError(`series: ${column}: expected categories in the training part, received none`);
}
