const { TestEnvironment } = require('jest-environment-node');

/**
 * Tests have globals of their own in jest, so that an array made there is none to ONNX Runtime, which asks with
 * `instanceof`. Here both have the same typed arrays.
 */
module.exports = class extends TestEnvironment {
  constructor(config, context) {
    super(config, context);
    Object.assign(this.global, { Uint8Array, Float32Array, Int32Array });
  }
};
