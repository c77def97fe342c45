import { positiveInteger } from '../../options';
import type { Batch, Tensor } from '../batch';
import type { Draws } from '../draws';
import { SyntheticBatches, syntheticOptions, type SyntheticOptions } from './batches';

export interface CopyMemoryOptions extends SyntheticOptions {
  /** `T`: for how many steps the symbols are to be kept. Default 1000. */
  readonly delay?: number;
  /** `n`: symbols to keep. Default 10. */
  readonly symbols?: number;
  /** `K`: how many kinds of symbols there are. Default 8. */
  readonly kinds?: number;
}

/** A pass over the task, and what a network without memory comes to. */
export class CopyMemoryBatches extends SyntheticBatches {
  /** The cross-entropy, over all steps, of knowing everything but the symbols: n·ln K / (T + 2n). */
  readonly memorylessLoss: number;
  /** How many tokens there are: K symbols, the blank and the signal. */
  readonly vocabularySize: number;

  constructor(options: CopyMemoryOptions) {
    const checked = syntheticOptions('copyMemory', options, ['delay', 'symbols', 'kinds']);
    const { delay = 1000, symbols = 10, kinds = 8 } = options;
    for (const [name, value] of Object.entries({ delay, symbols, kinds })) positiveInteger('copyMemory', name, value);
    super(checked, 0x636f7079, (draws, batchSize) => copyBatch(draws, batchSize, { delay, symbols, kinds }));
    this.memorylessLoss = (symbols * Math.log(kinds)) / (delay + 2 * symbols);
    this.vocabularySize = kinds + 2;
  }
}

/**
 * Copy memory: read n symbols, wait for T steps, and give the symbols back in their order.
 *
 *     input   s_1 ... s_n   0 (T-1 times)   signal   0 (n times)           targets   0 (T+n times)   s_1 ... s_n
 *
 * Symbols are 1..K, the blank 0 and the signal K+1. Inputs and targets int32 [B, T+2n]. A network without memory comes to a
 * cross-entropy of `memorylessLoss`, 0.0204 for T = 1000, n = 10, K = 8.
 *
 * Source: Hochreiter & Schmidhuber 1997, in the form of Arjovsky et al. 2016, section 4.1.
 */
export const copyMemory = (options: CopyMemoryOptions = {}): CopyMemoryBatches => new CopyMemoryBatches(options);

function copyBatch(
  draws: Draws,
  B: number,
  { delay, symbols, kinds }: Required<Pick<CopyMemoryOptions, 'delay' | 'symbols' | 'kinds'>>,
): Batch<Tensor> {
  const T = delay + 2 * symbols;
  const shape = [B, T];
  const inputs = new Int32Array(B * T);
  const targets = new Int32Array(B * T);
  for (let b = 0; b < B; b++) {
    for (let position = 0; position < symbols; position++) {
      const symbol = 1 + draws.below(kinds);
      inputs[b * T + position] = symbol;
      targets[b * T + T - symbols + position] = symbol;
    }
    inputs[b * T + symbols + delay - 1] = kinds + 1;
  }
  return { inputs: { data: inputs, shape }, targets: { data: targets, shape } };
}
