import { OptionError } from '../errors';
import type { Variable } from '../ops/op';
import { expectVariable } from '../ops/variable';
import { checkOptions } from '../options';
import { activeTrace } from './trace';

/** What a layer over sequences can be called with. */
export interface LengthOptions {
  /** int32 [B]: steps of each sequence; nothing past a length has any part. */
  readonly lengths?: Variable | null;
}

/** A stack hands the same to each of its layers, so an initial state and a memory, which are the recurrent layers', may be there too. */
const callOptionNames = ['lengths', 'initialState', 'memory', 'memoryLengths'];

/** The lengths that a layer was called with. */
export function lengthsOf(kind: string, options: LengthOptions): Variable | null {
  checkOptions(kind, options, callOptionNames);
  const { lengths = null } = options;
  if (lengths) expectVariable(`${kind}: lengths`, lengths);
  return lengths;
}

/** States that of what comes from all steps at once nothing is known after one. */
export function refuseSteps(what: string): void {
  if (!activeTrace().carries) return;
  throw new OptionError(`${what} reads each sequence to its end, so it cannot carry state or be stepped`);
}
