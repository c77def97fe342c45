import { OptionError } from '../../errors';
import { defineOp, expectShape, float32, one } from '../op';
import { drawnBelow } from './dropout';

/** y = 1 with probability p, else 0; drawn as `dropout` draws, so that 1 stands where dropout drops. */
export const bernoulli = defineOp({
  name: 'bernoulli',
  operands: { key: one('int32') },
  outputs: { y: one('float32') },
  attributes: { p: 'number', stream: 'integer', shape: 'shape' },
  infer({ key }, { p, shape }) {
    expectShape('key', key, [2]);
    if (!(p >= 0 && p < 1)) throw new OptionError(`p: expected a probability in [0, 1), received ${p}`);
    return { y: float32(...shape) };
  },
  gradient: 'none',
  reference({ operands: { key }, outputs: { y }, attributes: { p, stream } }) {
    const below = drawnBelow(p, key, stream, y.shape);
    for (let k = 0; k < y.data.length; k++) y.data[k] = below(k) ? 1 : 0;
  },
});
