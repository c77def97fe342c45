import { fromOnnx, onnxGates, toOnnx, type CellParameters, type FloatArray, type OnnxCell } from './onnxRecurrent';
import { Random } from './random';

const column = (...data: number[]): FloatArray => ({ shape: [data.length], data: Float32Array.from(data) });
const matrix = (...data: number[]): FloatArray => ({ shape: [data.length, 1], data: Float32Array.from(data) });

test("the LSTM's rows i, f, g, o become ONNX's i, o, f, c, and its peepholes i, f, o become i, o, f", () => {
  const { W, R, B, P } = toOnnx('LSTM', [
    {
      weight_ih: matrix(1, 2, 3, 4),
      weight_hh: matrix(5, 6, 7, 8),
      bias_ih: column(9, 10, 11, 12),
      bias_hh: column(13, 14, 15, 16),
      weight_peephole: column(17, 18, 19),
    },
  ]);
  expect([W.shape, [...W.data]]).toEqual([
    [1, 4, 1],
    [1, 4, 2, 3],
  ]);
  expect([R.shape, [...R.data]]).toEqual([
    [1, 4, 1],
    [5, 8, 6, 7],
  ]);
  expect([B!.shape, [...B!.data]]).toEqual([
    [1, 8],
    [9, 12, 10, 11, 13, 16, 14, 15],
  ]);
  expect([P!.shape, [...P!.data]]).toEqual([
    [1, 3],
    [17, 19, 18],
  ]);
});

test("the GRU's rows r, z, n become ONNX's z, r, h, in both directions", () => {
  const { W, B, P } = toOnnx('GRU', [
    { weight_ih: matrix(1, 2, 3), weight_hh: matrix(0, 0, 0) },
    { weight_ih: matrix(4, 5, 6), weight_hh: matrix(0, 0, 0) },
  ]);
  expect([W.shape, [...W.data]]).toEqual([
    [2, 3, 1],
    [2, 1, 3, 5, 4, 6],
  ]);
  expect([B, P]).toEqual([undefined, undefined]);
});

test.each(['LSTM', 'GRU', 'RNN'] as const)('%s: the way to ONNX and back changes nothing', (cell: OnnxCell) => {
  const random = new Random(5);
  const [inputSize, hiddenSize, rows] = [3, 2, onnxGates[cell].length * 2];
  const draw = (...shape: number[]): FloatArray => ({
    shape,
    data: Float32Array.from(random.normal(...shape).data),
  });
  const directions: CellParameters[] = [1, 2].map(() => ({
    weight_ih: draw(rows, inputSize),
    weight_hh: draw(rows, hiddenSize),
    bias_ih: draw(rows),
    bias_hh: draw(rows),
    ...(cell === 'LSTM' && { weight_peephole: draw(3 * hiddenSize) }),
  }));
  expect(fromOnnx(cell, toOnnx(cell, directions))).toEqual(directions);
});
