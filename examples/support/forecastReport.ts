import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Backtest } from 'lstm-native';

/** The model beside naive forecasts at the same origins, the best last. */
export function printBacktest(title: string, { overall, baselines, bands, forecasts, season }: Backtest): void {
  console.log(
    `${title}: errors over ${forecasts.length} origins, in the units of the series; MASE by m = ${season}.\n`,
  );
  const rows = [{ name: 'LSTM', ...overall, skill: 0 }, ...baselines].sort((a, b) => b.mae - a.mae);
  const width = Math.max(...rows.map(({ name }) => name.length));
  const digits = overall.mae < 20 ? 2 : 0;
  console.log(`${''.padEnd(width)}      MAE     RMSE   sMAPE    MASE   skill of the LSTM`);
  for (const { name, mae, rmse, smape, mase, skill } of rows) {
    const numbers = [
      mae.toFixed(digits).padStart(8),
      rmse.toFixed(digits).padStart(8),
      `${smape.toFixed(1)} %`.padStart(7),
    ];
    const against = name === 'LSTM' || skill === null ? '' : `${(100 * skill).toFixed(0)} %`.padStart(7);
    console.log(
      `${name.padEnd(width)} ${numbers.join(' ')} ${(mase ?? NaN).toFixed(2).padStart(7)} ${against}`.trimEnd(),
    );
  }
  for (const { lower, upper, nominal, coverage, meanWidth } of bands) {
    console.log(
      `\nThe band from ${lower} to ${upper}, which should cover ${100 * nominal} %, covers ${(100 * coverage).toFixed(1)} %; ` +
        `it is ${meanWidth.toFixed(digits)} wide.`,
    );
  }
}

/** All figures of a backtest, its forecasts left out. */
export async function writeSummary(path: string, backtest: Backtest, more: object = {}): Promise<void> {
  const { season, overall, crps, pinball, bands, baselines, steps, origins } = backtest;
  await mkdir(dirname(path), { recursive: true });
  const summary = { ...more, season, overall, crps, pinball, bands, baselines, steps, origins };
  await writeFile(path, `${JSON.stringify(summary, null, 2)}\n`);
}
