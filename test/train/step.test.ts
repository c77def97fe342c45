import {
  adam,
  crossEntropy,
  DataError,
  log,
  mean,
  NonFiniteError,
  sgd,
  StateError,
  subtract,
  type Variable,
} from '../../lib';
import { eachBackend } from '../support/eachBackend';
import { copies, languageModel, noise, tokenBatch } from '../support/models';

const batch = tokenBatch(1, 2, 3);
const loss = crossEntropy();

eachBackend((backend) => {
  const model = (seed = 1) => languageModel({ backend, seed }).bind(batch);

  test("steps of a loop of one's own are those of fit", async () => {
    const [one, other] = [model(), model()];
    await one.fit([batch], { loss, optimizer: adam(), epochs: 4, clipNorm: 1 });
    const optimizer = adam();
    for (let step = 1; step <= 4; step++) {
      const result = await other.trainStep(batch, { loss: crossEntropy(), optimizer, clipNorm: 1 });
      expect(result.step).toBe(step);
    }
    expect(await copies(other)).toEqual(await copies(one));
  });

  test('moments belong to the optimizer: a new one begins anew', async () => {
    const [one, other] = [model(), model()];
    const optimizer = adam({ lr: 0.1 });
    await one.trainStep(batch, { loss, optimizer });
    await one.trainStep(batch, { loss, optimizer });
    await other.trainStep(batch, { loss, optimizer: adam({ lr: 0.1 }) });
    const between = await other.stateDict();
    await other.trainStep(batch, { loss, optimizer: adam({ lr: 0.1 }) });
    expect(await copies(other)).not.toEqual(await copies(one));
    const fresh = model();
    await fresh.loadStateDict(between);
    await fresh.trainStep(batch, { loss, optimizer: adam({ lr: 0.1 }) });
    expect(await copies(fresh)).toEqual(await copies(other));
  });

  test('an optimizer whose moments another has replaced is refused', async () => {
    const network = model();
    const first = adam();
    await network.trainStep(batch, { loss, optimizer: first });
    await network.trainStep(batch, { loss, optimizer: adam() });
    await expect(network.trainStep(batch, { loss, optimizer: first })).rejects.toThrow(StateError);
  });

  test('after a fit with the same optimizer, steps start its moments anew', async () => {
    const [network, fresh] = [model(), model()];
    const optimizer = adam({ lr: 0.1 });
    await network.trainStep(batch, { loss, optimizer });
    await network.fit([batch], { loss, optimizer, epochs: 3 });
    await fresh.loadStateDict(await network.stateDict());
    const results = [
      await network.trainStep(batch, { loss, optimizer }),
      await fresh.trainStep(batch, { loss, optimizer: adam({ lr: 0.1 }) }),
    ];
    expect(results[0]).toEqual(results[1]);
    expect(await copies(network)).toEqual(await copies(fresh));
  });

  test('after a fit with the same optimizer, steps follow its schedule from the start', async () => {
    const network = model();
    const seen: number[] = [];
    const rate = ({ step }: { step: number }) => {
      seen.push(step);
      return 0.1;
    };
    const optimizer = adam({ lr: rate });
    for (let step = 0; step < 3; step++) await network.trainStep(batch, { loss, optimizer });
    await network.fit([batch], { loss, optimizer });
    seen.length = 0;
    await network.trainStep(batch, { loss, optimizer });
    await network.trainStep(batch, { loss, optimizer });
    expect(seen).toEqual([0, 1]);
  });

  test('an optimizer without moments goes on beside another', async () => {
    const network = model();
    const [plain, other] = [sgd(), adam()];
    for (const optimizer of [plain, other, plain, other]) await network.trainStep(batch, { loss, optimizer });
  });

  test('each step has the loss and the clipping that it was given', async () => {
    const network = model();
    const optimizer = sgd({ lr: 0 });
    const own = (logits: Variable) => mean(logits);
    const losses: number[] = [];
    for (const of of [loss, own, loss, own])
      losses.push((await network.trainStep(batch, { loss: of, optimizer })).loss);
    expect(losses[2]).toBe(losses[0]);
    expect(losses[3]).toBe(losses[1]);
    expect(losses[1]).not.toBe(losses[0]);
  });

  test('batches of other sizes, smaller and larger than the first, are trained on as if alone', async () => {
    const optimizer = sgd({ lr: 0 });
    const network = model();
    for (const [B, T] of [
      [2, 3],
      [1, 1],
      [6, 2],
      [3, 9],
      [2, 3],
    ] as const) {
      const other = tokenBatch(B + T, B, T);
      const { loss: received, gradientNorm } = await network.trainStep(other, { loss, optimizer });
      const alone = await model().trainStep(other, { loss, optimizer: sgd({ lr: 0 }) });
      expect([received, gradientNorm]).toEqual([alone.loss, alone.gradientNorm]);
    }
  });

  test('the same seed gives the same bits, another seed others', async () => {
    const train = async (seed: number) => {
      const network = languageModel({ backend, seed, lstm: { numLayers: 2, dropout: 0.3 } });
      const data = [1, 2, 3].map((k) => tokenBatch(k, 2, 3));
      await network.fit(data, { loss, optimizer: adam(), epochs: 3, clipNorm: 0.5 });
      return copies(network);
    };
    const first = await train(7);
    expect(await train(7)).toEqual(first);
    expect(await train(8)).not.toEqual(first);
  });

  test('predict and evaluate run between the steps of a training', async () => {
    const network = model();
    const before = await network.predict(batch);
    const run = network.fit([batch], { loss, optimizer: adam({ lr: 0.1 }), epochs: 30 });
    const during = await Promise.all([network.predict(batch), network.evaluate([batch], { loss })]);
    expect(during[0].shape).toEqual(before.shape);
    await run;
    const undisturbed = model();
    await undisturbed.fit([batch], { loss, optimizer: adam({ lr: 0.1 }), epochs: 30 });
    expect(await copies(network)).toEqual(await copies(undisturbed));
  });

  test('a NaN among the inputs is a DataError, and nothing changes', async () => {
    const network = model();
    const weights = noise(1, 2, 3);
    weights.data.fill(1);
    weights.data[4] = NaN;
    const before = await copies(network);
    const step = network.trainStep({ ...batch, weights }, { loss, optimizer: adam() });
    await expect(step).rejects.toThrow(DataError);
    await expect(step).rejects.toThrow('weights: expected finite numbers, received NaN at index 4');
    expect(await copies(network)).toEqual(before);
  });

  test('a loss that is not finite names the step; weights and moments stay as they were', async () => {
    // log(logit - 1000) is NaN; log(logit + 1000) is not.
    const shifted = (by: number) => (logits: Variable) => mean(log(subtract(logits, -by)));
    const [good, bad] = [shifted(1000), shifted(-1000)];
    const [network, other] = [model(), model()];
    const [optimizer, otherOptimizer] = [adam({ lr: 0.1 }), adam({ lr: 0.1 })];
    for (const of of [good, good]) await network.trainStep(batch, { loss: of, optimizer });
    const before = await copies(network);
    const failing = network.trainStep(batch, { loss: bad, optimizer });
    await expect(failing).rejects.toThrow(NonFiniteError);
    await expect(failing).rejects.toMatchObject({ step: 3, code: 'ERR_NON_FINITE' });
    await expect(failing).rejects.toThrow('step 3: expected a finite loss, received NaN');
    expect(await copies(network)).toEqual(before);
    // That the moments are untouched shows in the next step.
    await network.trainStep(batch, { loss: good, optimizer });
    for (const of of [good, good, good]) await other.trainStep(batch, { loss: of, optimizer: otherOptimizer });
    expect(await copies(network)).toEqual(await copies(other));
  });

  test('a training that blows up stops at the step, with the weights of the step before', async () => {
    const network = model();
    const steps: Promise<Record<string, number[]>>[] = [];
    const run = network.fit([batch], { loss: (logits: Variable) => mean(log(logits)), optimizer: sgd(), epochs: 3 });
    run.on('step', () => steps.push(copies(network)));
    await expect(run).rejects.toThrow(NonFiniteError);
    expect(steps).toHaveLength(0);
    expect(await copies(network)).toEqual(await copies(model()));
    await network.fit([batch], { loss, optimizer: adam() });
  });
});
