import { checkOptions } from '../../options';
import { matmul as matmulOp } from '../matmul';
import type { Variable } from '../op';
import { expectVariable } from '../variable';

export interface MatmulOptions {
  /** Transposes the last two axes of a first. Default false. */
  readonly transposeA?: boolean;
  /** Transposes the last two axes of b first. Default false. */
  readonly transposeB?: boolean;
}

/**
 * The matrix product y = a · b.
 *
 * @param a Variable [M, K], or [N, M, K] for N products at once.
 * @param b Variable [K, L], or [N, K, L].
 * @returns Variable [M, L], or [N, M, L].
 * @throws ShapeError when the sizes do not fit.
 * @example
 * const scores = matmul(queries, keys, { transposeB: true }); // [B, T, H] · [B, S, H]ᵀ = [B, T, S]
 */
export function matmul(a: Variable, b: Variable, options: MatmulOptions = {}): Variable {
  checkOptions('matmul', options, ['transposeA', 'transposeB']);
  const { transposeA = false, transposeB = false } = options;
  expectVariable('a', a);
  expectVariable('b', b);
  return a.builder.emit(matmulOp, { a, b }, { transpose_a: transposeA, transpose_b: transposeB }).y;
}
