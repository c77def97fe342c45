/** State that goes on, for each kind of cell: over batches in training, over steps in a session, and as bytes elsewhere. */
import {
  CheckpointError,
  gru,
  linear,
  lstm,
  meanSquaredError,
  rnn,
  sequential,
  sgd,
  slstm,
  vjp,
  type Batch,
  type Sequential,
} from '../../lib';
import type { RecurrentOptions } from '../../lib/nn/recurrent';
import { eachBackend } from '../support/eachBackend';
import { relativeDistance } from '../support/expectClose';
import { copies, noise } from '../support/models';

const [B, T, I, H] = [2, 4, 3, 5];
type Make = (
  options?: RecurrentOptions,
  size?: number,
) => ReturnType<typeof lstm | typeof gru | typeof rnn | typeof slstm>;
const cells: Readonly<Record<string, Make>> = {
  lstm: (options, size = H) => lstm(size, options),
  'lstm with options': (options, size = H) => lstm(size, { ...options, peepholes: true, projSize: 2, zoneout: 0.2 }),
  gru: (options, size = H) => gru(size, options),
  'gru-before with zoneout': (options, size = H) => gru(size, { ...options, resetAfter: false, zoneout: 0.2 }),
  'rnn-tanh': (options, size = H) => rnn(size, options),
  slstm: (options, size = H) => slstm(size, options),
  'rnn-relu with zoneout': (options, size = H) => rnn(size, { ...options, nonlinearity: 'relu', zoneout: 0.2 }),
};
/** What is drawn in training, no prediction repeats. */
const deterministic = ['lstm', 'gru', 'rnn-tanh', 'slstm'];
const shortStates: Readonly<Record<string, string>> = { lstm: 'hc', slstm: 'hcnm' };
const loss = meanSquaredError();

const batchOf = (seed: number): Batch => ({ inputs: noise(seed, B, T, I), targets: noise(seed + 10, B, T, 1) });
const parts = [batchOf(1), batchOf(2), batchOf(3)];

/** The parts one behind another. */
function joined(name: 'inputs' | 'targets', width: number) {
  const rows = Array.from({ length: B }, (_, b) =>
    parts.flatMap((part) => [...(part[name] as { data: Float32Array }).data.slice(b * T * width, (b + 1) * T * width)]),
  );
  return { data: Float32Array.from(rows.flat()), shape: [B, parts.length * T, width] };
}
const whole: Batch = { inputs: joined('inputs', I), targets: joined('targets', 1) };

eachBackend((backend) => {
  const network = (make: Make, options?: RecurrentOptions, size?: number): Sequential =>
    sequential([make(options, size), linear(1)], { backend, seed: 3 });

  test.each(deterministic)('%s: no gradient crosses the border of a batch; the state is a constant', async (name) => {
    const model = network(cells[name]!);
    const options = { loss, optimizer: sgd({ lr: 1 }), carryState: true };
    await model.trainStep(parts[0]!, options);
    const before = await model.stateDict();
    const states = Object.fromEntries(
      await Promise.all(
        [...model.network.store.states.entries()]
          .filter(([path]) => path.startsWith('training'))
          .map(async ([path, { shape }]) => {
            const data = await model.network.store.read(path);
            return [`initial/${path.slice(path.indexOf('/') + 1)}`, { data, shape }] as const;
          }),
      ),
    );
    const carried = [...(shortStates[name] ?? 'h')].map((state) => `initial/0.${state}_l0`);
    expect(Object.keys(states)).toEqual(carried);
    const second = parts[1]!;
    const at = { backend, initialStates: states } as const;
    const { outputs } = await vjp(model, second.inputs, noise(0, B, T, 1), at);
    const { data: targets } = second.targets as { data: Float32Array };
    const data = Float32Array.from(outputs.output!.data, (y, k) => (2 * (y - targets[k]!)) / targets.length);
    const { gradients } = await vjp(model, second.inputs, { data, shape: [B, T, 1] }, at);
    await model.trainStep(second, options);
    for (const [path, after] of Object.entries(await copies(model))) {
      const change = after.map((value, k) => before[path]!.data[k]! - value);
      expect(relativeDistance(change, gradients[path]!.data)).toBeLessThan(1e-5);
    }
  });

  describe.each(Object.entries(cells))('%s', (name, make) => {
    test('carried over its parts, a long sequence has the loss of the whole', async () => {
      const model = network(make, { numLayers: 2 });
      const one = (await model.evaluate([whole], { loss })).loss;
      expect((await model.evaluate(parts, { loss, carryState: true })).loss).toBeCloseTo(one, 6);
      expect((await model.evaluate(parts, { loss })).loss).not.toBeCloseTo(one, 6);
    });

    test('an exported state goes on elsewhere with the same bits', () => {
      const { data } = whole.inputs as { data: Float32Array };
      const model = network(make, { numLayers: 2, learnInitialState: true }).bind(whole);
      const [one, other] = [model.session(), model.session()];
      const step = (of: typeof one, t: number) => [...of.step(data.slice(t * I, (t + 1) * I))];
      for (let t = 0; t < 4; t++) step(one, t);
      step(other, 11);
      other.importState(one.exportState());
      for (let t = 4; t < 9; t++) expect(step(other, t)).toEqual(step(one, t));
    });

    test('the state of another kind, size or layer is refused by name, and nothing changes', () => {
      const session = network(make).bind(whole).session();
      session.step(new Float32Array(I).fill(1));
      const before = session.exportState();
      const others = Object.entries(cells).filter(([other]) => other.split(/[- ]/)[0] !== name.split(/[- ]/)[0]);
      const foreign = others.map(([other, makeOther]) => {
        const [kind, own] = [other, name].map((cell) => cell.split(/[- ]/)[0]);
        const message = `session state: session/0.h_l0: expected the state of ${own}, received that of ${kind}`;
        return [network(makeOther).bind(whole).session().exportState(), message] as const;
      });
      const moved = sequential([linear(I), make(), linear(1)], { backend })
        .bind(whole)
        .session()
        .exportState();
      const bad = [
        ...foreign,
        [
          network(make, {}, H + 1)
            .bind(whole)
            .session()
            .exportState(),
          'expected [1, ',
        ],
        [moved, 'session/0.h_l0: expected [1, '],
        [network(make, { numLayers: 2 }).bind(whole).session().exportState(), 'the network has no such state'],
      ] as const;
      for (const [bytes, message] of bad) {
        expect(() => session.importState(bytes)).toThrow(CheckpointError);
        expect(() => session.importState(bytes)).toThrow(message);
      }
      expect(session.exportState()).toEqual(before);
    });
  });
});
