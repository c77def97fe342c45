import { open, type FileHandle } from 'node:fs/promises';
import { CheckpointError } from '../errors';
import { parse, type FileContent } from './safetensors';

/** The system reads less than 2 GiB at once; files may be larger. */
const largestRead = 2 ** 30;

/** Reads and checks a safetensors file. What fails in reading has another error than a CheckpointError as its cause. */
export async function loadFile(path: string): Promise<FileContent> {
  let bytes: Uint8Array;
  try {
    bytes = await readWhole(path);
  } catch (error) {
    throw new CheckpointError(`${path}: cannot be read: ${(error as Error).message}`, { cause: error });
  }
  try {
    return parse(bytes);
  } catch (error) {
    throw new CheckpointError(`${path}: ${(error as Error).message}`, { cause: error });
  }
}

/** A file's bytes, asked for in pieces of at most `largest` bytes. */
export async function readWhole(path: string, largest = largestRead): Promise<Uint8Array> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    return await readInto(file, Buffer.allocUnsafe(size), largest);
  } finally {
    await file.close();
  }
}

async function readInto(file: FileHandle, bytes: Buffer, largest: number): Promise<Uint8Array> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesRead } = await file.read(bytes, done, Math.min(largest, bytes.length - done), done);
    // The file has become shorter meanwhile; what is missing is found when it is parsed.
    if (bytesRead === 0) return bytes.subarray(0, done);
    done += bytesRead;
  }
  return bytes;
}
