import {
  adam,
  attentionLstm,
  crossEntropy,
  embedding,
  gru,
  type Inputs,
  linear,
  lstm,
  meanSquaredError,
  Module,
  quantileHead,
  residual,
  sequential,
  slstm,
  studentTHead,
  type Batch,
  type Layer,
  type Loss,
} from '../../lib';
import { plan } from '../../lib/program/plan';
import type { Program } from '../../lib/program/program';
import type { Counts } from '../../lib/ops/shape';
import { prepareBatch } from '../../lib/train/batch';
import { writeStep } from '../../lib/train/step';

/** How much larger than what is alive at the worst moment an arena may be. */
const most = 1.1;

const symbols = 96;
const tokens = (B: number, T: number) => ({ data: new Int32Array(B * T), shape: [B, T] });
const floats = (...shape: number[]) => ({ data: new Float32Array(shape.reduce((a, b) => a * b)), shape });

class Attending extends Module {
  override readonly inputShapes = { memory: ['B', 'S', 48] } as const;
  readonly layer = attentionLstm(32, { score: 'additive' });
  readonly out = linear(3);
  override forward({ x, memory }: Inputs<'x' | 'memory'>) {
    return this.out(this.layer(x, { memory }).output);
  }
}

interface Training {
  readonly model: Module;
  readonly batch: Batch;
  readonly loss?: Loss;
  readonly S?: number;
}

const [B, T] = [16, 50];
const characters = { inputs: tokens(B, T), targets: tokens(B, T) };
const series = { inputs: floats(B, T, 64), targets: floats(B, T, 3) };
const horizon = { inputs: floats(B, T, 8), targets: floats(B, 28, 1) };
const layers = (...all: Layer[]) => sequential(all, { backend: 'reference' });

const characterModel = (...middle: Layer[]): Training => ({
  model: layers(embedding(symbols, 64), ...middle, linear(symbols)),
  batch: characters,
  loss: crossEntropy(),
});
const regression = (...middle: Layer[]): Training => ({
  model: layers(...middle, linear(3)),
  batch: series,
  loss: meanSquaredError(),
});

const trainings: Readonly<Record<string, () => Training>> = {
  'one LSTM layer': () => regression(lstm(48)),
  'three stacked layers with dropout': () => regression(lstm(48, { numLayers: 3, dropout: 0.2 })),
  'two bidirectional layers': () => regression(lstm(64, { numLayers: 2, bidirectional: true })),
  'an LSTM with every option': () =>
    regression(
      lstm(64, {
        layerNorm: true,
        zoneout: 0.1,
        inputDropout: 0.1,
        recurrentDropout: 0.1,
        weightDrop: 0.1,
        projSize: 32,
      }),
    ),
  'GRU and sLSTM with residuals': () => regression(residual(gru(64)), residual(slstm(64, { numHeads: 4 }))),
  'a character model': () => characterModel(lstm(64)),
  'a character model of two layers': () => characterModel(lstm(48, { numLayers: 2, dropout: 0.3 })),
  'a quantile head': () => ({
    model: layers(lstm(64), quantileHead([0.1, 0.5, 0.9], { horizon: 28 })),
    batch: horizon,
  }),
  'a Student t head': () => ({ model: layers(lstm(64), studentTHead({ horizon: 28 })), batch: horizon }),
  attention: () => ({
    model: new Attending({ backend: 'reference' }),
    batch: { inputs: { x: floats(B, T, 64), memory: floats(B, 32, 48) }, targets: floats(B, T, 3) },
    loss: meanSquaredError(),
    S: 32,
  }),
};

function stepOf({ model, batch, loss }: Training): Program {
  model.bind(batch);
  const { inputSignature, supervisionSignature } = prepareBatch(batch, model.readings());
  const mode = { training: true, recurrentState: 'zero' } as const;
  const objective = { loss: loss ?? model.defaultLoss()! };
  return writeStep(model.network, inputSignature, supervisionSignature, mode, objective, {
    optimizer: adam(),
    clipNorm: 1,
  }).program;
}

describe('the arena of a training step is within a tenth of what is alive at its worst equation', () => {
  test.each(Object.keys(trainings))('%s', (name) => {
    const training = trainings[name]!();
    const program = stepOf(training);
    for (const capacities of capacitiesOf(training)) {
      const { arenaBytes, liveBytes } = plan(program, capacities);
      expect(arenaBytes).toBeGreaterThanOrEqual(liveBytes);
      expect(arenaBytes / liveBytes).toBeLessThanOrEqual(most);
    }
  });
});

/** Of few numbers and of many, since the largest value is another one. */
const capacitiesOf = ({ S = 1 }: Training): Counts[] => [
  { T: 1, B: 1, S },
  { T, B, S },
  { T: 400, B: 3, S },
  { T: 5, B: 256, S },
];
