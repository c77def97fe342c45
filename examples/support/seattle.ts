import { join, dirname } from 'node:path';

/** The path of Seattle's weather, 1,461 days from 2012 to 2015, as CSV (NOAA, by way of vega-datasets; public domain). */
export function seattleWeather(): string {
  return join(dirname(require.resolve('vega-datasets')), '../data/seattle-weather.csv');
}
