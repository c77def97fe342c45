/**
 * The element types of a safetensors file. Files are little endian, as is every machine that the package runs on, so
 * elements of our own types are copied as bytes.
 */
import type { NumberArray } from '../backend/backend';
import { CheckpointError } from '../errors';

export const dtypes = ['F32', 'F64', 'I32', 'I64', 'F16', 'BF16'] as const;

/** What can be read. F32, F64 and I32 can be written too. */
export type FileDtype = (typeof dtypes)[number];

export const isFileDtype = (name: string): name is FileDtype => (dtypes as readonly string[]).includes(name);

export const elementSize: Readonly<Record<FileDtype, number>> = { F32: 4, F64: 8, I32: 4, I64: 8, F16: 2, BF16: 2 };

const fileDtypes: Readonly<Record<string, FileDtype>> = { Float32Array: 'F32', Float64Array: 'F64', Int32Array: 'I32' };

/** Undefined for anything but a NumberArray. By tag, because an array may come from another realm. */
export const fileDtypeOf = (data: NumberArray): FileDtype | undefined => fileDtypes[data[Symbol.toStringTag]];

/** The elements in `bytes`, copied, so that they are aligned and do not keep the file's bytes alive. */
export function decodeElements(name: string, dtype: FileDtype, bytes: Uint8Array): NumberArray {
  const { buffer } = new Uint8Array(bytes);
  switch (dtype) {
    case 'F32':
      return new Float32Array(buffer);
    case 'F64':
      return new Float64Array(buffer);
    case 'I32':
      return new Int32Array(buffer);
    case 'I64':
      return Float64Array.from(new BigInt64Array(buffer), (value) => safeInteger(name, value));
    case 'F16':
      return Float32Array.from(new Uint16Array(buffer), fromHalf);
    case 'BF16':
      // The upper half of a float32.
      return new Float32Array(Uint32Array.from(new Uint16Array(buffer), (bits) => bits * 0x10000).buffer);
  }
}

function safeInteger(name: string, value: bigint): number {
  const number = Number(value);
  if (Number.isSafeInteger(number)) return number;
  throw new CheckpointError(
    `${name}: expected I64 values that a number can hold, within ±(2^53 - 1), received ${value}`,
  );
}

function fromHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
