import { permutation } from '../../lib/data/permutation';

test('an order holds each number once, and is decided by seed and epoch', () => {
  const numbers = Uint32Array.from({ length: 1000 }, (_, index) => index);
  expect(permutation(1000, 1, 0).toSorted()).toEqual(numbers);
  expect(permutation(1000, 1, 0)).toEqual(permutation(1000, 1, 0));
  for (const [seed, epoch] of [
    [2, 0],
    [1, 1],
  ] as const)
    expect(permutation(1000, seed, epoch)).not.toEqual(permutation(1000, 1, 0));
  expect([...permutation(1, 1, 0)]).toEqual([0]);
  expect([...permutation(0, 1, 0)]).toEqual([]);
});

test('each number comes to each place about equally often', () => {
  const [orders, length] = [3000, 5];
  const counts = new Array<number>(length * length).fill(0);
  for (let epoch = 0; epoch < orders; epoch++)
    permutation(length, 7, epoch).forEach((number, place) => counts[number * length + place]!++);
  // Six standard deviations of a binomial count.
  const bound = 6 * Math.sqrt((orders / length) * (1 - 1 / length));
  for (const count of counts) expect(Math.abs(count - orders / length)).toBeLessThan(bound);
});
