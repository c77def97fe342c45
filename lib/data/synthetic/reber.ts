import { checkOptions, positiveInteger } from '../../options';
import type { Batch, Tensor } from '../batch';
import { checkSeed, Draws } from '../draws';
import { SyntheticBatches, syntheticOptions, type SyntheticOptions } from './batches';

/** The symbols of the grammar in the order of their tokens. */
export const reberSymbols = 'BTSXPVE';

/** For each state, the symbols that lead on and where they lead. The last state is the end. Source: Hochreiter & Schmidhuber 1997, figure 3. */
const transitions: readonly (readonly (readonly [symbol: string, state: number])[])[] = [
  [['B', 1]],
  [
    ['T', 2],
    ['P', 3],
  ],
  [
    ['S', 2],
    ['X', 4],
  ],
  [
    ['T', 3],
    ['V', 5],
  ],
  [
    ['X', 3],
    ['S', 6],
  ],
  [
    ['P', 4],
    ['V', 6],
  ],
  [['E', 7]],
];

export interface ReberString {
  /** Such as `BTBTXSETE`. */
  readonly text: string;
  /** After each symbol but the last: the symbols that the grammar allows next. One less than there are symbols. */
  readonly successors: readonly string[];
}

/** One string of the embedded grammar: B, then T or P, a string of the Reber grammar, the same T or P again, E. */
function reberString(draws: Draws): ReberString {
  const outer = 'TP'[draws.below(2)]!;
  let text = `B${outer}`;
  const successors = ['TP'];
  for (let state = 0; state < transitions.length;) {
    const choices = transitions[state]!;
    successors.push(choices.map(([symbol]) => symbol).join(''));
    const [symbol, next] = choices[draws.below(choices.length)]!;
    text += symbol;
    state = next;
  }
  return { text: `${text}${outer}E`, successors: [...successors, outer, 'E'] };
}

/**
 * Strings of the embedded Reber grammar with what may follow each symbol: what a trained network is judged by. Each choice of
 * the grammar is as likely as the other, so strings have 9 symbols or more.
 *
 *     for (const { text, successors } of synthetic.reberStrings({ count: 256, seed: 1 })) console.log(text, successors);
 */
export function reberStrings(options: { readonly count: number; readonly seed?: number }): ReberString[] {
  checkOptions('reberStrings', options, ['count', 'seed']);
  const { count, seed = 0 } = options;
  positiveInteger('reberStrings', 'count', count);
  checkSeed('reberStrings', seed);
  const draws = new Draws(seed, 0x52656273);
  return Array.from({ length: count }, () => reberString(draws));
}

/** The tokens of a string: places in `reberSymbols`. */
export const reberTokens = (text: string): Int32Array =>
  Int32Array.from(text, (symbol) => reberSymbols.indexOf(symbol));

/**
 * The embedded Reber grammar: say what comes next, which at the last but one step is a symbol that came second, some 10 steps ago.
 *
 * Inputs int32 [B, T], tokens of all symbols of a string but the last; targets int32 [B, T], the symbol after each; `lengths`
 * int32 [B]. The probabilities that the grammar gives are 1, or ½ for each of two. Source: Hochreiter & Schmidhuber 1997, experiment 1.
 */
export function embeddedReberGrammar(options: SyntheticOptions = {}): SyntheticBatches {
  return new SyntheticBatches(syntheticOptions('embeddedReberGrammar', options), 0x5265626d, reberBatch);
}

function reberBatch(draws: Draws, B: number): Batch<Tensor> {
  const strings = Array.from({ length: B }, () => reberTokens(reberString(draws).text));
  const lengths = Int32Array.from(strings, (tokens) => tokens.length - 1);
  const T = Math.max(...lengths);
  const [inputs, targets] = [new Int32Array(B * T), new Int32Array(B * T)];
  strings.forEach((tokens, b) => {
    inputs.set(tokens.subarray(0, -1), b * T);
    targets.set(tokens.subarray(1), b * T);
  });
  return {
    inputs: { data: inputs, shape: [B, T] },
    targets: { data: targets, shape: [B, T] },
    lengths: { data: lengths, shape: [B] },
  };
}
