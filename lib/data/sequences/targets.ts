/** What records are to be recognised as: classes or numbers, for a sequence or for each of its steps. */
import { DataError, OptionError } from '../../errors';
import { tagOf } from '../../arrays';
import { describe } from '../../options';
import { Labels } from '../labels';
import type { ReadInput } from './inputs';

/** The name of a class. A number or a boolean is written as a string. */
export type Label = string | number | boolean;

/** One for each sequence, or for each step; in [size] numbers each where they are numbers. */
export interface Targets {
  readonly perStep: boolean;
  readonly values: readonly (Int32Array | Float32Array)[];
  /** Numbers of a target; null for classes. */
  readonly size: number | null;
}

/** A step without a label: what `crossEntropy` does not count. */
export const unlabelled = -100;

const isLabel = (value: unknown): value is Label =>
  typeof value === 'string' || typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value));

/** In the order of numbers where all are numbers, else of the alphabet. */
function labelsOf(found: readonly Label[]): Labels {
  if (!found.every((label) => typeof label === 'number')) return Labels.of(found.map(String));
  const numbers = [...new Set(found)].sort((a, b) => a - b);
  return Labels.fromJSON({ names: numbers.map(String) });
}

/** @throws DataError naming the record. */
export function readLabels(
  owner: string,
  given: readonly unknown[],
  inputs: readonly ReadInput[],
  labels: Labels | null,
): Targets & { readonly labels: Labels } {
  if (labels !== null && !(labels instanceof Labels))
    throw new OptionError(`${owner}: labels: expected Labels, such as Labels.of(names), received ${describe(labels)}`);
  const perStep = Array.isArray(given[0]);
  const error = (index: number, expected: string, received: unknown) =>
    new DataError(`${owner}: record ${index}: label: expected ${expected}, received ${describe(received)}`);
  given.forEach((label, index) => {
    if (perStep !== Array.isArray(label))
      throw error(index, perStep ? 'an array of labels, as before' : 'a single label, as before', label);
    if (!perStep && !isLabel(label)) throw error(index, 'a string, a number or a boolean', label);
    if (perStep) checkSteps(label as unknown[], inputs[index]!.steps, error, index);
  });
  const found = given.flat().filter(isLabel);
  const known = labels ?? labelsOf(found);
  const values = given.map((label, index) =>
    Int32Array.from([label].flat() as (Label | null)[], (one) => {
      if (one === null) return unlabelled;
      if (known.names.includes(String(one))) return known.encode(String(one));
      throw error(index, `one of ${known.names.map(describe).join(', ')}`, one);
    }),
  );
  return { perStep, values, size: null, labels: known };
}

function checkSteps(
  label: readonly unknown[],
  steps: number,
  error: (index: number, expected: string, received: unknown) => DataError,
  index: number,
): void {
  if (label.length !== steps) throw error(index, `${steps} labels, one for each step`, label.length);
  const wrong = label.findIndex((one) => one !== null && !isLabel(one));
  if (wrong >= 0) throw error(index, `strings, numbers or booleans, or null for none, at step ${wrong}`, label[wrong]);
}

const isArrayLike = (value: unknown): value is ArrayLike<number> =>
  Array.isArray(value) || ['Float32Array', 'Float64Array'].includes(tagOf(value));

/** @throws DataError naming the record. */
export function readNumbers(owner: string, given: readonly unknown[], inputs: readonly ReadInput[]): Targets {
  const nested = (value: unknown) => Array.isArray(value) && value.some(isArrayLike);
  const perStep = given.some(nested);
  const rowsOf = (value: unknown): readonly unknown[] => (perStep && Array.isArray(value) ? value : [value]);
  const numbers = (row: unknown): ArrayLike<number> => (isArrayLike(row) ? row : [row as number]);
  const firstRow = given.flatMap(rowsOf)[0];
  const size = numbers(firstRow).length;
  const values = given.map((value, index) => {
    const error = (expected: string, received: string) =>
      new DataError(`${owner}: record ${index}: target: expected ${expected}, received ${received}`);
    const rows = rowsOf(value);
    if (perStep && rows.length !== inputs[index]!.steps)
      throw error(`${inputs[index]!.steps} targets, one for each step`, `${rows.length}`);
    const data = new Float32Array(rows.length * size);
    rows.forEach((row, step) => {
      const list = numbers(row);
      if (list.length !== size) throw error(`${size} numbers, as before`, `${list.length}`);
      for (let place = 0; place < size; place++) {
        const number: unknown = list[place];
        if (typeof number !== 'number' || !Number.isFinite(Math.fround(number)))
          throw error('finite numbers', describe(number));
        data[step * size + place] = number;
      }
    });
    return data;
  });
  return { perStep, values, size };
}
