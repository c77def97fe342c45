import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { load } from '../../lib/model/load';
import { runExample } from '../support/example';

const folder = mkdtempSync(join(tmpdir(), 'lstm-native-examples-'));
const book = join(folder, 'book.txt');
const run = join(folder, 'run');
const model = join(run, 'model.safetensors');

/** A sentence over and over: 0.9 of it are one batch of 32 rows and a few more. */
const sentence = 'the white whale swims and the old ship sails. ';

let training: Awaited<ReturnType<typeof runExample>>;

beforeAll(async () => {
  writeFileSync(book, sentence.repeat(120));
  training = await runExample('train.ts', book, '--hidden', '16', '--layers', '2', '--epochs', '2', '--run', run);
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

const generate = (...args: string[]) => runExample('generate.ts', '--model', model, ...args);

test('train.ts tells of each epoch, learns, and prints text of the asked length', () => {
  expect(training.code).toBe(0);
  const [first, second, ...printed] = training.lines;
  const bits = [first, second].map((line, index) => Number(new RegExp(`^${index + 1} (\\d\\.\\d+)$`).exec(line!)?.[1]));
  expect(bits[1]).toBeLessThan(bits[0]!);
  expect(printed.join('\n')).toHaveLength(20 + 200);
});

test('train.ts writes its events and a model that loads', async () => {
  const events = readFileSync(join(run, 'metrics.jsonl'), 'utf8').trim().split('\n');
  const epochs = events.map((line) => JSON.parse(line) as { type: string }).filter(({ type }) => type === 'epoch');
  expect(epochs).toHaveLength(2);
  const loaded = await load(model);
  expect(loaded.vocabulary!.size).toBe(new Set(sentence).size);
  expect(loaded.parameters().find(({ path }) => path === '1.weight_hh_l1')?.shape).toEqual([64, 16]);
  loaded.dispose();
});

test('generate.ts goes on from the prompt for the asked length, alike for the same seed', async () => {
  const args = ['--prompt', 'the whale', '--length', '50'];
  const [first, again, other] = await Promise.all([
    generate(...args, '--seed', '7'),
    generate(...args, '--seed', '7'),
    generate(...args, '--seed', '8'),
  ]);
  expect(first).toEqual({ lines: [expect.stringMatching(/^the whale.{50}$/)], code: 0 });
  expect(again).toEqual(first);
  expect(other.lines).not.toEqual(first.lines);
});

test('generate.ts says in one line what it lacks', async () => {
  const missing = join(folder, 'missing.safetensors');
  expect(await runExample('generate.ts', '--model', missing)).toEqual({
    lines: [`${missing}: no such file; train a model first with "npm start", or name one with --model`],
    code: 1,
  });
  expect(await generate('--prompt', 'Ω')).toEqual({
    lines: [expect.stringMatching(/^text: expected the \d+ characters of the vocabulary, received "Ω"/)],
    code: 1,
  });
  expect(await generate('--prompt', 'the', '--length', 'many')).toEqual({
    lines: ['generate: length: expected a positive integer, received NaN'],
    code: 1,
  });
});

test.each(['train.ts', 'generate.ts', 'service.ts', 'moby-dick.ts'])('%s --help tells its options', async (name) => {
  expect(await runExample(name, '--help')).toEqual({
    lines: [expect.stringMatching(new RegExp(`${name}( \\[.*\\])+$`))],
    code: 0,
  });
});

test('what cannot be read, or is no option, is said in one line', async () => {
  const missing = join(folder, 'missing.txt');
  expect(await runExample('train.ts', missing)).toEqual({
    lines: [`${missing}: the text could not be read: ENOENT`],
    code: 1,
  });
  const unknown = await runExample('train.ts', '--layer', '2');
  expect(unknown).toEqual({ lines: [expect.stringMatching(/^Unknown option '--layer'/)], code: 1 });
  for (const name of ['tiny-service.ts', 'service.ts']) {
    const { lines, code } = await runExample(name, ...(name === 'service.ts' ? ['--model'] : []), missing);
    expect([lines, code]).toEqual([[expect.stringMatching(/missing\.txt: cannot be read: ENOENT/)], 1]);
  }
});
