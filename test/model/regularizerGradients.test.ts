/** What regularizes a recurrent layer in training: each alone and each pair, of every cell, against finite differences. */
import { meanSquaredError, sgd } from '../../lib';
import { AnyModel, batchFor, type AnyLayer } from '../support/anyLayer';
import { expectTrainingGradients } from '../support/trainingGradients';

const cells: Readonly<Record<string, { readonly cell: AnyLayer['cell']; readonly options: object }>> = {
  lstm: { cell: 'lstm', options: {} },
  'lstm with projection': { cell: 'lstm', options: { projSize: 2, peepholes: true } },
  'lstm with layer normalization and full gate recurrence': {
    cell: 'lstm',
    options: { layerNorm: true, fullGateRecurrence: true },
  },
  'attending lstm, multiplicative': { cell: 'attentionLstm', options: {} },
  'attending lstm, additive': { cell: 'attentionLstm', options: { score: 'additive' } },
  gru: { cell: 'gru', options: {} },
  'gru with the reset gate before': { cell: 'gru', options: { resetAfter: false } },
  'rnn with tanh': { cell: 'rnn', options: {} },
  'rnn with relu': { cell: 'rnn', options: { nonlinearity: 'relu' } },
  'slstm with heads': { cell: 'slstm', options: { numHeads: 2 } },
  'slstm with an exponential forget gate': { cell: 'slstm', options: { forgetGate: 'exp' } },
};

const regularizers: Readonly<Record<string, { readonly options?: object; readonly embeddingDropout?: number }>> = {
  'dropout between layers': { options: { dropout: 0.4 } },
  'one mask of the input for a sequence': { options: { inputDropout: 0.3 } },
  'one mask of the state for a sequence': { options: { recurrentDropout: 0.4 } },
  zoneout: { options: { zoneout: 0.3 } },
  'weight drop': { options: { weightDrop: 0.4 } },
  'embedding dropout': { embeddingDropout: 0.3 },
};
const names = Object.keys(regularizers);
const chosen = names.flatMap((a, k) => [[a], ...names.slice(k + 1).map((b) => [a, b])]);

/** With an embedding below, dropped or not. */
function layerOf(name: string, regularized: readonly string[]): AnyLayer {
  const { cell, options } = cells[name]!;
  const parts = regularized.map((part) => regularizers[part]!);
  const embeddingDropout = Math.max(0, ...parts.map((part) => part.embeddingDropout ?? 0));
  const all = parts.reduce((sum, part) => ({ ...sum, ...part.options }), options);
  return {
    ...{ cell, hiddenSize: 4, around: { embeddingDropout } },
    options: { numLayers: 2, bidirectional: true, ...all },
  };
}

const size = { B: 3, T: 3, S: 3, ragged: true };
const make = (layer: AnyLayer) => new AnyModel(layer, { backend: 'reference', seed: 6 });

describe.each(Object.keys(cells))('%s', (name) => {
  test.each(chosen.map((regularized) => [regularized.join(' with '), regularized] as const))(
    '%s: a training step descends along finite differences',
    async (_, regularized) => {
      const layer = layerOf(name, regularized);
      await expectTrainingGradients(make(layer), batchFor(layer, size));
    },
  );

  test.each(names)('%s acts in training, and differs from step to step', async (regularizer) => {
    const layers = [layerOf(name, []), layerOf(name, [regularizer])];
    const losses = await Promise.all(
      layers.map(async (layer) => {
        const model = make(layer);
        const batch = batchFor(layer, size);
        const options = { loss: meanSquaredError(), optimizer: sgd({ lr: 0 }) };
        return [await model.trainStep(batch, options), await model.trainStep(batch, options)].map(({ loss }) => loss);
      }),
    );
    const [[plain, again], [first, second]] = losses as [number[], number[]];
    expect(again).toBe(plain);
    expect(new Set([plain, first, second]).size).toBe(3);
  });
});
