import { ShapeError } from '../errors';
import { defineOp, expectShape, float32, one, type ValueType, type Variable } from './op';
import { formatShape, type Dim } from './shape';

/** Rows and columns of a matrix as the product sees it. */
function matrix<T>(shape: readonly T[], transposed: boolean): [rows: T, columns: T] {
  const [rows, columns] = [shape.at(-2)!, shape.at(-1)!];
  return transposed ? [columns, rows] : [rows, columns];
}

function expectMatrices(operand: string, { shape }: ValueType): void {
  if (shape.length !== 2 && shape.length !== 3) {
    throw new ShapeError(
      `${operand}: expected two axes, or three with the batch first, received ${formatShape(shape)}`,
    );
  }
}

/** y = a · b, with either transposed first; for three axes, one product for each index of the first. */
export const matmul = defineOp({
  name: 'matmul',
  operands: { a: one('float32'), b: one('float32') },
  outputs: { y: one('float32') },
  attributes: { transpose_a: 'boolean', transpose_b: 'boolean' },
  infer({ a, b }, { transpose_a, transpose_b }) {
    expectMatrices('a', a);
    const [rows, inner] = matrix<Dim>(a.shape, transpose_a);
    const columns = b.shape.at(transpose_b ? -2 : -1)!;
    const batch = a.shape.slice(0, -2);
    expectMatrices('b', b);
    expectShape('b', b, [...batch, ...(transpose_b ? [columns, inner] : [inner, columns])]);
    return { y: float32(...batch, rows, columns) };
  },
  gradient({ operands: { a, b }, cotangents, attributes, wants, emit }): { a: Variable | null; b: Variable | null } {
    const dy = cotangents.y!;
    const { transpose_a: ta, transpose_b: tb } = attributes;
    const product = (left: Variable, right: Variable, transpose_a: boolean, transpose_b: boolean) =>
      emit(matmul, { a: left, b: right }, { transpose_a, transpose_b }).y;
    // With A = op(a) and B = op(b): dA = dy·Bᵀ and dB = Aᵀ·dy, each transposed once more where its operand was.
    const da = () => (ta ? product(b, dy, tb, true) : product(dy, b, false, !tb));
    const db = () => (tb ? product(dy, a, true, ta) : product(a, dy, !ta, false));
    return { a: wants('a') ? da() : null, b: wants('b') ? db() : null };
  },
  reference({ operands: { a, b }, outputs: { y }, attributes: { transpose_a, transpose_b } }) {
    const [rows, inner] = matrix(a.shape, transpose_a);
    const [, columns] = matrix(b.shape, transpose_b);
    const [aRow, aInner] = transpose_a ? [1, rows] : [inner, 1];
    const [bInner, bColumn] = transpose_b ? [1, inner] : [columns, 1];
    const batch = a.shape.length === 3 ? a.shape[0]! : 1;
    for (let n = 0; n < batch; n++) {
      for (let row = 0; row < rows; row++) {
        for (let column = 0; column < columns; column++) {
          const aStart = n * rows * inner + row * aRow;
          const bStart = n * inner * columns + column * bColumn;
          let sum = 0;
          for (let k = 0; k < inner; k++) sum += a.data[aStart + k * aInner]! * b.data[bStart + k * bInner]!;
          y.data[(n * rows + row) * columns + column] = sum;
        }
      }
    }
  },
});
