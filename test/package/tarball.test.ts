import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const root = resolve(__dirname, '../..');
const temporary = (): string => mkdtempSync(join(tmpdir(), 'lstm-native-package-'));
const packed = temporary();
const consumer = temporary();
let paths: string[];

/** Runs a command in the consumer's folder and returns what it prints. */
function run(command: string, ...args: string[]): string {
  return execFileSync(command, args, { cwd: consumer, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

beforeAll(() => {
  execFileSync('npm', ['pack', '--silent', '--pack-destination', packed], { cwd: root, stdio: 'pipe' });
  const tarball = join(packed, readdirSync(packed)[0]!);
  paths = execFileSync('tar', ['-tzf', tarball], { encoding: 'utf8' }).trim().split('\n');
  writeFileSync(join(consumer, 'package.json'), '{ "private": true }');
  run('npm', 'install', '--ignore-scripts', '--no-audit', '--no-fund', tarball);
});

afterAll(() => {
  for (const folder of [packed, consumer]) rmSync(folder, { recursive: true, force: true });
});

test('the tarball carries the binary of this platform, the two faces, the readme and the licence', () => {
  const platform = `${process.platform}-${process.arch}`;
  expect(paths).toEqual(
    expect.arrayContaining(
      [`prebuilds/${platform}/lstm_native.node`, 'dist/index.js', 'dist/index.mjs', 'README.md', 'LICENSE'].map(
        (path) => `package/${path}`,
      ),
    ),
  );
});

test('the tarball carries no sources, tests or maps', () => {
  expect(paths.filter((path) => !/^package\/(dist|prebuilds)\/|^package\/[^/]+$/.test(path))).toEqual([]);
  expect(paths.filter((path) => /\.map$|(?<!\.d)\.m?ts$/.test(path))).toEqual([]);
});

test('the installed package trains through require', () => {
  copyFileSync(join(__dirname, 'ten-steps.cjs'), join(consumer, 'ten-steps.cjs'));
  expect(run(process.execPath, 'ten-steps.cjs', 'node_modules/lstm-native')).toMatch(/^[0-9a-f]{64}\n$/);
});

(process.platform === 'linux' ? test : test.skip)('the installed addon brings its own OpenMP runtime', () => {
  const program = `
    process.argv[2] = 'node_modules/lstm-native';
    require('./ten-steps.cjs');
    const loaded = () => process.report.getReport().sharedObjects.filter((path) => path.includes('libgomp'));
    process.on('exit', () => console.log(loaded().join()));`;
  writeFileSync(join(consumer, 'runtime.cjs'), program);
  const folder = join('node_modules/lstm-native/prebuilds', `${process.platform}-${process.arch}`);
  expect(run(process.execPath, 'runtime.cjs').split('\n')[1]).toMatch(new RegExp(`${folder}/libgomp\\.so\\.1$`));
});

test('require and import give the identical objects', () => {
  const program = `
    import { createRequire } from 'node:module';
    import * as imported from 'lstm-native';
    const required = createRequire(import.meta.url)('lstm-native');
    const names = Object.keys(required).sort();
    const same = names.every((name) => required[name] === imported[name]);
    console.log(JSON.stringify({ names, missing: Object.keys(imported).filter((name) => !(name in required)), same }));`;
  writeFileSync(join(consumer, 'identical.mjs'), program);
  const { names, missing, same } = JSON.parse(run(process.execPath, 'identical.mjs')) as {
    names: string[];
    missing: string[];
    same: boolean;
  };
  expect(names).toEqual(expect.arrayContaining(['lstm', 'sequential', 'load']));
  expect(missing).toEqual([]);
  expect(same).toBe(true);
});

describe('a TypeScript consumer with nodenext', () => {
  const source = `
    import { linear, lstm, sequential } from 'lstm-native';
    export const model = sequential([lstm(8), linear(2)], { seed: 1 });
    export const answer: Promise<unknown> = model.predict({
      inputs: { data: new Float32Array(30), shape: [2, 5, 3] },
    });`;

  const compile = (file: string, contents: string): string => {
    writeFileSync(join(consumer, file), contents);
    const compiler = require.resolve('typescript/bin/tsc');
    const options = ['--module', 'nodenext', '--target', 'es2022', '--strict', '--noEmit', '--pretty', 'false'];
    const types = ['--types', 'node', '--typeRoots', join(root, 'node_modules/@types')];
    try {
      return run(process.execPath, compiler, ...options, ...types, file);
    } catch (error) {
      return (error as { stdout: string }).stdout;
    }
  };

  test.each(['consumer.mts', 'consumer.cts'])('%s compiles', (file) => {
    expect(compile(file, source)).toBe('');
  });

  test('a wrong argument is a type error', () => {
    expect(compile('wrong.mts', source.replace('lstm(8)', "lstm('eight')"))).toMatch(/^wrong\.mts\(3,\d+\): error TS2/);
  });
});
