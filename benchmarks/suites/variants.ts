/**
 * What an option of the LSTM or another cell costs: a training step of each, and one of the plain LSTM of the same size,
 * in turn. `time` is the median ratio of the two, `operations` that of their multiplies, `limit` what `time` should
 * not exceed. A row over its limit fails nothing.
 *
 * A projection takes multiplies away, and cells and their memory not: beside it runs a plain LSTM of the same H with as many
 * multiplies, from a narrower input, which it should not be slower than.
 */
import { attentionLstm, gru, lstm, rnn, slstm, type AttentionScore, type LstmOptions } from '../../lib';
import { measurePeak } from '../../lib/backend/native/native';
import { operationsOf, type LayerSize } from '../lstmLayer';
import type { Setting } from '../contest';
import { alternate, medianRatio } from '../measure';
import { RecurrentStep, type RecurrentLayer } from '../recurrentStep';
import { rowBesidePeak, type Row, type Rows } from '../report';

const sizes: readonly LayerSize[] = [128, 256, 512].map((H) => ({ T: 50, B: 32, I: H, H }));

/** The least for a row: a few rounds of the smallest size would all fall into one mood of a shared machine. */
const secondsOfRow = 3;

interface Variant {
  readonly name: string;
  readonly layer: (size: LayerSize) => RecurrentLayer;
  /** The largest ratio of times. `timesPeak`: that many times what the multiplies take at peak. */
  readonly limit?: number | 'plain of as many multiplies' | { readonly timesPeak: number };
  /** Multiplies of a row's step in the forward pass, where they are not the LSTM's. */
  readonly multiplies?: (size: LayerSize) => number;
  /** Rows of different lengths. */
  readonly ragged?: boolean;
  /** [S, D]: what each row attends to. */
  readonly memory?: (size: LayerSize) => readonly [number, number];
}

const gates =
  (count: number) =>
  ({ I, H }: LayerSize) =>
    count * H * (I + H);

const option = (name: string, limit: Variant['limit'], options: LstmOptions): Variant => ({
  name,
  limit,
  layer: ({ H }) => lstm(H, options),
});

const slots = 32;

/** An LSTM whose every step attends to 32 slots of its own size. Their keys and values are made once, for all steps. */
const attention = (score: AttentionScore): Variant => ({
  name: `attention, ${score}`,
  limit: { timesPeak: 2 },
  layer: ({ H }) => {
    const layer = attentionLstm(H, { score });
    return (x, { memory, ...call }) => layer(x, { memory: memory!, ...call });
  },
  memory: ({ H }) => [slots, H],
  multiplies: (size) => {
    const { T, H } = size;
    const query = score === 'additive' ? H * H : 0;
    return gates(4)(size) + query + 2 * slots * H + (2 * slots * H * H) / T;
  },
});

const half = ({ H }: LayerSize) => H / 2;

const entries: readonly Variant[] = [
  option('peepholes', 1.15, { peepholes: true }),
  option('coupled gates', 1.15, { coupledGates: true }),
  option('cell clip', 1.15, { cellClip: 3 }),
  option('gate clip', 1.15, { gateClip: 3 }),
  option('zoneout', 1.15, { zoneout: 0.1 }),
  option('weight drop', 1.15, { weightDrop: 0.3 }),
  option('variational dropout', 1.15, { inputDropout: 0.3, recurrentDropout: 0.3 }),
  {
    name: 'projection to H/2',
    limit: 'plain of as many multiplies',
    layer: (size) => lstm(size.H, { projSize: half(size) }),
    multiplies: (size) => 4 * size.H * (size.I + half(size)) + half(size) * size.H,
  },
  option('layer norm', 1.35, { layerNorm: true }),
  {
    ...option('full gate recurrence', undefined, { fullGateRecurrence: true }),
    multiplies: (size) => gates(4)(size) + 9 * size.H ** 2,
  },
  { name: 'gru', limit: 0.85, layer: ({ H }) => gru(H), multiplies: gates(3) },
  { name: 'gru, reset before', limit: 0.85, layer: ({ H }) => gru(H, { resetAfter: false }), multiplies: gates(3) },
  { name: 'rnn', layer: ({ H }) => rnn(H), multiplies: gates(1) },
  {
    name: 'slstm, 4 heads',
    layer: ({ H }) => slstm(H, { numHeads: 4 }),
    multiplies: ({ I, H }) => 4 * H * (I + H / 4),
  },
  attention('multiplicative'),
  attention('additive'),
  { name: 'ragged', limit: 0.6, layer: ({ H }) => lstm(H), ragged: true },
];

/** Uniform in 1..T, in no order. B quantiles rather than draws, so that the sum is what it is on average. */
export function uniformLengths({ T, B }: Pick<LayerSize, 'T' | 'B'>): number[] {
  // 19 has no factor in common with the batch sizes here: each quantile comes once.
  return Array.from({ length: B }, (_, b) => Math.ceil((((b * 19) % B) + 0.5) * (T / B)));
}

function operationsOfVariant({ multiplies = gates(4), ragged }: Variant, size: LayerSize): number {
  const { T, B } = size;
  const steps = ragged ? uniformLengths(size).reduce((sum, length) => sum + length, 0) : T * B;
  return 3 * 2 * steps * multiplies(size);
}

export async function* variants({ rounds, wanted }: Setting): Rows {
  for (const size of sizes) {
    for (const variant of entries) {
      const name = `${variant.name}, H ${size.H}`;
      if (wanted(name)) yield await measureRow(name, variant, size, rounds);
    }
  }
}

/** The size of a plain LSTM with as many multiplies. */
function sizeOfAsMany({ multiplies = gates(4) }: Variant, size: LayerSize): LayerSize {
  return { ...size, I: multiplies(size) / (4 * size.H) - size.H };
}

async function measureRow(name: string, variant: Variant, size: LayerSize, rounds: number): Promise<Row> {
  const { layer, ragged, memory, limit } = variant;
  const plain = new RecurrentStep({ layer: lstm(size.H), size });
  const varied = new RecurrentStep({
    layer: layer(size),
    size,
    ...(ragged && { lengths: uniformLengths(size) }),
    ...(memory && { memory: memory(size) }),
  });
  const asMany =
    limit === 'plain of as many multiplies'
      ? new RecurrentStep({ layer: lstm(size.H), size: sizeOfAsMany(variant, size) })
      : undefined;
  const contenders = { peak: measurePeak, plain: plain.time, seconds: varied.time, asMany: asMany?.time };
  const samples = await alternate(contenders, rounds, secondsOfRow);
  for (const step of [plain, varied, asMany]) step?.dispose();
  const operations = operationsOfVariant(variant, size);
  const row = rowBesidePeak({ suite: 'variants', case: name, pass: 'train' }, operations, samples);
  const time = medianRatio(samples.seconds, samples.plain);
  const figures = { time, operations: operations / operationsOf(size, 'train') };
  if (asMany) return { ...row, figures: { ...figures, limit: time / medianRatio(samples.seconds, samples.asMany) } };
  return { ...row, figures: { ...figures, ...limitOf(limit, time, row) } };
}

/** As a ratio of times, whatever it is given as. */
function limitOf(limit: Variant['limit'], time: number, { rooflinePercent }: Row): { readonly limit?: number } {
  if (typeof limit === 'number') return { limit };
  return typeof limit === 'object' ? { limit: limit.timesPeak * time * (rooflinePercent / 100) } : {};
}
