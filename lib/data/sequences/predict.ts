/** What a trained model makes of new sequences, in the user's terms. */
import { DataError, OptionError, StateError } from '../../errors';
import { abortSignal, checkOptions, describe, positiveInteger } from '../../options';
import { formatShape } from '../../ops/shape';
import type { Batch } from '../batch';
import type { Labels } from '../labels';
import type { Vocabulary } from '../vocabulary';
import { SequenceBatches } from './batches';
import { InputReader, type SequenceInput } from './inputs';

/** What is needed of a model. */
export interface Recognizer {
  readonly labels: Labels | null;
  readonly vocabulary: Vocabulary | null;
  predict(
    batch: Pick<Batch, 'inputs' | 'lengths'>,
    options?: { readonly signal?: AbortSignal },
  ): Promise<{ readonly data: Float32Array; readonly shape: readonly number[] }>;
}

export interface RecognizeOptions {
  /** Default 32. */
  readonly batchSize?: number;
  /** Numbers for each step of arrays that do not tell. Default 1. */
  readonly features?: number;
  /** Abandons it; then it rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** The likeliest class. */
export interface Recognition {
  readonly label: string;
  /** Of that class, by softmax over what the model gives. */
  readonly probability: number;
  /** Of all classes, in the order of `model.labels.names`. */
  readonly probabilities: readonly number[];
}

/**
 * The likeliest class of each sequence, by a model that gives [B, K] for K labels.
 *
 *     const recognised = await sequences.classify(model, ['a text', 'another']); // [{ label, probability, probabilities }, ...]
 *
 * @throws StateError where the model has no labels, DataError for inputs that do not fit it.
 */
export async function classify(
  model: Recognizer,
  inputs: Iterable<SequenceInput>,
  options: RecognizeOptions = {},
): Promise<Recognition[]> {
  return (await recognize('classify', model, inputs, options, 2)).map(([only]) => only!);
}

/**
 * The likeliest class of each step of each sequence, by a model that gives [B, T, K] for K labels. An empty sequence has none.
 *
 *     for (const steps of await sequences.tag(model, [['time', 'flies']])) console.log(steps.map(({ label }) => label));
 *
 * @throws StateError where the model has no labels, DataError for inputs that do not fit it.
 */
export function tag(
  model: Recognizer,
  inputs: Iterable<SequenceInput>,
  options: RecognizeOptions = {},
): Promise<Recognition[][]> {
  return recognize('tag', model, inputs, options, 3);
}

async function recognize(
  owner: string,
  model: Recognizer,
  given: Iterable<SequenceInput>,
  options: RecognizeOptions,
  rank: 2 | 3,
): Promise<Recognition[][]> {
  checkOptions(owner, options, ['batchSize', 'features', 'signal']);
  const { batchSize = 32, features = 1, signal } = options;
  positiveInteger(owner, 'features', features);
  if (typeof (model as Partial<Recognizer> | null | undefined)?.predict !== 'function')
    throw new OptionError(`${owner}: expected a model, received ${describe(model)}`);
  abortSignal(owner, signal);
  const { labels, vocabulary } = model;
  if (!labels)
    throw new StateError(`${owner}: the model has no labels; train it on labelled sequences, or set model.labels`);
  const source = readInputs(owner, given, features, vocabulary);
  const batches = new SequenceBatches(source, [...source.inputs.keys()], { batchSize }, false);
  const results: Recognition[][] = source.inputs.map(() => []);
  const order = batches.order(0);
  let position = 0;
  for (const batch of batches) {
    const { data, shape } = await model.predict(batch, { signal });
    expectLogits(owner, shape, rank, labels);
    const steps = rank === 2 ? 1 : shape[1]!;
    order[position++]!.forEach((index, b) => {
      const count = rank === 2 ? 1 : source.inputs[index]!.steps;
      for (let t = 0; t < count; t++) {
        const begin = (b * steps + t) * labels.size;
        results[index]!.push(likeliest(data.subarray(begin, begin + labels.size), labels));
      }
    });
  }
  return results;
}

function readInputs(owner: string, given: Iterable<SequenceInput>, features: number, vocabulary: Vocabulary | null) {
  if (typeof given === 'string' || typeof given?.[Symbol.iterator] !== 'function')
    throw new DataError(`${owner}: expected an array of sequences, received ${typeof given}`);
  const reader = new InputReader(owner, { features, vocabulary });
  let index = 0;
  for (const input of given) reader.add(input, `record ${index++}`);
  if (reader.isText && !vocabulary)
    throw new StateError(`${owner}: the model has no vocabulary, so it cannot read strings`);
  const read = reader.finish(null, { unknown: false, minCount: 1 });
  return { ...read, targets: null, vocabulary: undefined };
}

function expectLogits(owner: string, shape: readonly number[] | undefined, rank: 2 | 3, labels: Labels): void {
  const fits = shape?.length === rank && shape[rank - 1] === labels.size;
  if (fits) return;
  const expected = rank === 2 ? `[B, ${labels.size}]` : `[B, T, ${labels.size}]`;
  const other =
    rank === 2 ? 'sequences.tag reads one class for each step' : 'sequences.classify reads one class for each sequence';
  throw new DataError(
    `${owner}: expected a model that gives ${expected}, its labels, received ${shape ? formatShape(shape) : 'several outputs by name'}; ${other}`,
  );
}

function likeliest(logits: Float32Array, labels: Labels): Recognition {
  const best = logits.indexOf(Math.max(...logits));
  const weights = Array.from(logits, (logit) => Math.exp(logit - logits[best]!));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  const probabilities = weights.map((weight) => weight / sum);
  return { label: labels.name(best), probability: probabilities[best]!, probabilities };
}
