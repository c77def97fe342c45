import { OptionError } from '../../errors';
import { defineOp, expectShape, one, type Variable, type View } from '../op';
import { philox, type Words2 } from '../philox';

/**
 * y = x / (1 - p) where kept, else 0; each element is dropped with probability p.
 *
 * The mask is a function of the key (seed, run), the stream (one for each dropout of a program) and the element's
 * place (t, b, unit): the last axis is the unit, the one before it b, all before that t. Backends, thread counts and
 * the backward pass therefore agree on it without storing it.
 */
export const dropout = defineOp({
  name: 'dropout',
  operands: { x: one('float32'), key: one('int32') },
  outputs: { y: one('float32') },
  attributes: { p: 'number', stream: 'integer' },
  infer({ x, key }, { p }) {
    expectShape('key', key, [2]);
    if (!(p >= 0 && p < 1)) throw new OptionError(`p: expected a probability in [0, 1), received ${p}`);
    return { y: x };
  },
  gradient({ operands: { key }, cotangents, attributes, emit }): { x: Variable } {
    return { x: emit(dropout, { x: cotangents.y!, key }, attributes).y };
  },
  reference({ operands: { x, key }, outputs: { y }, attributes: { p, stream } }) {
    const dropped = drawnBelow(p, key, stream, x.shape);
    // Rounded as the native kernel rounds it, so that the two differ in the mask or not at all.
    const scale = Math.fround(1 / (1 - p));
    for (let k = 0; k < x.data.length; k++) y.data[k] = dropped(k) ? 0 : x.data[k]! * scale;
  },
});

/** Whether the number drawn for element k of an array of this shape is below p. */
export function drawnBelow(
  p: number,
  key: View,
  stream: number,
  shape: readonly number[],
): (element: number) => boolean {
  const units = shape.at(-1) ?? 1;
  const batch = shape.at(-2) ?? 1;
  const words: Words2 = [key.data[0]! >>> 0, key.data[1]! >>> 0];
  const limit = Math.floor(p * 2 ** 32);
  return (element) => {
    const unit = element % units;
    const row = Math.floor(element / units);
    return philox(words, [unit >>> 2, row % batch, Math.floor(row / batch), stream])[unit & 3]! < limit;
  };
}
