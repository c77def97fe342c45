import { seriesReaders } from '../data/series/readers';
import { Series } from '../data/series/series';
import type { Module } from '../model/module';
import { backtest, type Backtest, type BacktestOptions } from './backtest';
import { forecast, type ForecastOptions, type ForecastRecord } from './forecast';

/** Series that a model can be asked about. */
export class ForecastSeries extends Series {
  /** What comes after the last row of each series; see `forecast`. */
  forecast(model: Module, options?: ForecastOptions): Promise<ForecastRecord[]> {
    return forecast(this, model, options);
  }

  /** What a model's forecasts would have been worth; see `backtest`. */
  backtest(model: Module, options?: BacktestOptions): Promise<Backtest> {
    return backtest(this, model, options);
  }
}

/** Tables of time series, from CSV, records or columns. */
export const series = seriesReaders(ForecastSeries);
