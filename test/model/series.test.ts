/** From a table to a model and back to the table's units, through a file. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { adam, calendar, load, lstm, pointHead, sequential, series, type SeriesOptions } from '../../lib';
import { eachBackend } from '../support/eachBackend';

let folder = '';
beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'series-'))));
afterEach(() => rm(folder, { recursive: true }));

const day = 86_400_000;
/** A weekly wave around 1000 that is higher in one of the shops. */
const rows = ['a', 'b'].flatMap((shop, index) =>
  Array.from({ length: 70 }, (_, row) => ({
    date: new Date(Date.UTC(2024, 0, 1) + row * day),
    shop,
    births: row % 17 === 5 ? null : 1000 * (index + 1) + 100 * Math.sin((2 * Math.PI * row) / 7),
  })),
);
const options: SeriesOptions<(typeof rows)[number]> = {
  time: 'date',
  key: 'shop',
  target: 'births',
  covariates: { future: calendar('weekday'), static: 'shop' },
  categorical: 'shop',
  missing: 'mask',
};
const sizes = { lookback: 7, horizon: 7 };

eachBackend((backend) => {
  test('a model learns from windows, and its file alone forecasts fresh rows in their units', async () => {
    const table = series.fromRecords(rows, options);
    const model = sequential([lstm(6), pointHead({ horizon: 7 })], { seed: 1, backend });
    const windows = table.train.windows({ ...sizes, batchSize: 16, seed: 2 });
    const history = await model.fit(windows, {
      optimizer: adam({ lr: 0.05 }),
      epochs: 15,
      validation: table.validation.windows(sizes),
    });
    expect(history.epochs.at(-1)!.validation!.loss).toBeLessThan(0.1);
    expect(model.series!.equals(windows.series)).toBe(true);
    await model.save(join(folder, 'model.safetensors'));

    const loaded = await load(join(folder, 'model.safetensors'), { backend });
    const format = loaded.series!;
    expect([format.lookback, format.horizon]).toEqual([7, 7]);
    const fresh = series.fromRecords(
      rows.filter(({ date }) => date.getTime() >= Date.UTC(2024, 0, 56)),
      { format },
    );
    const predicted = async (one: typeof table, network: typeof loaded) =>
      network.predict(one.windowAt([one.end('a'), one.end('b')], { lookback: 7, horizon: 7 }));
    const { data } = await predicted(fresh, loaded);
    expect(data).toEqual((await predicted(table, model)).data);
    ['a', 'b'].forEach((key, index) => {
      const forecast = format.unscale(data.subarray(index * 7, (index + 1) * 7), { key });
      forecast.forEach((value, step) =>
        expect(Math.abs(value - (1000 * (index + 1) + 100 * Math.sin((2 * Math.PI * (70 + step)) / 7)))).toBeLessThan(
          40,
        ),
      );
    });
  });
});

test('a model refuses windows of another scaling or size than its own', async () => {
  const table = series.fromRecords(rows, options);
  const model = sequential([lstm(2), pointHead({ horizon: 7 })], { backend: 'reference' });
  const training = { optimizer: adam(), maxSteps: 1 };
  await model.fit(table.train.windows(sizes), training);
  await model.fit(table.train.windows({ ...sizes, stride: 3 }), training);
  const other = table.withSplit([0.5, 0.25, 0.25]);
  await expect(model.fit(other.train.windows(sizes), training)).rejects.toThrow('{ format: model.series }');
  await expect(model.fit(table.train.windows({ ...sizes, lookback: 6 }), training)).rejects.toThrow(
    'model.series = null',
  );
  const kept = table.withSplit([0.5, 0.25, 0.25], { keepScaling: true });
  await model.fit(kept.train.windows(sizes), training);
});
