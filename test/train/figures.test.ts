import { f1, meanSquaredError } from '../../lib';
import { MeanFigures } from '../../lib/train/figures';

test('means of metrics named as members of objects are kept, and touch no prototype', () => {
  const means = new MeanFigures({ loss: meanSquaredError(), metrics: { constructor: f1() } });
  const sums = { constructor: { met: [2], predicted: [2], actual: [2] } };
  for (const value of [1, 3]) means.add({ figures: { loss: value, toString: value }, weight: 1, sums });
  expect(means.mean()).toEqual({ loss: 2, rootMeanSquaredError: Math.SQRT2, toString: 2, constructor: 1 });
  expect(means.record().sums).toEqual({ constructor: { met: [4], predicted: [4], actual: [4] } });
  expect(Object.hasOwn(Object, 'met')).toBe(false);
});
