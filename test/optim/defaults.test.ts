/** What optimizers do that are given no options, or few: what their documentation says. */
import { adagrad, adam, adamW, rmsprop, sgd, sequential, linear, meanSquaredError, type Optimizer } from '../../lib';
import { eachBackend, type BackendName } from '../support/eachBackend';
import { copies, floats32, noise } from '../support/models';

type Options = Readonly<Record<string, unknown>>;
interface Documented {
  readonly make: (options?: Options) => Optimizer;
  /** All options but groups, with the defaults of their documentation. */
  readonly defaults: Options;
  /** Another value of each, of which steps are others. */
  readonly others: Options;
  /** What an option needs beside it before it counts. */
  readonly beside?: Readonly<Record<string, Options>>;
}

const adamOthers = { lr: 2e-3, betas: [0.8, 0.999], eps: 1e-2, weightDecay: 0.1, amsgrad: true };
const documented: Readonly<Record<string, Documented>> = {
  sgd: {
    make: sgd,
    defaults: { lr: 1e-2, momentum: 0, dampening: 0, nesterov: false, weightDecay: 0 },
    others: { lr: 2e-2, momentum: 0.9, dampening: 0.5, nesterov: true, weightDecay: 0.1 },
    beside: { dampening: { momentum: 0.9 }, nesterov: { momentum: 0.9 } },
  },
  adagrad: {
    make: adagrad,
    defaults: { lr: 1e-2, lrDecay: 0, weightDecay: 0, initialAccumulatorValue: 0, eps: 1e-10 },
    others: { lr: 2e-2, lrDecay: 0.5, weightDecay: 0.1, initialAccumulatorValue: 0.1, eps: 1e-2 },
  },
  rmsprop: {
    make: rmsprop,
    defaults: { lr: 1e-2, alpha: 0.99, eps: 1e-8, weightDecay: 0, momentum: 0, centered: false },
    others: { lr: 2e-2, alpha: 0.9, eps: 1e-2, weightDecay: 0.1, momentum: 0.9, centered: true },
  },
  adam: {
    make: adam,
    defaults: { lr: 1e-3, betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0, amsgrad: false },
    others: adamOthers,
  },
  adamW: {
    make: adamW,
    defaults: { lr: 1e-3, betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0.01, amsgrad: false },
    others: adamOthers,
  },
};

/** Of different sizes, so that second moments fall as well as rise. */
const batches = [3, 0.1, 1, 0.01].map((size, seed) => {
  const sized = (data: Float32Array) => data.map((value) => size * value);
  const [inputs, targets] = [noise(seed + 1, 4, 3), noise(seed + 11, 4, 2)];
  return { inputs: floats32(sized(inputs.data), [4, 3]), targets: floats32(sized(targets.data), [4, 2]) };
});

/** The weights after a few steps. */
async function trained(optimizer: Optimizer, backend: BackendName) {
  const model = sequential([linear(2)], { backend, seed: 1 }).bind(batches[0]!);
  for (const batch of batches) await model.trainStep(batch, { loss: meanSquaredError(), optimizer });
  return copies(model);
}

eachBackend((backend) => {
  describe.each(Object.entries(documented))('%s', (_, { make, defaults, others, beside = {} }) => {
    test('without options takes the very steps of its documented defaults', async () => {
      const bare = await trained(make(), backend);
      expect(bare).toEqual(await trained(make(defaults), backend));
      expect(bare).toEqual(await trained(make({}), backend));
    });

    test.each(Object.keys(defaults))('has the documented %s, and takes other steps with another', async (option) => {
      const written = { ...defaults, ...beside[option] };
      const without = Object.fromEntries(Object.entries(written).filter(([name]) => name !== option));
      const expected = await trained(make(written), backend);
      expect(await trained(make(without), backend)).toEqual(expected);
      expect(await trained(make({ ...written, [option]: others[option] }), backend)).not.toEqual(expected);
    });
  });
});

test.each(Object.entries(documented))('%s says its defaults in its settings', (name, { make, defaults }) => {
  expect(make().settings).toMatchObject({ name, ...defaults, groups: [] });
});
