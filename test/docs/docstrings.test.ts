/** Examples in the docstrings of the library compile as a user's code, under the strictest rules. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as library from '../../lib';
import { root } from './markdown';
import { errorsIn } from './typescript';

const variables = (
  'bias count forwards backwards gate keys label lengths levels likelihood logits logVariance p prediction queries raw ' +
  'score scores target value weight x y'
).split(' ');
const types = ['Inputs', 'LossFunction'];

/** What examples are about, so that they need not say it again. */
const given = `
  import type * as library from 'lstm-native';
  import type { byteVocabulary as bytes } from '../lib/data/vocabularies/bytes.js';
  declare global {
    const byteVocabulary: typeof bytes;
    const model: library.Sequential;
    const tagger: library.Sequential;
    const data: library.Data;
    const batch: library.Batch;
    const batches: library.Batch[];
    const inputs: library.Tensor;
    const cotangents: library.Tensor;
    const births: library.ForecastSeries;
    const sales: library.ForecastSeries;
    const holidays: Set<string>;
    const records: readonly { words: string[]; mood: string }[];
    const encoder: library.Lstm;
    const Tagger: () => library.Module;
    ${variables.map((name) => `const ${name}: library.Variable;`).join(' ')}
  }
`;

const folder = join(root, 'lib');
const sources = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .sort();
const exported = [...Object.keys(library), ...types];

/** The text of a comment's examples: what is indented, and what follows `@example`. */
function examplesIn(comment: string): string {
  let follows = false;
  return comment
    .split('\n')
    .map((line) => line.replace(/^\s*\* ?/, ''))
    .filter((line) => {
      const begins = line.startsWith('@');
      if (begins) follows = line.startsWith('@example');
      return !begins && (follows || line.startsWith('    '));
    })
    .join('\n');
}

/** Equations are indented too; they are no ASCII. */
const isCode = (text: string) => /\w\(|;/.test(text) && !/[^ -~\n]/.test(text.replace(/\/\/.*|'.*?'/g, ''));

function moduleOf(example: string): string {
  const names = new Set([...example.matchAll(/[\w$]+/g)].map(([name]) => name));
  const declared = new Set([...example.matchAll(/(?:const|class) (\w+)/g)].map(([, name]) => name));
  const imports = [...names].filter((name) => exported.includes(name) && !declared.has(name));
  return `import { ${imports.join(', ')} } from 'lstm-native';
    export async function example(this: { readonly encoder: typeof encoder }) {
      ${example}
    }`;
}

const examples = sources.flatMap((path) => {
  const text = readFileSync(join(folder, path), 'utf8');
  return [...text.matchAll(/\/\*\*(.*?)\*\//gs)].flatMap(([, comment], index) => {
    const example = examplesIn(comment!);
    return isCode(example) ? [[`${path.replaceAll('/', '.')}-${index}.mts`, moduleOf(example)] as const] : [];
  });
});

test('every example of a docstring compiles', () => {
  expect(examples.length).toBeGreaterThan(40);
  expect(errorsIn({ 'given.mts': given, ...Object.fromEntries(examples) })).toEqual([]);
}, 120_000);
