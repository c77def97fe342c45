import {
  adam,
  adamW,
  add,
  concat,
  crossEntropy,
  DataError,
  dropout,
  embedding,
  linear,
  lstm,
  Module,
  OptionError,
  sequential,
  sgd,
  ShapeError,
  softmax,
  StateError,
  transpose,
  vjp,
  type Inputs,
  type Linear,
  type Lstm,
  type Sequential,
  type Tensor,
  type Variable,
} from '../../lib';
import { eachBackend } from '../support/eachBackend';
import { expectClose } from '../support/expectClose';
import { ints, languageModel, noise, tokenBatch } from '../support/models';

describe('options', () => {
  test.each([
    ['an unknown one', () => lstm(4, { numLayer: 2 } as never), "lstm: unknown option 'numLayer'"],
    ['a hidden size of 0', () => lstm(0), 'lstm: hiddenSize: expected a positive integer, received 0'],
    ['a fraction of layers', () => lstm(4, { numLayers: 1.5 }), 'lstm: numLayers'],
    ['dropout of everything', () => lstm(4, { dropout: 1 }), 'lstm: dropout: expected a number in [0, 1)'],
    [
      'another kind of output',
      () => lstm(4, { output: 'first' as never }),
      "lstm: output: expected 'sequence', 'last', 'mean' or 'max', received 'first'",
    ],
    ['an unknown one of linear', () => linear(4, { biases: false } as never), "linear: unknown option 'biases'"],
    ['a negative output size', () => linear(-1), 'linear: outputSize'],
    ['an embedding of nothing', () => embedding(0, 4), 'embedding: vocabularySize'],
    ['a negative dropout', () => dropout(-0.1), 'dropout: p'],
    ['a seed that is no integer', () => sequential([linear(1)], { seed: 0.5 }), 'model: seed'],
    ['an unknown backend', () => sequential([linear(1)], { backend: 'gpu' as never }), 'model: backend'],
    ['a number for options', () => lstm(64, 128 as never), 'lstm: expected options as an object, { inputSize,'],
    ['a number for those of linear', () => linear(8, 1 as never), 'linear: expected options as an object'],
    ['a number for those of adam', () => adam(0.01 as never), 'adam: expected options as an object, { lr,'],
    ['null for those of sgd', () => sgd(null as never), 'sgd: expected options as an object'],
    ['an array for those of adamW', () => adamW([0.01] as never), 'received [0.01]'],
    ['a seed for those of a model', () => sequential([linear(1)], 1 as never), 'model: expected options as an object'],
    ['no layers', () => sequential([]), 'sequential: expected an array of one or more layers, received []'],
    [
      'layers without an array',
      () => sequential(lstm(3) as never, linear(2) as never),
      'one or more layers, received the layer lstm; put it between brackets, sequential([...])',
    ],
    ['a name among layers', () => sequential([lstm(3), 'linear' as never]), "received 'linear' at index 1"],
    ['a layer that was not made', () => sequential([lstm as never]), 'received the function lstm at index 0'],
    ['null among layers', () => sequential([lstm(3), null as never]), 'received null at index 1'],
    ['a tie to no embedding', () => linear(3, { tiedTo: linear(3) as never }), 'embedding, received the layer linear'],
    ['a model for options', () => lstm(3, sequential([lstm(3)]) as never), 'received the layer sequential'],
    ['a short beta', () => adam({ betas: [0.9] as never }), 'expected two numbers, [0.9, 0.999], received [0.9]'],
    ['a negative weight', () => crossEntropy({ classWeights: [1, -2] }), 'for each class, received [1, -2]'],
    ['many weights', () => crossEntropy({ classWeights: Array<number>(9).fill(-1) }), 'received an array'],
  ])('refuse %s', (_, make, message) => {
    expect(make).toThrow(OptionError);
    expect(make).toThrow(message);
  });
});

describe("in a forward of one's own", () => {
  type Kind = new (message: string) => Error;
  const x = noise(1, 2, 3, 4);

  /** Predicts with a module of one encoder and one head. */
  function predictWith(
    forward: (x: never, encoder: Lstm, head: Linear, options: never) => unknown,
    inputs: object = x,
  ) {
    class Own extends Module {
      readonly encoder = lstm(3);
      readonly head = linear(2);
      override forward(input: never, options: never) {
        return forward(input, this.encoder, this.head, options) as Variable;
      }
    }
    return new Own({ backend: 'reference' }).predict({ inputs: inputs as Tensor, lengths: ints([3, 1]) });
  }

  test.each<[string, Parameters<typeof predictWith>[0], string, Kind]>([
    [
      "an lstm's result where its output is needed",
      (x, encoder, head) => head(encoder(x) as never),
      'head: linear: input: expected a Variable, received { output, hiddenState, cellState }; hand on its output',
      DataError,
    ],
    [
      "an lstm's result as an operand",
      (x, encoder) => add(x, encoder(x) as never),
      'b: expected a Variable, received { output, hiddenState, cellState }; hand on its output',
      DataError,
    ],
    ['no variable in a list', (x) => concat([x, undefined as never]), 'variables[1]: expected a Variable', DataError],
    ['no variable for a function', () => softmax(undefined as never), 'x: expected a Variable', DataError],
    [
      'lengths for call options',
      (x, encoder, _, { lengths }) => encoder(x, lengths).output,
      'encoder: lstm: expected options as an object, { lengths, initialState }, received a Variable',
      OptionError,
    ],
    [
      'an unknown call option',
      (x, encoder, _, { lengths }) => encoder(x, { length: lengths } as never).output,
      "encoder: lstm: unknown option 'length'; it has lengths, initialState",
      OptionError,
    ],
    [
      'lengths that are no Variable',
      (x, encoder) => encoder(x, { lengths: [3, 1] as never }).output,
      'encoder: lstm: lengths: expected a Variable, received [3, 1]',
      DataError,
    ],
    [
      'initial states that are none',
      (x, encoder) => encoder(x, { initialState: {} as never }).output,
      'lstm: initialState.hiddenState: expected a Variable; this layer has hiddenState, cellState',
      OptionError,
    ],
    [
      'an initial state that is no object',
      (x, encoder) => encoder(x, { initialState: 5 as never }).output,
      'lstm: initialState: expected { hiddenState, cellState }, received 5',
      OptionError,
    ],
    [
      'a sequence that stands in rows of the batch',
      (x, encoder) => encoder(transpose(x, [1, 0, 2])).output,
      'encoder: lstm: input: expected [T, B, I], received [B, T, 4]; transpose(x, [1, 0, 2]) first',
      ShapeError,
    ],
    [
      'a state that the cell does not have',
      (x, encoder) => {
        const { hiddenState, cellState } = encoder(x);
        return encoder(x, { initialState: { hiddenState, cellState, gateState: cellState } }).output;
      },
      'lstm: initialState.gateState: this layer has no such state; it has hiddenState, cellState',
      OptionError,
    ],
    [
      'inputs by name from a batch of one input',
      ({ tokens }: Inputs<'tokens'>, encoder) => encoder(tokens).output,
      'received undefined; the batch holds one input without a name, which forward receives as its first argument',
      DataError,
    ],
  ])('%s is refused', async (_, forward, message, kind) => {
    await expect(predictWith(forward)).rejects.toThrow(kind);
    await expect(predictWith(forward)).rejects.toThrow(message);
  });

  test('an input that the batch lacks is named, with those that it holds', async () => {
    const lacking = predictWith(({ x }: Inputs<'x'>, encoder) => encoder(x).output, { features: x });
    await expect(lacking).rejects.toThrow(DataError);
    await expect(lacking).rejects.toThrow('x: forward reads this input, and the batch holds features');
  });

  test('a mistake of another kind keeps its error', async () => {
    const fault = new Error('not today');
    const failing = () => {
      throw fault;
    };
    await expect(predictWith(failing)).rejects.toBe(fault);
    await expect(predictWith(failing, { features: x })).rejects.toBe(fault);
  });

  test('a module without forward is named', async () => {
    class Empty extends (Module as unknown as typeof Sequential) {}
    Object.defineProperty(Empty.prototype, 'forward', { value: undefined });
    const model: Module = new Empty({ backend: 'reference' } as never);
    await expect(model.predict({ inputs: x })).rejects.toThrow('Empty: expected a method forward, received undefined');
  });
});

test('a given input size is checked, with the path of the layer', async () => {
  const model = sequential([linear(4), lstm(3, { inputSize: 5 })], { backend: 'reference' });
  const predicting = model.predict({ inputs: noise(1, 2, 3, 4) });
  await expect(predicting).rejects.toThrow(ShapeError);
  await expect(predicting).rejects.toThrow('1: lstm: input: expected a last axis of size 5, received [T, B, 4]');
});

test('a layer that is not held in a field has no path', async () => {
  class Loose extends Module {
    override forward(x: Variable) {
      return linear(3)(x);
    }
  }
  const predicting = new Loose({ backend: 'reference' }).predict({ inputs: noise(1, 2, 4) });
  await expect(predicting).rejects.toThrow(StateError);
  await expect(predicting).rejects.toThrow('must be held in a field of its module');
});

test('a layer that is called outside forward says what to do', () => {
  expect(() => (linear(3) as unknown as (x: unknown) => unknown)({})).toThrow(StateError);
});

test('a bidirectional lstm cannot carry state', async () => {
  const model = languageModel({ backend: 'reference', lstm: { bidirectional: true } }).bind(tokenBatch(1, 2, 3));
  expect(() => model.session()).toThrow(OptionError);
  expect(() => model.session()).toThrow('1: lstm: a bidirectional lstm reads each sequence to its end');
});

test('a recurrent layer that is called twice has one initial state, and cannot carry one', async () => {
  class Twice extends Module {
    readonly layer = lstm(3);
    override forward(x: Variable) {
      return this.layer(this.layer(x).output).output;
    }
  }
  const model = new Twice({ backend: 'reference' });
  const { gradients } = await vjp(model, noise(1, 2, 4, 3), noise(2, 2, 4, 3), { backend: 'reference' });
  expect(gradients['initial/layer.h_l0']!.shape).toEqual([2, 3]);
  expect(() => model.session()).toThrow('called more than once');
});

eachBackend((backend) => {
  test("an lstm's output 'last' is the last step of the sequence, of both directions at their ends", async () => {
    const input = noise(1, 2, 5, 3);
    const options = { seed: 1, backend };
    const sequence = await sequential([lstm(4, { bidirectional: true })], options).predict({ inputs: input });
    const last = await sequential([lstm(4, { bidirectional: true, output: 'last' })], options).predict({
      inputs: input,
    });
    expect(last.shape).toEqual([2, 8]);
    for (const b of [0, 1]) {
      const at = (t: number) => sequence.data.slice((b * 5 + t) * 8, (b * 5 + t) * 8 + 8);
      expect(Array.from(last.data.slice(b * 8, b * 8 + 4))).toEqual(Array.from(at(4).slice(0, 4)));
      expect(Array.from(last.data.slice(b * 8 + 4, b * 8 + 8))).toEqual(Array.from(at(0).slice(4)));
    }
  });

  test('what lies past a length has no part, and outputs there are 0', async () => {
    const model = sequential([lstm(4, { numLayers: 2, bidirectional: true })], { seed: 1, backend });
    const inputs = noise(1, 3, 5, 2);
    const changed = { ...inputs, data: inputs.data.map((value, k) => (k % 10 >= 4 ? value + 9 : value)) };
    const lengths = ints([2, 2, 2]);
    const [one, other] = await Promise.all([inputs, changed].map((x) => model.predict({ inputs: x, lengths })));
    expect(one!.data).toEqual(other!.data);
    expect(one!.data.filter((value, k) => k % 40 >= 16 && value !== 0)).toHaveLength(0);
    const short = { data: inputs.data.filter((_, k) => k % 10 < 4), shape: [3, 2, 2] };
    const alone = await model.predict({ inputs: short });
    expect(Array.from(alone.data)).toEqual(Array.from(one!.data.filter((_, k) => k % 40 < 16)));
  });

  test('a sequence of length 0 leaves the initial state, and zeros', async () => {
    const model = sequential([lstm(4, { output: 'last' })], { backend });
    const { data } = await model.predict({ inputs: noise(1, 2, 3, 2), lengths: ints([0, 3]) });
    expect(Array.from(data.slice(0, 4))).toEqual([0, 0, 0, 0]);
    expect(data.slice(4).every((value) => value !== 0)).toBe(true);
  });

  test('a sequence goes on from an initial state as if it had not been cut', async () => {
    class Cut extends Module {
      override readonly inputShapes = { h: [2, 'B', 4], c: [2, 'B', 4] };
      readonly encoder = lstm(4, { numLayers: 2 });
      override forward({ x, h, c }: Inputs<'x'> & Partial<Inputs<'h' | 'c'>>) {
        const initialState = h && c ? { hiddenState: h, cellState: c } : undefined;
        const { output, hiddenState, cellState } = this.encoder(x, { initialState });
        return { output, h: hiddenState, c: cellState };
      }
    }
    const model = new Cut({ seed: 2, backend });
    const x = noise(3, 1, 6, 2);
    const part = (begin: number, end: number) => ({
      data: x.data.slice(begin * 2, end * 2),
      shape: [1, end - begin, 2],
    });
    const whole = await model.predict({ inputs: { x } });
    const first = await model.predict({ inputs: { x: part(0, 4) } });
    const second = await model.predict({ inputs: { x: part(4, 6), h: first.h!, c: first.c! } });
    expectClose(second.h!, whole.h!, {});
    expect(Array.from(second.output!.data)).toEqual(Array.from(whole.output!.data.slice(16)));
  });
});
