import { errorsIn } from './typescript';
import { blocks, documents, read } from './markdown';
import { textOf } from './sources';

/** What the short snippets of the readme are about, so that they need not say it again. */
const given = `
  import type * as library from 'lstm-native';
  declare global {
    const model: library.Module;
    const corpus: library.Corpus;
    const batch: library.Batch;
    const batches: library.Batch[];
    const inputs: library.Tensor;
    const cotangents: library.Tensor;
  }
`;

const all = documents().flatMap((document) => blocks(read(document)).map((block) => ({ document, ...block })));

test('every TypeScript block compiles', () => {
  const snippets = all.filter(({ language }) => language === 'ts');
  const files = snippets.map(({ text }, index) => [`snippet-${index}.mts`, text] as const);
  const errors = errorsIn({ 'given.mts': given, ...Object.fromEntries(files) });
  expect(snippets.length).toBeGreaterThan(5);
  expect(errors).toEqual([]);
}, 120_000);

test('a block that does not compile is named', () => {
  const errors = errorsIn({ 'wrong.mts': `import { lstm } from 'lstm-native';\nlstm('many');` });
  expect(errors).toEqual([expect.stringMatching(/^wrong\.mts:2: .*string.*number/)]);
}, 120_000);

test.each(
  all.filter(({ source }) => source !== null).map((block) => [block.document, block.source!, block.text] as const),
)('%s shows %o as it is', (_, source, text) => {
  expect(text).toBe(textOf(source));
});
