import { dropout, linear, lstm, mean, sequential, sgd, type Variable } from '../../lib';
import { backends, eachBackend, type BackendName } from '../support/eachBackend';
import { floats32 } from '../support/models';

const features = 4000;
const ones = floats32(new Float32Array(features).fill(1), [1, features]);

/**
 * The factors that dropout put on its input in some training steps. With inputs of 1, one output and the loss y itself,
 * a step of SGD with rate 1 takes just these factors off the weights.
 */
async function factors(p: number, backend: BackendName, { seed = 1, steps = 1 } = {}): Promise<number[][]> {
  const model = sequential([dropout(p), linear(1, { bias: false })], { seed, backend }).bind({ inputs: ones });
  await model.loadStateDict({ '1.weight': floats32(new Float32Array(features), [1, features]) });
  const options = { loss: (y: Variable) => mean(y), optimizer: sgd({ lr: 1 }) };
  const taken: number[][] = [];
  let before = (await model.stateDict())['1.weight']!.data;
  for (let step = 0; step < steps; step++) {
    await model.trainStep({ inputs: ones }, options);
    const after = (await model.stateDict())['1.weight']!.data;
    taken.push(Array.from(after, (value, k) => before[k]! - value));
    before = after;
  }
  return taken;
}

eachBackend((backend) => {
  test('dropout takes its share of the elements, and scales the others up', async () => {
    const [taken] = await factors(0.2, backend);
    const dropped = taken!.filter((factor) => factor === 0).length;
    // Five standard deviations of a binomial count.
    expect(Math.abs(dropped - 0.2 * features)).toBeLessThan(5 * Math.sqrt(features * 0.2 * 0.8));
    for (const factor of taken!) expect([0, Math.fround(1.25)]).toContain(Math.fround(factor));
  });

  test('dropout draws anew in each step, and the same again from the same seed', async () => {
    const [first, second] = await factors(0.5, backend, { steps: 2 });
    expect(first!.map((factor) => factor !== 0)).not.toEqual(second!.map((factor) => factor !== 0));
    expect(await factors(0.5, backend)).toEqual([first]);
    expect(await factors(0.5, backend, { seed: 2 })).not.toEqual([first]);
  });

  test('dropout does not act in prediction', async () => {
    const model = sequential([dropout(0.5)], { backend });
    const { data } = await model.predict({ inputs: ones });
    expect(data.every((value) => value === 1)).toBe(true);
  });

  test("dropout acts between an lstm's layers, and not after the last", async () => {
    const lossOf = async (numLayers: number, p: number) => {
      const layers = [lstm(5, { numLayers, dropout: p }), linear(1)];
      const model = sequential(layers, { backend, seed: 1 });
      const inputs = floats32(new Float32Array(30).fill(1), [2, 5, 3]);
      return (await model.trainStep({ inputs }, { loss: (y: Variable) => mean(y), optimizer: sgd() })).loss;
    };
    expect(await lossOf(1, 0.5)).toBe(await lossOf(1, 0));
    expect(await lossOf(2, 0.5)).not.toBe(await lossOf(2, 0));
  });
});

test('both backends draw the same masks', async () => {
  const [one, other] = await Promise.all(backends.map((backend) => factors(0.3, backend)));
  expect(one![0]!.map((factor) => factor !== 0)).toEqual(other![0]!.map((factor) => factor !== 0));
});
