import type { Variable } from '../ops/op';

/** The parameters of one layer in one direction, with a block of H rows for each gate. */
export interface RecurrentWeights {
  readonly weight_ih: Variable;
  readonly weight_hh: Variable;
  readonly bias_ih: Variable | null;
  readonly bias_hh: Variable | null;
}
