/**
 * The least time that a machine needs for some work: the larger of what its operations take at the peak, and of what
 * its bytes take at the bandwidth of the smallest memory that holds them (Williams et al. 2009). All are measured.
 */
import { readFileSync } from 'node:fs';
import { getThreads, measureBandwidth } from '../lib/backend/native/native';
import { median } from './measure';

/** Bytes of one cache, and bytes a second that the team reads from caches of this kind. */
interface Level {
  readonly name: string;
  readonly size: number;
  readonly bandwidth: number;
}

export type Bandwidths = readonly Level[];

const kilo = 1024;

/** Where the system does not say: 32 KB, 512 KB, 16 MB, which is what most machines have at least. */
const usualSizes = { L1: 32 * kilo, L2: 512 * kilo, L3: 16 * kilo ** 2 };

function cacheSizes(): Readonly<Record<string, number>> {
  const sizes: Record<string, number> = { ...usualSizes };
  for (let index = 0; index < 8; index++) {
    const read = (name: string) =>
      readFileSync(`/sys/devices/system/cpu/cpu0/cache/index${index}/${name}`, 'utf8').trim();
    try {
      if (read('type') !== 'Instruction') sizes[`L${read('level')}`] = parseInt(read('size')) * kilo;
    } catch {
      return sizes;
    }
  }
  return sizes;
}

/** Beyond this part of a cache other things stand in it. */
const usablePart = 0.75;

/** L1 and L2 belong to a core each, L3 is shared. Memory is what no cache holds. */
export async function measureBandwidths(): Promise<Bandwidths> {
  const { L1, L2, L3 } = cacheSizes() as typeof usualSizes;
  const threads = getThreads();
  const measure = async (bytes: number) => {
    const samples: number[] = [];
    for (let round = 0; round < 5; round++) samples.push(await measureBandwidth(Math.floor(bytes)));
    return median(samples);
  };
  return [
    { name: 'L1', size: L1 * threads * usablePart, bandwidth: await measure(L1 / 2) },
    { name: 'L2', size: L2 * threads * usablePart, bandwidth: await measure(L2 / 2) },
    { name: 'L3', size: L3 * usablePart, bandwidth: await measure(L3 / 4 / threads) },
    { name: 'memory', size: Infinity, bandwidth: await measure((8 * L3) / threads) },
  ];
}

/** Bytes that are read again and again, and how often. */
export interface Traffic {
  readonly bytes: number;
  readonly times: number;
}

export function leastSeconds(operations: number, peak: number, traffic: Traffic, bandwidths: Bandwidths): number {
  const { bandwidth } = bandwidths.find(({ size }) => traffic.bytes <= size)!;
  return Math.max(operations / peak, (traffic.bytes * traffic.times) / bandwidth);
}
