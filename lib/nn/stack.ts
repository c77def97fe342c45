/** What a stack of recurrent layers hands on, of what its layers gave. */
import { OptionError } from '../errors';
import { add, concat, maxPool, meanPool } from '../ops/functions';
import type { Variable } from '../ops/op';
import { describe, flag } from '../options';
import { refuseSteps } from './lengths';
import type { RecurrentOptions } from './recurrent';

const outputKinds: readonly unknown[] = ['sequence', 'last', 'mean', 'max'];

export function checkStackOptions(kind: string, options: RecurrentOptions): void {
  const { numLayers = 1, output = 'sequence', residual = false } = options;
  if (!outputKinds.includes(output)) {
    const expected = "'sequence', 'last', 'mean' or 'max'";
    throw new OptionError(`${kind}: output: expected ${expected}, received ${describe(output)}`);
  }
  flag(kind, 'residual', residual);
  if (residual && numLayers === 1) {
    throw new OptionError(
      `${kind}: residual: expected numLayers of 2 or more, since nothing is added to the first layer, received 1; ` +
        `residual(${kind}(...)) adds the input of a single layer`,
    );
  }
}

/** As the option `output` says: of the sequence [T, B, D·H], and of the final hidden state of each layer and direction. */
export function stackOutput(
  kind: string,
  options: RecurrentOptions,
  sequence: Variable,
  finals: readonly Variable[],
  lengths: Variable | null,
): Variable {
  const { output = 'sequence', bidirectional = false, residual = false } = options;
  if (output === 'sequence') return sequence;
  if (output === 'last') {
    const ends = bidirectional ? pairs(finals) : finals;
    // A residual stack's sequence is the sum of its layers', so its end is the sum of their ends.
    return residual ? ends.reduce(add) : ends.at(-1)!;
  }
  refuseSteps(`${kind}: output: '${output}'`);
  return output === 'mean' ? meanPool(sequence, lengths) : maxPool(sequence, lengths);
}

/** Both directions of each layer side by side. */
function pairs(finals: readonly Variable[]): Variable[] {
  return Array.from({ length: finals.length / 2 }, (_, layer) => concat(finals.slice(2 * layer, 2 * layer + 2), 1));
}
