/** The header of a safetensors file: JSON from a stranger, so every promise of the format is checked. */
import { CheckpointError } from '../errors';
import { dtypes, elementSize, isFileDtype, type FileDtype } from './dtypes';

export interface HeaderEntry {
  readonly name: string;
  readonly dtype: FileDtype;
  readonly shape: readonly number[];
  /** Bytes of the data part, `[begin, end)`. */
  readonly begin: number;
  readonly end: number;
}

export interface Header {
  /** In the order of the data. */
  readonly entries: readonly HeaderEntry[];
  readonly metadata: Readonly<Record<string, string>>;
}

export const metadataKey = '__metadata__';
/** Assigning it changes an object's prototype, so no name may be this. */
export const forbiddenKey = '__proto__';

/** Checks the header's text against the `dataLength` bytes that follow it. */
export function parseHeader(json: string, dataLength: number): Header {
  if (!json.startsWith('{'))
    throw new CheckpointError(
      `not a safetensors file: header: expected "{" as its first byte, received ${quote(json)}`,
    );
  const header = parseJson(json);
  refuseKeys(json);
  const entries = Object.entries(header)
    .filter(([name]) => name !== metadataKey)
    .map(([name, entry]) => checkEntry(name, entry))
    .sort((a, b) => a.begin - b.begin || a.end - b.end);
  checkCoverage(entries, dataLength);
  return { entries, metadata: checkMetadata(header[metadataKey] ?? {}) };
}

function parseJson(json: string): Record<string, unknown> {
  try {
    return JSON.parse(json) as Record<string, unknown>;
  } catch (cause) {
    throw new CheckpointError(`header: expected JSON, received ${quote(json)}`, { cause });
  }
}

/** `JSON.parse` keeps the last of duplicate keys silently, so the (valid) text is walked for its keys. */
function refuseKeys(json: string): void {
  const objects: Set<string>[] = [];
  for (let index = 0; index < json.length; index++) {
    const character = json[index];
    if (character === '{') objects.push(new Set());
    if (character === '}') objects.pop();
    if (character !== '"') continue;
    const end = endOfString(json, index);
    if (isFollowedByColon(json, end)) addKey(objects.at(-1)!, JSON.parse(json.slice(index, end)) as string);
    index = end - 1;
  }
}

function addKey(keys: Set<string>, key: string): void {
  if (key === forbiddenKey) throw new CheckpointError(`header: the key "${forbiddenKey}" is refused`);
  if (keys.has(key)) throw new CheckpointError(`header: expected each key once, received ${quote(key)} twice`);
  keys.add(key);
}

function endOfString(json: string, begin: number): number {
  let index = begin + 1;
  while (json[index] !== '"') index += json[index] === '\\' ? 2 : 1;
  return index + 1;
}

function isFollowedByColon(json: string, index: number): boolean {
  while (' \t\n\r'.includes(json[index]!)) index++;
  return json[index] === ':';
}

function checkEntry(name: string, value: unknown): HeaderEntry {
  const fail = (argument: string, expected: string, received: unknown) =>
    new CheckpointError(`${name}: ${argument}: expected ${expected}, received ${quote(received)}`);
  if (!isRecord(value)) throw fail('entry', '{ dtype, shape, data_offsets }', value);
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== 'string' || !isFileDtype(dtype)) throw fail('dtype', `one of ${dtypes.join(', ')}`, dtype);
  if (!isSizes(shape)) throw fail('shape', 'a list of sizes', shape);
  if (!isSizes(offsets) || offsets.length !== 2) throw fail('data_offsets', '[begin, end]', offsets);
  const size = shape.reduce((product, dim) => {
    if (!Number.isSafeInteger(product * dim)) throw fail('shape', 'a size in bytes below 2^53', shape);
    return product * dim;
  }, elementSize[dtype]);
  const [begin, end] = offsets as [number, number];
  if (end - begin !== size) {
    throw fail('data_offsets', `${size} bytes for ${dtype} ${JSON.stringify(shape)}`, `${end - begin} bytes`);
  }
  return { name, dtype, shape, begin, end };
}

/** Every byte of the data belongs to exactly one tensor. `entries` are in the order of the data. */
function checkCoverage(entries: readonly HeaderEntry[], dataLength: number): void {
  let position = 0;
  for (const { name, begin, end } of entries) {
    if (begin !== position) {
      const fault = begin < position ? 'overlaps the tensor before it' : 'leaves a hole before it';
      throw new CheckpointError(`${name}: data_offsets: expected begin ${position}, received ${begin}: it ${fault}`);
    }
    position = end;
  }
  if (position !== dataLength) {
    const fault = position > dataLength ? 'the file is truncated' : 'bytes follow that belong to no tensor';
    throw new CheckpointError(`data: expected ${position} bytes as the header says, received ${dataLength}: ${fault}`);
  }
}

function checkMetadata(value: unknown): Record<string, string> {
  if (!isRecord(value)) throw new CheckpointError(`${metadataKey}: expected strings by name, received ${quote(value)}`);
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== 'string') {
      throw new CheckpointError(`${metadataKey}: ${key}: expected a string, received ${quote(text)}`);
    }
  }
  return value as Record<string, string>;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isSizes = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);

/** What was received, short enough for a message. */
function quote(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
