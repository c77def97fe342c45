import { checkSeed } from '../data/draws';
import { OptionError, StateError } from '../errors';
import { philox } from '../ops/philox';
import { checkOptions, describe, positiveInteger } from '../options';
import { expectModule } from './expectModule';
import type { Module } from './module';

export interface GenerateOptions {
  /** The text to go on from: one or more characters of the vocabulary. */
  readonly prompt: string;
  /** Characters to add. Default 200. */
  readonly length?: number;
  /** Logits are divided by it: below 1 safer, above 1 bolder; 0 takes the likeliest each time. Default 1. */
  readonly temperature?: number;
  /** Equal seeds give equal texts. An integer in 0..2³²−1; default 0, so ask with a fresh one where texts shall vary. */
  readonly seed?: number;
  /** Ends the generation, which then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** Steps between two breaths, in which others on the event loop have their turn: some milliseconds. */
const stepsPerBreath = 256;

/**
 * Continues a text with a character model, one sampled character at a time. Returns prompt and continuation.
 *
 *     await generate(model, { prompt: 'Call me', length: 200, temperature: 0.8, seed: 7 });
 */
export async function generate(model: Module, options: GenerateOptions): Promise<string> {
  checkOptions('generate', options, ['prompt', 'length', 'temperature', 'seed', 'signal']);
  const { prompt, length = 200, temperature = 1, seed = 0, signal } = options;
  expectModule('generate', model);
  const { vocabulary } = model;
  if (!vocabulary)
    throw new StateError('generate: the model has no vocabulary; train it on text, or save it with { text: corpus }');
  if (typeof prompt !== 'string' || prompt.length === 0)
    throw new OptionError(`generate: prompt: expected a text of at least one character, received ${describe(prompt)}`);
  if (!(temperature >= 0))
    throw new OptionError(`generate: temperature: expected a number >= 0, received ${describe(temperature)}`);
  positiveInteger('generate', 'length', length);
  checkSeed('generate', seed);
  signal?.throwIfAborted();
  const given = vocabulary.encode(prompt);
  const session = model.session();
  let steps = 0;
  const step = async (token: number) => {
    if (++steps % stepsPerBreath === 0) {
      await new Promise(setImmediate);
      signal?.throwIfAborted();
    }
    return session.step(token);
  };
  try {
    let logits: ArrayLike<number> = [];
    for (const token of given) logits = await step(token);
    const tokens: number[] = [];
    for (let position = 0; position < length; position++) {
      const token = sample(logits, temperature, (philox([seed, 0x67656e], [position, 0, 0, 0])[0] + 0.5) / 2 ** 32);
      tokens.push(token);
      logits = await step(token);
    }
    // All at once: a tokenizer may put something between its tokens, and a character may take several bytes.
    return vocabulary.decode([...given, ...tokens]);
  } finally {
    session.dispose();
  }
}

/** The token at which the cumulative softmax(logits / temperature) passes `u` in (0, 1). */
export function sample(logits: ArrayLike<number>, temperature: number, u: number): number {
  let best = 0;
  for (let token = 1; token < logits.length; token++) if (logits[token]! > logits[best]!) best = token;
  if (temperature === 0) return best;
  const weights = Array.from(logits, (logit) => Math.exp((logit - logits[best]!) / temperature));
  let rest = u * weights.reduce((sum, weight) => sum + weight, 0);
  for (let token = 0; token < weights.length; token++) {
    rest -= weights[token]!;
    if (rest < 0) return token;
  }
  return best;
}
