import { DataError } from '../errors';
import { describe } from '../options';

/** The strings of a list. @throws DataError for what is none; a string would be a list of its characters. */
export function stringsOf(owner: string, given: Iterable<string>): readonly string[] {
  if (typeof given !== 'object' || typeof given?.[Symbol.iterator] !== 'function')
    throw new DataError(`${owner}: expected an array of strings, received ${describe(given)}`);
  const strings = [...given];
  const index = strings.findIndex((one) => typeof one !== 'string');
  if (index < 0) return strings;
  throw new DataError(`${owner}: expected strings, received ${describe(strings[index])} at index ${index}`);
}
