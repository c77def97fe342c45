/** What every cell has: an affine map of x and of the state before, whose rows stand in blocks of H, one for each gate. */
import { linearBackwardBias, linearBackwardInput, linearBackwardWeight } from '../linear';
import { expectRank, expectShape, float32, type Emit, type ValueType, type Variable, type View } from '../op';
import { multiplyDims, type Dim } from '../shape';

export type CellWeights<T> = Readonly<Record<'weight_ih' | 'weight_hh', T> & Record<'bias_ih' | 'bias_hh', T | null>>;

/** Checks the four parameters of a cell against the input size; returns H. */
export function expectCellWeights(weights: CellWeights<ValueType>, inputSize: Dim, gateCount: number): Dim {
  const { weight_ih, weight_hh, bias_ih, bias_hh } = weights;
  expectRank('weight_hh', weight_hh, 2, gateCount === 1 ? '[H, H]' : `[${gateCount}H, H]`);
  const hiddenSize = weight_hh.shape[1]!;
  const rows = multiplyDims([gateCount, hiddenSize]);
  expectShape('weight_hh', weight_hh, [rows, hiddenSize]);
  expectShape('weight_ih', weight_ih, [rows, inputSize]);
  if (bias_ih) expectShape('bias_ih', bias_ih, [rows]);
  if (bias_hh) expectShape('bias_hh', bias_hh, [rows]);
  return hiddenSize;
}

/** The types of what a cell makes of x [T, B, I]: y [T, B, H] and h_n [B, H]. Checks every operand. */
export function expectCell(
  {
    x,
    h0,
    lengths,
    ...weights
  }: CellWeights<ValueType> &
    Readonly<Record<'h0' | 'lengths', ValueType | null>> & {
      readonly x: ValueType;
    },
  gateCount: number,
): { readonly y: ValueType; readonly h_n: ValueType } {
  expectRank('x', x, 3, '[T, B, I]');
  const [steps, batch, inputSize] = x.shape as [Dim, Dim, Dim];
  const hiddenSize = expectCellWeights(weights, inputSize, gateCount);
  const h_n = float32(batch, hiddenSize);
  if (h0) expectShape('h0', h0, h_n.shape);
  if (lengths) expectShape('lengths', lengths, [batch]);
  return { y: float32(steps, batch, hiddenSize), h_n };
}

/**
 * The gradients of x, weight_ih and the biases, from those of what enters the gates: they are those of a linear layer.
 * Both biases enter alike. Nothing past a length is read.
 */
export function inputGradients(
  dgates: Variable,
  { x, weight_ih, lengths }: { readonly x: Variable; readonly weight_ih: Variable; readonly lengths: Variable | null },
  wants: (operand: 'x' | 'weight_ih' | 'bias_ih' | 'bias_hh') => boolean,
  emit: Emit,
): Record<'x' | 'weight_ih' | 'bias_ih' | 'bias_hh', Variable | null> {
  const dbias =
    wants('bias_ih') || wants('bias_hh') ? emit(linearBackwardBias, { dy: dgates, lengths }, {}).dbias : null;
  return {
    x: wants('x') ? emit(linearBackwardInput, { dy: dgates, weight: weight_ih, lengths }, {}).dx : null,
    weight_ih: wants('weight_ih') ? emit(linearBackwardWeight, { dy: dgates, x, lengths }, {}).dweight : null,
    bias_ih: dbias,
    bias_hh: dbias,
  };
}

/** One row of weight·v + bias. */
export function affineRow(weight: View, bias: View | null, row: number, v: Float64Array): number {
  let sum = bias?.data[row] ?? 0;
  for (let k = 0; k < v.length; k++) sum += weight.data[row * v.length + k]! * v[k]!;
  return sum;
}

/** sum += v·W over the rows of W from `firstRow` on. */
export function addTransposedProduct(weight: View, firstRow: number, v: Float64Array, sum: Float64Array): void {
  for (let n = 0; n < v.length; n++) {
    for (let j = 0; j < sum.length; j++) sum[j]! += v[n]! * weight.data[(firstRow + n) * sum.length + j]!;
  }
}
