import type { Variable } from '../ops/op';
import { lstm as lstmOp } from '../ops/recurrent/lstm';
import { lstmCellKind, lstmOperands, type LstmStateNames } from './lstmCell';
import { lstmCellOf, type LstmCell, type LstmCellOptions } from './lstmOptions';
import type { LayerRecord } from './records';
import {
  Recurrent,
  type CellCall,
  type CellResult,
  type OptionalState,
  type RecurrentCallOptions,
  type RecurrentOptions,
  type RecurrentOutput,
  type RecurrentState,
} from './recurrent';

export interface LstmOptions extends RecurrentOptions, LstmCellOptions {}
/**
 * h and c of every layer and direction: [numLayers·D, B, H], index layer·D + direction; and, with full gate recurrence
 * alone, i, f and o side by side, [numLayers·D, B, 3H].
 */
export type LstmState = RecurrentState<'hiddenState' | 'cellState'> & OptionalState<'gateState'>;
export type LstmCallOptions = RecurrentCallOptions<LstmState>;
/** `gates` [T, B, 4H]: i, f, g, o after activation, side by side; `cells` [T, B, H]: c_t. */
export type LstmRecord = LayerRecord & Readonly<Record<'gates' | 'cells', Variable>>;
export type LstmOutput = RecurrentOutput<LstmState, LstmRecord>;

export interface Lstm {
  (input: Variable, options?: LstmCallOptions): LstmOutput;
}

/**
 * Long short-term memory:
 *
 *     i, f, o = σ(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh)        g = tanh(the same rows for g)
 *     c_t = f ⊙ c_{t-1} + i ⊙ g                                  h_t = o ⊙ tanh(c_t)
 *
 * and what `LstmCellOptions` makes of it.
 *
 * Input [T, B, I]; T steps, B sequences, I input size, H hidden size, D directions; P is `projSize`, or H.
 * Parameters, for layer k and each direction, rows in the gate order i, f, g, o: `weight_ih_l{k} [4H, I]`,
 * `weight_hh_l{k} [4H, P]`, `bias_ih_l{k} [4H]`, `bias_hh_l{k} [4H]`, with `_reverse` appended for the backward
 * direction; `weight_hr_l{k} [P, H]` with a projection; `weight_peephole_l{k} [3H]` with peepholes, rows i, f, o; all
 * drawn from U(±1/√H). With full gate recurrence `weight_gate_l{k} [3H, 3H]`, rows and columns i, f, o, drawn alike. With
 * layer normalization the gains `weight_ln_ih_l{k} [4H]`, `weight_ln_hh_l{k} [4H]` and `weight_ln_c_l{k} [H]`, ones at
 * first, and `bias_ln_c_l{k} [H]`, zeros. A gate that is not there, or coupled, keeps its rows, so that every variant has PyTorch's shapes;
 * they have no effect and receive no gradient.
 * Sources: Hochreiter & Schmidhuber 1997; Gers et al. 2000 (forget gate); names and init as PyTorch `nn.LSTM`.
 */
export class Lstm extends Recurrent<LstmStateNames> {
  private readonly variant: LstmCell;

  constructor(
    hiddenSize: number,
    override readonly options: LstmOptions = {},
  ) {
    super({ kind: 'lstm', ...lstmCellKind(hiddenSize, options) }, hiddenSize, options);
    this.variant = lstmCellOf('lstm', hiddenSize, options);
  }

  protected override cell(call: CellCall<LstmStateNames>): CellResult<LstmStateNames> {
    const { hiddenSize, variant } = this;
    const operands = lstmOperands(call, hiddenSize, variant);
    const made = call.x.builder.emit(lstmOp, operands, { reverse: call.reverse, ...variant.kind });
    const record = { gates: made.gates, cells: made.cells };
    return { y: made.y, hiddenState: made.h_n, cellState: made.c_n, gateState: made.g_n, record };
  }
}

/** An `Lstm` layer: `lstm(256, { numLayers: 2, dropout: 0.2 })`. */
export const lstm = (hiddenSize: number, options?: LstmOptions): Lstm => new Lstm(hiddenSize, options);
