import type { Store } from '../../lib/backend/backend';
import { arenaBytes, native, packBytes } from '../../lib/backend/native/native';
import { add } from '../../lib/ops/elementwise/arithmetic';
import { linear } from '../../lib/ops/linear';
import { float32 } from '../../lib/ops/op';
import { ProgramBuilder } from '../../lib/program/builder';
import { adam, crossEntropy, embedding, linear as linearLayer, lstm, NonFiniteError, sequential } from 'lstm-native';
import { allCounts, doublingProgram, doublingStore } from './nativePrograms';

const x = { x: { data: Float32Array.of(1, 0, 0), shape: [1, 1, 3] } };

/** y = x · weightᵀ + bias, `times` times over, side by side. */
function prediction(times = 1) {
  const builder = new ProgramBuilder();
  const [weight, bias] = [builder.state('weight', float32(4, 3)), builder.state('bias', float32(4))];
  const input = builder.input('x', float32('T', 'B', 3));
  const sums = Array.from({ length: times }, () => builder.emit(linear, { x: input, weight, bias }, {}).y);
  builder.output(
    'y',
    sums.reduce((a, b) => builder.emit(add, { a, b }, {}).y),
  );
  return native.prepare(builder.finish(), allCounts(5));
}
const last = async (executable: ReturnType<typeof prediction>, store: Store) =>
  (await executable.run(store, x)).outputs.y!.data[3];

test('programs share the pack of a weight that they only read, and one that is disposed leaves it to the others', async () => {
  const store = doublingStore();
  const [one, other, several] = [prediction(), prediction(), prediction(3)];
  expect([packBytes(store), await last(one, store)]).toEqual([0, 13]);
  const bytes = packBytes(store);
  expect(bytes).toBeGreaterThan(0);
  expect([await last(other, store), await last(several, store), packBytes(store)]).toEqual([13, 39, bytes]);
  one.dispose();
  expect([await last(other, store), packBytes(store)]).toEqual([13, bytes]);
  store.write('weight', new Float32Array(12).fill(5));
  expect([await last(several, store), await last(other, store), packBytes(store)]).toEqual([27, 9, bytes]);
});

test('a program that changes a weight packs it in its arena, or reads the pack that a prediction has just made', async () => {
  const store = doublingStore();
  const [reader, doubling] = [prediction(), native.prepare(doublingProgram(), allCounts(5))];
  expect([await last(doubling, store), packBytes(store)]).toEqual([13, 0]);
  expect(await last(reader, store)).toBe(22);
  const bytes = packBytes(store);
  // Fresh for the first, which doubles the weight; nobody has read it when the second begins.
  expect([await last(doubling, store), packBytes(store)]).toEqual([22, bytes]);
  expect([await last(doubling, store), packBytes(store)]).toEqual([40, 0]);
  expect([await last(reader, store), packBytes(store)]).toEqual([76, bytes]);
  expect(reader.runSync(store, x).outputs.y!.data[3]).toBe(76);
  expect(await last(doubling, doublingStore())).toBe(13);
  store.dispose();
});

test('a weight that several equations of a program read is packed once', async () => {
  const packOf = async (times: number) => {
    const executable = prediction(times);
    const store = doublingStore();
    await last(executable, store);
    return packBytes(store);
  };
  expect(await packOf(3)).toBe(await packOf(1));
});

const [vocabulary, batchSize, steps] = [50, 2, 3];
const tokens = (begin: number) => ({
  data: Int32Array.from({ length: batchSize * steps }, (_, index) => ((index + begin) * 31) % vocabulary),
  shape: [batchSize, steps],
});
const batch = { inputs: tokens(0), targets: tokens(1) };
const newModel = () =>
  sequential([embedding(vocabulary, 16), lstm(64, { numLayers: 2 }), linearLayer(vocabulary)], { seed: 5 });

test('predictions and evaluations between steps of training change no bit of them', async () => {
  const options = { loss: crossEntropy(), optimizer: adam({ lr: 0.01 }), clipNorm: 1 };
  const [plain, disturbed] = [newModel(), newModel()];
  const others = { loss: crossEntropy(), optimizer: adam({ lr: 0.01 }), clipNorm: 1 };
  const before: (() => Promise<unknown>)[] = [
    () => disturbed.predict({ inputs: batch.inputs }),
    () => disturbed.evaluate([batch], { loss: crossEntropy() }),
    () => Promise.resolve(),
    () => Promise.all([disturbed.predict({ inputs: batch.inputs }), disturbed.predict({ inputs: tokens(4) })]),
    () => Promise.resolve(),
    () => disturbed.predict({ inputs: tokens(2) }),
  ];
  for (const disturb of before) {
    await disturb();
    const [expected, received] = [await plain.trainStep(batch, options), await disturbed.trainStep(batch, others)];
    expect(received).toEqual(expected);
  }
  const predicted = await Promise.all([plain, disturbed].map((model) => model.predict({ inputs: tokens(7) })));
  expect(predicted[1]).toEqual(predicted[0]);
});

test('training keeps no packs beside the arena, and of those of predictions only while they are used', async () => {
  const model = newModel();
  const options = { loss: crossEntropy(), optimizer: adam({ lr: 0.01 }) };
  const { store } = model.network;
  await model.trainStep(batch, options);
  expect(packBytes(store)).toBe(0);
  await model.predict({ inputs: batch.inputs });
  const bytes = packBytes(store);
  expect(bytes).toBeGreaterThan(4 * 4 * 64 * 3 * 64);
  await model.trainStep(batch, options);
  expect(packBytes(store)).toBe(bytes);
  await model.trainStep(batch, options);
  expect(packBytes(store)).toBe(0);
  // Frozen, a layer is read only.
  model.freeze('1');
  await model.trainStep(batch, options);
  await model.trainStep(batch, options);
  expect(packBytes(store)).toBeGreaterThan(bytes);
  model.dispose();
});

test('an arena holds the packs of a step where its values are not alive', () => {
  const builder = new ProgramBuilder();
  const input = builder.input('x', float32('T', 'B', 64));
  const names = ['first', 'second'];
  const weights = names.map((name) => builder.state(name, float32(64, 64)));
  const hidden = weights.reduce((y, weight) => builder.emit(linear, { x: y, weight, bias: null }, {}).y, input);
  builder.output('y', hidden);
  names.forEach((name, index) =>
    builder.setNext(
      name,
      builder.commit(() => builder.emit(add, { a: weights[index]!, b: weights[index]! }, {}).y),
    ),
  );
  // [64, 64] is 16 KB, and so is its pack. Alive at once: y of the first, or the second's pack, or both next weights.
  const executable = native.prepare(builder.finish(), { T: 1, B: 1, S: 1 });
  expect(arenaBytes(executable)).toBeLessThan(2 * 16_384 + 1024);
});

test('a step that fails for want of finite numbers leaves packs as they should be', async () => {
  const model = newModel();
  const { store } = model.network;
  const options = { loss: crossEntropy(), optimizer: adam({ lr: 0.01 }) };
  await model.trainStep(batch, options);
  const weight = [...store.states.keys()].find((name) => name.includes('weight_hh'))!;
  const values = (await store.read(weight)).slice();
  const expected = await model.predict({ inputs: batch.inputs });
  store.write(weight, new Float32Array(values.length).fill(NaN));
  await expect(model.trainStep(batch, options)).rejects.toThrow(NonFiniteError);
  await expect(model.trainStep(batch, options)).rejects.toThrow(NonFiniteError);
  store.write(weight, values);
  expect(await model.predict({ inputs: batch.inputs })).toEqual(expected);
});
