import {
  adam,
  CheckpointError,
  crossEntropy,
  DataError,
  linear,
  lstm,
  Module,
  OptionError,
  sequential,
  ShapeError,
  StateError,
  type Inputs,
} from '../../lib';
import { serialize } from '../../lib/checkpoint/safetensors';
import { eachBackend } from '../support/eachBackend';
import { languageModel, noise, tokenBatch } from '../support/models';

const batch = tokenBatch(1, 1, 9);
const tokens = Array.from(batch.inputs.data);
const options = { numLayers: 2, dropout: 0.3 };

eachBackend((backend) => {
  const model = () => languageModel({ backend, seed: 3, lstm: options }).bind(batch);

  test('streaming gives the bits of the whole sequence', async () => {
    const whole = await model().predict(batch);
    const session = model().session();
    const streamed = tokens.flatMap((token) => Array.from(session.step(token)));
    expect(streamed).toEqual(Array.from(whole.data));
  });

  test('streaming of float features gives the bits of the whole sequence', async () => {
    const features = noise(2, 1, 7, 3);
    const network = sequential([linear(4), lstm(17), linear(2)], { backend });
    const whole = await network.predict({ inputs: features });
    const session = network.session();
    const steps = Array.from({ length: 7 }, (_, t) => features.data.slice(3 * t, 3 * t + 3));
    expect(steps.flatMap((step) => Array.from(session.step(step)))).toEqual(Array.from(whole.data));
  });

  test('an output that was handed to another thread does not end the stream', () => {
    const [session, other] = [model().session(), model().session()];
    for (const token of tokens) {
      const output = session.step(token);
      expect(Array.from(output)).toEqual(Array.from(other.step(token)));
      structuredClone(output.buffer, { transfer: [output.buffer as ArrayBuffer] });
    }
  });

  test('outputs of an earlier step are not those of its input', () => {
    const network = sequential([lstm(3)], { backend, seed: 1 });
    network.bind({ inputs: noise(1, 1, 1, 3) });
    const [session, other] = [network.session(), network.session()];
    let [own, copied] = [session.step([1, 2, 3]), other.step([1, 2, 3]).slice()];
    for (let t = 0; t < 5; t++) {
      own = session.step(own);
      copied = other.step(copied).slice();
      expect(Array.from(own)).toEqual(Array.from(copied));
    }
  });

  test('a step that is refused leaves the stream as it was', () => {
    const network = sequential([lstm(3)], { backend, seed: 1 });
    network.bind({ inputs: noise(1, 1, 1, 2) });
    const [session, other] = [network.session(), network.session()];
    for (const wrong of [[1], [1, 2, 3], [1, NaN], [1e39, 0], 5]) {
      const isOfShape = typeof wrong === 'number' || wrong.length !== 2;
      expect(() => session.step(wrong)).toThrow(isOfShape ? ShapeError : DataError);
      expect([...session.step([1, 2])]).toEqual([...other.step([1, 2])]);
    }
    expect(() => session.step([1])).toThrow('inputs: expected 2 elements for shape [1, 1, 2], received 1');
    expect(() => session.step(5)).toThrow('inputs: expected 2 elements for shape [1, 1, 2], received 1');
  });

  test('a session that is disposed says so, whatever it is asked', () => {
    const session = model().session();
    const bytes = session.exportState();
    session.dispose();
    const calls = [
      () => session.step(1),
      () => session.exportState(),
      () => session.importState(bytes),
      () => session.reset(),
    ];
    for (const call of calls) {
      expect(call).toThrow(StateError);
      expect(call).toThrow('session: it is disposed');
    }
    expect(() => session.dispose()).not.toThrow();
  });

  test('reset goes back to the beginning', () => {
    const session = model().session();
    const run = () => tokens.map((token) => Array.from(session.step(token)));
    const first = run();
    expect(run()).not.toEqual(first);
    session.reset();
    expect(run()).toEqual(first);
  });

  test('an exported state goes on elsewhere with the same bits', async () => {
    const [one, other] = [model().session(), model().session()];
    for (const token of tokens.slice(0, 5)) one.step(token);
    other.importState(one.exportState());
    for (const token of tokens.slice(5)) expect(Array.from(other.step(token))).toEqual(Array.from(one.step(token)));
  });

  test('sessions do not disturb each other', () => {
    const network = model();
    const [alone, one, other] = [network.session(), network.session(), network.session()];
    for (const token of tokens) {
      const expected = Array.from(alone.step(token));
      expect(Array.from(one.step(token))).toEqual(expected);
      other.step((token + 1) % 7);
    }
  });

  test('a session keeps the parameters with which it began', async () => {
    const network = model();
    const session = network.session();
    const before = Array.from(session.step(3));
    await network.fit([tokenBatch(1, 2, 3)], { loss: crossEntropy(), optimizer: adam({ lr: 0.1 }) });
    session.reset();
    expect(Array.from(session.step(3))).toEqual(before);
    expect(Array.from(network.session().step(3))).not.toEqual(before);
  });

  test('a session outlives the model', () => {
    const network = model();
    const session = network.session();
    const expected = Array.from(network.session().step(2));
    network.dispose();
    expect(Array.from(session.step(2))).toEqual(expected);
    session.dispose();
  });

  test('a state of another kind is refused, and nothing changes', async () => {
    const session = model().session();
    session.step(1);
    const before = session.exportState();
    const other = languageModel({ backend, lstm: { numLayers: 1 } })
      .bind(batch)
      .session();
    const bad: [Uint8Array, string][] = [
      [other.exportState(), 'expected [1, 5], received none'],
      [serialize(stateOf(NaN), kindsOf('lstm')), 'expected finite numbers'],
      [serialize({ ...stateOf(0), extra: noise(1, 1) }, kindsOf('lstm')), 'extra: the network has no such state'],
      [serialize(stateOf(0), kindsOf('gru')), 'session/1.h_l0: expected the state of lstm, received that of gru'],
      [serialize(stateOf(0)), 'received that of a layer whose kind the bytes do not tell'],
      [serialize(stateOf(0), { kinds: '{' }), 'session state: not what exportState gave: '],
      [serialize(stateOf(0), { kinds: 'null' }), 'received that of a layer whose kind the bytes do not tell'],
      [before.slice(0, 40), 'session state: not what exportState gave: '],
      ['state' as never, 'session state: expected the bytes that exportState gave'],
      [new Uint8Array(3), 'expected at least 8 bytes'],
    ];
    for (const [bytes, message] of bad) {
      expect(() => session.importState(bytes)).toThrow(CheckpointError);
      expect(() => session.importState(bytes)).toThrow(message);
    }
    expect(session.exportState()).toEqual(before);
  });

  test('a step refuses what is no token of the model', () => {
    const session = model().session();
    session.step(0);
    for (const token of [7, -1, 2.5, NaN]) expect(() => session.step(token)).toThrow(DataError);
    expect(() => session.step(7)).toThrow('expected integers in 0..6, received 7');
    expect(() => session.step([1, 2])).toThrow(ShapeError);
    expect(() => session.step([1.5])).toThrow('expected tokens, integers, received 1.5');
    expect(() => session.step(undefined as never)).toThrow(DataError);
  });

  test('a network with inputs and outputs by name is stepped by name', async () => {
    class Two extends Module {
      readonly encoder = lstm(3);
      readonly head = linear(2);
      override forward({ x }: Inputs<'x'>) {
        const { output, hiddenState } = this.encoder(x);
        return { y: this.head(output), h: hiddenState };
      }
    }
    const network = new Two({ backend });
    const x = noise(1, 1, 4, 2);
    const whole = await network.predict({ inputs: { x } });
    const session = network.session();
    const steps = [0, 1, 2, 3].map((t) => ({ x: { data: x.data.slice(2 * t, 2 * t + 2), shape: [1, 1, 2] } }));
    const streamed = steps.map((step) => session.stepAll(step));
    expect(streamed.flatMap(({ y }) => Array.from(y!.data))).toEqual(Array.from(whole.y!.data));
    expect(streamed[3]!.h!.shape).toEqual([1, 1, 3]);
    expect(() => session.step(3)).toThrow(
      'step: expected arrays by input name, { x: { data, shape } }, for this network, received 3',
    );
    expect(() => session.step({ x: new Float32Array(2) as never })).toThrow(
      'x: expected { data, shape }, received a value of type Float32Array',
    );
    expect(() => session.step({ x: { data: new Float32Array(2) } as never })).toThrow('x: expected a shape');
    session.dispose();
    expect(() => session.step(steps[0]!)).toThrow('session: it is disposed');
  });
});

function stateOf(value: number) {
  const names = ['h_l0', 'c_l0', 'h_l1', 'c_l1'].map((name) => `session/1.${name}`);
  return Object.fromEntries(names.map((name) => [name, { data: new Float32Array(5).fill(value), shape: [1, 5] }]));
}

const kindsOf = (kind: string) => ({
  kinds: JSON.stringify(Object.fromEntries(Object.keys(stateOf(0)).map((name) => [name, kind]))),
});

test('a network without recurrent layers has no session', () => {
  const model = sequential([linear(2)], { backend: 'reference' }).bind({ inputs: noise(1, 2, 3) });
  expect(() => model.session()).toThrow(OptionError);
});
