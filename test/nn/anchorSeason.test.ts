import {
  adam,
  lstm,
  OptionError,
  pointHead,
  quantileHead,
  sequential,
  series,
  ShapeError,
  verify,
  vjp,
  type HeadOptions,
} from '../../lib';
import { existsSync } from 'node:fs';
import { eachBackend } from '../support/eachBackend';
import { floats32, ints, noise } from '../support/models';

const [B, h, season] = [3, 5, 4];
const options: HeadOptions = { horizon: h, anchor: { season } };
const batch = (steps: number) => ({ inputs: noise(1, B, steps, 2), targets: noise(2, B, h, 1) });
const tooFew = '1: quantileHead: anchor: season 4 within the lookback: expected at least 4 steps, received 3';

const daily = (rows: number) =>
  series.fromColumns(
    {
      time: Array.from({ length: rows }, (_, day) => Date.UTC(2024, 0, day + 1)),
      y: Array.from({ length: rows }, (_, day) => day % 7),
    },
    { time: 'time', target: 'y' },
  );

eachBackend((backend) => {
  const build = () => sequential([lstm(4), quantileHead([0.1, 0.9], options)], { backend, seed: 1 });

  test('fewer steps than the season of an anchor are refused by whatever runs a batch', async () => {
    const model = build();
    await expect(model.predict({ inputs: batch(3).inputs })).rejects.toThrow(new ShapeError(tooFew));
    await expect(model.evaluate([batch(3)])).rejects.toThrow(new ShapeError(tooFew));
    await expect(model.fit([batch(3)], { optimizer: adam() })).rejects.toThrow(new ShapeError(tooFew));
    await expect(model.trainStep(batch(3), { optimizer: adam() })).rejects.toThrow(new ShapeError(tooFew));
    await expect(vjp(model, batch(3).inputs, floats32(Array(B * h * 2).fill(1), [B, h, 1, 2]))).rejects.toThrow(
      new ShapeError(tooFew),
    );
  });

  test('as many steps as the season are taken, in the same model as fewer were refused', async () => {
    const model = build();
    await expect(model.predict({ inputs: batch(3).inputs })).rejects.toThrow(ShapeError);
    expect((await model.predict({ inputs: batch(4).inputs })).shape).toEqual([B, h, 1, 2]);
    expect((await model.predict({ inputs: batch(9).inputs })).shape).toEqual([B, h, 1, 2]);
    await expect(model.predict({ inputs: batch(3).inputs })).rejects.toThrow(tooFew);
  });

  test('a sequence whose length is less than the season is refused', async () => {
    const run = (lengths: readonly number[]) => build().predict({ inputs: batch(6).inputs, lengths: ints(lengths) });
    await expect(run([6, 3, 4])).rejects.toThrow(
      'lengths: expected integers in 4..6 for quantileHead: anchor: season 4 within the lookback, received 3 at index 1',
    );
    expect((await run([6, 4, 5])).shape).toEqual([B, h, 1, 2]);
  });
});

test('verify refuses fewer steps than the season', async () => {
  await expect(verify(sequential([lstm(4), quantileHead([0.1, 0.9], options)]), batch(3))).rejects.toThrow(tooFew);
});

test('windows that do not go with the head are refused before a run folder is made', async () => {
  const { train } = daily(80);
  const fit = (head: HeadOptions, window: { lookback: number; horizon: number }) =>
    sequential([lstm(4), pointHead(head)]).fit(train.windows(window), { optimizer: adam(), runDir: 'runs/never-made' });
  const window = { lookback: 6, horizon: 5 };
  await expect(fit({ horizon: 5, anchor: { season: 7 } }, window)).rejects.toThrow(
    new OptionError('1: pointHead: anchor: season: expected at most 6, the lookback of the windows, received 7'),
  );
  await expect(fit({ horizon: 4 }, window)).rejects.toThrow(
    new OptionError('1: pointHead: horizon: expected 5, that of the windows, received 4'),
  );
  // Where lookback and horizon are equal, the sizes alone would let it pass.
  await expect(fit({}, { lookback: 5, horizon: 5 })).rejects.toThrow(
    new OptionError(
      '1: pointHead: horizon: expected 5, that of the windows, received none, which predicts at every step',
    ),
  );
  expect(existsSync('runs/never-made')).toBe(false);
  const model = sequential([lstm(4), pointHead({ horizon: 4 })]);
  await expect(model.evaluate(train.windows(window))).rejects.toThrow(OptionError);
});
