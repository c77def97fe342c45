/** A batch as users give it becomes arrays by input name. */
import { DataError, ShapeError } from '../errors';
import type { ArrayView } from '../backend/backend';
import { checkElements } from '../backend/bind';
import type { Batch } from '../data/batch';
import {
  countsOf,
  expectTensor,
  lengthsInput,
  signatureOf,
  singleInput,
  type Arrays,
  type Signature,
} from '../nn/signature';
import { formatShape, type Counts, type Shape } from '../ops/shape';
import { describe } from '../options';
import { names } from './step';

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
  if (batch.lengths) expectTensor(lengthsInput, batch.lengths);
  const inputs: Arrays = isTensor(batch.inputs) ? { [singleInput]: batch.inputs } : batch.inputs;
  if (!isTensor(batch.inputs) && singleInput in inputs) {
    throw new DataError(`batch: '${singleInput}' is the name of an input that comes alone; give it another name`);
  }
  return batch.lengths ? { ...inputs, [lengthsInput]: batch.lengths } : inputs;
}

export function prepareBatch(batch: Batch, declared: Readonly<Record<string, Shape>> = {}): PreparedBatch {
  const inputs = inputArrays(batch);
  const inputSignature = signatureOf(inputs, declared);
  const counts = countsOf(inputSignature, inputs);
  if (batch.targets) expectTensor(names.targets, batch.targets);
  if (batch.weights) expectTensor(names.weights, batch.weights);
  const supervision: Record<string, ArrayView> = {};
  if (batch.targets) supervision[names.targets] = batch.targets;
  const weights = lossWeights(batch);
  if (weights) supervision[names.weights] = weights;
  const supervisionSignature = signatureOf(supervision, {
    ...declared,
    [names.weights]: ['B', 'T'].slice(0, weights?.shape.length ?? 0),
  });
  return { inputs, inputSignature, supervision, supervisionSignature, counts };
}

/** The given weights; where sequences have lengths and targets have steps, steps past a length count nothing. */
function lossWeights({ targets, weights, lengths }: Batch): ArrayView | null {
  const [B = 0, T = 0] = targets?.shape ?? [];
  const perStep = targets && targets.shape.length >= (isInteger(targets) ? 2 : 3);
  if (!lengths || !perStep) return weights ?? null;
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

const isInteger = ({ data }: ArrayView) => Object.prototype.toString.call(data) === '[object Int32Array]';
