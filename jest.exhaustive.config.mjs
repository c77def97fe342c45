import config from './jest.config.mjs';

/** Long checks: `npm run test:exhaustive`. */
export default { ...config, testMatch: ['**/*.exhaustive.ts'], passWithNoTests: true, testTimeout: 900_000 };
