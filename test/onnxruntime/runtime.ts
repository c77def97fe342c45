import { createRequire } from 'node:module';
import { onnxModel, type OnnxNode, type OnnxTensor } from './onnxModel';

/** What these tests use of onnxruntime-node, written here so that they compile where it is not installed. */
interface OnnxRuntime {
  readonly InferenceSession: {
    create(model: Uint8Array, options: Readonly<Record<string, unknown>>): Promise<InferenceSession>;
  };
  readonly Tensor: new (
    dtype: OnnxTensor['dtype'],
    data: OnnxTensor['data'],
    shape: readonly number[],
  ) => { readonly data: unknown; readonly dims: readonly number[] };
}
interface InferenceSession {
  run(feeds: Readonly<Record<string, unknown>>): Promise<Record<string, InstanceType<OnnxRuntime['Tensor']>>>;
  release(): Promise<void>;
}

function load(): OnnxRuntime {
  try {
    return createRequire(__filename)('onnxruntime-node') as OnnxRuntime;
  } catch (cause) {
    throw new Error('onnxruntime-node is not installed: npm ci --prefix test/onnxruntime', { cause });
  }
}

const runtime = load();

export interface FloatTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** What ONNX Runtime's CPU provider computes for the node, by the names of its outputs. */
export async function runOnnx(node: OnnxNode): Promise<Readonly<Record<string, FloatTensor>>> {
  const session = await runtime.InferenceSession.create(onnxModel(node), {
    executionProviders: ['cpu'],
    intraOpNumThreads: 1,
  });
  try {
    const given = node.inputs.filter((input) => input !== null);
    const feeds = given.map(
      ([name, { dtype, data, shape }]) => [name, new runtime.Tensor(dtype, data, shape)] as const,
    );
    const results = Object.entries(await session.run(Object.fromEntries(feeds)));
    return Object.fromEntries(
      results.map(([name, { data, dims }]) => [name, { data: data as Float32Array, shape: dims }]),
    );
  } finally {
    await session.release();
  }
}
