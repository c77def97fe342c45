/** Properties of every recurrent layer, whatever its options: drawn at random, with all that stands around it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import {
  getThreads,
  load,
  meanSquaredError,
  OptionError,
  setThreads,
  sgd,
  verify,
  vjp,
  type Batch,
  type ModuleOptions,
  type Session,
} from '../../lib';
import type { ArrayView, Backend } from '../../lib/backend/backend';
import { anyBatch, anyLayer, AnyModel, batchFor, type AnyLayer } from '../support/anyLayer';
import { eachBackend } from '../support/eachBackend';
import { noise } from '../support/models';
import { expectTrainingGradients } from '../support/trainingGradients';

type Arrays = Readonly<Record<string, ArrayView>>;

/** Rows [begin, end) along an axis. */
function cut({ data, shape }: ArrayView, axis: number, begin: number, end: number): ArrayView {
  const width = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
  const kept = (data as Float32Array).filter((_, k) => {
    const place = Math.floor(k / width) % shape[axis]!;
    return place >= begin && place < end;
  });
  return { data: kept, shape: shape.map((size, k) => (k === axis ? end - begin : size)) };
}

/** Row b alone, without its padding; null where nothing is left of it. */
function rowOf({ inputs, lengths }: Batch, b: number): Arrays | null {
  const { x, ...others } = inputs as Arrays;
  const own = Object.fromEntries(Object.entries(others).map(([name, value]) => [name, cut(value, 0, b, b + 1)]));
  const length = lengths ? lengths.data[b]! : x!.shape[1]!;
  return length === 0 ? null : { x: cut(cut(x!, 0, b, b + 1), 1, 0, length), ...own };
}

/** What a session gives for each step of one row. */
function streamed(session: Session, { x, ...others }: Arrays, begin = 0, end = x!.shape[1]!): number[][] {
  return Array.from({ length: end - begin }, (_, k) => {
    const step = { x: cut(x!, 1, begin + k, begin + k + 1), ...others };
    return [...session.step<Float32Array>(step)];
  });
}

/** Sizes on both sides of a vector's, and small ones for finite differences. */
const layers = anyLayer(2, 3, 5, 8, 9, 12, 17, 33);
const batches = anyBatch(1, 2, 5, 7, 13);
const small = { layers: anyLayer(2, 3, 4), batches: anyBatch(1, 2, 3) };

const isStepped = ({ options: { output = 'sequence', bidirectional = false } }: AnyLayer) =>
  !bidirectional && (output === 'sequence' || output === 'last');
const modelOf = (drawn: AnyLayer, backend: Backend['name'], seed = 3) => new AnyModel(drawn, { backend, seed });

test('every equation of a training step is the same on both backends', async () => {
  const property = fc.asyncProperty(layers, batches, async (drawn, size) => {
    const { ok, worst } = await verify(modelOf(drawn, 'native'), batchFor(drawn, size));
    expect(ok ? null : worst).toBeNull();
  });
  await fc.assert(property, { numRuns: 80, seed: 1 });
}, 120_000);

test('a training step descends along finite differences, what is drawn in it held still', async () => {
  const property = fc.asyncProperty(small.layers, small.batches, (drawn, size) =>
    expectTrainingGradients(modelOf(drawn, 'reference'), batchFor(drawn, size)),
  );
  await fc.assert(property, { numRuns: 200, seed: 2 });
}, 120_000);

test('what is frozen stays as it is, and changes no bit of the rest', async () => {
  const property = fc.asyncProperty(layers, batches, fc.infiniteStream(fc.boolean()), async (drawn, size, coins) => {
    const batch = batchFor(drawn, size);
    const stepped = async (freeze: (paths: readonly string[]) => readonly string[]) => {
      const model = modelOf(drawn, 'native').bind(batch);
      const frozen = freeze(model.parameters().map(({ path }) => path));
      for (const path of frozen) model.freeze(path);
      const before = await model.stateDict();
      await model.trainStep(batch, { loss: meanSquaredError(), optimizer: sgd({ lr: 1 }) });
      return { frozen, before, after: await model.stateDict() };
    };
    // The head's bias learns, so that something does.
    const { frozen, before, after } = await stepped((paths) =>
      paths.filter((path) => path !== 'head.bias' && coins.next().value),
    );
    const { after: whole } = await stepped(() => []);
    const expected = Object.keys(whole).map((path) => [path, (frozen.includes(path) ? before : whole)[path]]);
    expect(Object.entries(after)).toEqual(expected);
  });
  await fc.assert(property, { numRuns: 80, seed: 7 });
}, 120_000);

test('threads change no bit of the weights after training', async () => {
  const before = getThreads();
  const property = fc.asyncProperty(layers, batches, fc.constantFrom(2, 3, 8), async (drawn, size, threads) => {
    const trained = async (count: number) => {
      setThreads(count);
      const model = modelOf(drawn, 'native');
      const options = { loss: meanSquaredError(), optimizer: sgd({ lr: 0.1 }), clipNorm: 1 };
      for (let step = 0; step < 2; step++) await model.trainStep(batchFor(drawn, size), options);
      return model.stateDict();
    };
    expect(await trained(threads)).toEqual(await trained(1));
  });
  try {
    await fc.assert(property, { numRuns: 60, seed: 3 });
  } finally {
    setThreads(before);
  }
}, 120_000);

eachBackend((backend) => {
  test('carried over its parts, a sequence has the loss of the whole', async () => {
    const property = fc.asyncProperty(layers, async (drawn) => {
      if (!isStepped(drawn) || drawn.options.output === 'last') return;
      const whole = batchFor(drawn, { B: 2, T: 6, S: 4, ragged: false });
      const { x, ...others } = whole.inputs as Arrays;
      const part = (begin: number, end: number): Batch => ({
        inputs: { x: cut(x!, 1, begin, end), ...others },
        targets: cut(whole.targets as ArrayView, 1, begin, end),
      });
      const parts = [part(0, 2), part(2, 4), part(4, 6)];
      const model = modelOf(drawn, backend);
      const loss = meanSquaredError();
      const { loss: one } = await model.bind(whole).evaluate([whole], { loss });
      expect((await model.evaluate(parts, { loss, carryState: true })).loss).toBeCloseTo(one, 5);
    });
    await fc.assert(property, { numRuns: 60, seed: 6 });
  }, 120_000);

  test('what each step did and felt is finite, 0 past a length, and changes no bit of the rest', async () => {
    const property = fc.asyncProperty(layers, batches, async (drawn, size) => {
      const batch = batchFor(drawn, size);
      const model = modelOf(drawn, backend).bind(batch);
      const { shape } = await model.predict(batch);
      const cotangent = noise(8, ...shape);
      const { perStep, ...rest } = await vjp(model, batch, cotangent, { backend, perStep: true });
      expect({ ...rest, perStep: {} }).toEqual(await vjp(model, batch, cotangent, { backend }));
      const { numLayers = 1, bidirectional = false } = drawn.options;
      expect(Object.keys(perStep)).toHaveLength(numLayers * (bidirectional ? 2 : 1));
      for (const [place, arrays] of Object.entries(perStep)) {
        expect([place, Object.keys(arrays)]).toEqual([
          place,
          expect.arrayContaining(['hidden', 'gates', 'dgates', 'dh']),
        ]);
        for (const [
          name,
          {
            data,
            shape: [B, T],
          },
        ] of Object.entries(arrays)) {
          const width = data.length / (B! * T!);
          const isPast = (k: number) =>
            batch.lengths && Math.floor(k / width) % T! >= batch.lengths.data[Math.floor(k / width / T!)]!;
          const wrong = Array.from(data).filter((value, k) => (isPast(k) ? value !== 0 : !Number.isFinite(value)));
          expect([place, name, wrong]).toEqual([place, name, []]);
        }
      }
    });
    await fc.assert(property, { numRuns: 40, seed: 8 });
  }, 120_000);

  test('a row has the bits that it has alone, without padding', async () => {
    const property = fc.asyncProperty(layers, batches, async (drawn, size) => {
      const model = modelOf(drawn, backend);
      const batch = batchFor(drawn, size);
      const whole = await model.predict(batch);
      for (const b of new Set([0, size.B >> 1, size.B - 1])) {
        const row = rowOf(batch, b);
        if (!row) continue;
        const alone = await model.predict({ inputs: row });
        const own = cut(whole, 0, b, b + 1);
        const expected = whole.shape.length === 3 ? cut(own, 1, 0, row.x!.shape[1]!) : own;
        expect(alone).toEqual(expected);
      }
    });
    await fc.assert(property, { numRuns: 40, seed: 4 });
  }, 120_000);

  test('a model that is loaded predicts and streams the same bits, and takes up the state of the other', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'any-layer-'));
    const path = join(folder, 'model.safetensors');
    const property = fc.asyncProperty(layers, async (drawn) => {
      const batch = batchFor(drawn, { B: 3, T: 5, S: 4, ragged: true });
      const model = modelOf(drawn, backend).bind(batch);
      await model.trainStep(batch, { loss: meanSquaredError(), optimizer: sgd({ lr: 0.1 }) });
      await model.save(path);
      const modules = { AnyModel: (options: ModuleOptions) => new AnyModel(drawn, options) };
      const loaded = await load(path, { backend, modules });
      const exact = backend === 'native';
      if (exact) expect(await loaded.predict(batch)).toEqual(await model.predict(batch));
      if (!isStepped(drawn)) {
        expect(() => model.session()).toThrow(OptionError);
        return;
      }
      const row = rowOf(batchFor(drawn, { B: 1, T: 6, S: 4, ragged: false }), 0)!;
      const { data } = (await loaded.predict({ inputs: row })) as ArrayView;
      const [one, other] = [loaded.session(), (exact ? model : loaded).session()];
      const steps = streamed(one, row);
      expect(drawn.options.output === 'last' ? steps.at(-1) : steps.flat()).toEqual([...(data as Float32Array)]);
      one.reset();
      streamed(one, row, 0, 4);
      other.importState(one.exportState());
      expect(streamed(other, row, 4)).toEqual(steps.slice(4));
    });
    try {
      await fc.assert(property, { numRuns: 40, seed: 5 });
    } finally {
      rmSync(folder, { recursive: true });
    }
  }, 120_000);
});
