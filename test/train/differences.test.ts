import { differences, inLines } from '../../lib/train/differences';

test('equal values have none, whatever the order of their names', () => {
  expect(differences({ a: 1, b: [{ c: null }] }, { b: [{}], a: 1 })).toEqual([]);
});

test('each difference is named by its path, in lists too, with both values', () => {
  const layer = (units: number) => ({ kind: 'lstm', units });
  expect(differences({ layers: [layer(4), layer(5)] }, { layers: [layer(4), layer(6)] })).toEqual([
    'layers[1].units: expected 5, received 6',
  ]);
  expect(differences({ layers: [1] }, { layers: [1, { kind: 'gru' }] })).toEqual([
    'layers[1]: expected none, received {"kind":"gru"}',
  ]);
  expect(differences({ a: [1], b: null }, { a: 1, b: { c: 2 } })).toEqual([
    'a: expected [1], received 1',
    'b: expected null, received {"c":2}',
  ]);
});

test('long values are shown where they differ', () => {
  const long = (end: string) => `${'x'.repeat(100)}${end}${'y'.repeat(100)}`;
  const [told] = differences({ text: long('a') }, { text: long('b') });
  expect(told).toBe(`text: expected ...${shownAround('a')}..., received ...${shownAround('b')}...`);
});

const shownAround = (letter: string) => `${'x'.repeat(20)}${letter}${'y'.repeat(36)}`;

test('of many differences the first are told, and the number of the others', () => {
  const found = differences(Array.from({ length: 20 }).fill(1), Array.from({ length: 20 }).fill(2));
  expect(found).toHaveLength(20);
  const lines = inLines(found).split('\n');
  expect(lines).toHaveLength(9);
  expect(lines.at(-1)).toBe('  and 12 more');
});
