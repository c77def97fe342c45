/** Every cell, stacked, in both directions and ragged: trainings and predictions, boiled down to digests of their bits. */
import { createHash } from 'node:crypto';
import { adam, meanSquaredError } from '../../lib';
import type { ArrayView } from '../../lib/backend/backend';
import { AnyModel, batchFor, type AnyLayer } from '../support/anyLayer';

const stacked = { numLayers: 2, bidirectional: true, dropout: 0.2 };
const everyLstmOption = {
  ...{ peepholes: true, coupledGates: true, layerNorm: true, fullGateRecurrence: true, projSize: 19 },
  ...{ cellClip: 0.8, gateClip: 1.5, zoneout: 0.2, recurrentDropout: 0.2, weightDrop: 0.2, inputDropout: 0.1 },
  learnInitialState: true,
} as const;
const regularized = { zoneout: 0.2, recurrentDropout: 0.2, weightDrop: 0.2 };
const kinds = {
  lstm: { cell: 'lstm', options: {} },
  'lstm with all of its options': { cell: 'lstm', options: everyLstmOption },
  'attending lstm, multiplicative': { cell: 'attentionLstm', options: {} },
  'attending lstm, additive, with all of its options': {
    cell: 'attentionLstm',
    options: { ...everyLstmOption, score: 'additive', attentionSize: 13 },
  },
  gru: { cell: 'gru', options: regularized },
  'gru with the reset gate before': { cell: 'gru', options: { ...regularized, resetAfter: false, gateClip: 0.9 } },
  'rnn with tanh': { cell: 'rnn', options: regularized },
  'rnn with relu': { cell: 'rnn', options: { ...regularized, nonlinearity: 'relu' } },
  slstm: { cell: 'slstm', options: { ...regularized, numHeads: 3 } },
  'slstm with an exponential forget gate': { cell: 'slstm', options: { forgetGate: 'exp' } },
} as const satisfies Record<string, Pick<AnyLayer, 'cell'> & { readonly options: object }>;
export type CellCase = keyof typeof kinds;
export const cellCases = Object.keys(kinds) as CellCase[];

const layerOf = (name: CellCase, options: object): AnyLayer =>
  ({ cell: kinds[name].cell, hiddenSize: 33, around: {}, options: { ...kinds[name].options, ...options } }) as AnyLayer;

function digest(arrays: Iterable<ArrayView>): string {
  const hash = createHash('sha256');
  for (const { data } of arrays) hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  return hash.digest('hex');
}

/** Of the weights after five steps. Small teams share a batch by rows, larger ones, or with few rows, by hidden units. */
export async function trainCell(name: CellCase, B: number): Promise<string> {
  const layer = layerOf(name, stacked);
  const model = new AnyModel(layer, { seed: 2 });
  const options = { loss: meanSquaredError(), optimizer: adam({ lr: 0.01 }), clipNorm: 0.5 };
  for (let step = 0; step < 5; step++)
    await model.trainStep(batchFor(layer, { B, T: 3 + (step % 3), S: 5, ragged: true }), options);
  const state = await model.stateDict();
  model.dispose();
  return digest(Object.values(state));
}

/** One row, in its batch, alone, and streamed. */
export async function predictCell(name: CellCase): Promise<Record<'inBatch' | 'alone' | 'streamed', string>> {
  const [B, T, row] = [17, 6, 9];
  const layer = layerOf(name, { numLayers: 2 });
  const model = new AnyModel(layer, { seed: 2 });
  const { inputs } = batchFor(layer, { B, T, S: 5, ragged: false }) as { inputs: Record<string, ArrayView> };
  const rowOf = ({ data, shape }: ArrayView): ArrayView => {
    const width = data.length / B;
    return { data: data.slice(row * width, (row + 1) * width), shape: [1, ...shape.slice(1)] };
  };
  const { x, ...others } = Object.fromEntries(Object.entries(inputs).map(([slot, value]) => [slot, rowOf(value)]));
  const whole = await model.predict({ inputs });
  const alone = await model.predict({ inputs: { x: x!, ...others } });
  const session = model.session();
  const width = x!.data.length / T;
  const streamed = Array.from({ length: T }, (_, t) => {
    const step = { data: x!.data.slice(t * width, (t + 1) * width), shape: [1, 1, width] };
    return { data: session.step({ x: step, ...others }).slice(), shape: [] };
  });
  session.dispose();
  model.dispose();
  return { inBatch: digest([rowOf(whole)]), alone: digest([alone]), streamed: digest(streamed) };
}
