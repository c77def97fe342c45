/** How the arrays of a batch, `[batch, time, ...]`, become the inputs of a program, `[T, B, ...]` inside. */
import { DataError, ShapeError } from '../errors';
import type { ArrayView } from '../backend/backend';
import { checkElements } from '../backend/bind';
import { transpose } from '../ops/layout/transpose';
import type { ValueType, Variable } from '../ops/op';
import { countNames, formatShape, type CountName, type Counts, type Dim, type Shape } from '../ops/shape';
import { describe } from '../options';
import { isInt32, tagOf } from '../arrays';

/** The types of the inputs of a network in public orientation, by name. */
export type Signature = Readonly<Record<string, ValueType>>;
export type Arrays = Readonly<Record<string, ArrayView>>;

/** The name of the input of a network that takes a single array. */
export const singleInput = 'inputs';
/** Steps of each sequence, beside the inputs proper. */
export const lengthsInput = 'lengths';

/** Arrays that hold numbers of steps, whoever reads them. */
const isLengths = (name: string) => name === lengthsInput || name === 'memoryLengths';

/**
 * Types by the usual reading of an array: [B], [B, T] for integers, [B, F] and [B, T, F] for floats; `declared` shapes,
 * such as `{ memory: ['B', 'S', 16] }`, come first. Letters T, B and S are run-time sizes; other letters take the size
 * of the first batch.
 */
export function signatureOf(arrays: Arrays, declared: Readonly<Record<string, Shape>> = {}): Signature {
  return Object.fromEntries(Object.entries(arrays).map(([name, array]) => [name, typeOf(name, array, declared[name])]));
}

function typeOf(name: string, array: ArrayView, declared: Shape | undefined): ValueType {
  expectTensor(name, array);
  if (isLengths(name) && !declared) expectLengths(name, array);
  const dtype = isInt32(array.data) ? 'int32' : 'float32';
  const { shape } = array;
  // Before any size is inferred: a network bound to the sizes of a broken array would refuse the sound ones.
  checkElements(name, array);
  const letters: Shape | undefined = declared ?? usualReading(dtype, shape.length);
  if (!letters || letters.length !== shape.length) {
    const expected = declared
      ? formatShape(declared)
      : dtype === 'int32'
        ? '[B] or [B, T]'
        : '[B], [B, F] or [B, T, F]';
    if (!declared && name === 'targets' && dtype === 'int32')
      throw new DataError(
        `targets: expected class numbers, Int32Array of shape [B, T] or [B], received ${formatShape(shape)}; ` +
          'declare inputShapes for another reading',
      );
    throw new DataError(
      `${name}: expected ${expected}, received ${formatShape(shape)}${declared ? '' : otherReadings[dtype]}`,
    );
  }
  const fixed = letters.map((dim, axis): Dim =>
    countNames.includes(dim as CountName) ? dim : (shape[axis] as number),
  );
  if (letters.some((dim, axis) => typeof dim === 'number' && dim !== shape[axis]))
    throw new ShapeError(`${name}: expected ${formatShape(letters)}, received ${formatShape(shape)}`);
  if (fixed.includes(0)) throw new ShapeError(`${name}: expected at least 1 of each, received ${formatShape(shape)}`);
  return { dtype, shape: fixed };
}

function usualReading(dtype: string, rank: number): Shape | undefined {
  return dtype === 'int32' ? [[], ['B'], ['B', 'T']][rank] : [[], ['B'], ['B', 'F'], ['B', 'T', 'F']][rank];
}

const otherReadings = {
  int32: '; int32 is read as tokens: use Float32Array for features, or declare inputShapes for another reading',
  float32: '; declare inputShapes for another reading',
};

/** Throws unless these are a number of steps for each row; in numbers, as users gave them. */
function expectLengths(name: string, { data, shape }: ArrayView): void {
  if (!isInt32(data)) throw new ShapeError(`${name}: expected Int32Array, received ${tagOf(data)}`);
  if (shape.length !== 1) throw new ShapeError(`${name}: expected [B], received ${formatShape(shape)}`);
}

/** Throws unless this is a tensor of a dtype that programs know. */
export function expectTensor(name: string, value: unknown): asserts value is ArrayView {
  const expected = `${name}: expected { data, shape } with ${isLengths(name) ? 'an Int32Array' : 'a typed array'}`;
  if (typeof value !== 'object' || value === null || !('data' in value && 'shape' in value)) {
    throw new DataError(`${expected}, received ${describe(value)}`);
  }
  const tag = tagOf(value.data);
  if (!ArrayBuffer.isView(value.data) || !Array.isArray(value.shape)) {
    throw new DataError(`${expected}, received { data: ${tag}, shape: ${tagOf(value.shape)} }`);
  }
  if (!['Float32Array', 'Float64Array', 'Int32Array'].includes(tag)) {
    const arrays = isLengths(name) ? 'Int32Array' : `Float32Array, or Int32Array for ${integersOf(name)}`;
    throw new DataError(`${name}: expected ${arrays}, received ${tag}`);
  }
}

/** What integers in an array stand for. */
const integersOf = (name: string) => (name === 'targets' ? 'class numbers' : 'tokens');

/** The run-time sizes of a batch, as far as its arrays tell. */
export function countsOf(signature: Signature, arrays: Arrays): Partial<Counts> {
  const counts: Partial<Record<CountName, number>> = {};
  for (const [name, { shape }] of Object.entries(signature)) {
    shape.forEach((dim, axis) => {
      if (typeof dim === 'string') counts[dim as CountName] ??= arrays[name]?.shape[axis] ?? 1;
    });
  }
  return counts;
}

const swapsTime = (first: Dim | undefined, second: Dim | undefined, from: readonly CountName[]) =>
  first === from[0] && second === from[1];

function swapLeadingAxes(x: Variable): Variable {
  const permutation = x.type.shape.map((_, axis) => (axis === 0 ? 1 : axis === 1 ? 0 : axis));
  return x.builder.emit(transpose, { x }, { permutation }).y;
}

/** [B, T, ...] to [T, B, ...]; other variables as they are. */
export function timeFirst(x: Variable): Variable {
  return swapsTime(x.type.shape[0], x.type.shape[1], ['B', 'T']) ? swapLeadingAxes(x) : x;
}

/** [T, B, ...] to [B, T, ...]; other variables as they are. */
export function batchFirst(x: Variable): Variable {
  return swapsTime(x.type.shape[0], x.type.shape[1], ['T', 'B']) ? swapLeadingAxes(x) : x;
}

/** A shape as users write it: the batch before the steps. */
export const publicShape = ([first, second, ...rest]: Shape): Shape =>
  swapsTime(first, second, ['T', 'B'])
    ? ['B', 'T', ...rest]
    : [first, second, ...rest].filter((dim) => dim !== undefined);
