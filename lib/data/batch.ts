/** What training, evaluation and prediction are fed with: batches, and the data sets that yield them. */
import type { ArrayView } from '../backend/backend';
import { DataError } from '../errors';
import { formatShape } from '../ops/shape';
import { describe } from '../options';
import type { Labels } from './labels';
import type { SeriesFormat } from './series/format';
import type { Vocabulary } from './vocabulary';

/** A row-major array, for example `{ data: new Float32Array(32 * 64 * 3), shape: [32, 64, 3] }` for `[B,T,I]`. */
export type Tensor = ArrayView;

/** One tensor, or several by name. */
export type BatchInputs = Tensor | Readonly<Record<string, Tensor>>;

export interface Batch<I extends BatchInputs = BatchInputs> {
  readonly inputs: I;
  /** One tensor: int32 `[B, T]` or `[B]` for `crossEntropy`, float32 of the output's shape for `meanSquaredError`. */
  readonly targets?: Tensor;
  /** int32 `[B]`: how many steps of each row are real. Without it, all are. */
  readonly lengths?: Tensor;
  /** float32 `[B]` or `[B, T]`: how much each row or step counts in the loss. Without it, all count alike. Steps past `lengths` count 0. */
  readonly weights?: Tensor;
}

export type Batches<I extends BatchInputs = BatchInputs> = Iterable<Batch<I>> | AsyncIterable<Batch<I>>;

/** What a data set may say about itself. */
export interface DataTraits {
  /** Each batch continues the sequences of the batch before it: recurrent state is carried, and reset before a pass. */
  readonly continuesState?: boolean;
  /** The characters that the tokens stand for. */
  readonly vocabulary?: Vocabulary;
  /** How the columns of series became the numbers in the batches. */
  readonly series?: SeriesFormat;
  /** The classes that the targets stand for. */
  readonly labels?: Labels;
  /** The number of batches in a pass, where known. */
  readonly length?: number;
  /** What determines the batches beside the data themselves, such as sizes and seed. A resumed training must have the same. */
  readonly settings?: Readonly<Record<string, string | number | boolean | null>>;
  /**
   * The batches of pass `epoch`, counted from 0, from batch `begin` on: what it gives depends on nothing else. Data have it
   * whose order differs from pass to pass, or that can begin anywhere without making the batches before.
   */
  readonly pass?: (epoch: number, begin: number) => Batches;
}

/** Anything that can be iterated once per pass, or a function that returns such a thing for each pass. */
export type Data<I extends BatchInputs = BatchInputs> = (Batches<I> | (() => Batches<I>)) & DataTraits;

/** Whether a value can be iterated, or may give what can. */
export const isData = (value: unknown): value is Data => {
  const { pass } = Object(value) as Partial<DataTraits>;
  const isNamed = [Symbol.asyncIterator, Symbol.iterator].some((key) => isIterable(Object(value) as object, key));
  return typeof value === 'function' || typeof pass === 'function' || (typeof value === 'object' && isNamed);
};

/** The number of batches in a pass. A function's own `length` counts its parameters, so it says nothing. */
export function batchCount(data: Data): number | undefined {
  return typeof data === 'function' ? undefined : data?.length;
}

/** The shapes of the batches of an array: those that are alike one after another as one, with the index of the first. */
export function batchShapes(data: Data): { shapes?: Record<string, string | number>[] } {
  if (!Array.isArray(data)) return {};
  const shapes: Record<string, string | number>[] = [];
  let before = '';
  (data as readonly Batch[]).forEach((batch, from) => {
    const found = shapesOf(batch);
    const now = JSON.stringify(found);
    if (now !== before) shapes.push({ from, ...found });
    before = now;
  });
  return { shapes };
}

/** The shapes of a batch's parts by name; of what is no batch, which `iterate` refuses, none. */
function shapesOf(batch: unknown): Record<string, string> {
  const { inputs, ...parts } = Object(batch) as Partial<Batch>;
  const isAlone = Array.isArray((Object(inputs) as Partial<Tensor>).shape);
  return Object.fromEntries(
    Object.entries(isAlone ? { inputs, ...parts } : { ...inputs, ...parts }).flatMap(([name, part]) => {
      const { shape } = Object(part) as { shape?: readonly number[] };
      return Array.isArray(shape) ? [[name, formatShape(shape)]] : [];
    }),
  );
}

/** Iterators that one pass has used already. */
const usedUp = new WeakSet<object>();

/** Where a pass over the data begins. */
export interface PassBegin {
  /** Passes before it. Default 0. */
  readonly epoch?: number;
  /** Batches of it that are left out. Default 0. */
  readonly begin?: number;
  /** How many of these there need not be: the end of a pass may cut a list of batches short. Default 0. */
  readonly optional?: number;
}

/**
 * One pass over the data.
 *
 * @throws DataError for what is no data set, for a value that is no batch, for a pass that ends before it begins, and for a
 *   second pass over an iterator (a generator object, say), which would silently yield nothing.
 */
export async function* iterate<I extends BatchInputs>(
  data: Data<I>,
  { epoch = 0, begin = 0, optional = 0 }: PassBegin = {},
): AsyncGenerator<Batch<I>, void, undefined> {
  const canBegin = typeof data?.pass === 'function';
  const source = canBegin ? (data.pass(epoch, begin) as Batches<I>) : typeof data === 'function' ? data() : data;
  let position = canBegin ? begin : 0;
  for await (const batch of freshPass(source)) {
    if (typeof batch?.inputs !== 'object') {
      throw new DataError(
        `data: expected batches { inputs, targets, ... }, received ${describe(batch)} as batch ${position}`,
      );
    }
    if (position >= begin) yield batch;
    position++;
  }
  if (position < begin - optional)
    throw new DataError(
      `data: expected at least the ${begin - optional} batches of this pass that have been taken before, received ${position}`,
    );
}

function freshPass<I extends BatchInputs>(source: Batches<I>): Batches<I> {
  if (isIterable(source, Symbol.asyncIterator)) {
    const iterator = source[Symbol.asyncIterator]();
    claim(source, iterator);
    return { [Symbol.asyncIterator]: () => iterator };
  }
  if (isIterable(source, Symbol.iterator)) {
    const iterator = source[Symbol.iterator]();
    claim(source, iterator);
    return { [Symbol.iterator]: () => iterator };
  }
  throw new DataError(
    `data: expected an iterable of batches or a function that returns one, received ${describe(source)}`,
  );
}

function isIterable<K extends symbol>(source: object, key: K): source is Record<K, () => never> {
  return typeof (source as Partial<Record<K, unknown>> | null | undefined)?.[key] === 'function';
}

function claim(source: object, iterator: unknown): void {
  if (source !== iterator) return;
  if (usedUp.has(source)) {
    throw new DataError(
      'data: expected an iterable that starts anew for each pass, received an iterator that is used up; ' +
        'pass an array or a function that returns a new iterator',
    );
  }
  usedUp.add(source);
}
