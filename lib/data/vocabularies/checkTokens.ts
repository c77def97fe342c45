import { DataError } from '../../errors';
import { describe } from '../../options';

/** Throws unless tokens are integers in 0..size-1. */
export function checkTokens(tokens: ArrayLike<number>, size: number): void {
  if (typeof tokens !== 'object' || typeof tokens?.length !== 'number')
    throw new DataError(`tokens: expected an array of integers, received ${describe(tokens)}`);
  const index = Array.prototype.findIndex.call(
    tokens,
    (token: number) => !Number.isInteger(token) || token < 0 || token >= size,
  );
  if (index >= 0)
    throw new DataError(`tokens: expected integers in 0..${size - 1}, received ${tokens[index]} at index ${index}`);
}

/** Throws unless this is a string. */
export function checkText(text: unknown): asserts text is string {
  if (typeof text !== 'string') throw new DataError(`text: expected a string, received ${describe(text)}`);
}
