import { draw, normal, uniform } from '../../lib/nn/initializer';
import { hashText, philox } from '../../lib/ops/philox';

/** The number at `index`, in (0, 1), by its definition. */
const unit = (seed: number, path: string, index: number) =>
  (philox([seed, hashText(path)], [index >>> 2, 0, 0, 0])[index & 3]! + 0.5) / 2 ** 32;

test('each number of a parameter depends on seed, path and its place alone', () => {
  const all = draw(uniform(0.5), 3, 'layer.weight', 10_001);
  expect(Array.from(all)).toEqual(
    Array.from(all, (_, index) => Math.fround((2 * unit(3, 'layer.weight', index) - 1) * 0.5)),
  );
  for (const kind of [uniform(0.5), normal(2)]) {
    const long = draw(kind, 3, 'layer.weight', 10_001);
    for (const size of [0, 1, 3, 4, 4095, 4096, 4097, 8192]) {
      expect(draw(kind, 3, 'layer.weight', size)).toEqual(long.subarray(0, size));
    }
  }
});
