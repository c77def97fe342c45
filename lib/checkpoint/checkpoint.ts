/**
 * A checkpoint is a model file with more in it: beside the parameters, the other states of the training under a prefix,
 * and in the metadata what else it depends on, as JSON, with a digest of it all. `load` reads the model of it.
 */
import { createHash, webcrypto } from 'node:crypto';
import type { ArrayView } from '../backend/backend';
import { CheckpointError } from '../errors';
import { loadFile } from './file';
import { serializeChunks } from './safetensors';

/** Keys of the file's metadata. */
export const trainingKey = 'lstm_native_training';
const digestKey = 'lstm_native_digest';

/** Parameters are named by paths of fields, which have no slash. */
const statePrefix = 'training/';

export type Tensors = Readonly<Record<string, ArrayView>>;

export interface Checkpoint {
  readonly parameters: ReadonlyMap<string, ArrayView>;
  /** What a training keeps beside them, by the names that it gave. */
  readonly states: ReadonlyMap<string, ArrayView>;
  /** What a model file says of the model. */
  readonly metadata: Readonly<Record<string, string>>;
  /** A JSON value that tells the rest of the training. */
  readonly record: unknown;
}

/** The bytes of a checkpoint in pieces. The tensors must not change until they are written. */
export async function checkpointChunks(
  parameters: Tensors,
  states: Tensors,
  metadata: Readonly<Record<string, string>>,
  record: unknown,
): Promise<Uint8Array[]> {
  const tensors: Record<string, ArrayView> = { ...parameters };
  for (const [name, state] of Object.entries(states)) tensors[statePrefix + name] = state;
  const described = { ...metadata, [trainingKey]: stringify(record) };
  const digest = await digestOf(new Map(Object.entries(tensors)), described);
  return serializeChunks(tensors, { ...described, [digestKey]: digest });
}

/** @throws CheckpointError unless the file is a checkpoint with the very bits that were written. */
export async function readCheckpoint(path: string): Promise<Checkpoint> {
  const { tensors, metadata } = await loadFile(path);
  const { [digestKey]: digest, ...described } = metadata;
  if (described[trainingKey] === undefined || digest === undefined)
    throw new CheckpointError(`${path}: expected a checkpoint, received a model without a training`);
  if ((await digestOf(tensors, described)) !== digest)
    throw new CheckpointError(`${path}: damaged: its content is not what was written`);
  const { [trainingKey]: record, ...model } = described;
  return { ...partsOf(tensors), metadata: model, record: parse(record) };
}

/** The tensors of a file told apart: those of the model, and those of a training. */
export function partsOf<T extends ArrayView>(tensors: ReadonlyMap<string, T>) {
  const parameters = new Map<string, T>();
  const states = new Map<string, T>();
  for (const [name, tensor] of tensors) {
    if (name.startsWith(statePrefix)) states.set(name.slice(statePrefix.length), tensor);
    else parameters.set(name, tensor);
  }
  return { parameters, states };
}

/** SHA-256 over all that a file holds, whatever its order. The tensors are read off the event loop. */
async function digestOf(
  tensors: ReadonlyMap<string, ArrayView>,
  metadata: Readonly<Record<string, string>>,
): Promise<string> {
  const hash = createHash('sha256');
  for (const key of Object.keys(metadata).sort()) hash.update(JSON.stringify([key, metadata[key]]));
  for (const name of [...tensors.keys()].sort()) {
    const { data, shape } = tensors.get(name)!;
    const bytes = new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
    hash.update(JSON.stringify([name, shape]));
    hash.update(new Uint8Array(await webcrypto.subtle.digest('SHA-256', bytes)));
  }
  return hash.digest('hex');
}

/** JSON has no NaN, no infinities and no -0, but a figure may be one. */
const unusual = /^number:(NaN|-?Infinity|-0)$/;

const stringify = (value: unknown): string =>
  JSON.stringify(value, (_, part: unknown) => {
    if (typeof part !== 'number' || (Number.isFinite(part) && !Object.is(part, -0))) return part;
    return `number:${Object.is(part, -0) ? '-0' : part}`;
  });

const parse = (text: string): unknown =>
  JSON.parse(text, (_, part: unknown) => {
    const match = typeof part === 'string' ? unusual.exec(part) : null;
    return match ? Number(match[1]) : part;
  }) as unknown;
