import { getEventListeners } from 'node:events';
import type { Batch } from '../../lib';
import { Feed } from '../../lib/train/feed';

test('a feed that is left before its data come keeps neither timers nor listeners', async () => {
  async function* never(): AsyncGenerator<Batch> {
    await new Promise(() => {});
    yield { inputs: { data: Float32Array.of(1), shape: [1] } };
  }
  const set = jest.spyOn(globalThis, 'setTimeout');
  const cleared = jest.spyOn(globalThis, 'clearTimeout');
  const [stop, other] = [new AbortController(), new AbortController()];
  const feed = new Feed(never());
  const left = feed.next([stop.signal, other.signal], 5000);
  stop.abort();
  expect(await left).toBeNull();
  expect(await feed.next([stop.signal, other.signal], 5000)).toBeNull();
  expect(await feed.next([other.signal], 1)).toBeNull();
  expect([stop, other].map(({ signal }) => getEventListeners(signal, 'abort').length)).toEqual([0, 0]);
  const timers = set.mock.results.map(({ value }) => value as NodeJS.Timeout);
  expect(timers.length).toBeGreaterThan(0);
  for (const timer of timers) expect(cleared).toHaveBeenCalledWith(timer);
});
