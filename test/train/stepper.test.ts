import type { ArrayView } from '../../lib/backend/backend';
import {
  adagrad,
  adam,
  adamW,
  crossEntropy,
  linear,
  meanSquaredError,
  perEpoch,
  reduceOnPlateau,
  rmsprop,
  sequential,
  sgd,
  StateError,
  stepDecay,
  type Optimizer,
} from '../../lib';
import { Stepper } from '../../lib/train/stepper';
import { eachBackend } from '../support/eachBackend';
import { copies, languageModel, noise, tokenBatch } from '../support/models';

const batches = [1, 2, 3, 4, 5, 6].map((seed) => tokenBatch(seed, 2, 3));
const loss = crossEntropy();
const place = { epoch: 0, totalEpochs: 1, totalSteps: 6 };

eachBackend((backend) => {
  test.each<[string, () => Optimizer]>([
    ['sgd, dampened', () => sgd({ lr: 0.1, momentum: 0.9, dampening: 0.5 })],
    ['adagrad', () => adagrad({ lrDecay: 0.5, initialAccumulatorValue: 0.1 })],
    ['rmsprop, centred, with momentum', () => rmsprop({ momentum: 0.9, centered: true })],
    ['adam with amsgrad', () => adam({ amsgrad: true })],
    ['a rate on a plateau', () => adamW({ lr: reduceOnPlateau(0.1, { patience: 0 }) })],
  ])('%s goes on from its record and states to the same bits', async (_, optimizer) => {
    const options = { loss, optimizer: optimizer(), carryState: true, clipNorm: 0.5 };
    const model = () => languageModel({ backend, lstm: { dropout: 0.3, numLayers: 2 } }).bind(batches[0]!);
    const [whole, begun, resumed] = [model(), model(), model()];
    const take = async (stepper: Stepper, from: number, to: number) => {
      for (let step = from; step < to; step++) await stepper.take(batches[step]!, options, place);
    };
    const steps = async (stepper: Stepper) => {
      await take(stepper, 0, 2);
      stepper.observe({ loss: 1 });
      stepper.observe({ loss: Infinity });
      await take(stepper, 2, 3);
    };
    const uninterrupted = new Stepper(whole.network, options.optimizer);
    await steps(uninterrupted);
    await take(uninterrupted, 3, 6);

    const first = new Stepper(begun.network, optimizer());
    await steps(first);
    const states = new Map<string, ArrayView>();
    const { store } = begun.network;
    for (const name of first.states()) {
      const { shape } = store.states.get(name)!;
      states.set(name, { data: await store.read(name), shape });
    }
    await resumed.loadStateDict(await begun.stateDict());
    const second = new Stepper(resumed.network, optimizer());
    second.restore(JSON.parse(JSON.stringify(first.record())) as ReturnType<Stepper['record']>, states);
    await take(second, 3, 6);
    expect(await copies(resumed)).toEqual(await copies(whole));
    expect(second.record()).toEqual(uninterrupted.record());
  });

  test('states of another optimizer are refused', () => {
    const model = languageModel({ backend }).bind(batches[0]!);
    const record = { ...new Stepper(model.network, sgd()).record(), step: 1 };
    const restore = () => new Stepper(model.network, adam()).restore(record, new Map());
    expect(restore).toThrow(StateError);
    expect(restore).toThrow('adam.first_moment.0.weight: the optimizer has this state, and the saved training has not');
  });

  test('in fit, schedules see passes and the figures of the validation', async () => {
    const model = sequential([linear(1)], { backend, seed: 1 });
    const data = [1, 2].map((seed) => ({ inputs: noise(seed, 4, 2), targets: noise(seed + 9, 4, 1) }));
    const rates = async (lr: Parameters<typeof sgd>[0]) => {
      const seen: number[] = [];
      const run = model.fit(data, { loss: meanSquaredError(), optimizer: sgd(lr), epochs: 4, validation: data });
      await run.on('step', ({ learningRate }) => seen.push(learningRate));
      return seen;
    };
    expect(await rates({ lr: perEpoch(stepDecay(1e-3, { stepSize: 2 })) })).toEqual([
      1e-3, 1e-3, 1e-3, 1e-3, 1e-4, 1e-4, 1e-4, 1e-4,
    ]);
    // A rate of 0 never comes to a better loss than the first.
    const plateau = reduceOnPlateau(1, { patience: 0, factor: 0.5 });
    const points: number[] = [];
    await rates({
      lr: (point) => {
        points.push(plateau(point));
        return 0;
      },
    });
    expect(points).toEqual([1, 1, 1, 1, 0.5, 0.5, 0.25, 0.25]);
  });
});
