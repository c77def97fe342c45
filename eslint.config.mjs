import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';

// Imports point one way: a room may import from rooms before it and beside it, never from one after it.
const rooms = [
  ['ops'],
  ['program'],
  ['backend'],
  ['nn', 'optim', 'data', 'checkpoint'],
  ['train'],
  ['model'],
  ['forecast', 'serve', 'analysis'],
  ['cli'],
];

const restricted = (files, ...patterns) => ({ files, rules: { 'no-restricted-imports': ['error', { patterns }] } });

const upward = (index) => {
  const above = rooms.slice(index + 1).flat();
  return {
    regex: `^(\\.\\./)+(${above.join('|')}|index)(/|$|\\.js$)`,
    message: `${rooms[index].join(', ')} may not import from the rooms above: ${above.join(', ')}`,
  };
};

const oneWay = rooms.slice(0, -1).map((storey, index) =>
  restricted(
    storey.map((room) => `lib/${room}/**/*.ts`),
    upward(index),
  ),
);

// Kinds of data share what stands beside them (batches, draws, labels, vocabularies), and know nothing of each other.
const kindsOfData = ['sequences', 'series', 'synthetic', 'text'];
const storeyOfData = rooms.findIndex((storey) => storey.includes('data'));

const apart = kindsOfData.map((kind) => {
  const others = kindsOfData.filter((other) => other !== kind);
  return restricted([`lib/data/${kind}/**/*.ts`], upward(storeyOfData), {
    regex: `^(\\.\\./)+(data/)?(${others.join('|')})(/|$)`,
    message: `data/${kind} may not import from other kinds of data: ${others.join(', ')}`,
  });
});

export default defineConfig(
  globalIgnores(['dist/', 'build*/', 'prebuilds/', 'runs/', 'coverage/', 'node_modules/', 'test/goldens/']),
  {
    files: ['**/*.ts', '**/*.mts'],
    extends: [tseslint.configs.recommendedTypeChecked, tseslint.configs.stylistic],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      // Kernels' plain loops walk several arrays by one index.
      '@typescript-eslint/prefer-for-of': 'off',
      // Interfaces of asynchronous work are also implemented by code that need not wait.
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/no-empty-function': 'off',
      // Ops are records of functions, taken apart freely; none of them reads `this`.
      '@typescript-eslint/unbound-method': 'off',
      eqeqeq: 'error',
      'no-console': 'error',
    },
  },
  {
    files: ['lib/**/*.ts'],
    rules: {
      'max-lines': ['error', { max: 300 }],
      'max-lines-per-function': ['error', { max: 60, skipBlankLines: true, skipComments: true }],
    },
  },
  {
    // Layers are classes that one can call; an interface beside the class says with what.
    files: ['lib/nn/**/*.ts'],
    rules: {
      '@typescript-eslint/no-unsafe-declaration-merging': 'off',
      '@typescript-eslint/prefer-function-type': 'off',
    },
  },
  ...oneWay,
  ...apart,
  {
    // Tests compile these as well, under checks of indexed access that examples do without.
    files: ['examples/support/**'],
    rules: { '@typescript-eslint/no-unnecessary-type-assertion': 'off' },
  },
  {
    files: ['examples/**', 'benchmarks/**', 'lib/cli/**', 'test/**'],
    rules: { 'no-console': 'off' },
  },
);
