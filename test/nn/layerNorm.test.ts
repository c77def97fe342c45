import {
  adam,
  layerNorm,
  linear,
  lstm,
  meanSquaredError,
  Module,
  OptionError,
  sequential,
  ShapeError,
  verify,
  vjp,
  type Inputs,
} from '../../lib';
import { eachBackend } from '../support/eachBackend';
import { relativeDistance } from '../support/expectClose';
import { float64Tensor, goldens, mapTensors } from '../support/goldens';
import { expectModelGradients } from '../support/modelGradients';
import { ints, noise } from '../support/models';

const ragged = ints([4, 0, 1]);

eachBackend((backend) => {
  const bound = backend === 'reference' ? 1e-12 : 1e-5;

  test.each(goldens('layer-norm').map((golden) => [golden.case, golden] as const))(
    '%s: output and gradients are those of PyTorch',
    async (_, { config, ...golden }) => {
      const { eps, elementwiseAffine } = config;
      class Bare extends Module {
        readonly norm = layerNorm({ eps, elementwiseAffine });
        override forward({ input }: Inputs<'input'>) {
          return { output: this.norm(input) };
        }
      }
      const model = new Bare({ backend });
      const batch = { inputs: mapTensors(golden.inputs, float64Tensor) };
      const parameters = Object.entries(mapTensors(golden.parameters, float64Tensor));
      await model.bind(batch).loadStateDict(Object.fromEntries(parameters.map(([name, p]) => [`norm.${name}`, p])));
      const { outputs, gradients } = await vjp(model, batch, mapTensors(golden.cotangents, float64Tensor), { backend });
      expect(relativeDistance(outputs.output!.data, golden.outputs.output!.data)).toBeLessThan(bound);
      for (const [name, { data }] of Object.entries(golden.gradients)) {
        const received = gradients[name] ?? gradients[`norm.${name}`];
        expect(relativeDistance(received!.data, data)).toBeLessThan(bound);
      }
    },
  );

  test('weights begin as 1 and biases as 0, which options leave out', async () => {
    const names = async (...options: Parameters<typeof layerNorm>) => {
      const model = sequential([layerNorm(...options)], { backend }).bind({ inputs: noise(1, 2, 3) });
      return Object.entries(await model.stateDict()).map(([name, { data }]) => [name, [...data]]);
    };
    expect(await names()).toEqual([
      ['0.weight', [1, 1, 1]],
      ['0.bias', [0, 0, 0]],
    ]);
    expect(await names({ bias: false })).toEqual([['0.weight', [1, 1, 1]]]);
    expect(await names({ elementwiseAffine: false })).toEqual([]);
  });

  test('outputs past a length are 0, and the rest is what it would be without padding', async () => {
    const model = sequential([layerNorm(), lstm(3), layerNorm()], { backend });
    const inputs = noise(2, 3, 4, 5);
    const changed = { ...inputs, data: inputs.data.map((value, k) => (k >= 20 && k % 20 >= 5 ? value + 9 : value)) };
    const first = await model.bind({ inputs }).stateDict();
    await model.loadStateDict({ ...first, '2.bias': noise(3, 3) });
    const one = await model.predict({ inputs, lengths: ragged });
    const other = await model.predict({ inputs: changed, lengths: ragged });
    expect(other.data).toEqual(one.data);
    one.data.forEach((value, k) => {
      const [b, t] = [Math.floor(k / 12), Math.floor((k % 12) / 3)];
      expect(value === 0).toBe(t >= ragged.data[b]!);
    });
  });

  test('after the steps are pooled, lengths leave the features alone', async () => {
    const model = sequential([lstm(3, { output: 'last' }), layerNorm()], { backend });
    const { data } = await model.predict({ inputs: noise(2, 3, 4, 5), lengths: ragged });
    expect(data.slice(0, 3).every((value) => value !== 0)).toBe(true);
  });
});

test('every gradient meets finite differences, lengths of 0 included', async () => {
  const model = sequential([layerNorm(), lstm(3), layerNorm({ eps: 0.1 })], { backend: 'reference', seed: 2 });
  await expectModelGradients(model, { inputs: noise(4, 3, 4, 3), lengths: ragged });
});

test('natively, every equation of a training step agrees with the reference', async () => {
  const model = sequential([layerNorm(), lstm(33), layerNorm(), linear(2)], { seed: 4 });
  const batch = { inputs: noise(5, 3, 4, 9), targets: noise(6, 3, 4, 2), lengths: ragged };
  const { ok, worst } = await verify(model, batch);
  expect({ ok, worst }).toEqual({ ok: true, worst });
});

test('training lowers the loss', async () => {
  const model = sequential([lstm(8), layerNorm(), linear(2)], { seed: 4 });
  const batch = { inputs: noise(5, 3, 4, 3), targets: noise(6, 3, 4, 2), lengths: ragged };
  const options = { loss: meanSquaredError(), optimizer: adam({ lr: 0.01 }) };
  const losses: number[] = [];
  for (let step = 0; step < 30; step++) losses.push((await model.trainStep(batch, options)).loss);
  expect(losses.at(-1)!).toBeLessThan(0.7 * losses[0]!);
});

test.each([
  ['an unknown option', { epsilon: 1 }, "layerNorm: unknown option 'epsilon'"],
  ['an eps of 0', { eps: 0 }, 'layerNorm: eps: expected a number > 0, received 0'],
  ['an eps that is no number', { eps: '1e-5' }, "layerNorm: eps: expected a number > 0, received '1e-5'"],
  ['affine that is no flag', { elementwiseAffine: 1 }, 'layerNorm: elementwiseAffine: expected true or false'],
  ['a bias that is no flag', { bias: 'no' }, "layerNorm: bias: expected true or false, received 'no'"],
  ['a bias alone', { bias: true, elementwiseAffine: false }, 'layerNorm: bias: expected none where elementwiseAffine'],
])('%s is refused', (_, options, message) => {
  expect(() => layerNorm(options as never)).toThrow(OptionError);
  expect(() => layerNorm(options as never)).toThrow(message);
});

test('a given input size is checked, and so are the call options', async () => {
  const model = sequential([layerNorm({ inputSize: 5 })], { backend: 'reference' });
  await expect(model.predict({ inputs: noise(1, 2, 3, 4) })).rejects.toThrow(ShapeError);
  await expect(model.predict({ inputs: noise(1, 2, 3, 4) })).rejects.toThrow(
    '0: layerNorm: input: expected a last axis of size 5, received [T, B, 4]',
  );
  class Wrong extends Module {
    readonly norm = layerNorm();
    override forward(x: never) {
      return this.norm(x, { length: null } as never);
    }
  }
  const predicting = new Wrong({ backend: 'reference' }).predict({ inputs: noise(1, 2, 3, 4) });
  await expect(predicting).rejects.toThrow("norm: layerNorm: unknown option 'length'");
});
