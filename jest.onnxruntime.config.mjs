import config from './jest.config.mjs';

/** A second opinion from ONNX Runtime, which has a folder of its own: `npm run test:onnxruntime`. */
export default {
  ...config,
  roots: ['<rootDir>/test/onnxruntime'],
  testEnvironment: '<rootDir>/test/onnxruntime/environment.cjs',
  testPathIgnorePatterns: ['/node_modules/'],
};
