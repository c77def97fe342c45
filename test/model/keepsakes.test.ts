import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  adam,
  DataError,
  Labels,
  linear,
  load,
  meanSquaredError,
  sequential,
  SeriesFormat,
  Vocabulary,
  type Data,
  type DataTraits,
} from '../../lib';
import { floats32 } from '../support/models';

const format = (offset: number) =>
  SeriesFormat.of({
    time: 'date',
    key: null,
    frequency: { unit: 'month', count: 1 },
    targets: ['births'],
    past: ['weather'],
    future: ['price', { calendar: 'month', encoding: 'cyclic' }],
    static: [],
    categories: { weather: ['rain', 'sun'] },
    missing: 'mask',
    scalers: {
      '': { births: { log: false, offset, deviation: 0.1 }, price: { log: true, offset: 1 / 3, deviation: 1 } },
    },
    staticScalers: {},
    window: { lookback: 3, horizon: 2 },
  });

const kinds = {
  vocabulary: { one: Vocabulary.of('abc'), equal: Vocabulary.of('cab'), another: Vocabulary.of('abd') },
  series: { one: format(0.1), equal: format(0.1), another: format(0.2) },
  labels: { one: Labels.of(['b', 'a']), equal: Labels.of(['a', 'b', 'a']), another: Labels.of(['a', 'c']) },
};

const batch = { inputs: floats32([1, 2, 3, 4], [2, 2]), targets: floats32([1, 2], [2, 1]) };
const data = (traits: DataTraits): Data => Object.assign([batch], traits);
const options = () => ({ loss: meanSquaredError(), optimizer: adam() });
const small = () => sequential([linear(1)], { backend: 'reference' });

let folder = '';
beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'keepsakes-'))));
afterEach(() => rm(folder, { recursive: true }));

describe.each(Object.keys(kinds) as (keyof typeof kinds)[])('the %s of its data', (name) => {
  const { one, equal, another } = kinds[name];

  test('is left on the model by the first step, and comes back from its file', async () => {
    const model = small();
    await expect(model.fit(data({ [name]: one }), { ...options(), epochs: 0 })).rejects.toThrow();
    expect(model[name]).toBeNull();
    await model.fit(data({ [name]: one }), options());
    expect(model[name]).toBe(one);
    await model.save(join(folder, 'model.safetensors'));
    const loaded = await load(join(folder, 'model.safetensors'), { backend: 'reference' });
    expect(loaded[name]!.equals(one as never)).toBe(true);
    expect(loaded[name]!.toJSON()).toEqual(one.toJSON());
  });

  test('is kept: data with another are refused, in validation too, data with an equal one are not', async () => {
    const model = small();
    await model.fit(data({ [name]: one }), { ...options(), validation: data({ [name]: equal }) });
    await model.fit(data({ [name]: equal }), options());
    await model.fit(data({}), options());
    expect(model[name]).toBe(one);
    await expect(model.fit(data({ [name]: another }), options())).rejects.toThrow(DataError);
    const mixed = { ...options(), validation: data({ [name]: another }) };
    await expect(small().fit(data({ [name]: one }), mixed)).rejects.toThrow(`model.${name} = null`);
  });

  test('is refused in a file where it is not what was saved', async () => {
    const model = small().bind(batch);
    Object.assign(model, { [name]: { toJSON: () => ({ no: 1 }) } });
    await model.save(join(folder, 'model.safetensors'));
    await expect(load(join(folder, 'model.safetensors'), { backend: 'reference' })).rejects.toThrow(
      `${name}: expected`,
    );
  });
});
