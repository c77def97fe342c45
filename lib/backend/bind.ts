/** Checks what a caller binds to a program's inputs, before any backend sees it. */
import { float32Limit, tagOf } from '../arrays';
import { DataError, ShapeError } from '../errors';
import type { IntegerRange } from '../ops/op';
import {
  countNames,
  elementCount,
  evaluateDim,
  formatShape,
  type CountName,
  type Counts,
  type Shape,
} from '../ops/shape';
import { describe } from '../options';
import type { Program, ProgramInput } from '../program/program';
import type { ArrayView } from './backend';

export interface Binding {
  readonly counts: Counts;
  /** In the order of the program's inputs. */
  readonly arrays: readonly ArrayView[];
}

/** The arrays of all inputs, checked in dtype, size and content, and the run-time sizes that they imply. */
export function bindInputs(program: Program, capacities: Counts, inputs: Readonly<Record<string, ArrayView>>): Binding {
  for (const name of Object.keys(inputs)) {
    if (!program.inputs.some((input) => input.name === name)) {
      const known = program.inputs.map((input) => input.name).join(', ');
      throw new DataError(`${name}: the program has no such input; it has ${known || 'none'}`);
    }
  }
  const counts = new Map<CountName, number>();
  const arrays = program.inputs.map((input) => {
    const array = inputs[input.name];
    if (!array)
      throw new DataError(
        `${input.name}: expected an array of shape ${formatShape(shapeOf(program, input))}, received none`,
      );
    checkArray(program, input, array);
    bindCounts(input.name, shapeOf(program, input), array.shape, counts);
    return array;
  });
  const complete = Object.fromEntries(countNames.map((name) => [name, counts.get(name) ?? capacities[name]])) as Counts;
  for (const name of countNames) {
    if (complete[name] > capacities[name]) {
      throw new ShapeError(
        `${name}: expected at most ${capacities[name]}, the capacity of the plan, received ${complete[name]}`,
      );
    }
  }
  const binding = { counts: complete, arrays };
  checkLeastSizes(program, complete);
  checkContents(program, binding);
  return binding;
}

/** Whether the arrays of a binding hold what the program may read; of sizes that are fixed, without making an object. */
export function checkContents(program: Program, { counts, arrays }: Binding): void {
  for (let index = 0; index < arrays.length; index++)
    checkContent(program, program.inputs[index]!, arrays[index]!, counts);
}

const shapeOf = (program: Program, input: ProgramInput): Shape => program.values[input.value]!.shape;

const countMeanings: Readonly<Record<CountName, string>> = { T: 'steps', B: 'rows in the batch', S: 'source steps' };

function checkArray(program: Program, { name, value }: ProgramInput, array: ArrayView): void {
  const { dtype } = program.values[value]!;
  const tag = tagOf(array.data);
  const allowed = dtype === 'int32' ? ['Int32Array'] : ['Float32Array', 'Float64Array'];
  if (array.data === undefined && array.shape === undefined)
    throw new DataError(`${name}: expected { data, shape }, received ${describe(array)}`);
  if (!allowed.includes(tag)) throw new DataError(`${name}: expected ${allowed.join(' or ')} data, received ${tag}`);
  checkElements(name, array);
}

/** Throws unless the shape holds sizes, and the data as many elements as they say. */
export function checkElements(name: string, { data, shape }: ArrayView): void {
  if (!Array.isArray(shape) || !shape.every((size) => Number.isSafeInteger(size) && size >= 0)) {
    throw new ShapeError(
      `${name}: expected a shape of whole numbers, received ${Array.isArray(shape) ? formatShape(shape) : typeof shape}`,
    );
  }
  const expected = elementCount(shape);
  if (data.length === expected) return;
  const message = `${name}: expected ${expected} elements for shape ${formatShape(shape)}, received ${data.length}`;
  throw data.buffer.byteLength === 0 ? new DataError(`${message} (is its buffer detached?)`) : new ShapeError(message);
}

function bindCounts(name: string, expected: Shape, received: readonly number[], counts: Map<CountName, number>): void {
  const mismatch = () =>
    new ShapeError(
      `${name}: expected ${formatShape(expected)}${formatCounts(expected, counts)}, received ${formatShape(received)}`,
    );
  if (expected.length !== received.length) throw mismatch();
  expected.forEach((dim, axis) => {
    const size = received[axis]!;
    if (typeof dim === 'number') {
      if (dim !== size) throw mismatch();
      return;
    }
    const count = dim as CountName;
    if (size === 0)
      throw new DataError(
        `${name}: expected at least 1 for axis ${axis} (${count}: ${countMeanings[count]}), received 0`,
      );
    if (!counts.has(count)) counts.set(count, size);
    if (counts.get(count) !== size) throw mismatch();
  });
}

function formatCounts(shape: Shape, counts: ReadonlyMap<CountName, number>): string {
  const bound = [...counts].filter(([name]) => shape.includes(name)).map(([name, size]) => `${name} = ${size}`);
  return bound.length ? ` with ${bound.join(', ')}` : '';
}

function checkLeastSizes(program: Program, counts: Counts): void {
  for (const { size, least, purpose } of program.leastSizes) {
    const received = evaluateDim(size, counts);
    const meaning = countMeanings[size as CountName] ?? `for ${size}`;
    if (received < least)
      throw new ShapeError(`${purpose}: expected at least ${least} ${meaning}, received ${received}`);
  }
}

function checkContent(program: Program, { name, value, ranges }: ProgramInput, { data }: ArrayView, counts: Counts) {
  const isInteger = program.values[value]!.dtype === 'int32';
  if (!isInteger) checkFinite(name, data, program.values[value]!.dtype === 'float32' ? float32Limit : Infinity);
  // By index: a stream of steps is to leave no garbage, and an iterator is an object.
  for (let index = 0; index < ranges.length; index++) {
    if (isInteger) checkRange(name, data, ranges[index]!, counts);
    else checkBounds(name, data, evaluateDim(ranges[index]!.below, counts));
  }
}

function checkRange(name: string, data: ArrayLike<number>, range: IntegerRange, counts: Counts): void {
  const { from = 0, below, inclusive = false, except, purpose } = range;
  const limit = evaluateDim(below, counts) + (inclusive ? 1 : 0);
  for (let index = 0; index < data.length; index++) {
    const value = data[index]!;
    if ((value < from || value >= limit) && value !== except) {
      const orElse = (except === undefined ? '' : ` or ${except}`) + (purpose ? ` for ${purpose}` : '');
      throw new DataError(
        `${name}: expected integers in ${from}..${limit - 1}${orElse}, received ${value} at index ${index}`,
      );
    }
  }
}

/** Numbers from 0 to `most`, both included. */
function checkBounds(name: string, data: ArrayLike<number>, most: number): void {
  const expected = most === Infinity ? 'numbers >= 0' : `numbers in [0, ${most}]`;
  for (let index = 0; index < data.length; index++) {
    if (data[index]! < 0 || data[index]! > most)
      throw new DataError(`${name}: expected ${expected}, received ${data[index]} at index ${index}`);
  }
}

function checkFinite(name: string, data: ArrayLike<number>, limit: number): void {
  for (let index = 0; index < data.length; index++) {
    // Not so for NaN either.
    if (!(Math.abs(data[index]!) < limit))
      throw new DataError(`${name}: expected finite numbers, received ${data[index]} at index ${index}`);
  }
}
