/** A batch as users give it becomes arrays by input name. */
import { DataError, ShapeError } from '../errors';
import type { ArrayView } from '../backend/backend';
import { checkElements } from '../backend/bind';
import type { Batch, Batches } from '../data/batch';
import {
  countsOf,
  expectTensor,
  lengthsInput,
  signatureOf,
  singleInput,
  type Arrays,
  type Signature,
} from '../nn/signature';
import { randomKeyInput, streamBeginsInput } from '../nn/trace';
import { formatShape, type Counts, type Shape } from '../ops/shape';
import { describe } from '../options';
import { isInt32 } from '../arrays';
import { names } from './names';

export interface PreparedBatch {
  readonly inputs: Arrays;
  readonly inputSignature: Signature;
  /** Targets and weights. */
  readonly supervision: Arrays;
  readonly supervisionSignature: Signature;
  readonly counts: Partial<Counts>;
}

const isTensor = (value: unknown): value is ArrayView =>
  typeof value === 'object' && value !== null && 'data' in value && 'shape' in value;

/** Inputs by name: a single array is named `input`. */
export function inputArrays(batch: Pick<Batch, 'inputs' | 'lengths'>): Arrays {
  if (typeof batch?.inputs !== 'object' || batch.inputs === null) {
    throw new DataError(
      `batch: expected { inputs, ... } with a tensor or tensors by name, received ${describe(batch?.inputs ?? batch)}`,
    );
  }
  if (ArrayBuffer.isView(batch.inputs) || Array.isArray(batch.inputs)) {
    throw new DataError(`batch: inputs: expected { data, shape }, received a bare array`);
  }
  expectWhole(batch.inputs);
  checkKeys(batch);
  if (batch.lengths) expectTensor(lengthsInput, batch.lengths);
  const inputs: Arrays = isTensor(batch.inputs) ? { [singleInput]: batch.inputs } : batch.inputs;
  if (!isTensor(batch.inputs)) checkNames(batch);
  return batch.lengths ? { ...inputs, [lengthsInput]: batch.lengths } : inputs;
}

/** Half a tensor is no inputs by name. */
function expectWhole({ data, shape }: { readonly data?: unknown; readonly shape?: unknown }): void {
  const isOf = (value: unknown) => ArrayBuffer.isView(value) || Array.isArray(value);
  if (isOf(data) === isOf(shape) || (data !== undefined && shape !== undefined)) return;
  const [there, missing] = data === undefined ? ['shape', 'data'] : ['data', 'shape'];
  throw new DataError(`batch: inputs: expected { data, shape }, received { ${there} }; its ${missing} is missing`);
}

const batchKeys: readonly (keyof Batch)[] = ['inputs', 'targets', 'lengths', 'weights'];

/** A part of a batch under another name would be left out without a word. */
function checkKeys(batch: object): void {
  const unknown = Object.keys(batch).find((key) => !(batchKeys as readonly string[]).includes(key));
  if (unknown !== undefined)
    throw new DataError(`batch: unknown part '${unknown}'; a batch has ${batchKeys.join(', ')}`);
}

/** Inputs that a step has of its own. */
const reserved: readonly string[] = [
  names.targets,
  names.weights,
  names.learningRate,
  names.weightDecay,
  names.maxNorm,
  names.clipValue,
  names.keep,
  randomKeyInput,
  streamBeginsInput,
];

function checkNames({ inputs, lengths }: Pick<Batch, 'inputs' | 'lengths'>): void {
  for (const name of Object.keys(inputs)) {
    const isTaken = reserved.includes(name) || (lengths && name === lengthsInput) || name.includes('/');
    if (name === singleInput)
      throw new DataError(`batch: '${name}' is the name of an input that comes alone; give it another name`);
    if (isTaken)
      throw new DataError(
        `batch: inputs: '${name}' is the name of something else in a step; give the input another name`,
      );
  }
}

export function prepareBatch(batch: Batch, declared: Readonly<Record<string, Shape>> = {}): PreparedBatch {
  const inputs = inputArrays(batch);
  const inputSignature = signatureOf(inputs, declared);
  const counts = countsOf(inputSignature, inputs);
  if (batch.targets) expectTensor(names.targets, batch.targets);
  if (batch.weights) expectTensor(names.weights, batch.weights);
  if (batch.weights) checkNotNegative(batch.weights);
  const stepped = batch.targets !== undefined && hasSteps(batch.targets, declared[names.targets]);
  if (batch.lengths) checkLengths(batch.lengths, counts.T ?? (stepped ? batch.targets.shape[1] : undefined));
  const supervision: Record<string, ArrayView> = {};
  if (batch.targets) supervision[names.targets] = batch.targets;
  const weights = lossWeights(batch, stepped);
  if (weights) supervision[names.weights] = weights;
  const supervisionSignature = signatureOf(supervision, {
    ...declared,
    // Days of a horizon are no steps.
    [names.weights]: ['B', declared[names.targets] && !stepped ? 'F' : 'T'].slice(0, weights?.shape.length ?? 0),
  });
  return { inputs, inputSignature, supervision, supervisionSignature, counts };
}

/** Also for networks that read no lengths: they weigh the loss. */
function checkLengths({ data }: ArrayView, T: number | undefined): void {
  const index = Array.prototype.findIndex.call(data, (value: number) => value < 0 || value > (T ?? Infinity));
  if (index < 0) return;
  const range = T === undefined ? 'integers >= 0' : `integers in 0..${T}`;
  throw new DataError(`${lengthsInput}: expected ${range}, received ${data[index]} at index ${index}`);
}

function checkNotNegative({ data }: ArrayView): void {
  const index = Array.prototype.findIndex.call(data, (value: number) => value < 0);
  if (index >= 0)
    throw new DataError(`${names.weights}: expected numbers >= 0, received ${data[index]} at index ${index}`);
}

/** Whether the second axis of targets are the steps T: as declared, else by their rank. */
const hasSteps = ({ data, shape }: ArrayView, declared: Shape | undefined) =>
  declared ? declared[1] === 'T' : shape.length >= (isInt32(data) ? 2 : 3);

/** The given weights; where sequences have lengths and targets have steps, steps past a length count nothing. */
function lossWeights({ targets, weights, lengths }: Batch, stepped: boolean): ArrayView | null {
  const [B = 0, T = 0] = targets?.shape ?? [];
  if (!lengths || !targets || !stepped) return weights ?? null;
  if (weights) checkWeights(weights, B, T);
  const masked = new Float32Array(B * T);
  for (let b = 0; b < B; b++) {
    const steps = Math.min(lengths.data[b] ?? 0, T);
    for (let t = 0; t < steps; t++) {
      masked[b * T + t] = !weights ? 1 : weights.shape.length === 1 ? weights.data[b]! : weights.data[b * T + t]!;
    }
  }
  return { data: masked, shape: [B, T] };
}

function checkWeights(weights: ArrayView, B: number, T: number): void {
  const fits = formatShape(weights.shape) === formatShape([B]) || formatShape(weights.shape) === formatShape([B, T]);
  if (!fits) throw new ShapeError(`weights: expected [${B}] or [${B}, ${T}], received ${formatShape(weights.shape)}`);
  checkElements('weights', weights);
}

/** Whether several batches are given, where one or several may be. */
export const isSeveral = (batches: Batch | Batches): batches is Batches =>
  [Symbol.iterator, Symbol.asyncIterator].some(
    (key) => typeof (batches as unknown as Partial<Record<symbol, unknown>> | null)?.[key] === 'function',
  );

export async function* iteratorOf(batches: Batches): AsyncGenerator<Batch, void, undefined> {
  yield* batches;
}
