/** Forecasts and backtests by models that were really trained, one of each head, and those that a refit trains. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  adam,
  gaussianHead,
  load,
  lstm,
  naive,
  negativeBinomialHead,
  pointHead,
  quantileHead,
  sequential,
  series,
  studentTHead,
  type ForecastRecord,
  type Layer,
  type Sequential,
} from '../../lib';
import type { Series } from '../../lib/data/series/series';
import { copies } from '../support/models';
import { Random } from '../support/random';
import { date } from './fakes';

let folder = '';
beforeAll(async () => (folder = await mkdtemp(join(tmpdir(), 'trained-'))));
afterAll(() => rm(folder, { recursive: true }));

const window = { lookback: 12, horizon: 3 };
/** Three blocks of the head's horizon. */
const further = 9;
const present = 150;
const split = { validation: 0, test: 30 };

/** A wave of period 6 in noise, as numbers and as counts, and the rows that come after the present. */
const random = new Random(5);
const rows = Array.from({ length: present + further }, (_, row) => {
  const [wave, noise] = [Math.sin((2 * Math.PI * row) / 6), random.next()];
  return { date: date(row), sold: 12 + 8 * wave + noise, count: Math.round(3 + 3 * wave + noise) };
});

type Target = 'sold' | 'count';
const tableOf = (target: Target, known = rows.slice(0, present)) =>
  series.fromRecords(known, {
    time: 'date',
    target,
    split,
    ...(target === 'count' ? { scaling: { count: 'none' } as const } : {}),
  });

async function trained(known: Series, head: Layer, epochs: number): Promise<Sequential> {
  const model = sequential([lstm(10), head], { seed: 1 });
  await model.fit(known.train.windows({ ...window, batchSize: 16 }), { optimizer: adam({ lr: 0.02 }), epochs });
  return model;
}

const mae = (observed: readonly number[], said: readonly number[]) =>
  observed.reduce((sum, value, row) => sum + Math.abs(value - said[row]!), 0) / observed.length;
const pointOf = (record: ForecastRecord): number => record.q50 ?? record.mean;

interface HeadCase {
  readonly make: (options: { horizon: number }) => Layer;
  readonly target: Target;
  readonly columns: readonly string[];
  /** Default 15. */
  readonly epochs?: number;
  /** Paths of a recursive forecast, fewer than by default. Default 20. */
  readonly samples?: number;
}
const spread = ['mean', 'q10', 'q50', 'q90'];
const heads: Readonly<Record<string, HeadCase>> = {
  pointHead: { make: pointHead, target: 'sold', columns: ['mean'], samples: 0 },
  quantileHead: {
    make: (options) => quantileHead([0.1, 0.5, 0.9], options),
    target: 'sold',
    columns: ['q10', 'q50', 'q90'],
  },
  gaussianHead: { make: gaussianHead, target: 'sold', columns: spread },
  studentTHead: { make: studentTHead, target: 'sold', columns: spread, samples: 8 },
  negativeBinomialHead: { make: negativeBinomialHead, target: 'count', columns: spread, epochs: 40 },
};

describe.each(Object.entries(heads))(
  'a trained model with %s',
  (name, { make, target, columns, epochs = 15, samples = 20 }) => {
    const table = tableOf(target);
    let model: Sequential;
    beforeAll(async () => (model = await trained(table, make({ horizon: window.horizon }), epochs)));

    test.each([
      ['direct', window.horizon],
      ['recursive', further],
    ] as const)('forecasts what comes better than the last row does: %s, %i rows', async (method, horizon) => {
      const forecast = await table.forecast(model, { method, horizon, samples });
      const coming = rows.slice(present, present + horizon);
      expect(forecast.map(({ time }) => time)).toEqual(coming.map((row) => row.date));
      for (const record of forecast) expect(Object.keys(record)).toEqual(['time', ...columns]);
      const observed = coming.map((row) => row[target]);
      const said = forecast.map(pointOf);
      const last = observed.map(() => rows[present - 1]![target]);
      expect(mae(observed, said)).toBeLessThan(0.5 * mae(observed, last));
    });

    test('goes on beyond its horizon from what it says at once', async () => {
      const [direct, recursive] = [
        await table.forecast(model),
        await table.forecast(model, { horizon: further, samples }),
      ];
      expect(recursive.slice(0, window.horizon)).toEqual(direct);
      await expect(table.forecast(model, { horizon: further, method: 'direct' })).rejects.toThrow(
        'expected at most 3, that of the head',
      );
    });

    test('goes on without paths as if what it says at once had come true', async () => {
      const recursive = await table.forecast(model, { horizon: further, samples: 0 });
      for (const done of [window.horizon, 2 * window.horizon]) {
        const come = recursive.slice(0, done).map((record) => ({ date: record.time, [target]: pointOf(record) }));
        const known = series.fromRecords([...rows.slice(0, present), ...come], { format: model.series! });
        expect(recursive.slice(done, done + window.horizon)).toEqual(await known.forecast(model));
      }
    });

    test.each([window.horizon, further])('is worth more than a naive forecast over %i rows', async (horizon) => {
      const { overall, baselines, bands, forecasts } = await table.backtest(model, {
        horizon,
        samples,
        baselines: [naive()],
      });
      expect(forecasts.map(({ origin }) => origin)).toEqual(
        Array.from({ length: Math.floor(30 / horizon) }, (_, round) => date(present - 30 + round * horizon)),
      );
      expect(baselines[0]!.skill).toBeGreaterThan(0.5);
      // The same figures from the table's own rows.
      const observed = forecasts.flatMap(({ times }) => times.map((time) => rowAt(time)[target]));
      const said = forecasts.flatMap(({ point }) => Array.from(point));
      expect(overall.mae).toBeCloseTo(mae(observed, said), 10);
      expect(bands.map(({ nominal }) => nominal)).toEqual(columns.includes('q10') ? [0.8] : []);
      for (const { coverage } of bands) expect(coverage).toBeGreaterThan(0.5);
    });

    test('forecasts the same after loading', async () => {
      const path = join(folder, `${name}.safetensors`);
      await model.save(path);
      const loaded = (await load(path)) as Sequential;
      const options = { horizon: further, samples };
      expect(await table.forecast(loaded, options)).toEqual(await table.forecast(model, options));
      const [one, other] = [await table.backtest(loaded, options), await table.backtest(model, options)];
      expect([one.overall, one.forecasts]).toEqual([other.overall, other.forecasts]);
    });
  },
);

const day = date(1).getTime() - date(0).getTime();
const rowOf = (time: Date) => (time.getTime() - date(0).getTime()) / day;
const rowAt = (time: Date) => rows[rowOf(time)]!;

describe('a backtest that trains anew', () => {
  const first = present - 30;
  const options = { stride: 5, origins: 5 };
  const every = 2;
  const head = () => gaussianHead({ horizon: window.horizon });
  const train = (known: Series) => trained(known, head(), 6);

  /** A backtest, and what its refits were given and have trained. */
  async function refitted(known = rows.slice(0, present)) {
    const table = tableOf('sold', known);
    const fits: { index: number; end: number; rows: number; model: Sequential }[] = [];
    const fit = async (part: Series, origin: { readonly index: number; readonly time: Date }) => {
      const model = await train(part);
      fits.push({ index: origin.index, end: rowOf(origin.time), rows: part.train.length, model });
      return model;
    };
    const untrained = await trained(table, head(), 1);
    const backtest = await table.backtest(untrained, { ...options, refit: { every, fit } });
    return { backtest, fits };
  }

  let once: Awaited<ReturnType<typeof refitted>>;
  beforeAll(async () => (once = await refitted()));

  test('trains on all rows before each refit, and on none after', () => {
    expect(once.fits.map(({ index, end, rows }) => ({ index, end, rows }))).toEqual(
      [0, 2, 4].map((index) => ({ index, end: first + 5 * index, rows: first + 5 * index })),
    );
  });

  test('trains the very models of tables that end before the origin, of the scaling of these rows', async () => {
    for (const { end, model } of once.fits) {
      const known = series.fromRecords(rows.slice(0, end), { time: 'date', target: 'sold', split: [1, 0, 0] });
      expect(await copies(model)).toEqual(await copies(await train(known)));
      expect(model.series!.scaler('sold')).toEqual(known.format.scaler('sold'));
    }
    const scalers = once.fits.map(({ model }) => JSON.stringify(model.series!.scaler('sold')));
    expect(new Set(scalers).size).toBe(3);
  });

  test('says nothing else where later rows are others', async () => {
    const end = first + 5 * every;
    const other = await refitted(
      rows.slice(0, present).map((row, at) => (at < end ? row : { ...row, sold: -row.sold })),
    );
    const said = ({ backtest }: typeof once) => backtest.forecasts.map(({ columns }) => columns);
    // The third origin, of the second refit, is the first changed row.
    expect(said(other).slice(0, 3)).toEqual(said(once).slice(0, 3));
    expect(said(other)[3]).not.toEqual(said(once)[3]);
    expect(await copies(other.fits[1]!.model)).toEqual(await copies(once.fits[1]!.model));
    expect(await copies(other.fits[2]!.model)).not.toEqual(await copies(once.fits[2]!.model));
  });

  test('has the errors of the models that it trained, which are better than naive', async () => {
    const errors: number[] = [];
    for (const [round, { origin, columns }] of once.backtest.forecasts.entries()) {
      const { model } = once.fits[Math.floor(round / every)]!;
      const at = rowOf(origin);
      expect(at).toBe(first + 5 * round);
      const known = series.fromRecords(rows.slice(0, at), { format: model.series! });
      const forecast = await known.forecast(model);
      for (const name of spread)
        expect(Array.from(columns[name]!)).toEqual(forecast.map((record) => record[name as 'mean']));
      errors.push(...forecast.map((record) => Math.abs(pointOf(record) - rowAt(record.time).sold)));
    }
    const { overall, baselines } = once.backtest;
    expect(overall.mae).toBeCloseTo(errors.reduce((sum, error) => sum + error, 0) / errors.length, 10);
    expect(baselines[0]!.skill).toBeGreaterThan(0.3);
  });
});
