/**
 * The parameters of recurrent layers as ONNX's operators LSTM, GRU and RNN hold them: `W [D,G·H,I]`, `R [D,G·H,H]`,
 * `B [D,2·G·H]` with the input's bias before the state's, and the LSTM's `P [D,3H]`; D directions, G gates. Source:
 * onnx/defs/rnn/defs.cc.
 */
import { gruGates } from '../../lib/ops/recurrent/gruCell';
import { lstmGates } from '../../lib/ops/recurrent/lstmCell';
import { peepholeGates } from '../../lib/ops/recurrent/lstmVariant';
import { rowOf, type Numbers } from './slices';

export type FloatArray = Numbers<Float32Array>;

/** One layer in one direction, by PyTorch's names without `_l{k}`. */
export interface CellParameters {
  readonly weight_ih: FloatArray;
  readonly weight_hh: FloatArray;
  readonly bias_ih?: FloatArray;
  readonly bias_hh?: FloatArray;
  readonly weight_peephole?: FloatArray;
}

export interface OnnxParameters {
  readonly W: FloatArray;
  readonly R: FloatArray;
  readonly B?: FloatArray;
  readonly P?: FloatArray;
}

const { input, forget, candidate, output } = lstmGates;

/** ONNX's order of the gates: which of our blocks of H rows each of its blocks is. */
export const onnxGates = {
  LSTM: [input, output, forget, candidate],
  GRU: [gruGates.update, gruGates.reset, gruGates.candidate],
  RNN: [0],
} as const;
export type OnnxCell = keyof typeof onnxGates;

/** The order of the peepholes, i, o, f, in the same way. */
export const onnxPeepholes = [input, output, forget].map((gate) =>
  peepholeGates.findIndex((peephole) => peephole.gate === gate),
);

/** The directions of a layer, forward first, as ONNX's operands. */
export function toOnnx(cell: OnnxCell, directions: readonly CellParameters[]): OnnxParameters {
  const gates = onnxGates[cell];
  const stack = (name: keyof CellParameters, order: readonly number[]) =>
    stackArrays(directions.map((direction) => permuteBlocks(direction[name]!, order)));
  const [first] = directions as readonly [CellParameters];
  return {
    W: stack('weight_ih', gates),
    R: stack('weight_hh', gates),
    ...(first.bias_ih && { B: besides(stack('bias_ih', gates), stack('bias_hh', gates)) }),
    ...(first.weight_peephole && { P: stack('weight_peephole', onnxPeepholes) }),
  };
}

/** What `toOnnx` was given. */
export function fromOnnx(cell: OnnxCell, { W, R, B, P }: OnnxParameters): CellParameters[] {
  const gates = inverse(onnxGates[cell]);
  return Array.from({ length: W.shape[0]! }, (_, direction) => {
    const bias = B && rowOf(B, direction);
    const half = (bias?.data.length ?? 0) / 2;
    const biasFrom = (begin: number) =>
      permuteBlocks({ shape: [half], data: bias!.data.subarray(begin, begin + half) }, gates);
    return {
      weight_ih: permuteBlocks(rowOf(W, direction), gates),
      weight_hh: permuteBlocks(rowOf(R, direction), gates),
      ...(bias && { bias_ih: biasFrom(0), bias_hh: biasFrom(half) }),
      ...(P && { weight_peephole: permuteBlocks(rowOf(P, direction), inverse(onnxPeepholes)) }),
    };
  });
}

/** Block k of the result is block `order[k]` of the array, along its first axis. */
export function permuteBlocks({ shape, data }: FloatArray, order: readonly number[]): FloatArray {
  const size = data.length / order.length;
  const permuted = new Float32Array(data.length);
  order.forEach((from, k) => permuted.set(data.subarray(from * size, (from + 1) * size), k * size));
  return { shape, data: permuted };
}

const inverse = (order: readonly number[]): number[] => order.map((_, k) => order.indexOf(k));

/** [n, ...] of n arrays of one shape. */
export function stackArrays(arrays: readonly FloatArray[]): FloatArray {
  const [first] = arrays as readonly [FloatArray];
  const data = new Float32Array(arrays.length * first.data.length);
  arrays.forEach((array, k) => data.set(array.data, k * first.data.length));
  return { shape: [arrays.length, ...first.shape], data };
}

/** [D, m + n] of [D, m] and [D, n]. */
function besides(a: FloatArray, b: FloatArray): FloatArray {
  const rows = Array.from({ length: a.shape[0]! }, (_, d) => {
    const [left, right] = [rowOf(a, d).data, rowOf(b, d).data];
    return { shape: [left.length + right.length], data: Float32Array.of(...left, ...right) };
  });
  return stackArrays(rows);
}
