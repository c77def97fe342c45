/** TensorFlow.js with its wasm backend as a peer: see protocol.ts. JavaScript, since its types are there only where it is installed. */
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { serve } from './child.ts';
import { inputsOf } from './protocol.ts';

const require = createRequire(import.meta.url);
const tf = require('@tensorflow/tfjs');
const wasm = require('@tensorflow/tfjs-backend-wasm');
const { version } = require('@tensorflow/tfjs/package.json');

/** [4H, K] of ours, gates i, f, g, o, is [K, 4H] of theirs, in the same order. */
const transposed = (data, rows, columns) => tf.tidy(() => tf.tensor2d(data, [rows, columns]).transpose());

const lstmLayer = ({ I, H }) =>
  tf.layers.lstm({
    units: H,
    returnSequences: true,
    recurrentActivation: 'sigmoid',
    unitForgetBias: false,
    inputShape: [null, I],
  });

function setLstm(layer, { I, H }, tensors) {
  const bias = tensors.bias_ih.map((value, index) => value + tensors.bias_hh[index]);
  layer.setWeights([
    transposed(tensors.weight_ih, 4 * H, I),
    transposed(tensors.weight_hh, 4 * H, H),
    tf.tensor1d(bias),
  ]);
}

/** [T, B, F] of ours is [B, T, F] of theirs. */
const batchFirst = (data, shape) => tf.tidy(() => tf.tensor3d(data, shape).transpose([1, 0, 2]));
const timeFirst = (x) => tf.tidy(() => x.transpose([1, 0, 2]).dataSync());
const rowsFirst = (x) => tf.tidy(() => x.transpose().dataSync());

function openLayer(given, tensors) {
  if (given.pass === 'step') throw new Error('has no step that keeps a state');
  const shapes = Object.fromEntries(inputsOf(given));
  const layer = lstmLayer(given.shape);
  // Builds it: `build` alone leaves it to be built again by the next `apply`.
  layer.apply(tf.input({ shape: [null, given.shape.I] }));
  setLstm(layer, given.shape, tensors);
  const x = tf.variable(batchFirst(tensors.x, shapes.x));
  const close = () => tf.disposeVariables();
  const infer = () => tf.tidy(() => timeFirst(layer.apply(x)));
  if (given.pass === 'infer') return { outputs: { y: infer() }, run: async () => infer(), close };
  const dy = batchFirst(tensors.dy, shapes.dy);
  const variables = [x, ...layer.trainableWeights.map((weight) => weight.val)];
  const train = () => tf.variableGrads(() => layer.apply(x).mul(dy).sum(), variables).grads;
  const gradients = train();
  const [dx, dkernel, drecurrent, dbias] = variables.map((variable) => gradients[variable.name]);
  const outputs = {
    y: infer(),
    dx: timeFirst(dx),
    dweight_ih: rowsFirst(dkernel),
    dweight_hh: rowsFirst(drecurrent),
    dbias: dbias.dataSync(),
  };
  const run = async () => {
    const made = train();
    await made[x.name].data();
    tf.dispose(made);
  };
  return { outputs, run, close };
}

/** The wasm backend cannot differentiate an embedding; one-hot rows times its matrix are the same, and V is small. */
async function openLanguageModel(given, tensors) {
  const { T, B, I, H, V } = given.shape;
  const embedding = tf.layers.dense({ units: I, useBias: false, inputShape: [null, V] });
  const linear = tf.layers.dense({ units: V });
  const layer = lstmLayer(given.shape);
  const model = tf.sequential({ layers: [embedding, layer, linear] });
  embedding.setWeights([tf.tensor2d(tensors.embedding, [V, I])]);
  setLstm(layer, given.shape, tensors);
  linear.setWeights([transposed(tensors.linear_weight, V, H), tf.tensor1d(tensors.linear_bias)]);
  const oneHot = (data) => tf.tidy(() => tf.oneHot(tf.tensor2d(data, [B, T], 'int32'), V).toFloat());
  const tokens = oneHot(tensors.tokens);
  const targets = oneHot(tensors.targets).reshape([B * T, V]);
  const optimizer = tf.train.adam(1e-3);
  const step = () =>
    optimizer.minimize(
      () => tf.losses.softmaxCrossEntropy(targets, model.apply(tokens).reshape([B * T, V])).mean(),
      true,
    );
  const run = async () => {
    const loss = step();
    const data = await loss.data();
    loss.dispose();
    return data;
  };
  return { outputs: { loss: await run() }, run, close: () => tf.disposeVariables() };
}

// Set before the backend starts; the number cannot change later.
wasm.setThreadsCount(Number(process.env.LSTM_NATIVE_PEER_THREADS ?? 2));
wasm.setWasmPaths(`${dirname(require.resolve('@tensorflow/tfjs-backend-wasm'))}/`);
await tf.setBackend('wasm');
await tf.ready();
await serve(version, async (given, tensors) =>
  given.kind === 'layer' ? openLayer(given, tensors) : openLanguageModel(given, tensors),
);
