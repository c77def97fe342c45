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
