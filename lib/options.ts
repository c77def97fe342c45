/** Checks of what users pass, with messages that name who takes it and what came. */
import { OptionError } from './errors';
import { isVariable } from './ops/op';

/** Throws unless `options` is an object that has no names but the known. */
export function checkOptions(owner: string, options: unknown, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options) || isVariable(options)) {
    throw new OptionError(
      `${owner}: expected options as an object, { ${known.join(', ')} }, received ${describe(options)}`,
    );
  }
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) throw new OptionError(`${owner}: unknown option '${name}'; it has ${known.join(', ')}`);
  }
}

export function positiveInteger(owner: string, name: string, value: unknown): void {
  if (!Number.isInteger(value) || (value as number) < 1) {
    throw new OptionError(`${owner}: ${name}: expected a positive integer, received ${describe(value)}`);
  }
}

export function nonNegativeInteger(owner: string, name: string, value: unknown): void {
  if (!Number.isInteger(value) || (value as number) < 0) {
    throw new OptionError(`${owner}: ${name}: expected an integer >= 0, received ${describe(value)}`);
  }
}

export function oneOf(owner: string, name: string, value: unknown, choices: readonly string[]): void {
  if (!choices.includes(value as string)) {
    throw new OptionError(
      `${owner}: ${name}: expected ${choices.map(describe).join(' or ')}, received ${describe(value)}`,
    );
  }
}

export function probability(owner: string, name: string, value: unknown): void {
  if (typeof value !== 'number' || !(value >= 0 && value < 1)) {
    throw new OptionError(`${owner}: ${name}: expected a number in [0, 1), received ${describe(value)}`);
  }
}

export function inRange(owner: string, name: string, value: unknown, low: number, below: number): void {
  if (typeof value !== 'number' || !(value >= low && value < below)) {
    throw new OptionError(`${owner}: ${name}: expected a number in [${low}, ${below}), received ${describe(value)}`);
  }
}

export function flag(owner: string, name: string, value: unknown): void {
  if (typeof value !== 'boolean')
    throw new OptionError(`${owner}: ${name}: expected true or false, received ${describe(value)}`);
}

/** Also one of another realm; none is one, too. */
export function abortSignal(owner: string, value: unknown): void {
  if (value === undefined) return;
  const { aborted, addEventListener, throwIfAborted } = Object(value) as Partial<AbortSignal>;
  if (typeof aborted !== 'boolean' || typeof addEventListener !== 'function' || typeof throwIfAborted !== 'function')
    throw new OptionError(`${owner}: signal: expected an AbortSignal, received ${describe(value)}`);
}

export function filePath(owner: string, value: unknown): void {
  if (typeof value !== 'string' || value === '') {
    throw new OptionError(`${owner}: path: expected the name of a file, received ${describe(value)}`);
  }
}

/** What came instead of what was expected, in a few words. */
export function describe(value: unknown): string {
  if (typeof value === 'string') return value.length > 40 ? 'a string' : `'${value}'`;
  if (typeof value === 'function')
    return layerKind(value) ?? (value.name ? `the function ${value.name}` : 'a function');
  if (typeof value !== 'object' || value === null) return String(value);
  if (isVariable(value)) return 'a Variable';
  if (Array.isArray(value)) return describeArray(value);
  const kind = Object.prototype.toString.call(value).slice(8, -1);
  // What is given in its place is mostly what it resolves to.
  if (kind === 'Promise') return 'a Promise (await it)';
  if (kind !== 'Object') return `a value of type ${kind}`;
  const names = Object.keys(value);
  if (names.length === 0) return '{}';
  return `{ ${names.slice(0, 5).join(', ')}${names.length > 5 ? ', ...' : ''} }`;
}

/** A short one of plain values, as it is. */
function describeArray(values: readonly unknown[]): string {
  const isPlain = values.length <= 8 && values.every((value) => Object(value) !== value);
  const text = isPlain ? `[${values.map(describe).join(', ')}]` : '';
  return isPlain && text.length <= 60 ? text : 'an array';
}

/** Layers are functions, too; told by what they have, for this file stands below theirs. */
function layerKind(value: object): string | null {
  const { forward, describe: asJson } = value as { forward?: unknown; describe?: () => { kind: string } };
  if (typeof forward !== 'function' || typeof asJson !== 'function') return null;
  try {
    return `the layer ${asJson.call(value).kind}`;
  } catch {
    // What it refers to may have no path yet.
    return `the layer ${value.constructor.name}`;
  }
}
