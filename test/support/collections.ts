/** Garbage collections, counted. */
import { PerformanceObserver } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * How many collections of any kind took place during `work`, as a PerformanceObserver sees them. With --expose-gc what
 * was left before is collected before, and not counted.
 */
export async function collectionsDuring(work: () => void): Promise<number> {
  globalThis.gc?.();
  await sleep(20);
  let count = 0;
  const observer = new PerformanceObserver((list) => (count += list.getEntries().length));
  observer.observe({ entryTypes: ['gc'] });
  work();
  // Entries come in a later turn of the event loop.
  await sleep(20);
  observer.disconnect();
  return count;
}
