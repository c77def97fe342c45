/** Every gradient of a whole model against finite differences, in float64. */
import { add, crossEntropy, embedding, linear, lstm, Module, sgd, vjp, type Inputs } from '../../lib';
import type { ArrayView } from '../../lib/backend/backend';
import { ints } from '../support/models';
import { Random } from '../support/random';

const [B, T, V, I, H, classes] = [3, 3, 5, 2, 3, 4];
const random = new Random(5);
const inputs = { tokens: random.integers(V, B, T), features: random.normal(B, T, I) };
const lengths = ints([3, 1, 2]);
const batch = {
  inputs,
  lengths,
  targets: random.integers(classes, B, T),
  weights: random.uniform(0.5, 2, B, T),
};

/** Embedding beside float features, then two bidirectional layers with lengths. */
class Whole extends Module {
  private readonly embed = embedding(V, 2);
  private readonly mix = linear(2);
  private readonly encoder = lstm(H, { numLayers: 2, bidirectional: true });
  private readonly head = linear(classes);

  override forward({ tokens, features, lengths }: Inputs<'tokens' | 'features' | 'lengths'>) {
    const x = add(this.embed(tokens), this.mix(features));
    const { output, hiddenState, cellState } = this.encoder(x, { lengths });
    return { output: this.head(output), hiddenState, cellState };
  }
}

type Arrays = Readonly<Record<string, ArrayView>>;
const step = 1e-6;

/** Compares the gradients with central differences of `loss`, element by element; every fifth one of long arrays. */
async function expectGradients(values: Arrays, gradients: Arrays, loss: (values: Arrays) => Promise<number>) {
  expect(Object.keys(gradients).sort()).toEqual(Object.keys(values).sort());
  for (const [name, value] of Object.entries(values)) {
    for (let index = 0; index < value.data.length; index += value.data.length > 20 ? 5 : 1) {
      const lossAt = (distance: number) => {
        const data = Float64Array.from(value.data, (element, k) => (k === index ? element + distance : element));
        return loss({ ...values, [name]: { data, shape: value.shape } });
      };
      const difference = ((await lossAt(step)) - (await lossAt(-step))) / (2 * step);
      const rule = gradients[name]!.data[index]!;
      const close = Math.abs(rule - difference) <= 1e-8 + 1e-5 * Math.abs(difference);
      if (!close) throw new Error(`${name}[${index}]: the rule gives ${rule}, the difference ${difference}`);
    }
  }
}

const dot = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a).reduce((sum, value, k) => sum + value * b[k]!, 0);

const pick = (values: Arrays, wanted: (name: string) => boolean): Arrays =>
  Object.fromEntries(Object.entries(values).filter(([name]) => wanted(name)));

test('a training step descends along the gradient of the weighted loss, for every parameter', async () => {
  const model = new Whole({ backend: 'reference', seed: 3 }).bind(batch);
  const loss = crossEntropy();
  const before = await model.stateDict();
  await model.trainStep(batch, { loss, optimizer: sgd({ lr: 1 }) });
  const after = await model.stateDict();
  const gradients = Object.fromEntries(
    Object.entries(before).map(([name, { data, shape }]) => [
      name,
      { data: Float64Array.from(data, (value, k) => value - after[name]!.data[k]!), shape },
    ]),
  );
  await expectGradients(before, gradients, async (parameters) => {
    await model.loadStateDict(parameters);
    return (await model.evaluate([batch], { loss })).loss;
  });
});

test('vjp gives the gradients of every parameter, float input and initial state', async () => {
  const model = new Whole({ backend: 'reference', seed: 4 }).bind(batch);
  const initialStates = Object.fromEntries(
    ['l0', 'l0_reverse', 'l1', 'l1_reverse'].flatMap((layer) =>
      ['h', 'c'].map((state) => [`initial/encoder.${state}_${layer}`, random.normal(B, H)]),
    ),
  );
  const cotangents: Arrays = {
    output: random.normal(B, T, classes),
    hiddenState: random.normal(4, B, H),
    cellState: random.normal(4, B, H),
  };
  const run = async (values: Arrays) => {
    await model.loadStateDict(pick(values, (name) => name !== 'features' && !name.startsWith('initial/')));
    return vjp(model, { inputs: { ...inputs, features: values.features! }, lengths }, cotangents, {
      backend: 'reference',
      initialStates: pick(values, (name) => name.startsWith('initial/')),
    });
  };
  const values = { ...(await model.stateDict()), features: inputs.features, ...initialStates };
  const { gradients } = await run(values);
  await expectGradients(values, gradients, async (moved) => {
    const { outputs } = await run(moved);
    return Object.entries(cotangents).reduce((sum, [name, { data }]) => sum + dot(data, outputs[name]!.data), 0);
  });
});
