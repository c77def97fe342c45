/** ONNX Runtime in Node.js as a peer: see protocol.ts. It infers only. */
import { createRequire } from 'node:module';
import { toOnnx } from '../../test/support/onnxRecurrent';
import { onnxModel, type OnnxNode, type OnnxTensor } from '../../test/onnxruntime/onnxModel';
import { serve, type OpenCase } from './child';
import { inputsOf, type PeerCase } from './protocol';

/** What is used of onnxruntime-node, written here so that this compiles where it is not installed. */
interface OnnxRuntime {
  readonly InferenceSession: {
    create(model: Uint8Array, options: Readonly<Record<string, unknown>>): Promise<Session>;
  };
  readonly Tensor: new (dtype: string, data: Float32Array, shape: readonly number[]) => { readonly data: Float32Array };
}
interface Session {
  run(feeds: Readonly<Record<string, unknown>>): Promise<Readonly<Record<string, { readonly data: Float32Array }>>>;
  release(): Promise<void>;
}

const require = createRequire(__filename);
const { InferenceSession, Tensor } = require('onnxruntime-node') as OnnxRuntime;
const { version } = require('onnxruntime-node/package.json') as { readonly version: string };

async function open(given: PeerCase, tensors: Readonly<Record<string, Float32Array>>): Promise<OpenCase> {
  if (given.kind !== 'layer' || given.pass === 'train') throw new Error('does not train');
  const { T, B, I, H } = given.shape;
  const shapes = Object.fromEntries(inputsOf(given));
  const named = (name: string) => ({ data: tensors[name]!, shape: shapes[name]! });
  const {
    W,
    R,
    B: bias,
  } = toOnnx('LSTM', [
    {
      weight_ih: named('weight_ih'),
      weight_hh: named('weight_hh'),
      bias_ih: named('bias_ih'),
      bias_hh: named('bias_hh'),
    },
  ]);
  const float = (tensor: { readonly shape: readonly number[]; readonly data: Float32Array }): OnnxTensor => ({
    dtype: 'float32',
    ...tensor,
  });
  const zeros = float({ shape: [1, B, H], data: new Float32Array(B * H) });
  const node: OnnxNode = {
    operator: 'LSTM',
    attributes: { hidden_size: H },
    inputs: [
      ['X', float({ shape: [T, B, I], data: tensors.x! })],
      ['W', float(W)],
      ['R', float(R)],
      ['B', float(bias!)],
      null,
      ['initial_h', zeros],
      ['initial_c', zeros],
    ],
    outputs: ['Y', 'Y_h', 'Y_c'],
  };
  const session = await InferenceSession.create(onnxModel(node, ['W', 'R', 'B']), {
    executionProviders: ['cpu'],
    intraOpNumThreads: given.threads,
    interOpNumThreads: 1,
  });
  const state = (data: Float32Array) => new Tensor('float32', data, [1, B, H]);
  const feeds: Record<string, unknown> = {
    X: new Tensor('float32', tensors.x!, [T, B, I]),
    initial_h: state(new Float32Array(B * H)),
    initial_c: state(new Float32Array(B * H)),
  };
  const run = async () => {
    const { Y, Y_h, Y_c } = await session.run(feeds);
    if (given.pass === 'step') Object.assign(feeds, { initial_h: Y_h, initial_c: Y_c });
    return Y!.data;
  };
  return { outputs: { y: await run() }, run, close: () => session.release() };
}

void serve(version, open);
