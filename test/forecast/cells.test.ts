/** Forecasts by every cell, stacked and in both directions, of two series in one table. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { adam, load, quantileHead, seasonalNaive, sequential, series, type Sequential } from '../../lib';
import { cells, shapes } from '../support/cellLayers';
import { Random } from '../support/random';
import { date } from './fakes';

let folder = '';
beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'forecasts-'))));
afterEach(() => rm(folder, { recursive: true }));

/** A wave of period 5, of other height in each of two shops, the second of which opened later; and noise. */
const random = new Random(7);
const rows = [0, 60].flatMap((opened, shop) =>
  Array.from({ length: 160 - opened }, (_, day) => ({
    date: date(opened + day),
    shop: 'AB'[shop]!,
    sold: (shop + 1) * 10 + (shop + 1) * 4 * Math.sin((2 * Math.PI * day) / 5) + random.next(),
  })),
);
const table = series.fromRecords(rows, { time: 'date', key: 'shop', target: 'sold' });
const window = { lookback: 10, horizon: 3 };

describe.each(Object.keys(cells))('%s', (name) => {
  for (const shape of shapes) {
    const described = `${shape.numLayers} layers, ${shape.bidirectional ? 'both directions' : 'one direction'}`;
    // In both directions the final states of both: at the last step the one backwards has seen that step alone.
    const options = shape.bidirectional ? { ...shape, output: 'last' as const } : shape;
    const build = () => sequential([cells[name]!(options), quantileHead([0.1, 0.5, 0.9], { horizon: 3 })], { seed: 1 });

    test(`forecasts a wave better than the day before, and the same after loading: ${described}`, async () => {
      const model = build();
      await model.fit(table.train.windows({ ...window, batchSize: 16 }), { optimizer: adam({ lr: 0.02 }), epochs: 12 });
      const { baselines } = await table.backtest(model, { baselines: [seasonalNaive(1)] });
      expect(baselines[0]!.skill).toBeGreaterThan(0.3);
      const forecast = await table.forecast(model);
      expect(forecast.map(({ key, time }) => [key, time])).toEqual(
        ['A', 'B'].flatMap((shop) => [160, 161, 162].map((day) => [shop, date(day)])),
      );
      const path = join(folder, 'model.safetensors');
      await model.save(path);
      expect(await table.forecast((await load(path)) as Sequential)).toEqual(forecast);
    });

    test(`learns from histories of unequal length, each of which forecasts alone what it does in a batch: ${described}`, async () => {
      const model = build();
      const lengths = [4, 9, 1];
      const padded = Float32Array.from({ length: 3 * 9 }, () => random.next());
      const batch = {
        inputs: { data: padded, shape: [3, 9, 1] },
        lengths: { data: Int32Array.from(lengths), shape: [3] },
        targets: { data: Float32Array.from({ length: 9 }, () => random.next()), shape: [3, 3, 1] },
      };
      const { loss: before } = await model.evaluate([batch]);
      await model.fit([batch], { optimizer: adam({ lr: 0.02 }), epochs: 20 });
      expect((await model.evaluate([batch])).loss).toBeLessThan(before / 2);
      const { data } = await model.predict(batch);
      for (const [row, length] of lengths.entries()) {
        const alone = { data: padded.slice(row * 9, row * 9 + length), shape: [1, length, 1] };
        expect((await model.predict({ inputs: alone })).data).toEqual(data.slice(row * 9, row * 9 + 9));
      }
    });
  }
});
