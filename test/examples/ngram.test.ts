import { mobyDick } from '../../examples/support/moby-dick';
import { CharacterNgrams } from '../../examples/support/ngram';
import { text } from '../../lib/data/text/text';

const log2 = Math.log2;

describe('character n-grams', () => {
  it('interpolate as Witten and Bell say, by hand', () => {
    // Training text a b a a. Unigrams: a 3, b 1, two types. After a: b 1, a 1. After b: a 1.
    const model = new CharacterNgrams(2, 3, Int32Array.of(0, 1, 0, 0));
    const unigram = (count: number) => (count + 2 / 3) / (4 + 2);
    expect(model.bitsPerCharacter(Int32Array.of(0, 1), 1)).toBeCloseTo(-log2(unigram(1)), 12);
    expect(model.bitsPerCharacter(Int32Array.of(0, 1))).toBeCloseTo(-log2((1 + 2 * unigram(1)) / (2 + 2)), 12);
    // c was never seen, neither as a target nor as a context.
    const afterC = -log2(unigram(3));
    const toC = -log2((0 + 1 * unigram(0)) / (1 + 1));
    expect(model.bitsPerCharacter(Int32Array.of(1, 2, 0))).toBeCloseTo((toC + afterC) / 2, 12);
  });

  it('are a distribution after any context', () => {
    const training = Int32Array.from({ length: 200 }, (_, index) => (index * index + (index >> 2)) % 5);
    const model = new CharacterNgrams(4, 7, training);
    for (const context of [[], [1], [6], [3, 6], [0, 1, 4], [4, 0, 1, 4, 0]]) {
      // Bits of context and token together, less those of the context alone, are those of the token.
      const bits = (tokens: number[]) =>
        tokens.length < 2 ? 0 : model.bitsPerCharacter(Int32Array.from(tokens)) * (tokens.length - 1);
      const start = [2, ...context];
      const total = [0, 1, 2, 3, 4, 5, 6].reduce((sum, token) => sum + 2 ** (bits(start) - bits([...start, token])), 0);
      expect(total).toBeCloseTo(1, 12);
    }
  });

  it('give the known figures on the test part of Moby Dick, with one fit for all orders', () => {
    const { vocabulary, train, test } = text.fromString(mobyDick());
    expect([vocabulary.size, train.length, test.length]).toEqual([89, 1_091_705, 60_650]);
    const model = new CharacterNgrams(6, vocabulary.size, train.tokens);
    const bits = [1, 2, 3, 4, 5, 6].map((order) => model.bitsPerCharacter(test.tokens, order).toFixed(3));
    expect(bits).toEqual(['4.423', '3.470', '2.830', '2.340', '2.145', '2.146']);
  });
});
