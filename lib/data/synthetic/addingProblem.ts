import { OptionError } from '../../errors';
import { describe } from '../../options';
import type { Batch, Tensor } from '../batch';
import type { Draws } from '../draws';
import { SyntheticBatches, syntheticOptions, type SyntheticOptions } from './batches';

export interface AddingProblemOptions extends SyntheticOptions {
  /** `T`, at least 2. Default 100. */
  readonly steps?: number;
}

/**
 * The adding problem: of T pairs (value, mark), add the two values that are marked.
 *
 *     value_t ~ U(0, 1)     mark_t = 1 at one step of the first half and at one of the second, else 0
 *     target = Σ_t mark_t · value_t
 *
 * Inputs float32 [B, T, 2], targets float32 [B, 1]. Always saying 1 has a mean squared error of 1/6 = 0.167; the problem counts as
 * solved below 0.01. Needs a network that gives [B, 1], such as `sequential([lstm(64, { output: 'last' }), linear(1)])`.
 *
 * Source: Hochreiter & Schmidhuber 1997, experiment 4, in the form of Le, Jaitly & Hinton 2015 and Arjovsky et al. 2016, where
 * values are in (0, 1), all sequences have T steps and the target is the plain sum.
 */
export function addingProblem(options: AddingProblemOptions = {}): SyntheticBatches {
  const checked = syntheticOptions('addingProblem', options, ['steps']);
  const { steps = 100 } = options;
  if (!Number.isInteger(steps) || steps < 2)
    throw new OptionError(`addingProblem: steps: expected an integer of 2 or more, received ${describe(steps)}`);
  return new SyntheticBatches(checked, 0x616464, (draws, batchSize) => addingBatch(draws, batchSize, steps));
}

function addingBatch(draws: Draws, B: number, T: number): Batch<Tensor> {
  const inputs = new Float32Array(B * T * 2);
  const targets = new Float32Array(B);
  const half = Math.floor(T / 2);
  for (let b = 0; b < B; b++) {
    const row = inputs.subarray(b * T * 2, (b + 1) * T * 2);
    for (let t = 0; t < T; t++) row[2 * t] = draws.next();
    for (const marked of [draws.below(half), half + draws.below(T - half)]) {
      row[2 * marked + 1] = 1;
      targets[b]! += row[2 * marked]!;
    }
  }
  return { inputs: { data: inputs, shape: [B, T, 2] }, targets: { data: targets, shape: [B, 1] } };
}
