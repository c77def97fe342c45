import config from './jest.config.mjs';

/** The package as a user installs it: `npm run test:package`. */
export default {
  ...config,
  roots: ['<rootDir>/test/package'],
  testPathIgnorePatterns: ['/node_modules/'],
  moduleNameMapper: {},
  testTimeout: 300_000,
};
