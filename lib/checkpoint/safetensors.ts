/**
 * The safetensors format: a length (u64, little endian), a JSON header of that many bytes, and the tensors' bytes
 * without gaps. Nothing in a file is executed, and nothing is allocated by what a file merely claims.
 */
import type { ArrayView, NumberArray } from '../backend/backend';
import { CheckpointError } from '../errors';
import { decodeElements, elementSize, fileDtypeOf, type FileDtype } from './dtypes';
import { forbiddenKey, metadataKey, parseHeader } from './header';

export interface FileTensor extends ArrayView {
  /** As in the file. F16 and BF16 are read into a Float32Array, I64 into a Float64Array. */
  readonly dtype: FileDtype;
}

export interface FileContent {
  /** In the order of the file. */
  readonly tensors: ReadonlyMap<string, FileTensor>;
  readonly metadata: Readonly<Record<string, string>>;
}

const lengthBytes = 8;
const maxHeaderBytes = 100_000_000;

/** A whole file as one array. */
export function serialize(
  tensors: Readonly<Record<string, ArrayView>>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const chunks = serializeChunks(tensors, metadata);
  const result = new Uint8Array(chunks.reduce((length, chunk) => length + chunk.length, 0));
  let position = 0;
  for (const chunk of chunks) {
    result.set(chunk, position);
    position += chunk.length;
  }
  return result;
}

/**
 * A file in pieces, for writing it without holding it twice: the header, then views of the tensors' own memory, which
 * must not change until they are written.
 *
 * @throws CheckpointError for a name, size or metadata value that a reader would refuse.
 */
export function serializeChunks(
  tensors: Readonly<Record<string, ArrayView>>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array[] {
  const entries = Object.entries(tensors).map(([name, { data, shape }]) => {
    checkName('tensor', name);
    if (name === metadataKey) throw new CheckpointError(`tensor: the name "${metadataKey}" is reserved`);
    return { name, data, shape, dtype: checkTensor(name, data, shape) };
  });
  // Wide elements first: then every tensor is aligned to its element size, as readers that map the file need.
  entries.sort((a, b) => elementSize[b.dtype] - elementSize[a.dtype]);
  let position = 0;
  const header: Record<string, unknown> = { [metadataKey]: checkMetadata(metadata) };
  for (const { name, dtype, shape, data } of entries) {
    const begin = position;
    position += data.byteLength;
    header[name] = { dtype, shape, data_offsets: [begin, position] };
  }
  const views = entries.map(({ data }) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  return [headerBytes(header), ...views];
}

/**
 * Reads a whole file. The tensors are copies, aligned whatever the alignment of `bytes`.
 *
 * @throws CheckpointError naming the fault, for anything that is not exactly a file of the format.
 */
export function parse(bytes: Uint8Array): FileContent {
  if (bytes.length < lengthBytes) {
    throw new CheckpointError(
      `not a safetensors file: expected at least ${lengthBytes} bytes, received ${bytes.length}`,
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headerLength = Number(view.getBigUint64(0, true));
  if (headerLength > maxHeaderBytes) {
    throw new CheckpointError(
      `not a safetensors file: header: expected at most ${maxHeaderBytes} bytes, the file claims ${headerLength}`,
    );
  }
  const dataStart = lengthBytes + headerLength;
  if (dataStart > bytes.length) {
    throw new CheckpointError(
      `header: expected ${headerLength} bytes, received ${bytes.length - lengthBytes}: the file is truncated`,
    );
  }
  const json = decodeUtf8(bytes.subarray(lengthBytes, dataStart));
  const { entries, metadata } = parseHeader(json, bytes.length - dataStart);
  const tensors = new Map<string, FileTensor>();
  for (const { name, dtype, shape, begin, end } of entries) {
    const data = decodeElements(name, dtype, bytes.subarray(dataStart + begin, dataStart + end));
    tensors.set(name, { dtype, shape, data });
  }
  return { tensors, metadata };
}

function headerBytes(header: object): Uint8Array {
  const json = new TextEncoder().encode(JSON.stringify(header));
  const length = Math.ceil(json.length / 8) * 8;
  if (length > maxHeaderBytes) {
    throw new CheckpointError(
      `header: expected at most ${maxHeaderBytes} bytes of names and metadata, received ${length}`,
    );
  }
  // Padded with spaces, so that the data starts at a multiple of 8.
  const result = new Uint8Array(lengthBytes + length).fill(0x20);
  new DataView(result.buffer).setBigUint64(0, BigInt(length), true);
  result.set(json, lengthBytes);
  return result;
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new CheckpointError('header: expected UTF-8', { cause });
  }
}

function checkTensor(name: string, data: NumberArray, shape: readonly number[]): FileDtype {
  const dtype = fileDtypeOf(data);
  if (!dtype) throw new CheckpointError(`${name}: expected Float32Array, Float64Array or Int32Array data`);
  const size = shape.reduce((product, dim) => product * dim, 1);
  if (!shape.every((dim) => Number.isSafeInteger(dim) && dim >= 0) || size !== data.length) {
    throw new CheckpointError(
      `${name}: expected ${size} elements for shape [${shape.join(', ')}], received ${data.length}`,
    );
  }
  return dtype;
}

function checkMetadata(metadata: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  for (const [key, value] of Object.entries(metadata)) {
    checkName('metadata', key);
    if (typeof value !== 'string')
      throw new CheckpointError(`metadata: ${key}: expected a string, received ${typeof value}`);
    checkWellFormed(`metadata: ${key}`, value);
  }
  return metadata;
}

function checkName(where: string, name: string): void {
  if (name === forbiddenKey) throw new CheckpointError(`${where}: the name "${forbiddenKey}" is refused`);
  checkWellFormed(where, name);
}

/** Readers in other languages refuse an escaped half of a surrogate pair. */
function checkWellFormed(where: string, text: string): void {
  if (/\p{Surrogate}/u.test(text))
    throw new CheckpointError(`${where}: expected well-formed Unicode, received a lone surrogate`);
}
