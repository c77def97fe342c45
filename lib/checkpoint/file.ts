import { readFile } from 'node:fs/promises';
import { CheckpointError } from '../errors';
import { parse, type FileContent } from './safetensors';

/** Reads and checks a safetensors file. */
export async function loadFile(path: string): Promise<FileContent> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    throw new CheckpointError(`${path}: cannot be read: ${(error as Error).message}`, { cause: error });
  }
  try {
    return parse(bytes);
  } catch (error) {
    throw new CheckpointError(`${path}: ${(error as Error).message}`, { cause: error });
  }
}
