/**
 * A whole training step as users take it, `model.trainStep`: embedding, one LSTM layer, linear, cross-entropy, clipping, Adam.
 * `charactersPerSecond` are those of the batch; `otherShare` is what is left of the step beside the LSTM's own training
 * step, timed in turn with it, and the multiplies of the output layer at the peak, over the whole step: embedding, loss,
 * optimizer, JavaScript, and what the output layer takes longer than at the peak. The LSTM's own step is that of
 * `LstmLayer`: in it are the packing of its weights, the norm of its gradients and a plain update.
 */
import { adam, crossEntropy, embedding, linear, lstm, sequential } from '../../lib';
import { measurePeak } from '../../lib/backend/native/native';
import { contest, type Contest, type Setting } from '../contest';
import { LstmLayer, operationsOf } from '../lstmLayer';
import { alternate, median, medianRatio } from '../measure';
import type { Rows } from '../report';

const shape = { T: 64, B: 32, I: 64, H: 256, V: 96 };
const { T, B, I, H, V } = shape;

export async function* endToEnd(setting: Setting): Rows {
  const name = `E ${I}, H ${H}, V ${V}, T ${T}, B ${B}`;
  if (!setting.wanted(name)) return;
  const row = await contest(languageModel(name), setting);
  const figures = { charactersPerSecond: (T * B) / (row.ms / 1e3), otherShare: await otherShare(setting) };
  yield { ...row, figures };
}

const outputOperations = 3 * 2 * T * B * H * V;

/** Whole numbers without a pattern, the same in every run. */
const symbols = (begin: number) =>
  Int32Array.from({ length: B * T }, (_, k) => ((k + begin) * 7919 + ((k * k) % 13)) % V);

function trainer() {
  const model = sequential([embedding(V, I), lstm(H), linear(V)], { seed: 1 });
  const batch = {
    inputs: { data: symbols(0), shape: [B, T] },
    targets: { data: symbols(1), shape: [B, T] },
  };
  model.bind(batch);
  const options = { loss: crossEntropy(), optimizer: adam({ lr: 1e-3 }), clipNorm: 1 };
  return { model, batch, step: () => model.trainStep(batch, options) };
}

function languageModel(name: string): Contest {
  const { model, batch, step } = trainer();
  const first = model.evaluate([batch], { loss: crossEntropy() });
  return {
    suite: 'end-to-end',
    case: name,
    pass: 'train',
    operations: operationsOf(shape, 'train') + outputOperations,
    traffic: { bytes: 16 * H * H, times: 2 * T },
    asked: { kind: 'language model', shape },
    async inputs() {
      const path = { embedding: '0.weight', linear_weight: '2.weight', linear_bias: '2.bias' };
      const fresh = trainer().model;
      const parameters = await fresh.stateDict();
      const lstmNames = ['weight_ih', 'weight_hh', 'bias_ih', 'bias_hh'].map((one) => [one, `1.${one}_l0`] as const);
      const named = [...Object.entries(path), ...lstmNames];
      const floats = named.map(([one, at]) => [one, parameters[at]!.data as Float32Array] as const);
      return {
        ...Object.fromEntries(floats),
        tokens: Float32Array.from(batch.inputs.data),
        targets: Float32Array.from(batch.targets.data),
      };
    },
    outputs: async () => ({ loss: Float32Array.of((await first).loss) }),
    async time(count) {
      await first; // the loss at the parameters that the peers are given
      const begin = performance.now();
      for (let k = 0; k < count; k++) await step();
      return (performance.now() - begin) / 1e3 / count;
    },
    dispose: () => model.dispose(),
  };
}

async function otherShare({ rounds }: Setting): Promise<number> {
  const { model, step } = trainer();
  const layer = new LstmLayer(shape, 'train');
  const timed = (work: () => Promise<unknown>) => async () => {
    const begin = performance.now();
    await work();
    return (performance.now() - begin) / 1e3;
  };
  const samples = await alternate({ peak: measurePeak, layer: () => layer.time(), whole: timed(step) }, rounds);
  layer.dispose();
  model.dispose();
  const output = outputOperations / median(samples.peak) / median(samples.whole);
  return 1 - medianRatio(samples.layer, samples.whole) - output;
}
