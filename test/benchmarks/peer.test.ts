import { join } from 'node:path';
import { contest, Disagreement, type Contest } from '../../benchmarks/contest';
import { Peer, PeerError, type PeerKind } from '../../benchmarks/peers/peer';
import type { LayerCase } from '../../benchmarks/peers/protocol';
import type { Row } from '../../benchmarks/report';

const kind: PeerKind = {
  command: [process.execPath, '--import', 'tsx', join(__dirname, 'fakePeer.ts')],
  install: 'take what is there',
};

let peer: Peer;
beforeAll(async () => (peer = await Peer.start('fake', kind, 2)));
afterAll(() => peer.close());

function fakeContest(H: number, y = 1): Contest {
  const asked: LayerCase = { kind: 'layer', pass: 'infer', shape: { T: 1, B: 1, I: 1, H } };
  const floats = (count: number) => new Float32Array(count);
  return {
    suite: 'fake',
    case: `H ${H}`,
    pass: 'infer',
    operations: 1,
    traffic: { bytes: 1, times: 1 },
    asked,
    inputs: async () => ({
      x: floats(1),
      weight_ih: floats(4 * H),
      weight_hh: floats(4 * H * H),
      bias_ih: floats(4 * H),
      bias_hh: floats(4 * H),
      dy: floats(H),
    }),
    outputs: async () => ({ y: floats(H).fill(y) }),
    time: async () => 1e-2,
    dispose: () => {},
  };
}

const measure = (given: Contest): Promise<Row> => {
  const bandwidths = [{ name: 'memory', size: Infinity, bandwidth: 1 }];
  return contest(given, { rounds: 2, wanted: () => true, peers: [peer], bandwidths });
};

test('a peer says its version, and takes part in what it can do', async () => {
  expect(peer.version).toBe('1.2.3');
  const { ratio, skipped } = await measure(fakeContest(5));
  expect(Object.keys(ratio)).toEqual(['fake']);
  expect(skipped).toBeUndefined();
});

test.each([
  ['refuses a case', 1, 'has no layers of one unit'],
  ['takes too long for its first call', 2, 'its first call took more than 2 s'],
  ['ends while it prepares a case', 3, 'its process has ended'],
  ['ends while it is timed', 4, 'its process has ended: the engine is out of order'],
])(
  'a peer that %s is skipped with the reason, and takes part in the next case',
  async (_, H, reason) => {
    const { ratio, skipped, ms } = await measure(fakeContest(H));
    expect(skipped).toEqual({ fake: reason });
    expect(ratio).toEqual({});
    expect(ms).toBeCloseTo(10);
    expect((await measure(fakeContest(5))).ratio.fake).toBeGreaterThan(0);
  },
  60_000,
);

test('a peer whose outputs are others ends the run', async () => {
  await expect(measure(fakeContest(5, 2))).rejects.toThrow(Disagreement);
  await expect(measure(fakeContest(5, 2))).rejects.toThrow('fake: H 5, infer: y differs from ours by');
});

test('a peer that is not there says how to install it', async () => {
  const start = Peer.start('other', { ...kind, command: ['/nowhere/engine'] });
  await expect(start).rejects.toThrow(PeerError);
  await expect(start).rejects.toThrow(
    'other: could not be started: spawn /nowhere/engine ENOENT\n  take what is there',
  );
});
