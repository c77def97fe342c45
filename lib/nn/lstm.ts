import type { Variable } from '../ops/op';
import { lstm as lstmOp } from '../ops/recurrent/lstm';
import { plainLstm } from '../ops/recurrent/lstmKind';
import {
  Recurrent,
  type CellCall,
  type CellResult,
  type RecurrentCallOptions,
  type RecurrentOptions,
  type RecurrentOutput,
  type RecurrentState,
} from './recurrent';

type StateNames = 'hiddenState' | 'cellState';

export type LstmOptions = RecurrentOptions;
/** h and c of every layer and direction: [numLayers·D, B, H], index layer·D + direction. */
export type LstmState = RecurrentState<StateNames>;
export type LstmCallOptions = RecurrentCallOptions<LstmState>;
export type LstmOutput = RecurrentOutput<LstmState>;

export interface Lstm {
  (input: Variable, options?: LstmCallOptions): LstmOutput;
}

/**
 * Long short-term memory:
 *
 *     i, f, o = σ(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh)        g = tanh(the same rows for g)
 *     c_t = f ⊙ c_{t-1} + i ⊙ g                                  h_t = o ⊙ tanh(c_t)
 *
 * Input [T, B, I]; T steps, B sequences, I input size, H hidden size, D directions.
 * Parameters, for layer k and each direction, rows in the gate order i, f, g, o: `weight_ih_l{k} [4H, I]`,
 * `weight_hh_l{k} [4H, H]`, `bias_ih_l{k} [4H]`, `bias_hh_l{k} [4H]`, with `_reverse` appended for the backward
 * direction; all drawn from U(±1/√H).
 * Sources: Hochreiter & Schmidhuber 1997; Gers et al. 2000 (forget gate); names and init as PyTorch `nn.LSTM`.
 */
export class Lstm extends Recurrent<StateNames> {
  constructor(
    hiddenSize: number,
    override readonly options: LstmOptions = {},
  ) {
    super({ kind: 'lstm', states: ['hiddenState', 'cellState'], gateCount: 4 }, hiddenSize, options);
  }

  protected override cell({ x, initial, weights, lengths, reverse }: CellCall<StateNames>): CellResult<StateNames> {
    const { hiddenState: h0, cellState: c0 } = initial;
    const { y, h_n, c_n } = x.builder.emit(lstmOp, { x, h0, c0, ...weights, lengths }, { reverse, ...plainLstm });
    return { y, hiddenState: h_n, cellState: c_n };
  }
}

/** An `Lstm` layer: `lstm(256, { numLayers: 2, dropout: 0.2 })`. */
export const lstm = (hiddenSize: number, options?: LstmOptions): Lstm => new Lstm(hiddenSize, options);
