import { philox, type Words2, type Words4 } from '../../lib/ops/philox';

// The "philox4x32 10" lines of Random123's tests/kat_vectors: counter, key, expected.
const knownAnswers: [name: string, counter: Words4, key: Words2, expected: Words4][] = [
  ['zeros', [0, 0, 0, 0], [0, 0], [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]],
  [
    'ones',
    [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
    [0xffffffff, 0xffffffff],
    [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
  ],
  [
    'the digits of π',
    [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
    [0xa4093822, 0x299f31d0],
    [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
  ],
];

test.each(knownAnswers)('Philox4x32-10 gives the published answer for %s', (_, counter, key, expected) => {
  expect(philox(key, counter)).toEqual(expected);
});

test('Philox4x32-10 gives what it gives in integers of any size, whatever carries between halves of words', () => {
  const word = (index: number) => philox([index, 7], [index >>> 2, 0, 0, 1])[index & 3]!;
  for (let index = 0; index < 2000; index++) {
    const edge = [0, 0xffff, 0x10000, 0xffff0000, 0x7fffffff, 0x80000000][index % 6]!;
    const counter: Words4 = [edge, word(index), (word(index + 1) & 0xffff0000) >>> 0, edge];
    const key: Words2 = [word(index + 2), edge];
    expect(philox(key, counter)).toEqual(philoxOfBigInts(key, counter));
  }
});

function philoxOfBigInts(key: Words2, counter: Words4): number[] {
  const low = (value: bigint) => value & 0xffffffffn;
  let [c0, c1, c2, c3] = counter.map(BigInt) as [bigint, bigint, bigint, bigint];
  let [k0, k1] = key.map(BigInt) as [bigint, bigint];
  for (let round = 0; round < 10; round++) {
    const [product0, product1] = [0xd2511f53n * c0, 0xcd9e8d57n * c2];
    [c0, c1, c2, c3] = [(product1 >> 32n) ^ c1 ^ k0, low(product1), (product0 >> 32n) ^ c3 ^ k1, low(product0)];
    [k0, k1] = [low(k0 + 0x9e3779b9n), low(k1 + 0xbb67ae85n)];
  }
  return [c0, c1, c2, c3].map(Number);
}
