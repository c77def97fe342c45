// Trains ten steps with the package at the given path and prints the bits of its parameters, so that one binary can be
// compared across versions of Node.js: node test/package/ten-steps.cjs <package folder>
const { createHash } = require('node:crypto');
const { resolve } = require('node:path');
const { adam, crossEntropy, embedding, linear, lstm, sequential } = require(resolve(process.argv[2]));

const shape = [4, 12];
const tokens = (offset) => ({ data: Int32Array.from({ length: 48 }, (_, index) => (index * 7 + offset) % 11), shape });

async function main() {
  const model = sequential([embedding(11, 8), lstm(16, { numLayers: 2 }), linear(11)], { seed: 1 });
  const batch = { inputs: tokens(0), targets: tokens(7) };
  await model.fit([batch], { loss: crossEntropy(), optimizer: adam({ lr: 1e-2 }), epochs: 10 });

  const digest = createHash('sha256');
  for (const [name, { data }] of Object.entries(await model.stateDict())) {
    if (!data.every(Number.isFinite)) throw new Error(`${name} is not finite`);
    digest.update(name).update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  console.log(digest.digest('hex'));
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
