import fc from 'fast-check';
import { DataError } from '../../lib/errors';
import { Vocabulary } from '../../lib/data/vocabulary';

/** Any string, halves of surrogate pairs included. */
const unit = fc.oneof(fc.integer({ min: 0, max: 0xffff }), fc.integer({ min: 0xd800, max: 0xdfff }));
const anyText = fc.array(unit).map((units) => String.fromCharCode(...units));

describe('a vocabulary', () => {
  it('numbers the distinct characters in code point order', () => {
    // In UTF-16 order the emoji (U+1F600, first unit U+D83D) would come before U+FFFD.
    const vocabulary = Vocabulary.of('b\ufffd😀ab');
    expect(vocabulary.toJSON()).toEqual({ characters: ['a', 'b', '\ufffd', '😀'] });
    expect([...vocabulary.encode('😀ba')]).toEqual([3, 1, 0]);
  });

  it('decodes what it encoded, for any text', () => {
    fc.assert(
      fc.property(anyText, (source) => {
        const vocabulary = Vocabulary.of(source);
        expect(vocabulary.decode(vocabulary.encode(source))).toBe(source);
      }),
    );
  });

  it('survives JSON, lone surrogates included', () => {
    fc.assert(
      fc.property(fc.oneof(anyText, fc.constant('\ude00 \ud83d')), (source) => {
        const vocabulary = Vocabulary.of(source);
        const again = Vocabulary.fromJSON(JSON.parse(JSON.stringify(vocabulary)));
        expect([...again.encode(source)]).toEqual([...vocabulary.encode(source)]);
        expect(again.size).toBe(vocabulary.size);
      }),
    );
  });

  it('names an unknown character and where it stands', () => {
    const vocabulary = Vocabulary.of('abc');
    expect(() => vocabulary.encode('abé')).toThrow(
      'text: expected the 3 characters of the vocabulary, received "é" (U+00E9) at index 2',
    );
    expect(() => vocabulary.encode('a😀')).toThrow(/"😀" \(U\+1F600\) at index 1/);
  });

  it('names a token that is out of range', () => {
    const vocabulary = Vocabulary.of('abc');
    expect(() => vocabulary.decode([0, 3])).toThrow('tokens: expected integers in 0..2, received 3 at index 1');
    for (const token of [-1, 0.5, NaN]) expect(() => vocabulary.decode([token])).toThrow(DataError);
  });

  it('refuses JSON that it did not write', () => {
    const bad = [
      null,
      'abc',
      {},
      { characters: 'abc' },
      { characters: ['b', 'a'] },
      { characters: ['a', 'a'] },
      { characters: ['ab'] },
    ];
    for (const json of bad) expect(() => Vocabulary.fromJSON(json)).toThrow(DataError);
  });
});
