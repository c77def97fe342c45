import { embedding, linear, lstm, Module, sequential, type Layer, type Variable } from '../../lib';
import { noise, Tagger, ints } from '../support/models';

const shapes = (model: Module) => Object.fromEntries(model.parameters().map(({ path, shape }) => [path, shape]));
const bound = (layers: Layer[], seed = 0, features = 3) =>
  sequential(layers, { seed, backend: 'reference' }).bind({ inputs: noise(1, 2, 4, features) });

describe("names and shapes are PyTorch's", () => {
  test('of a stacked bidirectional lstm', () => {
    expect(shapes(bound([lstm(5, { numLayers: 2, bidirectional: true })]))).toEqual({
      '0.weight_ih_l0': [20, 3],
      '0.weight_hh_l0': [20, 5],
      '0.bias_ih_l0': [20],
      '0.bias_hh_l0': [20],
      '0.weight_ih_l0_reverse': [20, 3],
      '0.weight_hh_l0_reverse': [20, 5],
      '0.bias_ih_l0_reverse': [20],
      '0.bias_hh_l0_reverse': [20],
      '0.weight_ih_l1': [20, 10],
      '0.weight_hh_l1': [20, 5],
      '0.bias_ih_l1': [20],
      '0.bias_hh_l1': [20],
      '0.weight_ih_l1_reverse': [20, 10],
      '0.weight_hh_l1_reverse': [20, 5],
      '0.bias_ih_l1_reverse': [20],
      '0.bias_hh_l1_reverse': [20],
    });
  });

  test('of an lstm and a linear layer without bias', () => {
    expect(shapes(bound([lstm(2, { bias: false }), linear(4, { bias: false })]))).toEqual({
      '0.weight_ih_l0': [8, 3],
      '0.weight_hh_l0': [8, 2],
      '1.weight': [4, 2],
    });
  });

  test('of a module, whose fields make the paths', () => {
    const tagger = new Tagger({ backend: 'reference' }).bind({
      inputs: { tokens: ints([0, 1, 2, 3], [2, 2]), features: noise(1, 2, 6) },
      lengths: ints([2, 1]),
    });
    expect(shapes(tagger)).toMatchObject({
      'embed.weight': [7, 3],
      'encoder.weight_ih_l0': [16, 3],
      'tags.weight': [3, 8],
      'tags.bias': [3],
      'score.weight': [1, 6],
    });
  });

  test('of layers in an array of a field, and in nested modules', () => {
    class Stack extends Module {
      readonly blocks = [linear(3), sequential([linear(2)])];
      override forward(x: Variable) {
        return this.blocks.reduce((y, block) => (block as unknown as (y: Variable) => Variable)(y), x);
      }
    }
    const model = new Stack({ backend: 'reference' }).bind({ inputs: noise(1, 2, 4) });
    expect(model.parameters().map(({ path }) => path)).toEqual([
      'blocks.0.weight',
      'blocks.0.bias',
      'blocks.1.0.weight',
      'blocks.1.0.bias',
    ]);
  });
});

describe('parameters are drawn', () => {
  const statistics = (data: ArrayLike<number>) => {
    const values = Array.from(data);
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    const variance = values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length;
    return { mean, variance, largest: Math.max(...values.map(Math.abs)), size: values.length };
  };

  test('from U(±1/√H) for an lstm, biases included', async () => {
    const state = await bound([lstm(100)]).stateDict();
    for (const { data } of Object.values(state)) {
      const { mean, variance, largest, size } = statistics(data);
      // Five standard errors; the variance of U(±b) is b²/3, here 1/300.
      expect(largest).toBeLessThanOrEqual(0.1);
      expect(largest).toBeGreaterThan(0.09);
      expect(Math.abs(mean)).toBeLessThan(5 * Math.sqrt(1 / 300 / size));
      expect(Math.abs(variance * 300 - 1)).toBeLessThan(5 * Math.sqrt(0.8 / size));
    }
  });

  test('from U(±1/√I) for a linear layer', async () => {
    const state = await bound([linear(200)], 0, 25).stateDict();
    expect(statistics(state['0.weight']!.data).largest).toBeLessThanOrEqual(0.2);
    expect(statistics(state['0.weight']!.data).largest).toBeGreaterThan(0.19);
    expect(statistics(state['0.bias']!.data).largest).toBeLessThanOrEqual(0.2);
  });

  test('from N(0, 1) for an embedding', async () => {
    const model = sequential([embedding(100, 50)], { backend: 'reference' }).bind({ inputs: ints([1, 2], [1, 2]) });
    const { mean, variance, largest } = statistics((await model.stateDict())['0.weight']!.data);
    expect(Math.abs(mean)).toBeLessThan(5 / Math.sqrt(5000));
    expect(Math.abs(variance - 1)).toBeLessThan(5 * Math.sqrt(2 / 5000));
    expect(largest).toBeGreaterThan(2.5);
  });

  test('from the seed and the path alone, whatever the order of construction', async () => {
    class Two extends Module {
      readonly a: Layer;
      readonly b: Layer;
      constructor(bFirst: boolean) {
        super({ seed: 7, backend: 'reference' });
        const [first, second] = [linear(3), linear(3)];
        [this.a, this.b] = bFirst ? [second, first] : [first, second];
        if (bFirst) [this.b, this.a] = [this.b, this.a];
      }
      override forward(x: Variable) {
        const [a, b] = [this.a, this.b] as unknown as ((x: Variable) => Variable)[];
        return { b: b!(x), a: a!(x) };
      }
    }
    const [one, other] = [new Two(false), new Two(true)].map((model) => model.bind({ inputs: noise(1, 2, 3) }));
    expect(await one!.stateDict()).toEqual(await other!.stateDict());
    const state = await one!.stateDict();
    expect(state['a.weight']!.data).not.toEqual(state['b.weight']!.data);
  });

  test('the same on both backends', async () => {
    const states = await Promise.all(
      (['reference', 'native'] as const).map(async (backend) => {
        const model = sequential([lstm(5), linear(2)], { seed: 3, backend }).bind({ inputs: noise(1, 2, 4, 3) });
        return Object.values(await model.stateDict()).map(({ data }) => Array.from(data));
      }),
    );
    expect(states[0]).toEqual(states[1]);
  });

  test('differently for different seeds', async () => {
    const [one, other] = await Promise.all([1, 2].map((seed) => bound([linear(3)], seed).stateDict()));
    expect(one!['0.weight']!.data).not.toEqual(other!['0.weight']!.data);
  });
});

test('a layer that is held twice has one set of parameters', async () => {
  const shared = linear(3);
  const model = bound([shared, shared]);
  expect(model.parameters().map(({ path }) => path)).toEqual(['0.weight', '0.bias']);
  const { data } = await model.predict({ inputs: noise(1, 2, 4, 3) });
  expect(data).toHaveLength(24);
});
