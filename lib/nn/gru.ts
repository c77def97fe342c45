import { OptionError } from '../errors';
import type { Variable } from '../ops/op';
import { gru as gruOp } from '../ops/recurrent/gru';
import { describe } from '../options';
import { clipOf, type GateClipOptions } from './clip';
import type { LayerRecord } from './records';
import {
  Recurrent,
  type CellCall,
  type CellResult,
  type RecurrentCallOptions,
  type RecurrentOptions,
  type RecurrentOutput,
  type RecurrentState,
} from './recurrent';
import { checkRegularizers, hiddenRegularizers, regularizerOptionNames, type RegularizerOptions } from './regularizers';

export interface GruOptions extends RecurrentOptions, RegularizerOptions, GateClipOptions {
  /** Whether the reset gate acts after the candidate's recurrent product (PyTorch, cuDNN) or before it (the paper). Default true. */
  readonly resetAfter?: boolean;
}
/** h of every layer and direction: [numLayers·D, B, H], index layer·D + direction. */
export type GruState = RecurrentState<'hiddenState'>;
export type GruCallOptions = RecurrentCallOptions<GruState>;
/** `gates` [T, B, 3H]: r, z, n after activation, side by side; `recurrent` [T, B, H]: W_hn h + b_hn, or r ⊙ h where the reset gate comes before. */
export type GruRecord = LayerRecord & Readonly<Record<'gates' | 'recurrent', Variable>>;
export type GruOutput = RecurrentOutput<GruState, GruRecord>;

export interface Gru {
  (input: Variable, options?: GruCallOptions): GruOutput;
}

/**
 * Gated recurrent unit:
 *
 *     r, z = σ(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh)
 *     n = tanh(W_in x_t + b_in + r ⊙ (W_hn h_{t-1} + b_hn))      h_t = (1 - z) ⊙ n + z ⊙ h_{t-1}
 *
 * or, with `resetAfter: false`, n = tanh(W_in x_t + b_in + W_hn (r ⊙ h_{t-1}) + b_hn). Recurrent dropout puts
 * m ⊙ h_{t-1} in the place of h_{t-1}, but not where z multiplies it; zoneout makes h_t = k ⊙ h_{t-1} + (1 - k) ⊙ h_t.
 * `gateClip` bounds what enters σ and tanh.
 *
 * Input [T, B, I]; T steps, B sequences, I input size, H hidden size, D directions.
 * Parameters, for layer k and each direction, rows in the gate order r, z, n: `weight_ih_l{k} [3H, I]`,
 * `weight_hh_l{k} [3H, H]`, `bias_ih_l{k} [3H]`, `bias_hh_l{k} [3H]`, with `_reverse` appended for the backward
 * direction; all drawn from U(±1/√H).
 * Source: Cho et al. 2014; names and init as PyTorch `nn.GRU`.
 */
export class Gru extends Recurrent<'hiddenState'> {
  private readonly gateClip: number;

  constructor(
    hiddenSize: number,
    override readonly options: GruOptions = {},
  ) {
    super(
      {
        kind: 'gru',
        states: ['hiddenState'],
        gateCount: 3,
        options: ['resetAfter', 'gateClip', ...regularizerOptionNames],
      },
      hiddenSize,
      options,
    );
    checkRegularizers('gru', options);
    this.gateClip = clipOf('gru', 'gateClip', options.gateClip);
    const { resetAfter = true } = options;
    if (typeof resetAfter !== 'boolean') {
      throw new OptionError(`gru: resetAfter: expected true or false, received ${describe(resetAfter)}`);
    }
  }

  protected override cell(call: CellCall<'hiddenState'>): CellResult<'hiddenState'> {
    const { x, initial, weights, lengths, reverse } = call;
    const regularizers = hiddenRegularizers(x, this.options, this.hiddenSize);
    const attributes = { reverse, reset_after: this.options.resetAfter ?? true, gate_clip: this.gateClip };
    const { y, h_n, gates, recurrent } = x.builder.emit(
      gruOp,
      { x, h0: initial.hiddenState, ...weights, ...regularizers, lengths },
      attributes,
    );
    return { y, hiddenState: h_n, record: { gates, recurrent } };
  }
}

/** A `Gru` layer: `gru(256, { numLayers: 2, dropout: 0.2 })`. */
export const gru = (hiddenSize: number, options?: GruOptions): Gru => new Gru(hiddenSize, options);
