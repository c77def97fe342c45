/** Two workers, not one for each CPU: each owns a compute thread and its team. */
export default {
  testEnvironment: 'node',
  roots: ['<rootDir>/test'],
  testMatch: ['**/*.test.ts'],
  testPathIgnorePatterns: [
    '/node_modules/',
    '/test/package/',
    '/test/onnxruntime/',
    '/test/exhaustive/',
    '/test/examples/data/',
  ],
  transform: { '\\.ts$': ['ts-jest', {}] },
  // Examples import the package by its name; tests run them on the sources.
  moduleNameMapper: { '^lstm-native$': '<rootDir>/lib/index.ts' },
  modulePathIgnorePatterns: ['<rootDir>/dist/', '<rootDir>/build'],
  maxWorkers: 2,
  testTimeout: 30_000,
};
