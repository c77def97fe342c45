/** Checks of options, with messages that name who takes the option. */
import { OptionError } from './errors';

export function checkOptions(owner: string, options: object, known: readonly string[]): void {
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) throw new OptionError(`${owner}: unknown option '${name}'; it has ${known.join(', ')}`);
  }
}

export function positiveInteger(owner: string, name: string, value: unknown): void {
  if (!Number.isInteger(value) || (value as number) < 1) {
    throw new OptionError(`${owner}: ${name}: expected a positive integer, received ${String(value)}`);
  }
}

export function probability(owner: string, name: string, value: unknown): void {
  if (typeof value !== 'number' || !(value >= 0 && value < 1)) {
    throw new OptionError(`${owner}: ${name}: expected a number in [0, 1), received ${String(value)}`);
  }
}
