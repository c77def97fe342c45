import { DataError } from '../../errors';

/** Throws unless tokens are integers in 0..size-1. */
export function checkTokens(tokens: ArrayLike<number>, size: number): void {
  const index = Array.prototype.findIndex.call(
    tokens,
    (token: number) => !Number.isInteger(token) || token < 0 || token >= size,
  );
  if (index >= 0)
    throw new DataError(`tokens: expected integers in 0..${size - 1}, received ${tokens[index]} at index ${index}`);
}
