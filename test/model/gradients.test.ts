/** Every gradient of a whole model against finite differences, in float64. */
import { add, crossEntropy, embedding, linear, lstm, Module, sgd, vjp, type Inputs } from '../../lib';
import { dot, expectGradients, pick, type Arrays } from '../support/modelGradients';
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
