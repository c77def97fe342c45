/**
 * One step of one stream through the public API, T 1 and B 1, I = H: `session.step` on the calling thread, and
 * `model.predict`, whose case says so: a brief one on the calling thread, too, unless --threads asks for more. Each step
 * begins at the state in which the last one ended; a prediction begins at zeros. Steps are measured on one thread, of the
 * peers too. `collections` are the garbage collections in 100,000 steps; from H 256 on, in 10,000.
 */
import { getThreads, lstm, sequential, setThreads, type Sequential } from '../../lib';
import { contest, type Contest, type Setting } from '../contest';
import { operationsOf, type LayerSize } from '../lstmLayer';
import { secondsOf } from '../measure';
import { collectionsDuring } from '../../test/support/collections';
import type { Row, Rows } from '../report';
import { measureBandwidths } from '../roofline';
import { numbers } from '../trainStep';

const sizes: readonly LayerSize[] = [64, 128, 256, 512, 1024].map((H) => ({ T: 1, B: 1, I: H, H }));

export async function* serving(setting: Setting): Rows {
  // Predictions first, on as many threads as are given: what asks for one thread asks for it for good.
  for (const call of ['predict', 'step'] as const) {
    for (const size of sizes) {
      const name = `H ${size.H}, ${call}`;
      if (!setting.wanted(name)) continue;
      const row = await (call === 'step' ? onOneThread : contest)(servingCase(name, size, call), setting);
      const figures = { microseconds: row.ms * 1e3, ...(call === 'step' && { collections: await collections(size) }) };
      yield { ...row, figures };
    }
  }
}

/** A step runs on the calling thread alone; so do those of the peers, and the roof is that of one thread. */
async function onOneThread(given: Contest, setting: Setting): Promise<Row> {
  const before = getThreads();
  setThreads(1);
  try {
    return await contest(given, { ...setting, bandwidths: await measureBandwidths() });
  } finally {
    setThreads(before);
  }
}

const manySteps = 100_000;

/** Garbage collections in many steps, after as many: a tenth of them for large layers, which take long. */
async function collections({ H }: LayerSize): Promise<number> {
  const model = sequential([lstm(H)], { seed: 1 });
  const x = numbers(H, 1);
  model.bind({ inputs: { data: x, shape: [1, 1, H] } });
  const session = model.session();
  const run = () => {
    for (let k = 0; k < (H > 128 ? manySteps / 10 : manySteps); k++) session.step(x);
  };
  run();
  const count = await collectionsDuring(run);
  session.dispose();
  model.dispose();
  return count;
}

function servingCase(name: string, size: LayerSize, call: 'step' | 'predict'): Contest {
  const { H } = size;
  const model = sequential([lstm(H)], { seed: 1 });
  const x = numbers(H, 1);
  const inputs = { data: x, shape: [1, 1, H] };
  model.bind({ inputs });
  return {
    suite: 'serving',
    case: name,
    pass: call === 'step' ? 'step' : 'infer',
    operations: operationsOf(size, 'infer'),
    traffic: { bytes: 4 * 8 * H * H, times: 1 },
    asked: { kind: 'layer', pass: call === 'step' ? 'step' : 'infer', shape: size },
    inputs: async () => ({ x, dy: new Float32Array(H), ...(await parametersOf(model)) }),
    outputs: async () => ({ y: (await model.predict({ inputs })).data }),
    time: call === 'step' ? stepTimes(model, x) : predictTimes(model, inputs),
    dispose: () => model.dispose(),
  };
}

function stepTimes(model: Sequential, x: Float32Array) {
  const session = model.session();
  return async (count: number) => {
    const begin = performance.now();
    for (let k = 0; k < count; k++) session.step(x);
    return (performance.now() - begin) / 1e3 / count;
  };
}

function predictTimes(model: Sequential, inputs: { readonly data: Float32Array; readonly shape: readonly number[] }) {
  return async (count: number) => {
    const run = async () => {
      for (let k = 0; k < count; k++) await model.predict({ inputs });
    };
    return (await secondsOf(run)) / count;
  };
}

async function parametersOf(model: Sequential): Promise<Record<string, Float32Array>> {
  const entries = Object.entries(await model.stateDict());
  return Object.fromEntries(
    entries.map(([path, { data }]) => [path.replace(/^0\./, '').replace(/_l0$/, ''), data as Float32Array]),
  );
}
