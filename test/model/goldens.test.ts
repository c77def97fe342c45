import {
  adagrad,
  adam,
  adamW,
  cosine,
  crossEntropy,
  embedding,
  linear,
  lstm,
  meanSquaredError,
  Module,
  oneCycle,
  rmsprop,
  sgd,
  vjp,
  type Inputs,
} from '../../lib';
import type { Variable } from '../../lib';
import {
  float64Tensor,
  goldens,
  int32Tensor,
  mapTensors,
  type GradientCase,
  type TrajectoryCase,
} from '../support/goldens';

type BackendName = 'native' | 'reference';

function relativeError(received: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(received.length).toBe(expected.length);
  let difference = 0;
  let norm = 0;
  for (let index = 0; index < expected.length; index++) {
    difference += (received[index]! - expected[index]!) ** 2;
    norm += expected[index]! ** 2;
  }
  return Math.sqrt(difference) / (Math.sqrt(norm) || 1);
}

function expectClose(name: string, received: ArrayLike<number>, expected: ArrayLike<number>, bound: number): void {
  const error = relativeError(received, expected);
  expect({ name, error, close: error <= bound }).toEqual({ name, error, close: true });
}

const stateShape = ['L', 'B', 'H'];

/** What the gradient cases are about: `nn.LSTM` with its initial state among the inputs. */
class BareLstm extends Module {
  override readonly inputShapes = { h_0: stateShape, c_0: stateShape };
  private readonly layer;

  constructor({ config }: GradientCase, backend: BackendName) {
    super({ backend });
    const { hiddenSize, numLayers, bidirectional, projSize } = config;
    this.layer = lstm(hiddenSize, { numLayers, bidirectional, projSize });
  }

  override forward({ input, h_0, c_0, lengths }: Inputs<'input' | 'h_0' | 'c_0' | 'lengths'>) {
    const { output, hiddenState, cellState } = this.layer(input, {
      lengths,
      initialState: { hiddenState: h_0, cellState: c_0 },
    });
    return { output, h_n: hiddenState, c_n: cellState };
  }
}

/** The largest |value| error allowed: relative 1e-10 in float64; float32 rounding over the chain otherwise. */
const gradientBound = { reference: 1e-10, native: 1e-5 };

describe.each(['reference', 'native'] as const)('gradients of PyTorch, %s backend', (backend) => {
  const cases = goldens('gradient').flatMap((golden) =>
    Object.keys(golden.gradients).map((loss) => [golden.case, loss, golden] as const),
  );

  test.each(cases)('%s with the loss on %s', async (_, loss, golden) => {
    const model = new BareLstm(golden, backend);
    const { input, h_0, c_0 } = mapTensors(golden.inputs, float64Tensor);
    const inputs = { input: input!, h_0: h_0!, c_0: c_0! };
    const { lengths } = golden.config;
    const batch = lengths
      ? { inputs, lengths: { data: Int32Array.from(lengths), shape: [lengths.length] } }
      : { inputs };
    model.bind(batch);
    await model.loadStateDict(
      Object.fromEntries(
        Object.entries(mapTensors(golden.parameters, float64Tensor)).map(([name, t]) => [`layer.${name}`, t]),
      ),
    );
    const seeds = Object.entries(mapTensors(golden.cotangents, float64Tensor)).filter(
      ([name]) => loss === 'all' || name === loss,
    );
    const { outputs, gradients } = await vjp(model, batch, Object.fromEntries(seeds), { backend });
    for (const [name, expected] of Object.entries(golden.outputs)) {
      expectClose(name, outputs[name]!.data, expected.data, gradientBound[backend]);
    }
    for (const [name, expected] of Object.entries(golden.gradients[loss]!)) {
      const received = gradients[name] ?? gradients[`layer.${name}`];
      const zeros = expected.data.every((value) => value === 0);
      if (!received) expect([name, zeros]).toEqual([name, true]);
      else expectClose(name, received.data, expected.data, gradientBound[backend]);
    }
    model.dispose();
  });
});

class Trajectory extends Module {
  override readonly inputShapes = { h_0: stateShape, c_0: stateShape };
  private readonly embedding;
  private readonly lstm;
  private readonly head;

  constructor({ config }: TrajectoryCase, backend: BackendName) {
    super({ backend });
    const { hiddenSize, numLayers, bidirectional, vocabularySize, embeddingSize, outputSize } = config;
    this.embedding = embeddingSize ? embedding(vocabularySize!, embeddingSize) : null;
    this.lstm = lstm(hiddenSize, { numLayers, bidirectional });
    this.head = linear(outputSize ?? vocabularySize!);
  }

  override forward({ input, h_0, c_0 }: Inputs<'input'> & Partial<Inputs<'h_0' | 'c_0'>>): Variable {
    const x = this.embedding ? this.embedding(input) : input;
    const initialState = h_0 && c_0 ? { hiddenState: h_0, cellState: c_0 } : undefined;
    return this.head(this.lstm(x, { initialState }).output);
  }
}

const optimizers = { sgd, adagrad, rmsprop, adam, adamw: adamW };
const schedules = { cosine, oneCycle };

/** The optimizer of a case, its schedule in the place of the rate. */
function optimizerOf({ optimizer, schedule }: TrajectoryCase['config']) {
  const { name, groups, ...options } = optimizer;
  const lr = schedule ? schedules[schedule.name](options.lr!, schedule.options) : options.lr;
  return optimizers[name]({
    ...options,
    lr,
    groups: groups?.map(({ match, ...group }) => ({
      ...group,
      match: new RegExp(match),
      ...(group.lrFactor !== undefined && { lr: undefined }),
    })),
  });
}

describe.each(['reference', 'native'] as const)('trajectories of PyTorch, %s backend', (backend) => {
  const bound = backend === 'reference' ? 1e-10 : 1e-4;
  const cases = goldens('trajectory').filter(
    ({ dtype }) => dtype === (backend === 'reference' ? 'float64' : 'float32'),
  );

  test.each(cases.map((golden) => [golden.case, golden] as const))(
    '%s: every loss, gradient norm and final weight',
    async (_, golden) => {
      const { config } = golden;
      const model = new Trajectory(golden, backend);
      const options = {
        loss: config.loss === 'crossEntropy' ? crossEntropy({ ignoreIndex: config.ignoreIndex }) : meanSquaredError(),
        optimizer: optimizerOf(config),
        clipNorm: config.clipNorm,
        clipValue: config.clipValue,
        carryState: config.carryState,
      };
      const batches = golden.batches.map(({ target, ...inputs }) => {
        const integers = config.loss === 'crossEntropy' ? int32Tensor : float64Tensor;
        const { input, ...states } = inputs;
        return {
          inputs: { input: integers(input!), ...mapTensors(states, float64Tensor) },
          targets: integers(target!),
        };
      });
      model.bind(batches[0]!);
      await model.loadStateDict(mapTensors(golden.parameters, float64Tensor));
      for (let step = 0; step < golden.losses.length; step++) {
        const { loss, gradientNorm } = await model.trainStep(batches[step % batches.length]!, options);
        expect(Math.abs(loss / golden.losses[step]! - 1)).toBeLessThan(bound);
        expect(Math.abs(gradientNorm / golden.gradientNorms[step]! - 1)).toBeLessThan(bound);
      }
      const state = await model.stateDict();
      expect(Object.keys(state).sort()).toEqual(Object.keys(golden.finalParameters).sort());
      for (const [path, expected] of Object.entries(golden.finalParameters)) {
        expectClose(path, state[path]!.data, expected.data, bound);
      }
      model.dispose();
    },
  );
});
