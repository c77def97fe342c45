import config from './jest.config.mjs';

/** What takes minutes: tasks that are learned, examples at their full budgets, and a text larger than memory; `npm run test:exhaustive`. */
export default {
  ...config,
  roots: ['<rootDir>/test/exhaustive'],
  testPathIgnorePatterns: ['/node_modules/'],
  testTimeout: 600_000,
};
