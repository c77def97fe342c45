/**
 * What the suite `memory` runs in a fresh process: trains one of its models, and prints a `MemoryReport`. Resident
 * memory is read after the import of the library and after each step; the largest counts.
 */
import { adam, crossEntropy, embedding, linear, lstm, sequential } from '../lib';
import { measurePeak } from '../lib/backend/native/native';
import { elementCount } from '../lib/ops/shape';
import { bytesPerElement, plan } from '../lib/program/plan';
import { prepareBatch } from '../lib/train/batch';
import { writeStep } from '../lib/train/step';
import type { MemoryCase, MemoryReport } from './suites/memory';

const steps = 12;

/** A character model as in `end-to-end`, of any size. */
async function measure({ E, H, V, layers, T, B }: MemoryCase): Promise<MemoryReport> {
  // The team and what the addon holds for itself belong to the import.
  await measurePeak();
  globalThis.gc?.();
  const before = process.memoryUsage.rss();
  const model = sequential([embedding(V, E), lstm(H, { numLayers: layers }), linear(V)], { seed: 1 });
  const symbols = (begin: number) => ({
    data: Int32Array.from({ length: B * T }, (_, k) => ((k + begin) * 7919) % V),
    shape: [B, T],
  });
  const batch = { inputs: symbols(0), targets: symbols(1) };
  const options = { loss: crossEntropy(), optimizer: adam({ lr: 1e-3 }), clipNorm: 1 };
  let grown = 0;
  const seconds: number[] = [];
  const peak: number[] = [];
  for (let step = 0; step < steps; step++) {
    if (step > 1) peak.push(await measurePeak());
    const begin = performance.now();
    await model.trainStep(batch, options);
    if (step > 1) seconds.push((performance.now() - begin) / 1e3);
    grown = Math.max(grown, process.memoryUsage.rss() - before);
  }
  const { inputSignature, supervisionSignature } = prepareBatch(batch);
  const mode = { training: true, recurrentState: 'zero' } as const;
  const { program } = writeStep(model.network, inputSignature, supervisionSignature, mode, options, options);
  const { arenaBytes, liveBytes } = plan(program, { T, B, S: 1 });
  const bytesOf = (states: readonly { dtype: 'float32' | 'float64' | 'int32'; shape: readonly number[] }[]) =>
    states.reduce((sum, { dtype, shape }) => sum + elementCount(shape) * bytesPerElement[dtype], 0);
  const { store, parameters } = model.network;
  const states = [...store.states.values()];
  const parameterBytes = bytesOf(states.filter(({ name }) => parameters.has(name)));
  return {
    grown,
    arenaBytes,
    liveBytes,
    parameterBytes,
    optimizerBytes: bytesOf(states) - parameterBytes,
    seconds,
    peak,
  };
}

void measure(JSON.parse(process.argv[2]!) as MemoryCase).then((report) => process.stdout.write(JSON.stringify(report)));
