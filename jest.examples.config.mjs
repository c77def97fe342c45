import config from './jest.config.mjs';

/** Examples on data that npm carries, which have packages of their own: `npm run test:examples`. */
export default {
  ...config,
  roots: ['<rootDir>/test/examples/data'],
  testPathIgnorePatterns: ['/node_modules/'],
  testTimeout: 300_000,
};
