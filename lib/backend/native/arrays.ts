/** The typed arrays that go to the addon. */
import { tagOf } from '../../arrays';
import type { ArrayView, NumberArray } from '../backend';

/** Whether they have their sizes still: none went to another thread with its buffer, or shrank with it. */
export function areWhole(arrays: readonly NumberArray[], sizes: readonly number[]): boolean {
  for (let index = 0; index < arrays.length; index++) if (arrays[index]!.length !== sizes[index]) return false;
  return true;
}

export const isShared = (array: ArrayView): boolean => tagOf(array?.data?.buffer) === 'SharedArrayBuffer';

/** Copied when another thread could change it between the check and the copy of the addon. */
export const unshared = (array: ArrayView): ArrayView =>
  isShared(array) ? { ...array, data: array.data.slice() } : array;

/** The data as an array that the addon takes. */
export function transferable(data: ArrayLike<number>, integers: boolean): NumberArray {
  const tag = tagOf(data);
  const taken = integers ? tag === 'Int32Array' : tag === 'Float32Array' || tag === 'Float64Array';
  const typed = data as NumberArray;
  if (taken && tagOf(typed.buffer) !== 'SharedArrayBuffer') return typed;
  return integers ? Int32Array.from(data) : Float64Array.from(data);
}
