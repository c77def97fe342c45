import {
  crossEntropy,
  DataError,
  divide,
  embedding,
  linear,
  log,
  lstm,
  mean,
  meanSquaredError,
  Module,
  multiply,
  OptionError,
  sequential,
  sgd,
  ShapeError,
  square,
  subtract,
  sum,
  weightedMean,
  type Batch,
  type Inputs,
  type LossFunction,
  type Metrics,
  type Variable,
} from '../../lib';
import { eachBackend } from '../support/eachBackend';
import { copies, floats32, ints, languageModel, noise, Tagger, tokenBatch } from '../support/models';

const batch = tokenBatch(1, 3, 4);
const loss = crossEntropy();

/** −log p(target) of every position, from the model's own prediction. */
async function negativeLogLikelihoods(model: ReturnType<typeof languageModel>, { inputs, targets }: Batch) {
  const { data } = await model.predict({ inputs });
  return Array.from(targets!.data, (target, row) => {
    const logits = Array.from(data.slice(row * 7, row * 7 + 7));
    return Math.log(logits.reduce((total, logit) => total + Math.exp(logit), 0)) - logits[Math.max(target, 0)]!;
  });
}
const averaged = (values: number[], weights: ArrayLike<number>) => {
  const total = values.reduce((part, _, k) => part + weights[k]!, 0);
  return values.reduce((part, value, k) => part + weights[k]! * value, 0) / total;
};

eachBackend((backend) => {
  const model = languageModel({ backend, seed: 1 }).bind(batch);
  const lossOf = async (change: Partial<Batch>, of = loss) =>
    (await model.evaluate([{ ...batch, ...change }], { loss: of })).loss;
  // Six decimals: float32 rounding over a handful of terms of size 2.
  const digits = 5;

  test('cross-entropy is the mean over all targets', async () => {
    const each = await negativeLogLikelihoods(model, batch);
    expect(await lossOf({})).toBeCloseTo(averaged(each, new Array(12).fill(1) as number[]), digits);
  });

  test('weights count targets, one by one or by sequence', async () => {
    const each = await negativeLogLikelihoods(model, batch);
    const perTarget = noise(3, 3, 4).data.map(Math.abs);
    expect(await lossOf({ weights: floats32(perTarget, [3, 4]) })).toBeCloseTo(averaged(each, perTarget), digits);
    const perSequence = each.map((_, k) => [0.5, 2, 0][Math.floor(k / 4)]!);
    expect(await lossOf({ weights: floats32([0.5, 2, 0]) })).toBeCloseTo(averaged(each, perSequence), digits);
  });

  test('a target that is to be ignored counts nothing', async () => {
    const each = await negativeLogLikelihoods(model, batch);
    const counted = each.map((_, k) => (k % 3 === 0 ? 0 : 1));
    const targets = (index: number) => ({
      data: batch.targets!.data.map((target, k) => (counted[k] ? target : index)),
      shape: [3, 4],
    });
    expect(await lossOf({ targets: targets(-100) })).toBeCloseTo(averaged(each, counted), digits);
    const padded = crossEntropy({ ignoreIndex: -1 });
    expect(await lossOf({ targets: targets(-1) }, padded)).toBeCloseTo(averaged(each, counted), digits);
    await expect(lossOf({ targets: targets(-1) })).rejects.toThrow(
      'targets: expected integers in 0..6 or -100, received -1 at index 0',
    );
  });

  test('steps past a length count nothing, with weights and without', async () => {
    const lengths = ints([4, 1, 2]);
    const { data } = await model.predict({ inputs: batch.inputs, lengths });
    expect(data).toHaveLength(84);
    const each = await negativeLogLikelihoods(model, batch);
    const real = each.map((_, k) => (k % 4 < lengths.data[Math.floor(k / 4)]! ? 1 : 0));
    expect(await lossOf({ lengths })).toBeCloseTo(averaged(each, real), digits);
    const weights = noise(3, 3, 4).data.map(Math.abs);
    const both = real.map((value, k) => value * weights[k]!);
    expect(await lossOf({ lengths, weights: floats32(weights, [3, 4]) })).toBeCloseTo(averaged(each, both), digits);
  });

  test('weights that do not fit are refused, beside lengths too', async () => {
    for (const lengths of [undefined, ints([4, 1, 2])]) {
      await expect(lossOf({ lengths, weights: floats32([1, 2]) })).rejects.toThrow(ShapeError);
      await expect(lossOf({ lengths, weights: floats32(new Float32Array(15), [3, 5]) })).rejects.toThrow(ShapeError);
      await expect(lossOf({ lengths, weights: { data: new Float32Array(2), shape: [3] } })).rejects.toThrow(ShapeError);
    }
  });

  test('negative weights are refused', async () => {
    for (const lengths of [undefined, ints([4, 1, 2])])
      await expect(lossOf({ lengths, weights: floats32([1, 2, -1]) })).rejects.toThrow(
        'weights: expected numbers >= 0, received -1 at index 2',
      );
  });

  test('lengths out of range are refused, also by a network that reads none', async () => {
    const tokenwise = sequential([embedding(7, 3), linear(7)], { backend });
    for (const [lengths, received] of [
      [ints([4, 5, 1]), '5 at index 1'],
      [ints([-1, 4, 1]), '-1 at index 0'],
    ] as const)
      await expect(tokenwise.evaluate([{ ...batch, lengths }], { loss })).rejects.toThrow(
        `lengths: expected integers in 0..4, received ${received}`,
      );
  });

  test('without any counted target the loss is 0, and a step changes nothing', async () => {
    const targets = { data: new Int32Array(12).fill(-100), shape: [3, 4] };
    const before = await copies(model);
    const step = await model.trainStep({ ...batch, targets }, { loss, optimizer: sgd({ lr: 1 }) });
    expect([step.loss, step.gradientNorm]).toEqual([0, 0]);
    expect(await copies(model)).toEqual(before);
  });

  test('accuracy is the fraction of counted targets that are met', async () => {
    const { data } = await model.predict(batch);
    const best = Array.from({ length: 12 }, (_, row) => {
      const logits = Array.from(data.slice(row * 7, row * 7 + 7));
      return logits.indexOf(Math.max(...logits));
    });
    const targets = ints(
      best.map((token, k) => (k < 6 ? -100 : k < 9 ? token : (token + 1) % 7)),
      [3, 4],
    );
    const figures = await model.evaluate([{ ...batch, targets }], { loss, metrics: ['accuracy'] });
    expect(figures.accuracy).toBe(0.5);
  });

  test('a mean squared error is the mean over all numbers, weighted by row', async () => {
    const regression = sequential([lstm(3), linear(2)], { backend });
    const numbers = { inputs: noise(1, 2, 3, 2), targets: noise(2, 2, 3, 2) };
    const { data } = await regression.predict(numbers);
    const squares = Array.from(data, (value, k) => (value - numbers.targets.data[k]!) ** 2);
    const figures = await regression.evaluate([numbers], { loss: meanSquaredError() });
    expect(figures.loss).toBeCloseTo(averaged(squares, new Array(12).fill(1) as number[]), digits);
    expect(figures.rootMeanSquaredError).toBeCloseTo(Math.sqrt(figures.loss), 12);
    const weighted = await regression.evaluate([{ ...numbers, weights: floats32([1, 3]) }], {
      loss: meanSquaredError(),
    });
    expect(weighted.loss).toBeCloseTo(
      averaged(
        squares,
        squares.map((_, k) => (k < 6 ? 1 : 3)),
      ),
      digits,
    );
  });

  test("a loss of one's own trains along the same trajectory as the built-in one that it equals", async () => {
    const numbers = { inputs: noise(1, 2, 3, 2), targets: noise(2, 2, 3, 2) };
    const own = (prediction: Variable, targets: Variable) => {
      const difference = subtract(prediction, targets);
      return mean(multiply(difference, difference));
    };
    const train = async (of: typeof own | ReturnType<typeof meanSquaredError>) => {
      const regression = sequential([lstm(3), linear(2)], { backend, seed: 4 });
      const options = { loss: of, optimizer: sgd({ lr: 0.1 }), epochs: 5 };
      return (await regression.fit([numbers], options)).epochs.map(({ train: { loss } }) => loss);
    };
    const [one, other] = [await train(own), await train(meanSquaredError())];
    one.forEach((value, k) => expect(value).toBeCloseTo(other[k]!, digits));
  });

  test("a loss of one's own that weighs its mean leaves padding out, as the built-in one does", async () => {
    const own: LossFunction = (output, targets, weights) =>
      weightedMean(mean(square(subtract(output, targets)), -1), weights);
    const regression = sequential([lstm(3), linear(2)], { backend, seed: 4 });
    const numbers = { inputs: noise(1, 2, 3, 2), targets: noise(2, 2, 3, 2) };
    const weights = floats32([1, 3]);
    for (const change of [{}, { lengths: ints([3, 1]) }, { weights }, { weights, lengths: ints([3, 1]) }]) {
      const data = [{ ...numbers, ...change }];
      const [mine, built] = [
        await regression.evaluate(data, { loss: own }),
        await regression.evaluate(data, { loss: meanSquaredError() }),
      ];
      expect(mine.loss).toBeCloseTo(built.loss, digits);
    }
  });

  test("metrics of one's own stand among the figures", async () => {
    const regression = sequential([linear(2)], { backend });
    const numbers = { inputs: noise(1, 4, 3), targets: noise(2, 4, 2) };
    const metrics: Metrics = {
      bias: (prediction, targets) => mean(subtract(prediction, targets)),
      ratio: (prediction, targets) => divide(sum(prediction), sum(targets)),
    };
    const { data } = await regression.predict(numbers);
    const total = (values: ArrayLike<number>) => Array.from(values).reduce((a, b) => a + b, 0);
    const figures = await regression.evaluate([numbers], { loss: meanSquaredError(), metrics });
    expect(figures.bias).toBeCloseTo((total(data) - total(numbers.targets.data)) / 8, digits);
    expect(figures.ratio).toBeCloseTo(total(data) / total(numbers.targets.data), 4);
  });

  test('a network with several outputs is trained on the one named output, or on all by a function', async () => {
    const tagged = {
      inputs: { tokens: ints([0, 1, 2, 3], [2, 2]), features: noise(1, 2, 6) },
      lengths: ints([2, 1]),
      targets: ints([0, 1, 2, 0], [2, 2]),
    };
    const tagger = new Tagger({ backend });
    const options = { optimizer: sgd({ lr: 0.1 }), epochs: 3 };
    const built = await tagger.fit([tagged], { ...options, loss });
    expect(built.epochs[2]!.train.loss).toBeLessThan(built.epochs[0]!.train.loss);
    const both = ({ score, state }: Record<'score' | 'state', Variable>) => mean(multiply(score, mean(state)));
    await expect(tagger.fit([tagged], { ...options, optimizer: sgd(), loss: both })).resolves.toMatchObject({
      steps: 3,
    });
    const inferred = tagger.evaluate([tagged], { loss: ({ score, state }) => mean(multiply(score!, mean(state!))) });
    expect((await inferred).loss).toBe((await tagger.evaluate([tagged], { loss: both })).loss);
  });
});

describe('refused are', () => {
  const model = languageModel({ backend: 'reference' });
  const evaluate = (of: Batch, how: unknown, metrics?: unknown) =>
    model.evaluate([of], { loss: how as never, metrics: metrics as never });

  test('a batch without targets', async () => {
    await expect(evaluate({ inputs: batch.inputs }, loss)).rejects.toThrow(DataError);
    await expect(evaluate({ inputs: batch.inputs }, loss)).rejects.toThrow('crossEntropy: the batch has no targets');
  });

  test('targets of another size', async () => {
    await expect(evaluate({ ...batch, targets: ints([1, 2, 3], [3, 1]) }, loss)).rejects.toThrow(
      'targets: expected [B, T] with B = 3, T = 4, received [3, 1]',
    );
    const regression = sequential([lstm(3), linear(2)], { backend: 'reference' });
    const numbers = { inputs: noise(1, 2, 3, 2), targets: noise(2, 2, 3, 1) };
    await expect(regression.evaluate([numbers], { loss: meanSquaredError() })).rejects.toThrow(
      'targets: expected [B, T, 2] by the output of the network, received [B, T, 1]',
    );
  });

  test.each(['targets', 'weights', 'learning_rate', 'random_key', 'initial/h'])(
    'an input named %s, which a step has of its own',
    async (name) => {
      class Named extends Module {
        readonly head = linear(1);
        override forward(inputs: Inputs<string>) {
          return this.head(inputs[name]!);
        }
      }
      const inputs = { [name]: noise(1, 2, 1) };
      const evaluation = new Named().evaluate([{ inputs, targets: noise(2, 2, 1) }], { loss: meanSquaredError() });
      await expect(evaluation).rejects.toThrow(DataError);
      await expect(evaluation).rejects.toThrow(`batch: inputs: '${name}' is the name of something else in a step`);
    },
  );

  test('lengths among the inputs and beside them', async () => {
    const lengths = ints([4, 1, 2]);
    const twice = { ...batch, inputs: { tokens: batch.inputs, lengths }, lengths };
    await expect(evaluate(twice as never, loss)).rejects.toThrow("'lengths' is the name of something else");
  });

  test.each(['loss', 'perplexity', 'bitsPerCharacter'])('a metric named as the figure %s', async (name) => {
    const metrics = { [name]: (logits: Variable) => mean(logits) };
    const evaluation = model.evaluate([batch], { loss, metrics });
    await expect(evaluation).rejects.toThrow(OptionError);
    await expect(evaluation).rejects.toThrow(`metrics: ${name} stands among the figures without being asked for`);
  });

  test('an ignored index that is no integer', () => {
    expect(() => crossEntropy({ ignoreIndex: 1.5 })).toThrow(OptionError);
  });

  test('float targets for cross-entropy, and integers for a squared error', async () => {
    await expect(evaluate({ ...batch, targets: noise(1, 3, 4) }, loss)).rejects.toThrow(ShapeError);
    await expect(evaluate({ ...batch, targets: noise(1, 3, 4) }, loss)).rejects.toThrow(
      'targets: expected Int32Array of shape [B, T] for crossEntropy, class numbers, received float32 of shape [B, 4]',
    );
    await expect(evaluate(batch, meanSquaredError())).rejects.toThrow(
      'targets: expected Float32Array of shape [B, T, 7] for meanSquaredError, received int32 of shape [B, T]',
    );
  });

  test('a loss that is no scalar', async () => {
    await expect(evaluate(batch, (logits: Variable) => log(logits))).rejects.toThrow(
      'loss: expected a scalar [], received [T, B, 7]; use mean() or sum()',
    );
  });

  test('a metric that is no scalar', async () => {
    const metrics = { surprise: (logits: Variable) => log(logits) };
    await expect(evaluate(batch, loss, metrics)).rejects.toThrow(ShapeError);
    await expect(evaluate(batch, loss, metrics)).rejects.toThrow(
      'metrics.surprise: expected a scalar [], received [T, B, 7]; use mean() or sum()',
    );
  });

  test('a loss that is not called, and functions that return no Variable', async () => {
    for (const uncalled of [crossEntropy, meanSquaredError]) {
      await expect(evaluate(batch, uncalled)).rejects.toThrow(OptionError);
      await expect(evaluate(batch, uncalled)).rejects.toThrow(
        `expected a loss such as crossEntropy(), called, or a function of your own, received the function ${uncalled.name}`,
      );
    }
    const training = model.trainStep(batch, { loss, optimizer: sgd as never });
    await expect(training).rejects.toThrow('expected an optimizer such as adam(), called, received the function sgd');
    await expect(evaluate(batch, () => 3)).rejects.toThrow('loss: result: expected a Variable, received 3');
    await expect(evaluate(batch, loss, { none: () => undefined })).rejects.toThrow(
      'metrics.none: result: expected a Variable, received undefined',
    );
  });
});
