import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import * as errors from '../../lib/errors';
import * as functions from '../../lib/ops/functions';
import { documents, read, root } from './markdown';

const readme = read('README.md');

test('every code of an error stands in the table beside its class, and no other', () => {
  const classes = Object.entries(errors).filter(([name]) => name !== 'LstmNativeError');
  const codes = classes.map(([name, Class]) => {
    const error = new (Class as new (message: string, step: number) => { code: string })('', 1);
    return `${error.code} ${name}`;
  });
  const rows = [...readme.matchAll(/^\| `(ERR_\w+)` \| `(\w+)` \|/gm)].map(([, code, name]) => `${code} ${name}`);
  expect(rows.sort()).toEqual(codes.sort());
});

test('the functions for losses and layers are listed, all of them', () => {
  const [, list = ''] = /There are\n`([^`]+)`/.exec(readme) ?? [];
  expect(list.split(' ').sort()).toEqual(Object.keys(functions).sort());
});

test('environment variables are those that the sources read', () => {
  const sources = ['native/isa/dispatch.cc', 'native/runtime/engine.cc', 'lib/backend/native/load.ts'].map(read).join();
  const named = new Set(readme.match(/LSTM_NATIVE_[A-Z]+/g));
  expect([...named].sort()).toEqual([...new Set(sources.match(/LSTM_NATIVE_[A-Z]+/g))].sort());
});

describe.each(documents())('the commands of %s', (document) => {
  const text = read(document);

  test('are scripts of the package', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const named = [...text.matchAll(/npm run ([\w:]+)/g)].map(([, name]) => name!);
    expect(named.filter((name) => !(name in scripts))).toEqual([]);
  });

  test('name tests that exist', () => {
    const tests = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.test.ts'))
      .map((name) => join('test', name));
    const named = [...text.matchAll(/npx jest ([\w/.-]+)/g)].map(([, path]) => path!);
    expect(named.filter((path) => !tests.some((name) => name.startsWith(path)))).toEqual([]);
  });

  test('run files that exist', () => {
    const files = [...text.matchAll(/npx tsx ([\w/.-]+)/g)].map(([, path]) => path!);
    const examples = [...text.matchAll(/npm run example -- ([\w.-]+)/g)].map(([, name]) => `examples/${name}`);
    expect([...files, ...examples].filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });
});
