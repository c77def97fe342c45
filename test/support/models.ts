/** Small models and batches. */
import {
  crossEntropy,
  embedding,
  linear,
  lstm,
  Module,
  sequential,
  type Batch,
  type Inputs,
  type LstmOptions,
  type ModuleOptions,
  type Sequential,
} from '../../lib';
import { Random } from './random';

export const ints = (data: readonly number[], shape: readonly number[] = [data.length]) => ({
  data: Int32Array.from(data),
  shape,
});
export const floats32 = (data: ArrayLike<number>, shape: readonly number[] = [data.length]) => ({
  data: Float32Array.from(data),
  shape,
});

/** Normally distributed float32 numbers, the same in every run. */
export const noise = (seed: number, ...shape: number[]) => floats32(new Random(seed).normal(...shape).data, shape);

export const vocabularySize = 7;

/** Predicts the next of seven tokens, or of `size`. */
export const languageModel = (
  options: ModuleOptions & { readonly lstm?: LstmOptions; readonly size?: number } = {},
): Sequential => {
  const { lstm: lstmOptions, size = vocabularySize, ...moduleOptions } = options;
  return sequential([embedding(size, 4), lstm(5, lstmOptions), linear(size)], moduleOptions);
};

/** Tokens and the tokens after them, for B rows of T steps. */
export function tokenBatch(
  seed: number,
  B: number,
  T: number,
): Batch & { inputs: { data: Int32Array; shape: readonly number[] } } {
  const random = new Random(seed);
  return { inputs: random.integers(vocabularySize, B, T), targets: random.integers(vocabularySize, B, T) };
}

export const crossEntropyLoss = crossEntropy();

/** Two inputs by name, lengths, and two outputs by name. */
export class Tagger extends Module {
  readonly embed = embedding(vocabularySize, 3);
  readonly encoder = lstm(4, { bidirectional: true });
  readonly tags = linear(3);
  readonly score = linear(1);

  override forward({ tokens, features, lengths }: Inputs<'tokens' | 'features' | 'lengths'>) {
    const { output, hiddenState } = this.encoder(this.embed(tokens), { lengths });
    void features;
    return { output: this.tags(output), score: this.score(features), state: hiddenState };
  }
}

export const copies = async (model: Module): Promise<Record<string, number[]>> =>
  Object.fromEntries(Object.entries(await model.stateDict()).map(([name, { data }]) => [name, Array.from(data)]));
