import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CommonestStress, readWords, vowelsOf, type Word } from '../../../examples/support/cmudict';
import { runExample } from '../../support/example';
import { vowelsRight } from '../../support/exampleFigures';

const run = mkdtempSync(join(tmpdir(), 'lstm-native-stress-'));

const dictionary = readWords();

afterAll(() => rmSync(run, { recursive: true, force: true }));

test('no word and no pronunciation stands in the data twice', () => {
  expect(dictionary.length).toBeGreaterThan(100_000);
  expect(new Set(dictionary.map(({ spelling }) => spelling)).size).toBe(dictionary.length);
  expect(new Set(dictionary.map(({ phonemes }) => phonemes.join(' '))).size).toBe(dictionary.length);
});

test('vowels have a stress, consonants none', () => {
  const about = dictionary.find(({ spelling }) => spelling === 'ABOUT');
  expect(about).toEqual({
    spelling: 'ABOUT',
    phonemes: ['AH', 'B', 'AW', 'T'],
    stress: ['unstressed', null, 'primary', null],
  });
});

test('the commonest stress is that of most training words, and falls back where nothing was seen', () => {
  const word = (...vowels: [string, 'unstressed' | 'primary'][]): Word => ({
    spelling: '',
    phonemes: vowels.map(([vowel]) => vowel),
    stress: vowels.map(([, stress]) => stress),
  });
  const training = [
    word(['AH', 'primary'], ['AH', 'unstressed']),
    word(['AH', 'unstressed'], ['AH', 'unstressed']),
    word(['AH', 'primary'], ['IY', 'primary']),
  ];
  const byVowel = new CommonestStress('vowel', (vowel) => vowel, training);
  const byPlace = new CommonestStress('vowel and place', (...all) => all.join(' '), training, byVowel);
  const unseen = word(['AH', 'primary'], ['AH', 'unstressed'], ['IY', 'unstressed'], ['AO', 'unstressed']);
  expect(byVowel.tag(training[0]!)).toEqual(['unstressed', 'unstressed']);
  expect(byPlace.tag(training[0]!)).toEqual(['primary', 'unstressed']);
  expect(byPlace.tag(unseen)).toEqual(['unstressed', 'unstressed', 'primary', 'unstressed']);
  expect(vowelsOf(unseen)).toHaveLength(4);
});

test('stress.ts tags more vowels right than the commonest of each vowel, after a short training', async () => {
  const { lines, code } = await runExample('stress.ts', '--quick', '--run', run);
  expect([code, code === 0 ? '' : lines]).toEqual([0, '']);
  const right = (tagger: string) => vowelsRight(lines, tagger);
  expect(right('bidirectional LSTM')).toBeGreaterThan(right('commonest of the vowel'));
  expect(right('commonest of the vowel')).toBeGreaterThan(right('commonest of all'));
  expect(readFileSync(join(run, 'stress.svg'), 'utf8')).toContain('Stress of held-out English words');
});
